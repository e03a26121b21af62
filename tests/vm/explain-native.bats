#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.12 append="pcie_ports=native" qemu="-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off" cost=20
#
# The mend for a hotplug port that the firmware handles, booted with. QEMU that handles hotplug by ACPI
# shows pciehp no card in its slots (acpi_pcihp_device_plug_cb() sets no presence), which turns them off.

load lib
load cmd
load explain

@test "a hotplug port that the kernel handles goes to D3cold" {
	id=$(cfg_read "$HOTCOLD" 0.L)
	[ "$id" != ffffffff ]
	load_vfio disable_idle_d3=0
	echo 1 >"$pci/$HOTCOLD_UP/d3cold_allowed"
	bind_vfio "$HOTCOLD"
	wait_state "$HOTCOLD" suspended D3cold
	explain "$HOTCOLD"
	expect_code 0
	[ -z "$(blockers)" ]
	# A slot without power would look the same: it comes back, and goes again.
	[ "$(cfg_read "$HOTCOLD" 0.L)" = "$id" ]
	wait_state "$HOTCOLD" suspended D3cold
}
