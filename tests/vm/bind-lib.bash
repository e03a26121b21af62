# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For the tests of bind and unbind: `load bind-lib`, after `load lib`.

vfio_pm=$VM_ROOT/build/vfio-pm

vp() { # ARGUMENT...: runs the command; sets `code`, and `output` to both streams
	code=0
	output=$(timeout 90 "$vfio_pm" "$@" 2>&1) || code=$?
}

vp_with() { # COMMAND... -- ARGUMENT...: the same, run by another command
	local by=()
	while [ "$1" != -- ]; do by+=("$1"); shift; done
	shift
	code=0
	output=$(timeout 90 "${by[@]}" "$vfio_pm" "$@" 2>&1) || code=$?
}

expect() { # CODE [TEXT]...: what the last vp gave
	[ "$code" = "$1" ] || fail "exit $code instead of $1: $output" || return
	local text
	for text in "${@:2}"; do
		[[ $output == *"$text"* ]] || fail "no '$text' in: $output" || return
	done
}

# The host's drivers for what the topology has; the rest has none.
declare -gA host_driver=([e1000e]=e1000e [nvme]=nvme [e1000]=e1000 [rtl8139]=8139cp)

load_host_drivers() {
	local driver
	for driver in "${host_driver[@]}"; do modprobe "$driver" || return; done
	local role kind
	for role in $ROLES; do
		kind=KIND_$role
		[ -z "${host_driver[${!kind}]:-}" ] || wait_for "$VM_PATIENCE" is_on "${!role}" "${host_driver[${!kind}]}" ||
			fail "$role is not on ${host_driver[${!kind}]}" || return
	done
}

# A fork costs 60 ms here, and this is asked for each device in each round: no readlink.
is_on() { # ADDRESS DRIVER, "" for none
	if [ -n "$2" ]; then
		[ "$pci/$1/driver" -ef "/sys/bus/pci/drivers/$2" ]
	else
		[ ! -e "$pci/$1/driver" ]
	fi
}

expect_on() { # ADDRESS DRIVER
	is_on "$1" "$2" && return
	driver_of "$1"
	fail "$1 is on '$REPLY', not on '$2'"
}

override_of() { # ADDRESS: sets REPLY
	get REPLY "$pci/$1/driver_override"
	[ "$REPLY" != "(null)" ] || REPLY=
}

# What must not change: driver, override and runtime PM's control of all devices.
snapshot() {
	local paths=("$pci"/*)
	REPLY=$(find "${paths[@]/%//driver}" -maxdepth 0 -printf '%p %l\n' 2>/dev/null
		grep . "${paths[@]/%//driver_override}" "${paths[@]/%//power/control}")
}

unchanged() { # SNAPSHOT
	local before=$1
	snapshot
	[ "$REPLY" = "$before" ] || fail "changed:" "$(diff <(printf %s "$before") <(printf %s "$REPLY"))"
}

shuffled() { # WORD...: sets the array `shuffled`
	shuffled=("$@")
	local i j tmp
	for ((i = $# - 1; i > 0; i--)); do
		j=$((RANDOM % (i + 1)))
		tmp=${shuffled[i]}
		shuffled[i]=${shuffled[j]}
		shuffled[j]=$tmp
	done
}

# Opens devices until `close_device`. The descriptors of bats itself must not keep bats waiting.
open_device() { # ADDRESS... [--group]
	local line=
	coproc OPENER { exec python3 "$VM_DIR/vfio-open.py" "$@" 3>&- 4>&-; }
	# shellcheck disable=SC2153 # set by coproc
	opener=$OPENER_PID
	read -r -t 30 line <&"${OPENER[0]}"
	[ "$line" = open ] || fail "vfio-open.py $*: not open"
}

close_device() {
	[ -n "${opener:-}" ] || return 0
	kill -KILL "$opener" 2>/dev/null
	wait "$opener" 2>/dev/null || true
	opener=
}

# A filesystem on the logical volume `data` of the group `store` on a partition, mounted on /mnt.
mount_volume() { # PARTITION
	pvcreate --quiet "$1" || return
	vgcreate --quiet store "$1" || return
	lvcreate --quiet --yes -Zn -Wn -L 20M -n data store || return
	wait_for "$VM_PATIENCE" test -e /dev/mapper/store-data || return
	mkfs.ext4 -q /dev/mapper/store-data || return
	mount /dev/mapper/store-data /mnt
}
