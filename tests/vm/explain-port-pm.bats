#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.12 append="pcie_port_pm=off" cost=20
#
# A kernel that was booted with pcie_port_pm=off; that D3cold by a port is reached without it is
# shown by explain.bats.

load lib
load cmd
load explain

@test "pcie_port_pm=off" {
	load_vfio disable_idle_d3=0
	bind_vfio "$D3COLD_VIA" "$D3COLD"
	echo 1 >"$pci/$D3COLD_VIA_UP/d3cold_allowed"
	wait_state "$D3COLD_VIA" suspended D3hot
	explain "$D3COLD_VIA"
	expect_code 6
	[ "$(blockers)" = port-pm ] || fail "$output"
	[ "$(mends)" = "# boot without pcie_port_pm=off" ]
	# A device with power resources of its own needs no port.
	wait_state "$D3COLD" suspended D3cold
	explain "$D3COLD"
	expect_code 0
}
