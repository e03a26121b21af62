#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 timeout=300 cost=30
#
# The module where `make module-install` puts it: the command loads and binds it by its name, and shows
# its account.

load lib
load cmd

# Of the kernel's modules only what VFIO needs: depmod of all takes minutes here.
setup_file() {
	local tree=/run/tree/lib/modules/$VM_RELEASE path
	mkdir -p "$tree/updates"
	for path in $(modprobe -a --show-depends vfio-pci vfio_iommu_type1 | awk '$1 == "insmod" { print $2 }' | sort -u); do
		cp "$path" "$tree/"
	done
	cp "$VM_ROOT/build/module/$VM_RELEASE/vfio_pm_pci.ko" "$tree/updates/"
	depmod -b /run/tree "$VM_RELEASE"
	mount --bind "$tree" "/lib/modules/$VM_RELEASE"
}

setup() { start_case; }

teardown_file() {
	pkill -KILL -x vfio-pm || true
	unbind_all
	umount "/lib/modules/$VM_RELEASE"
}

json() { # FILTER: of the device's object
	"$vfio_pm" status -J "$D3COLD" | jq -c ".devices[0]|$1"
}

@test "bind --driver=vfio-pm-pci loads the module and binds the device" {
	[ ! -d /sys/module/vfio_pm_pci ]
	vp bind --driver=vfio-pm-pci "$D3COLD"
	expect_code 0
	[ -d /sys/module/vfio_pm_pci ]
	driver_of "$D3COLD"
	[ "$REPLY" = vfio-pm-pci ]
	vp list
	[[ $output == *"$D3COLD"*vfio-pm-pci* ]] || fail "$output"
}

@test "the account tells what enter, a wake by the host and exit did" {
	[ "$(json '[.account.entries, .account.engaged]')" = '[0,false]' ]
	vp enter "$D3COLD"
	expect_code 0
	[ "$(json '[.account.entries, .account.exits, .account.engaged]')" = '[1,0,true]' ]
	vp status "$D3COLD"
	[[ $output == *"Account of its driver"*"low power   engaged; entered 1 times, left 0 times"* ]] || fail "$output"
	host=$(json .account.wakes.host)
	cfg_read "$D3COLD" STATUS
	wait_state "$D3COLD" suspended D3cold
	[ "$(json .account.wakes.host)" = $((host + 1)) ]
	[ "$(json '[.last_wake.cause, .last_wake.comm]')" = '["host","setpci"]' ]
	vp exit "$D3COLD"
	expect_code 0
	[ "$(json '[.account.entries, .account.exits, .account.engaged]')" = '[1,1,false]' ]
	[ "$(json '.account.asleep_time > 0 and .account.asleep_time < 600000')" = true ]
	vp unbind "$D3COLD"
	expect_code 0
	[ "$(json .account)" = null ]
}
