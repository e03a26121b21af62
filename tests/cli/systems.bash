# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Systems that several test files look at. Sourced after fixture.bash.

# A workstation: a GPU and its audio function asleep in D3cold below a port, a network card that a VM
# has open, one that nobody drives, an nvme in D3hot that its user put there, a device without PM
# capability, a PF with a VF, and two more of a group that can't be opened.
system_workstation() { # DIR
	fixture_new "$1"
	fx_bridge 0000:00:01.0 bus=01 status=suspended state=D3cold kids=0 group=1 \
		acpi='\_SB_.PCI0.PEG0' acpi_state=D3cold acpi_real=D3cold resources=LNXPOWER:00
	fx_device 0000:01:00.0 parent=0000:00:01.0 driver=vfio-pci group=1 vendor=10de device=2204 \
		subvendor=1043 subdevice=87b3 class=030000 status=suspended state=D3cold \
		acpi='\_SB_.PCI0.PEG0.PEGP' acpi_state=D3cold acpi_real=D3cold resources=LNXPOWER:00 \
		override=vfio-pci enable=1
	fx_device 0000:01:00.1 parent=0000:00:01.0 driver=vfio-pci group=1 vendor=10de device=1aef \
		class=040300 status=suspended state=D3cold override=vfio-pci
	fx_device 0000:00:1f.6 driver=e1000e group=9 device=15bb class=020000 status=active state=D0 \
		control=on active=3600000 suspended=0 usage=2 wakeup=enabled enable=1
	fx_bridge 0000:00:1c.0 bus=02 kids=1 group=5
	fx_device 0000:02:00.0 parent=0000:00:1c.0 driver=vfio-pci group=12 vendor=144d device=a808 \
		class=010802 status=active state=D3hot active=90000 suspended=10000 usage=1 enable=1 \
		autosuspend=-1 cdev=yes
	fx_device 0000:00:10.0 driver=vfio-pci group=13 vendor=1234 device=11e8 class=00ff00 \
		status=suspended state=D0 d3cold_allowed=0 reset=-
	fx_device 0000:00:11.0 driver=vfio-pci group=14 numvfs=1 status=active state=D0 usage=1 \
		active=500 suspended=0 device=1572
	fx_device 0000:00:11.1 group=15 physfn=0000:00:11.0 vendor=8086 device=154c status=active \
		state=D0 enabled=disabled wakeup=-
	fx_device 0000:00:12.0 driver=vfio-pci group=16 status=active state=D0
	fx_device 0000:00:12.1 driver=snd_hda_intel group=16 class=040300 device=a0c8
	fx_process 1 comm=systemd exe=/usr/lib/systemd/systemd
	fx_process 4711 comm=qemu-system-x86 uid=107 fd=/dev/vfio/1 fd='anon_inode:[vfio-device]'
	fx_process 4712 comm='a (b) c' uid=1000 fd=/dev/vfio/devices/vfio2
	fx_module vfio_pci disable_idle_d3=N
}

# system_build NAME: in setup_file, builds system_NAME once for all cases. In a shell of its own: bats
# traces every command of a test, which makes the thousand of a system three times as dear.
system_build() {
	# shellcheck disable=SC2016 # expanded there
	bash -e -c '
		. "$1/fixture.bash"
		. "$1/systems.bash"
		"system_$2" "$3/root"
		declare -p FX_PATH FX_VFIO FX_NODE | sed -e "s/^declare -A/declare -gA/" -e "s/^declare --/declare -g/" >"$3/state"
	' - "$BATS_TEST_DIRNAME" "$1" "$BATS_FILE_TMPDIR"
}

# system_copy: in setup, a copy that the case may change; sets FX.
system_copy() {
	FX=$BATS_TEST_TMPDIR/root
	cp -a "$BATS_FILE_TMPDIR/root" "$FX"
	. "$BATS_FILE_TMPDIR/state"
}
