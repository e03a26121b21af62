#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=slow timeout=300
#
# explain: the platform is in the way, its ACPI nodes, power resources and their methods, or the kernel
# knows nothing of one.

load fixture
load explain

@test "a node with _EJ0; the other way to D3cold is taken when there is one" {
	fx_device $dev driver=vfio-pci group=7 acpi='\_SB_.PCI0.S28_' resources=LNXPOWER:00
	fx_path $dev
	: > "$FX/$FX_RET/firmware_node/eject"
	explain $dev
	expect 6 eject
	cold_port status=suspended state=D3cold
	fx_device 0000:02:00.0 parent=$port driver=vfio-pci group=8 state=D3cold acpi='\_SB_.PCI0.RP05.S00_' \
		resources=LNXPOWER:02
	fx_path 0000:02:00.0
	: > "$FX/$FX_RET/firmware_node/eject"
	fx_set 0000:02:00.0 power_state D0
	fx_set 0000:02:00.0 power/runtime_status active
	fx_set $port power_state D0
	fx_set $port power/runtime_status active
	fx_set $port power/runtime_active_kids 1
	explain 02:00.0
	expect 0 ""
}

@test "a shared power resource that another device keeps on" {
	fx_device $dev driver=vfio-pci group=7 state=D3cold acpi='\_SB_.PCI0.S28_' acpi_state=D3cold \
		acpi_real=D0 resources=LNXPOWER:00
	fx_device 0000:00:06.0 driver=e1000e status=active state=D0 usage=1 acpi='\_SB_.PCI0.S30_' \
		acpi_state=D0 resources=LNXPOWER:00
	explain $dev
	expect 6 shared-resource
	says "an unseen user keeps it on"
	fx_acpi_bus $dev 0000:00:06.0
	explain $dev
	expect 6 shared-resource
	says "its power resource LNXPOWER:00 is shared with 0000:00:06.0, which keeps it on"
	says "vfio-pm bind 0000:00:06.0"
	explain --state=D3hot $dev
	expect 0 ""
}

@test "the firmware allows no deeper state" {
	fx_device $dev driver=vfio-pci group=7 acpi='\_SB_.PCI0.S28_' acpi_state=D3hot acpi_real=D3hot \
		resources=LNXPOWER:00
	explain $dev
	expect 6 acpi-choice
	says "_S0W"
	cold_port status=suspended state=D3hot
	fx_device 0000:02:00.0 parent=$port driver=vfio-pci group=8
	explain 02:00.0
	expect 6 acpi-choice
	says "not D3cold: $port: the kernel chose D3hot for it"
}

@test "a power resource that could not be switched on" {
	fx_device $dev driver=vfio-pci group=7 acpi='\_SB_.PCI0.S28_' acpi_state='(unknown)' acpi_real=D3cold \
		resources=LNXPOWER:00
	explain $dev
	expect 6 acpi-state
	says "firmware_node/power_state: (unknown)"
	says '# look into the kernel'"'"'s log for the ACPI error, and boot again'
	explain --state=D3hot $dev
	expect 0 ""
	cold_port status=suspended state=D3hot acpi_state='(unknown)'
	fx_device 0000:02:00.0 parent=$port driver=vfio-pci group=8
	explain 02:00.0
	expect 6 acpi-state
	says "not D3cold: $port: the state of its ACPI node is unknown"
	# It didn't come back: in D3cold, but not asleep.
	cold_device state=D3cold acpi='\_SB_.PCI0.RP05.S00_' acpi_state='(unknown)' acpi_real=D3cold \
		resources=LNXPOWER:01
	fx_set $port firmware_node/power_state D0
	explain $dev
	expect 6 lost
	says "is recorded as D3cold, and its power could not be switched on"
	says '# look into the kernel'"'"'s log for the ACPI error, and boot again'
	[[ $output != *remove* ]]
	fx_set $port power_state D3cold
	explain $dev
	expect 0 ""
}

@test "no ACPI, and a kernel without power management" {
	fx_device $dev driver=vfio-pci group=7
	explain --state=D3cold $dev
	expect 6 acpi
	fx_file proc/cmdline 'ro acpi=off'
	explain --state=D3cold $dev
	says "# boot without acpi=off"
	fx_path $dev
	rm -r "$FX/$FX_RET/power"
	explain $dev
	says "whether the kernel has power management could not be measured"
	[ "$code" = 1 ]
	fx_file boot/config-6.12.57 '# CONFIG_PM is not set'
	explain $dev
	first config-pm
	says "/boot/config-6.12.57: # CONFIG_PM is not set"
}
