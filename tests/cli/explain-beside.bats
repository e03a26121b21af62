#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=slow timeout=600
#
# explain: what is beside the device and on the way, when it is awake for a moment only, depends on the
# device, shares its power, or can't be read; and which mends --fix may apply.

load fixture
load explain

mends() {
	sed -n '/^In this order/,/^[^ ]/ s/^  //p' <<<"$output"
}

@test "a sibling that is awake for a moment isn't accused; one that never slept is" {
	cold_port kids=1
	cold_device status=active state=D0
	fx_device 0000:01:00.1 parent=$port driver=vfio-pci status=active state=D0
	explain $dev
	expect 0 ""
	fx_set 0000:01:00.1 driver_override e1000e
	fx_device 0000:01:00.2 parent=$port driver=e1000e status=active state=D0
	explain $dev
	expect 0 ""
	fx_set 0000:01:00.2 power/runtime_suspended_time 0
	explain $dev
	expect 6 sibling
	says "control auto, usage 0, has never slept: may not sleep"
	[ "$(mends)" = "vfio-pm bind 0000:01:00.2" ]
	# A negative delay holds one, whatever it is on.
	fx_set 0000:01:00.2 power/runtime_suspended_time 1000
	fx_set 0000:01:00.2 power/autosuspend_delay_ms -1
	fx_set 0000:01:00.2 power/runtime_usage 1
	explain $dev
	expect 6 sibling
	[ "$(mends)" = "echo 100 > /sys/bus/pci/devices/0000:01:00.2/power/autosuspend_delay_ms" ]
}

@test "measured: it sleeps less deep than wanted, and no rule says why" {
	cold_port kids=1
	cold_device
	fx_device 0000:01:00.1 parent=$port driver=vfio-pci status=active state=D0
	explain $dev
	expect 1 "" measured
	says "measured: suspended in D3hot, and 0000:01:00.1 was awake meanwhile"
	says "May be needed, too:
  vfio-pm monitor 0000:01:00.1"
	fx_device 0000:00:05.0 driver=vfio-pci state=D1
	explain 00:05.0
	expect 1 "" measured
	says "suspended in D1"
	fx_set 0000:00:05.0 power_state -
	explain 00:05.0
	expect 1 "" pm-capability
	says "its power state could not be measured: no such file"
}

@test "a bridge's negative autosuspend delay, and neither wakeup is accused for it" {
	cold_port autosuspend=-1 usage=1
	cold_device wakeup=enabled
	explain $dev
	expect 6 bridge-autosuspend wakeup
	[ "$(mends)" = "echo 100 > /sys/bus/pci/devices/$port/power/autosuspend_delay_ms" ]
}

@test "what a bridge beside the way is kept awake by is named, and what could help" {
	cold_port kids=1
	fx_bridge 0000:01:00.0 parent=$port status=active kids=1
	fx_bridge 0000:02:01.0 parent=0000:01:00.0 status=suspended state=D3hot
	fx_bridge 0000:02:02.0 parent=0000:01:00.0 status=active kids=1
	fx_device 0000:03:00.0 parent=0000:02:01.0 driver=vfio-pci group=7
	fx_device 0000:04:00.0 parent=0000:02:02.0 driver=nvme status=active state=D0 usage=1
	explain 03:00.0
	expect 6 bridge-child
	says "is kept awake by 0000:04:00.0 (driver nvme, control auto, usage 1: may not sleep) below it"
	[ "$(mends)" = "vfio-pm bind 0000:04:00.0" ]
	# Awake for a moment below it: so is the bridge.
	fx_set 0000:04:00.0 power/runtime_usage 0
	explain 03:00.0
	expect 1 "" measured
	# The kernel doesn't take it into D3: its control is of no help.
	fx_error 0000:02:02.0 power/autosuspend_delay_ms EIO
	fx_set 0000:02:02.0 power/control on
	fx_set 0000:02:02.0 power/runtime_usage 1
	explain 03:00.0
	expect 6 bridge-child
	[ "$(mends)" = "# boot with pcie_port_pm=force" ]
	# The bridge itself is asked about: who is it that is awake below it?
	fx_set 0000:04:00.0 power/runtime_usage 1
	explain 02:02.0
	first driver
	says "vfio-pm explain 0000:04:00.0"
}

@test "a GPU's audio function is awake: that, not disable_idle_d3, holds the GPU" {
	cold_port kids=2
	cold_device status=active state=D0 usage=1
	fx_device 0000:01:00.1 parent=$port driver=snd_hda_intel status=active state=D0 control=on usage=1
	fx_consumer $dev 0000:01:00.1
	explain --state=D3hot $dev
	expect 6 consumer
	says "depends on $dev and is awake (driver snd_hda_intel, control on, usage 1: may not sleep)"
	[ "$(mends)" = "echo auto > /sys/bus/pci/devices/0000:01:00.1/power/control" ]
	explain $dev
	expect 6 "consumer sibling"
	# It sleeps: then it is disable_idle_d3.
	fx_set 0000:01:00.1 power/runtime_status suspended
	explain --state=D3hot $dev
	expect 6 idle
	# A link that has no part in runtime PM.
	fx_set 0000:01:00.1 power/runtime_status active
	fx_consumer $dev 0000:01:00.1 0
	explain --state=D3hot $dev
	expect 6 idle
	# Open and entered: its owner isn't accused.
	fx_consumer $dev 0000:01:00.1
	fx_set $dev enable 1
	explain --state=D3hot $dev
	expect 6 consumer
}

@test "a power resource shared on the way itself accuses neither" {
	cold_port kids=1
	cold_device status=active state=D0 acpi='\_SB_.PCI0.RP05.S00_' resources=LNXPOWER:00
	fx_acpi_bus $port $dev
	explain $dev
	expect 0 ""
	# Switched off below, and the port keeps it on.
	fx_set $dev power/runtime_status suspended
	fx_set $dev power_state D3cold
	fx_set $port power/control on
	fx_set $port power/runtime_usage 1
	fx_path $dev
	fx_file "$FX_RET/firmware_node/power_state" D3cold
	explain -v $dev
	says "$port, which shares it, keeps it on"
	[ "$code" = 6 ]
	[ "$(mends)" = "echo auto > /sys/bus/pci/devices/$port/power/control" ]
}

@test "D3cold by a port whose power stays on is D3cold in name only" {
	cold_port status=suspended state=D3cold acpi_state=D3cold acpi_real=D0
	cold_device state=D3cold
	fx_device 0000:00:06.0 driver=e1000e status=active state=D0 usage=1 acpi='\_SB_.PCI0.S30_' resources=LNXPOWER:00
	fx_acpi_bus $port 0000:00:06.0
	explain $dev
	expect 6 shared-resource
	says "its power resource LNXPOWER:00 is shared with 0000:00:06.0, which keeps it on"
	# It sleeps, and in a state that needs the power.
	fx_set 0000:00:06.0 power/runtime_status suspended
	fx_set 0000:00:06.0 power_state D3hot
	explain $dev
	expect 6 shared-resource
	[ "$(mends)" = "vfio-pm explain --state=D3cold 0000:00:06.0" ]
	# Asleep since its node was looked at: it keeps nothing on.
	fx_set 0000:00:06.0 power_state D3cold
	explain -v $dev
	[[ $output != *"which keeps it on"* ]] || fail "$output"
	says "is shared with 0000:00:06.0, which is awake for a moment"
	fx_set 0000:00:06.0 power_state D3hot
	fx_path $port
	fx_file "$FX_RET/firmware_node/real_power_state" D3cold
	explain $dev
	expect 0 ""
	rm "$FX/$FX_RET/firmware_node/real_power_state"
	explain $dev
	expect 6 shared-resource
	rm -r "$FX/sys/bus/acpi/devices"
	explain $dev
	expect 1 "" "shared-resource"
	says "whether its power is off could not be measured: no such file"
}

@test "pcie_port_pm=force is in effect: nothing that it overrules is accused" {
	cold_port control=on usage=1
	cold_device
	fx_error $port power/autosuspend_delay_ms EIO
	fx_file proc/cmdline 'ro pcie_port_pm=force'
	fx_file sys/devices/virtual/dmi/id/bios_date 04/01/2014
	explain $dev
	expect 6 bridge-refused
	says "in spite of pcie_port_pm=force"
	[[ $(mends) == "# turn hotplug of this slot off in the firmware"* ]]
	fx_path $port
	mkdir "$FX/$FX_RET/$port:pcie004"
	explain $dev
	expect 6 bridge-refused
	rmdir "$FX/$FX_RET/$port:pcie004"
	fx_file sys/bus/pci/slots/5/address 0000:01:00
	fx_file sys/bus/pci/slots/5/power 1
	explain $dev
	expect 6 hotplug
}

@test "counts of a port that can't be read are not passed over" {
	cold_port
	cold_device
	fx_set $port power/runtime_usage -
	fx_set $port power/runtime_active_kids -
	explain $dev
	expect 1 "" bridge-usage
	# Something else is in the way: the counts are of no matter.
	fx_set $port d3cold_allowed 0
	explain $dev
	expect 6 bridge-d3cold
	fx_set $port d3cold_allowed 1
	fx_set $dev power/runtime_status active
	fx_set $dev power_state D0
	explain $dev
	expect 0 ""
}

@test "the mends of two devices that failed: both are removed before the rescan, and bound after it" {
	cold_port status=error
	cold_device status=error state=D0
	explain $dev
	expect 6 "status bridge-status"
	[ "$(mends)" = "echo 1 > /sys/bus/pci/devices/$dev/remove
echo 1 > /sys/bus/pci/devices/$port/remove
echo 1 > /sys/bus/pci/rescan
vfio-pm bind $dev" ]
}

@test "--fix: knobs of the device, its siblings and bridges, for what is in the way; no guess" {
	cold_port d3cold_allowed=0 kids=1
	fx_bridge 0000:01:00.0 parent=$port kids=1
	fx_bridge 0000:02:01.0 parent=0000:01:00.0
	fx_bridge 0000:02:02.0 parent=0000:01:00.0 kids=1
	fx_device 0000:03:00.0 parent=0000:02:01.0 driver=vfio-pci group=7 status=active state=D0 control=on usage=1 wakeup=enabled
	fx_device 0000:03:00.1 parent=0000:02:01.0 d3cold_allowed=0
	fx_device 0000:04:00.0 parent=0000:02:02.0 status=active state=D0 control=on usage=1
	explain --fix --dry-run 03:00.0
	[ "$code" = 6 ]
	says "Would be written:
  echo 1 > /sys/bus/pci/devices/0000:03:00.1/d3cold_allowed
  echo 1 > /sys/bus/pci/devices/$port/d3cold_allowed
  echo auto > /sys/bus/pci/devices/0000:03:00.0/power/control
A write of"
	says "Left to you:
  echo auto > /sys/bus/pci/devices/0000:04:00.0/power/control
  echo disabled > /sys/bus/pci/devices/0000:03:00.0/power/wakeup  # may be needed, too"
	explain 03:00.0
	says "May be needed, too:
  echo disabled > /sys/bus/pci/devices/0000:03:00.0/power/wakeup"
	[ "$(json '[.devices[].mends[] | select(.needed and .near)] | length')" = 3 ]
}

@test "a bridge in the group is unbound, not bound; VFs of a driver of the host are its own matter" {
	fx_device $dev driver=vfio-pci group=7 status=active state=D0 usage=1
	fx_device 0000:01:00.1 driver=shpchp class=060400 group=7 status=active state=D0
	explain $dev
	expect 6 "group idle"
	[ "$(mends)" = "echo 0000:01:00.1 > /sys/bus/pci/devices/0000:01:00.1/driver/unbind
vfio-pm enter $dev" ]
	fx_device 0000:00:06.0 driver=igb status=active state=D0 numvfs=1
	fx_device 0000:00:06.1 physfn=0000:00:06.0
	explain 00:06.0
	expect 6 driver
}

@test "who waits is given the mend when it is one, and explain when it takes several" {
	cold_port
	cold_device status=active state=D0 control=on usage=1
	run "$vfio_pm" --sysroot="$FX" wait --state=D3cold --timeout=0 $dev
	[[ $output == *"hint: echo auto > /sys/bus/pci/devices/$dev/power/control"* ]]
	fx_set $dev power/runtime_status error
	run "$vfio_pm" --sysroot="$FX" wait --state=D3cold --timeout=0 $dev
	[[ $output == *"a transition has failed before"* ]]
	[[ $output == *"hint: vfio-pm explain $dev"* ]]
}

@test "VFs that a mend takes away get no mends of their own" {
	local pf="/sys/bus/pci/devices/$dev"
	cold_port kids=1
	cold_device status=active state=D0 usage=1 numvfs=2
	# One in the PF's slot and one beside it, both without a PM capability.
	fx_device 0000:01:00.1 parent=$port driver=vfio-pci physfn=$dev d3cold_allowed=0 status=active state=D0 control=on usage=1
	fx_device 0000:01:10.0 parent=$port driver=vfio-pci physfn=$dev d3cold_allowed=0 status=active state=D0 wakeup=enabled
	explain $dev
	expect 6 sriov
	[ "$(mends)" = "echo 0 > $pf/sriov_numvfs" ]
	# Beside another device: the PF is kept awake by its setting, too.
	fx_set $dev power/control on
	fx_set $dev power/runtime_usage 2
	fx_device 0000:01:00.2 parent=$port driver=vfio-pci group=9
	explain 01:00.2
	expect 6 sibling
	[ "$(mends)" = "echo 0 > $pf/sriov_numvfs
echo auto > $pf/power/control" ]
	# The VFs alone keep it awake, and they aren't taken from a driver that uses one.
	fx_set $dev power/control auto
	fx_set $dev power/runtime_usage 1
	explain 01:00.2
	expect 6 sibling
	says "usage 1, has virtual functions: may not sleep"
	[ "$(mends)" = "echo 0 > $pf/sriov_numvfs" ]
	fx_device 0000:01:11.1 parent=$port driver=iavf physfn=$dev
	for asked in 01:00.2 $dev; do
		explain $asked
		[[ $(mends) == "# stop the use of 0000:01:11.1 (iavf) by the host, then write 0 to sriov_numvfs of $dev"* ]]
		[[ $output != *"echo 0 >"* ]]
	done
	# A driver of the host is asked nothing, so its VFs count.
	fx_device 0000:01:00.3 parent=$port driver=igb numvfs=1
	fx_device 0000:01:11.0 parent=$port physfn=0000:01:00.3 d3cold_allowed=0
	explain 01:00.2
	expect 6 "sibling sibling-d3cold"
}

@test "a device or a folder below a port that can't be looked at is unknown, however far down" {
	local path
	cold_port
	fx_bridge 0000:01:00.0 parent=$port
	fx_bridge 0000:02:01.0 parent=0000:01:00.0
	fx_bridge 0000:02:02.0 parent=0000:01:00.0
	fx_device 0000:03:00.0 parent=0000:02:01.0 driver=vfio-pci group=7 status=active state=D0
	fx_device 0000:04:00.0 parent=0000:02:02.0 driver=vfio-pci group=8
	explain 03:00.0
	expect 0 ""
	for address in 0000:04:00.0 0000:02:02.0; do
		path=sys/bus/pci/devices/$address
		code=0
		output=$(traced -qq -o /dev/null -P "$path" -e trace=openat2 -e inject=openat2:error=EACCES \
			"$vfio_pm" --sysroot="$FX" explain 03:00.0) || code=$?
		[ "$code" = 1 ] || { echo "exit $code: $output"; false; }
		says "what else is below it could not be measured: permission denied"
	done
}

@test "a port asks all that is below it: the other branch of a switch, and the way itself" {
	cold_port kids=1
	fx_bridge 0000:01:00.0 parent=$port kids=1
	fx_bridge 0000:02:01.0 parent=0000:01:00.0 status=suspended state=D3hot
	fx_bridge 0000:02:02.0 parent=0000:01:00.0
	fx_device 0000:03:00.0 parent=0000:02:01.0 driver=vfio-pci group=7
	fx_device 0000:04:00.0 parent=0000:02:02.0 driver=vfio-pci group=8 d3cold_allowed=0
	explain 03:00.0
	expect 6 sibling-d3cold
	says "0000:04:00.0: d3cold_allowed is 0, which keeps 0000:01:00.0 out of D3"
	[ "$(mends)" = "echo 1 > /sys/bus/pci/devices/0000:04:00.0/d3cold_allowed  # wakes the device" ]
	[ "$(json '[.devices[0].findings[] | select(.rule == "sibling-d3cold" and .verdict == "blocks")] | length')" = 1 ]
	fx_set 0000:04:00.0 d3cold_allowed 1
	fx_set 0000:04:00.0 power/wakeup enabled
	explain 03:00.0
	expect 1 "" sibling-wakeup
	# A bridge that sleeps has asked, and none below it was in the way.
	fx_set 0000:02:02.0 power/runtime_status suspended
	fx_set 0000:01:00.0 power/runtime_active_kids 0
	fx_set 0000:01:00.0 power/runtime_status suspended
	explain 03:00.0
	[[ $output != *"is to wake"* ]] || { echo "$output"; false; }
	# The downstream port on the way: what is above it stays awake for it.
	fx_set 0000:01:00.0 power/runtime_status active
	fx_set 0000:02:01.0 power/wakeup enabled
	explain 03:00.0
	expect 6 sibling-wakeup
	says "0000:02:01.0: is to wake the system and can't from D3cold: its port 0000:01:00.0 stays awake"
	[ "$(mends)" = "echo disabled > /sys/bus/pci/devices/0000:02:01.0/power/wakeup
echo 1 > /sys/bus/pci/devices/0000:02:01.0/d3cold_allowed  # wakes the device" ]
	# Its d3cold_allowed is told by the rule for the way, and once.
	fx_set 0000:02:01.0 power/wakeup disabled
	fx_set 0000:02:01.0 d3cold_allowed 0
	explain 03:00.0
	expect 6 bridge-d3cold
}

@test "a removal waits for who has the device open, or a VF of it: that is told before it" {
	local pci=/sys/bus/pci/devices told
	let_go() {
		told="# let the user of $1 end, or give it up (in a VM: detach it), since the kernel waits for that; who it is: vfio-pm owner $1"
	}
	let_go $dev
	cold_port
	cold_device status=error state=D0 enable=1
	explain $dev
	expect 6 status
	[ "$(mends)" = "$told
echo 1 > $pci/$dev/remove
echo 1 > /sys/bus/pci/rescan
vfio-pm bind $dev" ]
	# The port takes what is below it along, and who has that open is waited for.
	fx_set $dev power/runtime_status suspended
	fx_set $dev enable 0
	fx_set $port power/runtime_status error
	fx_device 0000:01:00.1 parent=$port driver=vfio-pci group=8 enable=1
	let_go 0000:01:00.1
	explain $dev
	expect 6 bridge-status
	[ "$(mends)" = "$told
echo 1 > $pci/$port/remove
echo 1 > /sys/bus/pci/rescan
vfio-pm bind $dev" ]
	# The host uses one: nothing that could be pasted takes it away.
	fx_device 0000:01:00.2 parent=$port driver=nvme
	explain $dev
	expect 6 bridge-status
	[[ $(mends) == "# reboot, or stop the use of 0000:01:00.2 (nvme) by the host"* ]]
	[[ $output != *"$port/remove"* ]]
	# VFs.
	fx_device 0000:00:06.0 driver=vfio-pci group=20 status=active state=D0 usage=1 numvfs=2
	fx_device 0000:00:06.1 driver=vfio-pci group=21 physfn=0000:00:06.0
	fx_device 0000:00:06.2 driver=vfio-pci group=22 physfn=0000:00:06.0 enable=1
	let_go 0000:00:06.2
	explain --state=D3hot 00:06.0
	expect 6 sriov
	[ "$(mends)" = "$told
echo 0 > $pci/0000:00:06.0/sriov_numvfs" ]
	fx_set 0000:00:06.2 enable 0
	explain --state=D3hot 00:06.0
	[ "$(mends)" = "echo 0 > $pci/0000:00:06.0/sriov_numvfs" ]
}

@test "a sibling or a consumer with an active device below it isn't awake for a moment" {
	local usb=0000:01:00.2
	cold_port kids=2
	cold_device status=active state=D0 usage=1
	# A keyboard at the GPU's USB controller holds it without a usage count.
	fx_device $usb parent=$port driver=xhci_hcd class=0c0330 status=active state=D0 kids=1
	fx_consumer $dev $usb
	explain $dev
	expect 6 "consumer sibling"
	says "$usb: depends on $dev and is awake (driver xhci_hcd, control auto, usage 0, 1 active device below it: may not sleep), which keeps both awake"
	says "/sys/bus/pci/devices/$usb/power/runtime_active_kids: 1"
	[ "$(mends)" = "vfio-pm bind $usb" ]
	explain --all
	says "not D3cold: $usb: depends on $dev and is awake"
	# Its setting alone wouldn't do.
	fx_set $usb power/control on
	fx_set $usb power/runtime_usage 1
	explain $dev
	[ "$(mends)" = "vfio-pm bind $usb" ]
	fx_set $usb power/control auto
	fx_set $usb power/runtime_usage 0
	# The device sleeps, and the sibling keeps the port.
	fx_set $dev power/runtime_status suspended
	fx_set $dev power_state D3hot
	fx_set $dev power/runtime_usage 0
	explain $dev
	expect 6 sibling
	says "$usb: this function of the same slot is awake (driver xhci_hcd, control auto, usage 0, 1 active device below it: may not sleep), which keeps $port awake"
	# The keyboard sleeps, and the controller is about to.
	fx_set $usb power/runtime_active_kids 0
	explain $dev
	expect 1 "" measured
	# On a VFIO driver there is nothing to bind.
	fx_set $usb power/runtime_active_kids 2
	fx_device $usb parent=$port driver=vfio-pci status=active state=D0 kids=2
	explain $dev
	expect 6 sibling
	says "2 active devices below it: may not sleep"
	[ "$(mends)" = "# let what is below $usb sleep; which that is: grep . /sys/bus/pci/devices/$usb/*/power/runtime_status" ]
}

@test "active devices below one in another branch, and below one that shares the power" {
	cold_port kids=1
	fx_bridge 0000:01:00.0 parent=$port kids=1
	fx_bridge 0000:02:01.0 parent=0000:01:00.0 status=suspended state=D3hot
	fx_bridge 0000:02:02.0 parent=0000:01:00.0 kids=1
	fx_device 0000:03:00.0 parent=0000:02:01.0 driver=vfio-pci group=7
	fx_device 0000:04:00.0 parent=0000:02:02.0 driver=xhci_hcd status=active state=D0 kids=3
	explain 03:00.0
	expect 6 bridge-child
	says "is kept awake by 0000:04:00.0 (driver xhci_hcd, control auto, usage 0, 3 active devices below it: may not sleep) below it"
	says "/sys/bus/pci/devices/0000:04:00.0/power/runtime_active_kids: 3"
	[ "$(mends)" = "vfio-pm bind 0000:04:00.0" ]
	fx_set 0000:04:00.0 power/runtime_active_kids 0
	explain 03:00.0
	expect 1 "" measured
	fx_device 0000:00:05.0 driver=vfio-pci group=8 state=D3cold acpi='\_SB_.PCI0.S28_' acpi_state=D3cold \
		acpi_real=D0 resources=LNXPOWER:05
	fx_device 0000:00:06.0 driver=xhci_hcd status=active state=D0 kids=1 acpi='\_SB_.PCI0.S30_' \
		resources=LNXPOWER:05
	fx_acpi_bus 0000:00:05.0 0000:00:06.0
	explain 00:05.0
	expect 6 shared-resource
	says "is shared with 0000:00:06.0, which keeps it on"
	[ "$(mends)" = "vfio-pm bind 0000:00:06.0" ]
}

# What is told of ADDR instead of a command that would be refused; that it would is asked, too.
in_use() { # ADDR DRIVER
	run "$vfio_pm" --sysroot="$FX" bind --dry-run "$1"
	[ "$status" = 5 ] || { echo "bind: exit $status: $output"; return 1; }
	REPLY="# end the use of $1 ($2) by the host, then vfio-pm bind $1; what uses it: vfio-pm bind --dry-run $1"
}

@test "what the host uses is let go before it is bound: a sibling's disk, the default route, the device" {
	local disk=0000:01:00.1 said
	cold_port kids=1
	cold_device
	fx_device $disk parent=$port driver=nvme class=010802 group=8 status=active state=D0 usage=1
	fx_block $disk nvme/nvme0/nvme0n1 259:0
	fx_file proc/self/mountinfo '28 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw'
	explain $dev
	expect 6 sibling
	[ "$(mends)" = "vfio-pm bind $disk" ]
	fx_file proc/self/mountinfo '28 1 259:0 / / rw,relatime - ext4 /dev/nvme0n1 rw'
	in_use $disk nvme
	said=$REPLY
	explain $dev
	expect 6 sibling
	[ "$(mends)" = "$said" ]
	[ "$(json '.devices[0].mends | map(.kind) | join(" ")')" = advice ]
	explain $disk
	[ "$(mends)" = "$said" ]
	# What else there is to do comes after it, and is still a command.
	fx_set $port power/control on
	explain $dev
	expect 6 "sibling bridge-control"
	[ "$(mends)" = "$said
echo auto > /sys/bus/pci/devices/$port/power/control" ]
	fx_set $port power/control auto
	fx_device 0000:01:00.2 parent=$port driver=e1000e group=9 status=active state=D0 usage=1
	fx_net 0000:01:00.2 eth0
	fx_file proc/net/route $'eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0'
	in_use 0000:01:00.2 e1000e
	explain $dev
	expect 6 "sibling sibling"
	[ "$(mends)" = "$said
$REPLY" ]
}

@test "a member of the group that the host uses; one that it doesn't is bound" {
	fx_device $dev driver=vfio-pci group=7 status=active state=D0 usage=1
	fx_device 0000:01:00.1 driver=e1000e group=7 status=active state=D0
	fx_device 0000:01:00.2 driver=nvme class=010802 group=7 status=active state=D0
	fx_block 0000:01:00.2 nvme/nvme0/nvme0n1 259:0
	fx_file proc/self/mountinfo '28 1 259:0 / /srv rw,relatime - ext4 /dev/nvme0n1 rw'
	in_use 0000:01:00.2 nvme
	explain $dev
	expect 6 "group idle"
	[ "$(mends)" = "vfio-pm bind 0000:01:00.1
$REPLY
vfio-pm enter $dev" ]
}

@test "a way that only a device in use is in, is not the one that is most easily opened" {
	cold_port kids=1
	cold_device status=active state=D0 acpi='\_SB_.PCI0.RP05.S00_' resources=LNXPOWER:05
	fx_device 0000:01:00.1 parent=$port driver=nvme class=010802 group=8 status=active state=D0 usage=1
	fx_block 0000:01:00.1 nvme/nvme0/nvme0n1 259:0
	fx_file proc/self/mountinfo '28 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw'
	for addr in 0000:00:06.0 0000:00:07.0; do
		fx_device $addr driver=xhci_hcd status=active state=D0 control=on acpi="\_SB_.PCI0.${addr:8:2}" \
			resources=LNXPOWER:05
	done
	fx_acpi_bus $port $dev 0000:00:06.0 0000:00:07.0
	explain $dev
	expect 6 sibling
	fx_file proc/self/mountinfo '28 1 259:0 / / rw,relatime - ext4 /dev/nvme0n1 rw'
	explain $dev
	expect 6 "shared-resource shared-resource"
}
