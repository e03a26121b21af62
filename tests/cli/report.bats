#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=slow timeout=600
#
# report: the archive is read by tar, gives the same explanation, and tells no secret.

load fixture

setup() {
	vfio_pm=$BATS_TEST_DIRNAME/../../build/vfio-pm
	fixture_new "$BATS_TEST_TMPDIR/root"
	archive=$BATS_TEST_TMPDIR/r.tar
	away=$BATS_TEST_TMPDIR/away
	fx_file proc/cmdline 'root=UUID=0b5c ro secret=hunter2 pcie_port_pm=force'
}

# Packs devices, unpacks elsewhere, and compares what is said of each.
round_trip() { # ADDRESS...
	local addr
	"$vfio_pm" --sysroot="$FX" report "$@" -o "$archive"
	mkdir -p "$away"
	tar -C "$away" -xf "$archive"
	for addr; do
		for state in D3hot D3cold; do
			diff <("$vfio_pm" --sysroot="$FX" explain -J --state=$state "$addr") \
				<("$vfio_pm" --sysroot="$away/vfio-pm-report" explain -J --state=$state "$addr")
		done
	done
}

many() { # a system with something of everything
	fx_bridge 0000:00:1c.0 acpi='\_SB_.PCI0.RP05' resources=LNXPOWER:00
	fx_device 0000:01:00.0 parent=0000:00:1c.0 driver=vfio-pci group=7 status=active state=D0 enable=1 usage=2 cdev=yes
	fx_device 0000:01:00.1 parent=0000:00:1c.0 driver=snd_hda_intel group=7 status=active state=D0 usage=1
	fx_device 0000:00:05.0 driver=vfio-pci group=8 numvfs=1 acpi='\_SB_.PCI0.S28_' acpi_state=D3cold acpi_real=D0 resources=LNXPOWER:01
	fx_device 0000:00:05.1 driver=vfio-pci group=9 physfn=0000:00:05.0 state=D0 enable=1
	fx_device 0000:00:06.0 driver=e1000e status=active state=D0 acpi='\_SB_.PCI0.S30_' resources=LNXPOWER:01
	fx_acpi_bus 0000:00:05.0 0000:00:06.0
	fx_consumer 0000:01:00.0 0000:01:00.1
	# A port whose hotplug the firmware handles, and a slot that only has a number.
	fx_bridge 0000:00:1d.0 acpi='\_SB_.PCI0.RP09' resources=LNXPOWER:02
	fx_symlink error:EIO "$FX/sys/devices/pci0000:00/0000:00:1d.0/power/autosuspend_delay_ms"
	fx_device 0000:07:00.0 parent=0000:00:1d.0 driver=vfio-pci group=10
	fx_file sys/bus/pci/slots/9/address 0000:07:00
	fx_file sys/bus/pci/slots/9/power 1
	fx_file sys/bus/pci/slots/1/address 0000:01:00
	fx_file sys/module/vfio_pm_pci/srcversion 0123456789ABCDEF
	fx_process 4711 comm=qemu-system-x86 uid=107 fd=/dev/vfio/7
}

@test "the unpacked archive gives the same explanation" {
	many
	# The other user of a shared power resource isn't named, and comes along.
	round_trip 0000:00:05.0
	round_trip 0000:07:00.0
	grep -q 'is a hotplug port that the firmware handles' "$away/vfio-pm-report/explanation.txt"
	round_trip 0000:01:00.0 0000:00:05.0 0000:00:05.1 0000:00:06.0
	diff <("$vfio_pm" --sysroot="$away/vfio-pm-report" explain -J 01:00.0 00:05.0 00:05.1 00:06.0) \
		<("$vfio_pm" --sysroot="$FX" explain -J 01:00.0 00:05.0 00:05.1 00:06.0)
	grep -q 'qemu-system-x86 (pid 4711)' "$away/vfio-pm-report/explanation.txt"
	jq -e '.devices | length == 4' "$away/vfio-pm-report/explanation.json"
	grep -q '^vfio-pm ' "$away/vfio-pm-report/version"
	jq -e '.devices[0].findings[] | select(.rule == "consumer" and .verdict == "blocks")' \
		"$away/vfio-pm-report/explanation.json"
	grep -qx 0123456789ABCDEF "$away/vfio-pm-report/sys/module/vfio_pm_pci/srcversion"
	run "$vfio_pm" --sysroot="$FX" report 01:00.0 00:05.0 -o "$archive"
	[[ $output == *"vfio-pm --sysroot=vfio-pm-report explain 01:00.0 00:05.0 says the same" ]]
}

@test "what is below another branch of a switch comes along, and below a bridge that is asked about" {
	fx_bridge 0000:00:1c.0 kids=1 acpi='\_SB_.PCI0.RP05' resources=LNXPOWER:00
	fx_bridge 0000:01:00.0 parent=0000:00:1c.0 kids=1
	fx_bridge 0000:02:01.0 parent=0000:01:00.0 status=suspended state=D3hot
	fx_bridge 0000:02:02.0 parent=0000:01:00.0 kids=1
	fx_device 0000:03:00.0 parent=0000:02:01.0 driver=vfio-pci group=7
	fx_device 0000:04:00.0 parent=0000:02:02.0 driver=nvme status=active state=D0 usage=1
	round_trip 0000:03:00.0
	grep -q 'is kept awake by 0000:04:00.0 (driver nvme' "$away/vfio-pm-report/explanation.txt"
	rm -r "$away"
	round_trip 0000:02:02.0
	grep -q 'vfio-pm explain 0000:04:00.0' "$away/vfio-pm-report/explanation.txt"
}

@test "of two devices that one process has open, each tells so" {
	fx_device 0000:00:05.0 driver=vfio-pci group=7 status=active state=D0 enable=1 usage=1
	fx_device 0000:00:06.0 driver=vfio-pci group=8 status=active state=D0 enable=1 usage=1
	fx_process 4711 comm=qemu-system-x86 uid=107 fd=/dev/vfio/7 fd=/dev/vfio/8
	round_trip 0000:00:05.0 0000:00:06.0
	[ "$(grep -c '^0000.*qemu-system-x86 (pid 4711) has it open' "$away/vfio-pm-report/explanation.txt")" = 2 ]
}

@test "what couldn't be read can't be read there either, for the same reason" {
	many
	fx_path 0000:01:00.0
	fx_symlink error:EACCES "$FX/$FX_RET/power/runtime_usage"
	rm "$FX/$FX_RET/power/control"
	round_trip 0000:01:00.0
	"$vfio_pm" --sysroot="$away/vfio-pm-report" explain 01:00.0 | grep -q 'permission denied'
}

@test "it tells no secret" {
	many
	fx_path 0000:01:00.0
	for file in vpd config serial; do echo SERIAL-12345 > "$FX/$FX_RET/$file"; done
	fx_file sys/devices/virtual/dmi/id/product_uuid 4c4c4544-0042
	fx_file sys/devices/virtual/dmi/id/product_serial SERIAL-12345
	fx_file proc/sys/kernel/hostname hunter2
	round_trip 0000:01:00.0
	if grep -rE 'SERIAL|hunter2|UUID|4c4c4544' "$away"; then false; fi
	[ "$(cat "$away/vfio-pm-report/proc/cmdline")" = pcie_port_pm=force ]
}

@test "long names, to a depth that the old format can't hold" {
	parent=-
	for n in 1 2 3 4 5 6 7 8 9 a b c d e f; do
		fx_bridge "0000:0$n:00.0" "parent=$parent" acpi='\_SB_.PCI0.RP05' resources=LNXPOWER:00
		parent=0000:0$n:00.0
	done
	fx_device 0000:10:00.0 parent=$parent driver=vfio-pci group=7 status=active state=D0
	round_trip 0000:10:00.0
	tar -tf "$archive" | awk '{ if (length > n) n = length } END { exit n < 256 }'
	python3 -c 'import sys, tarfile; sys.exit(len(tarfile.open(sys.argv[1]).getmembers()) < 300)' "$archive"
}

@test "a report is whole or not there; standard output and errors" {
	many
	"$vfio_pm" --sysroot="$FX" report 01:00.0 -o - | tar -tf - >/dev/null
	run "$vfio_pm" --sysroot="$FX" report 01:00.0 -o /dev/full
	[ "$status" = 1 ]
	[[ $output == *"cannot write the report to '/dev/full': No space left on device"* ]]
	run "$vfio_pm" --sysroot="$FX" report 01:00.0 -o "$BATS_TEST_TMPDIR/no/where"
	[ "$status" = 1 ]
	run "$vfio_pm" --sysroot="$FX" report 0f:00.0 -o "$archive"
	[ "$status" = 3 ]
	[ ! -e "$archive" ]
	run "$vfio_pm" --sysroot="$FX" report 01:00.0
	[ "$status" = 2 ]
	run "$vfio_pm" --sysroot="$FX" report -o "$archive"
	[ "$status" = 2 ]
	[ -z "$(find "$BATS_TEST_TMPDIR" -maxdepth 1 -name 'r.tar.*')" ]
}

@test "a hostile tree is packed or refused, and ends" {
	many
	fx_path 0000:01:00.0
	ln -s . "$FX/$FX_RET/0000:05:00.0"
	fx_symlink /etc/passwd "$FX/$FX_RET/vendor"
	rm "$FX/$FX_RET/class"; mkfifo "$FX/$FX_RET/class"
	fx_symlink ../../../../../../../../../../etc "$FX/$FX_RET/firmware_node"
	timeout 20 "$vfio_pm" --sysroot="$FX" report 01:00.0 -o "$archive"
	tar -xOf "$archive" > "$BATS_TEST_TMPDIR/all"
	! grep -aq root: "$BATS_TEST_TMPDIR/all"
}
