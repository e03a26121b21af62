# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For the bats files of the kernel module: `load module-lib`, after `load lib`. One file of tests serves
# both drivers: PM_DRIVER says which.

module_ko=$VM_ROOT/build/module/$VM_RELEASE/vfio_pm_pci.ko
programs=$VM_ROOT/build/tests/module

# The driver anew, with its parameters. vfio-pci stays loaded or not as it is: the two live side by side.
load_driver() { # vfio-pci|vfio-pm-pci [NAME=VALUE]...
	local driver=$1
	shift
	unload_driver "$driver" || return
	modprobe vfio_iommu_type1 || return
	case $driver in
	vfio-pci) load_vfio "$@" ;;
	vfio-pm-pci)
		[ -e "$module_ko" ] || fail "$module_ko is missing: make test-modules" || return
		modprobe vfio-pci-core || return
		insmod "${MODULE_KO:-$module_ko}" "$@"
		;;
	esac
}

unload_driver() { # vfio-pci|vfio-pm-pci
	local module=${1//-/_}
	[ ! -d "/sys/module/$module" ] || rmmod "$module"
}

# WARN_ON_ONCE() speaks once a boot: what one driver made it say would hide the other's. A kernel without
# CONFIG_BUG warns of nothing.
warn_anew() {
	[ "$VM_KERNEL" != debug ] || [ -e /sys/kernel/debug/clear_warn_once ] || return 0
	echo 1 >/sys/kernel/debug/clear_warn_once
}

program() { # NAME [ARGUMENT]...: runs build/tests/module/NAME; its TAP is shown when it fails
	local name=$1
	shift
	local seconds=${PROGRAM_TIMEOUT:-300}
	[ "$VM_KERNEL" != debug ] || seconds=$((seconds * 4))
	timeout "$seconds" "$programs/$name" "$@"
}

# An owner of its own, and its end: hold.c.
holds() { # ADDRESS none|entry|wakeup|d3hot: sets HOLD once it is in that state
	rm -f "$BATS_TEST_TMPDIR/hold"
	"$programs/hold" "$1" "$2" >"$BATS_TEST_TMPDIR/hold" 3>&- &
	HOLD=$!
	wait_for "$VM_PATIENCE" grep -q ready "$BATS_TEST_TMPDIR/hold"
}

end_hold() { # SIGNAL
	kill "-$1" "$HOLD"
	wait "$HOLD" || true
}

unbound() { # DRIVER: D3COLD is, while open and asleep, and is bound again
	bind_to "$1" "$D3COLD"
	holds "$D3COLD" entry
	wait_state "$D3COLD" suspended D3cold
	echo "$D3COLD" >"$pci/$D3COLD/driver/unbind" &
	local unbind=$!
	sleep 2
	kill -0 "$unbind" || fail "the unbind didn't wait for the owner"
	end_hold KILL
	wait "$unbind"
	driver_of "$D3COLD"
	[ "$REPLY" = "" ]
	bind_to "$1" "$D3COLD"
	wait_state "$D3COLD" suspended D3cold
}

account() { # ADDRESS KEY: sets REPLY
	REPLY=$(sed -n "s/^$2 //p" "$pci/$1/vfio_pm/account")
	[ -n "$REPLY" ] || fail "$1: no $2 in vfio_pm/account"
}

module_teardown() {
	unbind_all 2>/dev/null
	unload_driver vfio-pm-pci
	unload_driver vfio-pci
}
