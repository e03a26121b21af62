#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 append="pcie_port_pm=" qemu="-smbios type=0,date=01/01/2014" soak=6.1 cost=20
#
# The firmware is in the way: a BIOS of before 2015, on a kernel that isn't told to put its ports into D3 all
# the same (that the mend works is shown by explain.bats, whose kernel is booted with it), and power resources
# that fail (tests/vm/topology.sh). What those break stays so until the next boot: the machine is not shared.

load lib
load cmd
load explain

setup_file() { load_vfio disable_idle_d3=0; }
setup() { start_case; }

@test "the BIOS is too old for ports to be put into D3" {
	grep -qx 01/01/2014 /sys/class/dmi/id/bios_date
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

@test "the firmware fails to switch the power off" {
	bind_vfio "$D3COLD_PORT"
	wait_state "$D3COLD_PORT" suspended D3cold
	setpci -s "$D3COLD_PORT" INTERRUPT_LINE=ef
	wait_state "$D3COLD_PORT" suspended D3cold
	dmesg | grep -q 'ACPI Error: Aborting method .*_OFF' || fail "no ACPI error"
	# The firmware is mended, and the kernel doesn't ask it again.
	setpci -s "$D3COLD_PORT" INTERRUPT_LINE=0
	wait_state "$D3COLD_PORT" suspended D3cold
	explain "$D3COLD_PORT"
	expect_blocked shared-resource
	[[ $output == *"an unseen user keeps it on, or _OFF has failed"* ]] || fail "$output"
	[[ $(mends) == "# with an ACPI error in the kernel's log, boot again; none else is known" ]] || fail "$output"
}

@test "the firmware fails to switch the power on" {
	bind_vfio "$D3COLD2"
	wait_state "$D3COLD2" suspended D3cold
	setpci -s "$D3COLD2" INTERRUPT_LINE=ee
	wait_state "$D3COLD2" suspended D3cold
	vp explain "$D3COLD2"
	expect_code 0
	setpci -s "$D3COLD2" INTERRUPT_LINE=0
	dmesg | grep -q 'ACPI Error: Aborting method .*_ON' || fail "no ACPI error"
	wait_state "$D3COLD2" suspended D3hot
	explain "$D3COLD2"
	expect_blocked acpi-state
	[[ $output == *"firmware_node/power_state: (unknown)"* ]] || fail "$output"
	[[ $(mends) == "# look into the kernel's log for the ACPI error, and boot again" ]] || fail "$output"
	vp explain --state=D3hot "$D3COLD2"
	expect_code 0
	vp wait --state=D3cold --timeout=1s "$D3COLD2"
	[[ $code != 0 && $output == *"switching a power resource on has failed"* ]] || fail "$output"
}
