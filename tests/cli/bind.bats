#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# bind and unbind on mocked systems: what is refused, and how it is said.

bats_require_minimum_version 1.5.0
load fixture

setup() {
	vfio_pm=$BATS_TEST_DIRNAME/../../build/vfio-pm
	unset SSH_CONNECTION
	fixture_new "$BATS_TEST_TMPDIR/root"
	fx_bridge 0000:00:1c.0 bus=01
	fx_device 0000:01:00.0 parent=0000:00:1c.0 driver=nvme group=7 class=010802
	fx_device 0000:02:00.0 driver=e1000e group=8
	fx_device 0000:02:00.1 group=8
	fx_device 0000:03:00.0 driver=i915 group=9 class=030000
	fx_device 0000:04:00.0 driver=vfio-pci group=10 enable=1
	mkdir -p "$FX/sys/bus/pci/drivers/vfio-pci"
	fx_file proc/self/mountinfo '28 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw'
}

dry() { # ARGUMENT...: a dry run; sets `status`, `output`, `stderr`
	run --separate-stderr "$vfio_pm" --sysroot="$FX" bind --dry-run "$@"
}

is() { # STATUS STDOUT STDERR
	[ "$status" = "$1" ] && [ "$output" = "$2" ] && [ "$stderr" = "$3" ] && return
	printf '%s\n' "status $status" "stdout: $output" "stderr: $stderr"
	return 1
}

allowed() { # ADDRESS DRIVER
	dry "$1"
	is 0 "$1: would go from $2 to vfio-pci" ""
}

refused() { # ADDRESS CAUSE...
	local address=$1 cause text=
	shift
	for cause; do text+="vfio-pm: cannot bind '$address': $cause"$'\n'; done
	dry "$address"
	is 5 "" "${text}vfio-pm: hint: free it first, or, if you know: vfio-pm bind --force $address"
}

fx_holder() { # BLOCK HOLDER
	fx_link "sys/class/block/$1/holders/$2" "sys/class/block/$2"
}

fx_disk() { # with one partition
	fx_block 0000:01:00.0 nvme/nvme0/nvme0n1 259:0
	fx_block 0000:01:00.0 nvme/nvme0/nvme0n1/nvme0n1p1 259:1
	fx_file sys/class/block/nvme0n1p1/partition 1
}

fx_dm() { # NAME LABEL UUID MAJOR:MINOR
	fx_block virtual "$1" "$4"
	fx_file "sys/class/block/$1/dm/name" "$2"
	fx_file "sys/class/block/$1/dm/uuid" "$3"
}

fx_upper() { # LOWER UPPER
	fx_link "sys/class/net/$1/upper_$2" "sys/class/net/$2"
}

route() { # LINE...
	fx_file proc/net/route $'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT'
	printf '%b\n' "$@" >>"$FX/proc/net/route"
}

@test "nothing uses it: the plan" {
	fx_disk
	allowed 0000:01:00.0 nvme
	allowed 0000:02:00.0 e1000e
	allowed 0000:02:00.1 "no driver"
	dry --driver=vfio-pci 0000:04:00.0
	is 0 "0000:04:00.0: stays on vfio-pci" ""
	dry --driver=other 0000:02:00.0
	is 0 "other: its module would be loaded
0000:02:00.0: would go from e1000e to other" ""
}

@test "a group: all endpoints, each named, none when one is refused" {
	dry --group 0000:02:00.1
	is 0 "0000:02:00.0: would go from e1000e to vfio-pci
0000:02:00.1: would go from no driver to vfio-pci" ""
	dry --group 0000:02:00.0 0000:02:00.1
	is 0 "0000:02:00.0: would go from e1000e to vfio-pci
0000:02:00.1: would go from no driver to vfio-pci" ""
	fx_net 0000:02:00.0 eth0
	route 'eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0'
	dry --group 0000:02:00.1
	[ "$status" = 5 ]
	[ -z "$output" ]
	fx_device 0000:0a:00.0
	dry --group 0000:0a:00.0
	is 4 "" "vfio-pm: cannot bind '0000:0a:00.0': it is in no IOMMU group
vfio-pm: hint: turn the IOMMU on in the firmware and on the kernel's command line (intel_iommu=on, amd_iommu=on)"
}

@test "several devices: all are tried, the first failure's code" {
	dry 0000:01:00.0 0000:00:1c.0 0000:05:00.0
	[ "$status" = 3 ]
	[ "$output" = "0000:01:00.0: would go from nvme to vfio-pci" ]
	[[ $stderr == *"no such device: '0000:05:00.0'"*"cannot bind '0000:00:1c.0': it is a bridge"* ]]
}

@test "mounts: of a partition, with blanks, by init's namespace, of a btrfs" {
	fx_disk
	fx_file proc/self/mountinfo '28 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw'
	allowed 0000:01:00.0 nvme
	fx_file proc/self/mountinfo '40 28 259:1 / /srv/my\040disk rw shared:7 master:2 - ext4 /dev/root rw'
	refused 0000:01:00.0 "'/srv/my disk' is mounted from nvme0n1 > nvme0n1p1"
	fx_file proc/self/mountinfo '28 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw'
	fx_file proc/1/mountinfo '40 28 259:0 / /data rw - xfs /dev/nvme0n1 rw'
	refused 0000:01:00.0 "'/data' is mounted from nvme0n1"
	# btrfs shows a number of its own.
	fx_file proc/1/mountinfo '40 28 0:45 /@home /home rw - btrfs /dev/nvme0n1p1 rw,subvol=/@home'
	refused 0000:01:00.0 "'/home' is mounted from nvme0n1 > nvme0n1p1"
	# Its second member isn't named in mountinfo.
	fx_file proc/1/mountinfo '40 28 0:45 /@home /home rw - btrfs /dev/sdb rw,subvol=/@home'
	fx_link sys/fs/btrfs/c0ffee/devices/nvme0n1p1 sys/class/block/nvme0n1p1
	refused 0000:01:00.0 "btrfs c0ffee is on nvme0n1 > nvme0n1p1"
}

@test "holders: LVM on dm-crypt on RAID, and what is on top is what is said" {
	fx_disk
	fx_block virtual md0 9:0
	mkdir "$FX/sys/devices/virtual/block/md0/md"
	fx_holder nvme0n1p1 md0
	refused 0000:01:00.0 "md0 (RAID) is on nvme0n1 > nvme0n1p1"
	fx_dm dm-0 secret CRYPT-LUKS2-0123 254:0
	fx_holder md0 dm-0
	refused 0000:01:00.0 "secret (dm-crypt) is on nvme0n1 > nvme0n1p1 > md0 (RAID)"
	fx_dm dm-1 vg-root LVM-abc 254:1
	fx_dm dm-2 vg-swap LVM-def 254:2
	fx_holder dm-0 dm-1
	fx_holder dm-0 dm-2
	fx_file proc/self/mountinfo '28 1 254:1 / / rw,relatime - ext4 /dev/mapper/vg-root rw'
	fx_file proc/swaps $'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/dm-2                               partition\t998396\t\t0\t\t-2'
	refused 0000:01:00.0 \
		"'/' is mounted from nvme0n1 > nvme0n1p1 > md0 (RAID) > secret (dm-crypt) > vg-root (LVM)" \
		"swap '/dev/dm-2' is on nvme0n1 > nvme0n1p1 > md0 (RAID) > secret (dm-crypt) > vg-swap (LVM)"
	# Holders in a circle: a hostile tree.
	fx_holder dm-2 dm-0
	dry 0000:01:00.0
	[ "$status" = 5 ]
}

@test "native NVMe multipath: the disk is not below the device" {
	fx_block 0000:01:00.0 nvme/nvme3/nvme0c3n1 0:0
	rm "$FX/sys/class/block/nvme0c3n1/dev"
	fx_block virtual nvme0n1 259:0
	fx_file proc/self/mountinfo '40 28 259:0 / /data rw - xfs /dev/nvme0n1 rw'
	refused 0000:01:00.0 "'/data' is mounted from nvme0c3n1 > nvme0n1"
}

@test "ZFS: a member of a pool, when one is imported" {
	fx_disk
	fx_file run/udev/data/b259:1 $'S:disk/by-label/tank\nE:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=tank'
	allowed 0000:01:00.0 nvme
	fx_file proc/spl/kstat/zfs/tank/state ONLINE
	refused 0000:01:00.0 "a ZFS pool is on nvme0n1 > nvme0n1p1"
}

# here [--user] ARGUMENT...: the command takes the fixture's sys for that of this machine, whose
# dev knows none of its disks; as root, or as an ordinary user
here() {
	local as=() map=()
	[ "$1" != --user ] || { shift; as=(unshare --user --map-user=65534); }
	[ "$EUID" = 0 ] || map=(--user --map-root-user)
	# shellcheck disable=SC2016 # the inner shell's
	run --separate-stderr unshare "${map[@]}" --mount sh -c 'mount --rbind "$1/sys" /sys && shift && exec "$@"' \
		- "$FX" "${as[@]}" "$vfio_pm" "$@"
}

@test "a disk that the kernel can't be asked about: refused, --force takes it; a user is warned" {
	fx_block 0000:01:00.0 nvme/nvme97/nvme97n1 259:977
	local cause="what it is used for can't be told: /dev/nvme97n1: No such file or directory"
	for dry in "" --dry-run; do
		here bind $dry 0000:01:00.0
		is 5 "" "vfio-pm: cannot bind '0000:01:00.0': $cause
vfio-pm: hint: look as root, with the host's /dev, /proc and /sys, or, if you know: vfio-pm bind --force 0000:01:00.0"
	done
	here bind --dry-run --force 0000:01:00.0
	is 0 "0000:01:00.0: would go from nvme to vfio-pci" "vfio-pm: warning: '0000:01:00.0': $cause"
	here --user bind --dry-run 0000:01:00.0
	is 0 "0000:01:00.0: would go from nvme to vfio-pci" "vfio-pm: warning: '0000:01:00.0': $cause
vfio-pm: hint: look as root, with the host's /dev, /proc and /sys: vfio-pm bind --dry-run 0000:01:00.0"
	# What has no disk, and a disk without a number, which can't be opened: nothing to ask.
	here bind --dry-run 0000:02:00.0
	is 0 "0000:02:00.0: would go from e1000e to vfio-pci" ""
	rm "$FX/sys/class/block/nvme97n1/dev"
	here bind --dry-run 0000:01:00.0
	is 0 "0000:01:00.0: would go from nvme to vfio-pci" ""
}

@test "another machine's tables that can't be read: told" {
	fx_disk
	rm "$FX/proc/self/mountinfo"
	untold() {
		dry 0000:01:00.0
		is 0 "0000:01:00.0: would go from nvme to vfio-pci" \
			"vfio-pm: warning: '0000:01:00.0': what it is used for can't be told: $1
vfio-pm: hint: look as root, with the host's /dev, /proc and /sys: vfio-pm bind --dry-run 0000:01:00.0"
	}
	untold "/proc/self/mountinfo: No such file or directory"
	fx_file proc/self/mountinfo '28 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw'
	truncate -s 17M "$FX/proc/swaps"
	untold "/proc/swaps: File too large"
	# What is known already needs no more.
	fx_file proc/self/mountinfo '28 1 259:1 / /srv rw,relatime - ext4 /dev/nvme0n1p1 rw'
	refused 0000:01:00.0 "'/srv' is mounted from nvme0n1 > nvme0n1p1"
}

@test "a loop device on a partition, which has no holder for it" {
	fx_disk
	fx_block virtual loop0 7:0
	fx_file sys/class/block/loop0/loop/backing_file /var/lib/disk.img
	allowed 0000:01:00.0 nvme
	fx_file sys/class/block/loop0/loop/backing_file /dev/nvme0n1p1
	refused 0000:01:00.0 "loop0 is on nvme0n1 > nvme0n1p1"
	fx_file proc/self/mountinfo '40 28 7:0 / /srv rw - ext4 /dev/loop0 rw'
	refused 0000:01:00.0 "'/srv' is mounted from nvme0n1 > nvme0n1p1 > loop0"
}

@test "the default route: of the interface, of a bridge over a bond over it, IPv6" {
	fx_net 0000:02:00.0 eth0
	route 'eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0'
	allowed 0000:02:00.0 e1000e
	route 'eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0'
	refused 0000:02:00.0 "the default route goes through eth0"
	route 'br0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0'
	fx_net virtual bond0
	fx_net virtual br0
	fx_upper eth0 bond0
	fx_upper bond0 br0
	refused 0000:02:00.0 "the default route goes through eth0 > bond0 > br0"
	# A default route that rejects is none: only the masters are left.
	route 'br0\t00000000\t0101A8C0\t0203\t0\t0\t100\t00000000\t0\t0\t0'
	refused 0000:02:00.0 "br0, which is up, is on eth0 > bond0"
	fx_file sys/class/net/br0/flags 0x1002
	refused 0000:02:00.0 "bond0, which is up, is on eth0"
	fx_file sys/class/net/bond0/flags 0x1002
	allowed 0000:02:00.0 e1000e
	fx_file proc/net/ipv6_route '00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0'
	refused 0000:02:00.0 "the default route goes through eth0"
}

@test "a port of Open vSwitch, whose bridges nothing is linked to" {
	fx_net 0000:02:00.0 eth0
	fx_net virtual ovs-system
	fx_net virtual br0
	fx_upper eth0 ovs-system
	fx_file sys/class/net/ovs-system/flags 0x1002
	route 'br0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0'
	refused 0000:02:00.0 "Open vSwitch is on eth0"
}

@test "displays: the firmware's, the console's, one that shows a picture" {
	fx_set 0000:03:00.0 boot_vga 0
	fx_path 0000:03:00.0
	fx_link sys/class/graphics/fb0 "$FX_RET/graphics/fb0"
	mkdir -p "$FX/$FX_RET/graphics/fb0"
	fx_file sys/class/vtconsole/vtcon0/name '(S) dummy device'
	fx_file sys/class/vtconsole/vtcon0/bind 1
	fx_file sys/class/vtconsole/vtcon1/name '(M) frame buffer device'
	fx_file sys/class/vtconsole/vtcon1/bind 0
	allowed 0000:03:00.0 i915
	fx_file sys/class/vtconsole/vtcon1/bind 1
	refused 0000:03:00.0 "the console is on it (fb0)"
	fx_file sys/class/vtconsole/vtcon1/bind 0
	fx_file "$FX_RET/drm/card0/card0-HDMI-A-1/status" connected
	fx_file "$FX_RET/drm/card0/card0-HDMI-A-1/enabled" disabled
	fx_link sys/class/drm/card0-HDMI-A-1 "$FX_RET/drm/card0/card0-HDMI-A-1"
	allowed 0000:03:00.0 i915
	fx_file "$FX_RET/drm/card0/card0-HDMI-A-1/enabled" enabled
	refused 0000:03:00.0 "it shows a picture (card0-HDMI-A-1)"
	fx_set 0000:03:00.0 boot_vga 1
	refused 0000:03:00.0 "it is the boot display" "it shows a picture (card0-HDMI-A-1)"
}

@test "a PF: VFs without a driver are no use, one on a driver is, one that is open can't be forced" {
	fx_device 0000:06:00.0 driver=ixgbe group=20 numvfs=2
	fx_device 0000:06:10.0 group=21 physfn=0000:06:00.0
	fx_device 0000:06:10.2 driver=vfio-pci group=22 physfn=0000:06:00.0
	allowed 0000:06:00.0 ixgbe
	fx_path 0000:06:10.0
	fx_link "$FX_RET/driver" sys/bus/pci/drivers/pci-stub
	mkdir "$FX/sys/bus/pci/drivers/"{pci-stub,ixgbevf}
	allowed 0000:06:00.0 ixgbe
	fx_link "$FX_RET/driver" sys/bus/pci/drivers/ixgbevf
	refused 0000:06:00.0 "its VF 0000:06:10.0 (ixgbevf) is in use"
	fx_set 0000:06:10.2 enable 1
	dry --force 0000:06:00.0
	is 5 "" "vfio-pm: warning: '0000:06:00.0': its VF 0000:06:10.0 (ixgbevf) is in use
vfio-pm: cannot bind '0000:06:00.0': its VF 0000:06:10.2 is open through VFIO
vfio-pm: hint: the kernel would wait for it to be closed, for ever"
}

@test "a parent of mediated devices: they would go with its driver" {
	fx_device 0000:06:00.0 driver=i915 group=20 class=030000
	fx_path 0000:06:00.0
	mkdir "$FX/$FX_RET/mdev_supported_types"
	allowed 0000:06:00.0 i915
	fx_path 0000:06:00.0
	mkdir "$FX/$FX_RET/c0ffee00-1111-2222-3333-444455556666" "$FX/$FX_RET/drm"
	fx_link "$FX_RET/c0ffee00-1111-2222-3333-444455556666/mdev_type" "$FX_RET/mdev_supported_types/i915-GVTg_V5_4"
	refused 0000:06:00.0 "its mediated device c0ffee00-1111-2222-3333-444455556666 would go with its driver"
}

@test "a bridge, also with --force" {
	dry 0000:00:1c.0
	is 4 "" "vfio-pm: cannot bind '0000:00:1c.0': it is a bridge
vfio-pm: hint: VFIO takes the devices below it: vfio-pm list -a"
	dry --force 0000:00:1c.0
	is 4 "" "vfio-pm: cannot bind '0000:00:1c.0': it is a bridge
vfio-pm: hint: VFIO takes the devices below it: vfio-pm list -a"
}

@test "a bridge is what has a bridge's header, or the platform behind it; an NVSwitch is none" {
	fx_device 0000:0b:00.0 driver=nvidia-nvswitch group=11 vendor=10de device=22a3 class=068000
	allowed 0000:0b:00.0 nvidia-nvswitch
	dry --group 0000:0b:00.0
	is 0 "0000:0b:00.0: would go from nvidia-nvswitch to vfio-pci" ""
	fx_set 0000:0b:00.0 secondary_bus_number 12
	dry 0000:0b:00.0
	is 4 "" "vfio-pm: cannot bind '0000:0b:00.0': it is a bridge
vfio-pm: hint: VFIO takes the devices below it: vfio-pm list -a"
	for class in 060000 060100 060401 060700 060940; do
		fx_device 0000:0c:00.0 class=$class
		dry --force 0000:0c:00.0
		[ "$status" = 4 ]
		[[ $stderr == *"it is a bridge"* ]]
	done
}

@test "a bridge names no group: refused whether it is alone in it or not" {
	local refused="vfio-pm: cannot bind 'BRIDGE': it is a bridge
vfio-pm: hint: VFIO takes the devices below it: vfio-pm list -a"
	fx_bridge 0000:00:1d.0 group=11 bus=0b
	dry --group 0000:00:1d.0
	is 4 "" "${refused/BRIDGE/0000:00:1d.0}"
	fx_bridge 0000:00:1e.0 group=12 bus=0c
	fx_device 0000:0c:00.0 parent=0000:00:1e.0 driver=e1000e group=12
	dry --group --force 0000:00:1e.0
	is 4 "" "${refused/BRIDGE/0000:00:1e.0}"
	# An endpoint that is named beside it is bound.
	dry --group 0000:00:1e.0 0000:0c:00.0
	is 4 "0000:0c:00.0: would go from e1000e to vfio-pci" "${refused/BRIDGE/0000:00:1e.0}"
	dry --group group:12
	is 0 "0000:0c:00.0: would go from e1000e to vfio-pci" ""
}

@test "open through VFIO: the owner is named, --force or not" {
	fx_process 4711 comm=qemu-system-x86 fd=/dev/vfio/10
	for force in --force --dry-run; do
		dry $force --driver=pci-stub 0000:04:00.0
		is 5 "" "vfio-pm: cannot bind '0000:04:00.0': it is open through VFIO by 'qemu-system-x86' (pid 4711)
vfio-pm: hint: it is free when that process closes it or ends"
	done
	rm -r "$FX/proc/4711"
	dry --driver=pci-stub 0000:04:00.0
	is 5 "" "vfio-pm: cannot bind '0000:04:00.0': it is open through VFIO, owner not visible from here
vfio-pm: hint: look as root, and outside of this container: vfio-pm status 0000:04:00.0"
}

@test "usage: no device, a bad address, a bad driver, another root" {
	run --separate-stderr "$vfio_pm" bind
	[ "$status" = 2 ]
	[[ $stderr == *"which device?"* ]]
	dry 0000:01:00.9
	[ "$status" = 2 ]
	dry --driver=../nvme 0000:01:00.0
	is 2 "" "vfio-pm: '../nvme' is no name of a driver"
	run --separate-stderr "$vfio_pm" --sysroot="$FX" bind 0000:01:00.0
	is 2 "" "vfio-pm: 'bind' acts on devices and takes no --sysroot without --dry-run"
	run --separate-stderr "$vfio_pm" --sysroot="$FX" unbind 0000:01:00.0
	is 2 "" "vfio-pm: 'unbind' acts on devices and takes no --sysroot"
	run --separate-stderr "$vfio_pm" unbind --control=maybe 0000:01:00.0
	[ "$status" = 2 ]
	[[ $stderr == *"--control is 'auto' or 'on', not 'maybe'"* ]]
}
