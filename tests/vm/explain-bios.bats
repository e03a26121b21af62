#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 append="pcie_port_pm=" qemu="-smbios type=0,date=01/01/2014" soak=6.1 cost=20
#
# A BIOS of before 2015, on a kernel that isn't told to put its ports into D3 all the same; that the mend
# works is shown by explain.bats, whose kernel is booted with it.

load lib
load cmd
load explain

@test "the BIOS is too old for ports to be put into D3" {
	grep -qx 01/01/2014 /sys/class/dmi/id/bios_date
	load_vfio disable_idle_d3=0
	bind_vfio "$D3COLD_VIA" "$D3COLD"
	echo 1 >"$pci/$D3COLD_VIA_UP/d3cold_allowed"
	wait_state "$D3COLD_VIA" suspended D3hot
	explain "$D3COLD_VIA"
	expect_blocked bios-year
	[[ $output == *"the BIOS is of 2014"* ]] || fail "$output"
	[ "$(mends)" = "# boot with pcie_port_pm=force" ] || fail "$output"
	# A device with power resources of its own needs no port.
	wait_state "$D3COLD" suspended D3cold
	explain "$D3COLD"
	expect_code 0
}
