#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 topology=switch soak=6.1 cost=30
#
# Below a switch: what the other branch does stands in the way, on whichever bridge it does so.

load lib
load cmd
load explain

setup() {
	start_case
	load_vfio disable_idle_d3=0
	for port in "$SWITCH_UP" "$SWITCH" "$BRANCH0_UP" "$BRANCH1_UP"; do
		echo 1 >"$pci/$port/d3cold_allowed"
		echo auto >"$pci/$port/power/control"
	done
	for address in "$BRANCH0" "$BRANCH1"; do
		echo 1 >"$pci/$address/d3cold_allowed"
		echo disabled >"$pci/$address/power/wakeup"
		bind_vfio "$address"
	done
	wait_state "$BRANCH0" suspended D3cold
	wait_state "$BRANCH1" suspended D3cold
}

@test "what reaches D3cold is accused of nothing, and comes back" {
	[ "$(upstream_ports "$BRANCH0" | xargs)" = "$BRANCH0_UP $SWITCH $SWITCH_UP" ]
	for address in "$BRANCH0" "$BRANCH1"; do
		explain "$address"
		expect_code 0
		[ -z "$(blockers)" ] || fail "$output"
		[ "$(cfg_read "$address" 0.L)" != ffffffff ]
		wait_state "$address" suspended D3cold
	done
}

@test "the device in the other branch is kept awake, and the switch with it" {
	echo on >"$pci/$BRANCH1/power/control"
	wait_state "$BRANCH0" suspended D3hot
	explain "$BRANCH0"
	[[ $output == *"$BRANCH1"* ]] || fail "$output"
	expect_and_mend "$BRANCH0" D3cold bridge-child
}

@test "the device in the other branch may not go to D3cold" {
	echo 0 >"$pci/$BRANCH1/d3cold_allowed"
	wait_state "$BRANCH0" suspended D3hot
	expect_and_mend "$BRANCH0" D3cold sibling-d3cold
}

@test "the bridge of the other branch is kept on, or may not go to D3" {
	echo on >"$pci/$BRANCH1_UP/power/control"
	wait_state "$BRANCH0" suspended D3hot
	expect_and_mend "$BRANCH0" D3cold bridge-child
}

@test "two branches of causes: kept awake there, the switch kept on" {
	echo on >"$pci/$BRANCH1/power/control"
	echo on >"$pci/$SWITCH/power/control"
	wait_state "$BRANCH0" suspended D3hot
	explain "$BRANCH0"
	expect_code 6
	run_mends
	wait_state "$BRANCH0" suspended D3cold
	explain "$BRANCH0"
	expect_code 0
}
