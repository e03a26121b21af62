#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.12 append="pcie_ports=native" cost=20 group=lab
#
# The mend for a hotplug port that the firmware handles, booted with.

load lib
load cmd
load explain

@test "a hotplug port that the kernel handles goes to D3cold" {
	load_vfio disable_idle_d3=0
	echo 1 >"$pci/$HOTCOLD_UP/d3cold_allowed"
	bind_vfio "$HOTCOLD"
	wait_state "$HOTCOLD" suspended D3cold
	explain "$HOTCOLD"
	expect_code 0
	[ -z "$(blockers)" ]
}
