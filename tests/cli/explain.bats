#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=slow timeout=600
#
# explain on mocked systems: each rule as the only thing in the way. What a VM can produce is shown
# there as well, with the mends run (tests/vm/explain.bats).

load fixture
load explain

@test "asleep in D3cold: reached, and nothing else matters" {
	cold_port status=suspended state=D3cold
	cold_device state=D3cold
	explain $dev
	expect 0 ""
	says "$dev is in D3cold."
	[ "$(json '.devices[0] | [.outcome, .wanted, .reachable] | join(" ")')" = "reached D3cold D3cold" ]
}

@test "what is measured beats every rule" {
	cold_port status=suspended state=D3cold control=on
	cold_device state=D3cold control=on usage=2 enable=1 d3cold_allowed=0
	explain $dev
	expect 0 ""
}

@test "awake for a moment with nothing in the way: reachable" {
	cold_port
	cold_device status=active state=D0
	explain $dev
	expect 0 ""
	says "can reach D3cold as things are"
}

@test "the default is the deepest state that the platform offers" {
	fx_device $dev driver=vfio-pci group=7 acpi='\_SB_.PCI0.S28_'
	explain $dev
	expect 0 ""
	says "is in D3hot"
	explain --state=D3cold $dev
	expect 6 power-resource
	says "reaches D3hot as things are, not D3cold"
}

@test "on a driver of the host, and on none" {
	fx_device 0000:00:05.0 driver=e1000e status=suspended
	explain 00:05.0
	expect 0 ""
	fx_set 0000:00:05.0 power/runtime_status active
	fx_set 0000:00:05.0 power_state D0
	explain 00:05.0
	expect 6 driver
	says "vfio-pm bind 0000:00:05.0"
	fx_device 0000:00:06.0 status=active state=D0 control=on usage=1
	explain 00:06.0
	expect 6 "driver control"
	says "is on no driver"
	# A driver that is at work is told as well.
	fx_set 0000:00:05.0 power/runtime_usage 1
	explain 00:05.0
	expect 6 "driver usage"
}

@test "a VFIO driver of a kernel before 6.1 can't be told" {
	fx_device $dev driver=vfio-pci vfio=no status=active state=D0
	explain $dev
	expect 1 "" driver
	says "the kernel is older than 6.1"
}

@test "an unknown variant driver matters only when it has to be asked" {
	fx_device $dev driver=acme_vfio_pci group=7 status=active state=D0
	explain $dev
	expect 0 ""
	fx_set $dev enable 1
	explain $dev
	expect 1 "" features
	says "whether acme_vfio_pci has the low-power features could not be measured"
}

@test "runtime PM that failed, is disabled, or is stuck" {
	fx_device $dev driver=vfio-pci group=7 status=error state=D0
	explain $dev
	first status
	says "a transition has failed before"
	fx_set $dev power/runtime_status unsupported
	explain $dev
	says "runtime PM of the device is disabled"
	first status
	# One look is no evidence that a transition doesn't end.
	fx_set $dev power/runtime_status resuming
	explain $dev
	rules
	[ "$code" = 1 ] && [ -z "$blocks" ] && [ "${unknown%% *}" = status ]
	says "is just resuming: whether it gets to sleep could not be measured (it was looked at in a transition)"
	[[ $output != *reboot* ]]
	fx_set $dev power/runtime_status active
	fx_set $dev power/runtime_enabled disabled
	explain $dev
	first status
}

@test "power/control, autosuspend" {
	cold_port
	cold_device status=active state=D0 control=on usage=1
	explain $dev
	expect 6 control
	says "echo auto > /sys/bus/pci/devices/$dev/power/control"
	fx_set $dev power/control auto
	fx_set $dev power/autosuspend_delay_ms -1
	explain $dev
	expect 6 autosuspend
	says "echo 100 > /sys/bus/pci/devices/$dev/power/autosuspend_delay_ms"
	fx_error $dev power/autosuspend_delay_ms EIO
	fx_set $dev power/runtime_usage 0
	explain $dev
	expect 0 ""
}

@test "open without low power, by whom; put into D3hot by its user; entered" {
	cold_port
	cold_device status=active state=D0 enable=1 usage=1
	fx_process 4711 comm=qemu-system-x86 fd=/dev/vfio/7
	explain $dev
	expect 6 owner
	says "qemu-system-x86 (pid 4711) has it open and has not entered low power"
	says "/sys/bus/pci/devices/$dev/power/runtime_usage: 1"
	fx_set $dev power_state D3hot
	explain $dev
	expect 6 user-d3hot
	fx_set $dev power_state D0
	fx_set $dev power/runtime_usage 0
	explain $dev
	expect 0 ""
	rm -r "$FX/proc/4711"
	fx_set $dev power/runtime_usage 1
	explain $dev
	says "a process that isn't visible from here has it open and has not entered low power"
	says "or none has it open, and a former driver left it enabled"
}

@test "disable_idle_d3 is told by what governs the device, never by the parameter" {
	fx_module vfio_pci disable_idle_d3=Y
	cold_port
	cold_device status=active state=D0
	explain $dev
	expect 0 ""
	fx_module vfio_pci disable_idle_d3=N
	fx_set $dev power/runtime_usage 1
	explain $dev
	expect 6 idle
	says "vfio-pm enter $dev"
	[[ $output != *parameters* ]]
}

@test "active devices below it" {
	cold_port
	cold_device status=active state=D0 kids=2
	explain $dev
	expect 6 usage
	says "2 active devices below it"
}

@test "virtual functions, and a virtual function" {
	fx_device $dev driver=vfio-pci group=7 status=active state=D0 usage=1 numvfs=1
	fx_device 0000:01:10.0 driver=vfio-pci group=8 status=suspended state=D0 wakeup=- physfn=$dev
	explain $dev
	expect 6 sriov
	says "echo 0 > /sys/bus/pci/devices/$dev/sriov_numvfs"
	explain 01:10.0
	expect 6 vf
	# One that isn't suspended shows by d3cold_allowed whether it has a PM capability.
	fx_set 0000:01:10.0 power/runtime_status active
	explain 01:10.0
	expect 0 ""
	fx_set 0000:01:10.0 d3cold_allowed 0
	explain 01:10.0
	expect 6 vf
}

@test "no PM capability, and a quirk that forbids D3" {
	fx_device $dev driver=vfio-pci group=7 state=D0 d3cold_allowed=0 wakeup=-
	explain $dev
	expect 6 pm-capability
	fx_set $dev reset_method 'flr pm'
	explain $dev
	expect 6 no-d3
	# Behind a port that cuts the power it needs no capability.
	cold_port status=suspended state=D3cold
	fx_device 0000:02:00.0 parent=$port driver=vfio-pci group=9 state=D3cold d3cold_allowed=1 wakeup=-
	explain 02:00.0
	expect 0 ""
}

@test "a device that no longer answers is recorded as D3cold, and isn't taken for asleep" {
	cold_port
	cold_device state=D3cold acpi='\_SB_.PCI0.RP05.S00_'
	explain $dev
	expect 6 lost
	says "echo 1 > /sys/bus/pci/devices/$dev/remove"
	# The port comes out of D3cold and waits for what is below it: so does the answer.
	fx_set $port power/runtime_status resuming
	explain $dev
	expect 1 "" "lost bridge-status"
	says "whether it answers could not be measured (a port above it is just being resumed or suspended)"
	[[ $output != *remove* ]]
	fx_set $port power/runtime_status suspended
	explain $dev
	expect 1 "" lost
	[[ $output != *remove* ]]
	fx_set $port power_state D3cold
	fx_set $port power/runtime_status suspended
	explain $dev
	expect 0 ""
}

@test "d3cold_allowed; the port looks at all below it" {
	cold_port
	cold_device d3cold_allowed=0
	explain $dev
	expect 6 d3cold-allowed
	fx_set $dev d3cold_allowed 1
	fx_device 0000:01:00.1 parent=$port driver=snd_hda_intel status=suspended d3cold_allowed=0
	explain $dev
	expect 6 sibling-d3cold
	says "echo 1 > /sys/bus/pci/devices/0000:01:00.1/d3cold_allowed"
}

@test "wakeup: unknown, until the port shows that nothing else holds it" {
	cold_port kids=1
	cold_device wakeup=enabled status=active state=D0
	explain $dev
	expect 1 "" wakeup
	fx_set $dev power/runtime_status suspended
	fx_set $dev power_state D3hot
	fx_set $port power/runtime_active_kids 0
	explain $dev
	expect 6 wakeup
	says "echo disabled > /sys/bus/pci/devices/$dev/power/wakeup"
	# Each device below the port counts.
	fx_set $dev power/wakeup disabled
	fx_device 0000:01:00.1 parent=$port driver=vfio-pci wakeup=enabled
	explain $dev
	expect 6 sibling-wakeup
	says "echo disabled > /sys/bus/pci/devices/0000:01:00.1/power/wakeup"
	says "not D3cold: 0000:01:00.1: is to wake the system"
	explain --fix --dry-run $dev
	says "Would be written:
  echo disabled > /sys/bus/pci/devices/0000:01:00.1/power/wakeup
  echo 1 > /sys/bus/pci/devices/0000:01:00.1/d3cold_allowed"
	# Where something else is in the way, too, it can't be told.
	fx_set $port power/control on
	explain $dev
	expect 6 bridge-control sibling-wakeup
}

@test "a sibling that is awake: what it is on decides the mend" {
	cold_port kids=1
	cold_device
	fx_device 0000:01:00.1 parent=$port driver=snd_hda_intel status=active state=D0 control=auto usage=1
	explain $dev
	expect 6 sibling
	says "(driver snd_hda_intel, control auto, usage 1: may not sleep)"
	says "vfio-pm bind 0000:01:00.1"
	fx_device 0000:01:00.1 parent=$port driver=vfio-pci status=active state=D0 control=auto usage=1 enable=1
	explain $dev
	expect 6 sibling
	says "# let the user of 0000:01:00.1 enter low power"
	fx_set 0000:01:00.1 power_state D3hot
	explain $dev
	says "  vfio-pm enter --borrow 0000:01:00.1"
	says "  # with --state-loss-ok where 0000:01:00.1 keeps its state in D3hot (No_Soft_Reset"
	fx_set 0000:01:00.1 power/control on
	explain $dev
	says "echo auto > /sys/bus/pci/devices/0000:01:00.1/power/control"
	# Not below a port, a function beside it is in nobody's way.
	fx_device 0000:00:05.0 driver=vfio-pci acpi='\_SB_.PCI0.S28_' resources=LNXPOWER:01
	fx_device 0000:00:05.1 driver=e1000e status=active state=D0
	explain --state=D3hot 00:05.0
	expect 0 ""
}

@test "several devices are to wake the system, and their port stays awake: told once" {
	cold_port
	cold_device wakeup=enabled
	fx_device 0000:01:00.1 parent=$port driver=vfio-pci wakeup=enabled
	explain $dev
	expect 6 wakeup
	says "is to wake the system (1 more below $port, too), and one of them at least can't from D3cold"
	for device in $dev 0000:01:00.1; do
		says "echo disabled > /sys/bus/pci/devices/$device/power/wakeup"
	done
	fx_set $dev power/wakeup disabled
	explain $dev
	expect 6 sibling-wakeup
	says "0000:01:00.1: is to wake the system and can't from D3cold"
}

@test "a Thunderbolt port: into D3 however old the BIOS, and its hotplug too" {
	# What the kernel has found it to be is shown by the delay alone (drivers/pci/pci.c,
	# pci_bridge_d3_possible(): is_thunderbolt comes before the year).
	fx_file sys/devices/virtual/dmi/id/bios_date 03/01/2012
	cold_port
	cold_device status=active state=D0
	mkdir "$FX/sys/devices/pci0000:00/$port/$port:pcie204"
	explain $dev
	expect 0 ""
	# One that it doesn't take is none, or firmware has its hotplug; with neither told, it isn't guessed.
	fx_error $port power/autosuspend_delay_ms EIO
	explain $dev
	expect 6 hotplug
	says "and no Thunderbolt port"
	fx_error $port power/autosuspend_delay_ms EACCES
	explain $dev
	expect 1 "" bridge-refused
	says "whether the kernel puts this port into D3 could not be measured: permission denied"
}

@test "a device in another slot below a switch" {
	cold_port kids=1
	fx_bridge 0000:01:00.0 parent=$port status=active kids=0
	fx_bridge 0000:02:01.0 parent=0000:01:00.0 status=suspended state=D3hot
	fx_bridge 0000:02:02.0 parent=0000:01:00.0 status=active control=on usage=1
	fx_device 0000:03:00.0 parent=0000:02:01.0 driver=vfio-pci group=7
	explain 03:00.0
	expect 6 bridge-child
	says "0000:02:02.0"
	says "  echo auto > /sys/bus/pci/devices/0000:02:02.0/power/control"
	# The bridge between them had the time to follow: that it doesn't is told as not understood.
	fx_set 0000:02:02.0 power/runtime_status suspended
	explain 03:00.0
	expect 1 "" bridge-awake
	says "why 0000:01:00.0 stays awake could not be measured"
	fx_set 0000:01:00.0 power/runtime_status suspended
	explain 03:00.0
	expect 1 "" measured
	fx_set $port power/runtime_status suspended
	for addr in $port 0000:01:00.0 0000:02:01.0 0000:03:00.0; do fx_set $addr power_state D3cold; done
	explain 03:00.0
	expect 0 ""
}

@test "bridges: status, control, d3cold_allowed, a kernel user" {
	cold_port control=on
	cold_device
	explain $dev
	expect 6 bridge-control
	says "echo auto > /sys/bus/pci/devices/$port/power/control"
	fx_set $port power/control auto
	fx_set $port d3cold_allowed 0
	explain $dev
	expect 6 bridge-d3cold
	fx_set $port d3cold_allowed 1
	fx_set $port power/runtime_usage 1
	explain $dev
	expect 6 bridge-usage
	fx_set $port power/runtime_usage 0
	fx_set $port power/runtime_status error
	explain $dev
	expect 6 bridge-status
}

@test "a conventional bridge, and pcie_ports=compat" {
	cold_port
	fx_device 0000:01:00.0 parent=$port class=060400 driver=- status=active state=D0
	fx_device 0000:02:01.0 parent=0000:01:00.0 driver=vfio-pci group=7
	explain 02:01.0
	first bridge-driver
	says "not a PCI Express port"
	fx_file proc/cmdline 'ro pcie_ports=compat'
	explain 02:01.0
	says "# boot without pcie_ports=compat"
}

@test "a port that the kernel refuses: command line, hotplug, BIOS, list of machines" {
	cold_port control=on usage=1
	cold_device
	fx_error $port power/autosuspend_delay_ms EIO
	explain $dev
	expect 6 bridge-refused
	says "# boot with pcie_port_pm=force"
	fx_file sys/devices/virtual/dmi/id/bios_date 04/01/2014
	explain $dev
	expect 6 bios-year
	says "the BIOS is of 2014"
	says "/sys/class/dmi/id/bios_date: 04/01/2014"
	rm "$FX/sys/devices/virtual/dmi/id/bios_date"
	explain $dev
	says "whether the BIOS is too old for this port to be put into D3 could not be measured: no such file"
	fx_path $port
	mkdir "$FX/$FX_RET/$port:pcie004"
	explain $dev
	expect 6 hotplug
	says "HotPlugSupportInD3"
	says "/$port:pcie004: there"
	# The first digit is the type of the port: this one is of a switch.
	mv "$FX/$FX_RET/$port:pcie004" "$FX/$FX_RET/$port:pcie204"
	explain $dev
	expect 6 hotplug
	says "/sys/bus/pci/devices/$port/$port:pcie204: there"
	rmdir "$FX/$FX_RET/$port:pcie204"
	# The firmware numbers slots that nothing can be plugged into, too.
	fx_file proc/cmdline ro
	fx_file sys/devices/virtual/dmi/id/bios_date 06/18/2021
	fx_file sys/bus/pci/slots/5/address 0000:01:00
	explain $dev
	expect 6 bridge-refused
	[[ $output != *"hotplug port"* ]]
	fx_file sys/bus/pci/slots/5/adapter 1
	explain $dev
	expect 6 hotplug
	says "the firmware handles"
	says "/sys/bus/pci/slots/5/adapter: there"
	fx_file sys/bus/pci/slots/5/power 1
	explain $dev
	expect 6 hotplug
	says "/sys/bus/pci/slots/5/power: there"
	fx_file proc/cmdline 'ro pcie_aspm=off'
	explain $dev
	expect 6 aspm
	fx_file proc/cmdline 'ro pcie_port_pm=off'
	explain $dev
	expect 6 port-pm
	says "# boot without pcie_port_pm=off"
	# Not a parameter of that name.
	fx_file proc/cmdline 'ro xpcie_port_pm=off pcie_port_pm=offset'
	explain $dev
	expect 6 hotplug
}

@test "the group can't be opened, where it has to be" {
	fx_device 0000:01:00.0 driver=vfio-pci group=7 status=active state=D0 usage=1
	fx_device 0000:01:00.1 driver=e1000e group=7 status=active state=D0
	fx_device 0000:01:00.2 driver=snd_hda_intel group=7 status=active state=D0
	fx_device 0000:01:00.3 group=7 status=active state=D0
	explain $dev
	expect 6 "group idle"
	says "its IOMMU group 7 can't be opened: drivers of the host have members of it, 0000:01:00.1 (e1000e), 0000:01:00.2 (snd_hda_intel)"
	[ "$(sed -n '/^In this order/,$ s/^  //p' <<<"$output")" = "vfio-pm bind 0000:01:00.1
vfio-pm bind 0000:01:00.2
vfio-pm enter 0000:01:00.0" ]
	fx_set $dev power/runtime_usage 0
	fx_set $dev power/runtime_status suspended
	fx_set $dev power_state D3hot
	explain $dev
	expect 0 ""
	fx_device 0000:00:05.0 driver=vfio-pci group=8
	fx_device 0000:00:05.1 driver=vfio-pci group=8
	explain -v 00:05.0
	says "its IOMMU group 8 may be opened; also in it: 0000:00:05.1 (vfio-pci)"
}

@test "several causes: all are told, the mends in an order that works" {
	cold_port control=on d3cold_allowed=0
	cold_device status=active state=D0 control=on usage=2 d3cold_allowed=0
	fx_device 0000:01:00.1 parent=$port status=active state=D0 control=on usage=1
	explain $dev
	expect 6 "control idle d3cold-allowed sibling bridge-control bridge-d3cold"
	says "power/control is on, which keeps it awake; and 5 more."
	[ "$(sed -n '/^In this order/,$ s/^  //p' <<<"$output" | sed 's/  #.*//')" = "\
echo 1 > /sys/bus/pci/devices/0000:01:00.0/d3cold_allowed
echo 1 > /sys/bus/pci/devices/0000:00:1c.0/d3cold_allowed
echo auto > /sys/bus/pci/devices/0000:01:00.0/power/control
echo auto > /sys/bus/pci/devices/0000:01:00.1/power/control
echo auto > /sys/bus/pci/devices/0000:00:1c.0/power/control
vfio-pm enter 0000:01:00.0" ] || { echo "$output"; false; }
}

@test "--all: a line a device, and how many" {
	cold_port
	cold_device status=active state=D0 control=on usage=1
	fx_device 0000:00:05.0 driver=vfio-pci group=8
	fx_device 0000:00:06.0 driver=e1000e
	explain --all
	[ "$code" = 6 ]
	[ "$(wc -l <<<"$output")" = 3 ]
	says "0000:00:05.0  suspended  D3hot    is in D3hot"
	says "0000:01:00.0  active     D0       not D3cold: power/control is on, which keeps it awake"
	says "2 devices on a VFIO driver, 1 kept from sleeping as deep as the platform offers"
}

@test "options: what goes together, and what acts on this system" {
	cold_port
	cold_device
	for words in "" "--all $dev" "--dry-run $dev" "--state=D1 $dev" "--watch=x $dev" "--watch=2h $dev" \
		"--fix -J $dev" "--all --fix" "--all -v" "--fix $dev" "--watch=1 $dev"; do
		# shellcheck disable=SC2086 # words
		explain $words
		[ "$code" = 2 ] || { echo "explain $words: exit $code: $output"; false; }
	done
	explain 0000:0f:00.0
	[ "$code" = 3 ]
	explain --fix --dry-run $dev
	[ "$code" -le 6 ]
}

@test "text: the chain from the root port, marks in UTF-8 and in ASCII" {
	cold_port
	cold_device status=active state=D0 control=on usage=1
	LC_ALL=C.UTF-8 explain $dev
	[ "$output" = "\
0000:00:1c.0  pcieport, active, D0
└─0000:01:00.0  vfio-pci, active, D0
      ✗ power/control is on, which keeps it awake
        /sys/bus/pci/devices/0000:01:00.0/power/control: on
0000:01:00.0 stays in D0 as things are, not D3cold: power/control is on, which keeps it awake.
In this order:
  echo auto > /sys/bus/pci/devices/0000:01:00.0/power/control" ] || { echo "$output"; false; }
	LC_ALL=C explain $dev
	says "\`-0000:01:00.0  vfio-pci, active, D0"
	says "x power/control is on"
	explain -v $dev
	says "rule control: drivers/base/power/runtime.c, pm_runtime_forbid()"
}

@test "the command line is quoted without what the rules don't know" {
	fx_file proc/cmdline 'root=UUID=0b5c ro secret=hunter2 pcie_port_pm=off quiet'
	cold_port control=on usage=1
	cold_device
	fx_error $port power/autosuspend_delay_ms EIO
	explain -v $dev
	says "/proc/cmdline: pcie_port_pm=off"
	[[ $output != *hunter2* && $output != *UUID* ]]
}
