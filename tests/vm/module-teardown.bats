#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12,debug timeout=400 cost=80 soak=6.12
#
# A device goes away in every state: closed, killed, unbound, unplugged, its module removed.

load lib
load module-lib

setup() { start_case; }
teardown_file() { module_teardown; }

left() { # ADDRESS: nothing is engaged that nobody holds
	driver_of "$1"
	[ "$REPLY" = vfio-pm-pci ] || return 0
	[ "$(cat "$pci/$1/vfio_pm/engaged")" = 0 ] || fail "$1: engaged without an owner"
	account "$1" entries
	local entries=$REPLY
	account "$1" exits
	[ "$REPLY" = "$entries" ] || fail "$1: $entries entries, $REPLY exits"
}

killed() { # DRIVER
	local mode signal
	load_driver "$1"
	bind_to "$1" "$D3COLD"
	for mode in none entry wakeup; do
		for signal in TERM KILL; do
			holds "$D3COLD" "$mode"
			[ "$mode" = none ] || wait_state "$D3COLD" suspended D3cold
			end_hold "$signal"
			wait_state "$D3COLD" suspended D3cold
			left "$D3COLD"
			# At once after the entry, before the device sleeps.
			holds "$D3COLD" "$mode"
			end_hold "$signal"
			wait_state "$D3COLD" suspended D3cold
			left "$D3COLD"
		done
	done
}

@test "vfio-pci: closed and killed in every mode" { killed vfio-pci; }
@test "vfio-pm-pci: closed and killed in every mode" { killed vfio-pm-pci; }

@test "vfio-pci: unbound while open" { unbound vfio-pci; }
@test "vfio-pm-pci: unbound while open" { unbound vfio-pm-pci; }

unplugged() { # DRIVER
	bind_to "$1" "$HOTPLUG"
	holds "$HOTPLUG" entry
	wait_for 10 grep -qx suspended "$pci/$HOTPLUG/power/runtime_status"
	device_del "$ID_HOTPLUG"
	sleep 3
	end_hold KILL
	wait_for 20 gone "$HOTPLUG"
	device_add "$KIND_HOTPLUG" "$ID_HOTPLUG" "$HOTPLUG_BUS" \
		"$([ "$KIND_HOTPLUG" = nvme ] && echo serial=HOTPLUG || echo romfile=)"
	wait_for 20 there "$HOTPLUG"
}

# The debug kernel has no ACPI hotplug.
@test "vfio-pci: unplugged while engaged" { [ "$VM_KERNEL" = debug ] || unplugged vfio-pci; }
@test "vfio-pm-pci: unplugged while engaged" { [ "$VM_KERNEL" = debug ] || unplugged vfio-pm-pci; }

@test "vfio-pm-pci: the module can't go while a device is open" {
	bind_to vfio-pm-pci "$D3COLD"
	holds "$D3COLD" entry
	wait_state "$D3COLD" suspended D3cold
	run -1 rmmod vfio_pm_pci
	[ -d /sys/module/vfio_pm_pci ]
	end_hold TERM
}

@test "vfio-pm-pci: the module goes with devices bound and asleep" {
	bind_to vfio-pm-pci "$D3COLD" "$NVME" "$NOPM"
	wait_state "$D3COLD" suspended D3cold
	wait_state "$NVME" suspended D3hot
	unload_driver vfio-pm-pci
	for role in D3COLD NVME NOPM; do
		driver_of "${!role}"
		[ "$REPLY" = "" ] || fail "$role: $REPLY"
		# Nothing of ours is left on the device.
		[ ! -e "$pci/${!role}/vfio_pm" ] || fail "$role: vfio_pm"
		run cat "$pci/${!role}/power/autosuspend_delay_ms"
		[ "$status" != 0 ] || fail "$role: autosuspend left on"
	done
	# Both can be used by another driver, and by ours again.
	bind_vfio "$D3COLD"
	wait_state "$D3COLD" suspended D3cold
	load_driver vfio-pm-pci
	bind_to vfio-pm-pci "$D3COLD"
	wait_state "$D3COLD" suspended D3cold
}

objects() { # sets REPLY to the number of objects of the size of ours
	REPLY=$(awk '$1 == "kmalloc-8k" || $1 == "kmalloc-cg-8k" { n += $2 } END { print n }' /proc/slabinfo)
}

@test "vfio-pm-pci: rounds of bind, open, sleep, close and unbind leave nothing behind" {
	local i rounds
	rounds=$(count 1000)
	unbind "$D3COLD"
	echo vfio-pm-pci >"$pci/$D3COLD/driver_override"
	objects
	before=$REPLY
	for ((i = 0; i < rounds; i++)); do
		echo "$D3COLD" >/sys/bus/pci/drivers/vfio-pm-pci/bind
		[ $((i % 10)) != 0 ] || "$programs/hold" "$D3COLD" entry 0 >/dev/null
		echo "$D3COLD" >/sys/bus/pci/drivers/vfio-pm-pci/unbind
	done
	objects
	echo "$rounds rounds: $before objects before, $REPLY after"
	[ $((REPLY - before)) -lt $((rounds / 2)) ]
}
