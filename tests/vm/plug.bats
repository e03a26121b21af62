#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 cost=15
#
# The way from a test to QEMU's monitor. Not on the debug kernel: its pciehp has a lock order of its
# own that lockdep reports once, and then lockdep is off for whatever else runs in that machine.

load lib

setup() { start_case; }

@test "QEMU answers" {
	qmp '{"execute":"query-status"}'
	[[ $REPLY == *'"running": true'* ]]
	run qmp '{"execute":"no-such-thing"}'
	[ "$status" -ne 0 ]
}

@test "a device can be unplugged and plugged through QEMU" {
	device_del "$ID_HOTPLUG"
	wait_for $((VM_PATIENCE * 3)) gone "$HOTPLUG"
	device_add e1000e fresh "$HOTPLUG_BUS" romfile=
	wait_for $((VM_PATIENCE * 3)) there "$HOTPLUG"
	device_del fresh
	wait_for $((VM_PATIENCE * 3)) gone "$HOTPLUG"
}
