#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 timeout=1200 append="test=bind-refuse" soak=6.1 cost=150
#
# What bind refuses because the host uses it, each for real, and that nothing is changed by a refusal.

load lib
load bind-lib

setup_file() {
	load_vfio disable_idle_d3=0
	load_host_drivers
	local disk=("$pci/$NVME"/nvme/nvme*/nvme*n*)
	export DISK=${disk[0]##*/} PORT
	# Two partitions, of 40 MiB and what is left.
	printf ',40M\n,\n' | sfdisk --quiet "/dev/$DISK"
	wait_for "$VM_PATIENCE" test -b "/dev/${DISK}p2"
	local interface=("$pci/$PAIR0"/net/*)
	PORT=${interface[0]##*/}
}

setup() {
	start_case
	snapshot
	before=$REPLY
}

# Whatever a test has left when it failed.
teardown() {
	close_device
	[ -z "${claimer:-}" ] || kill -KILL "$claimer" 2>/dev/null || true
	umount /mnt 2>/dev/null || true
	losetup -d /dev/loop0 2>/dev/null || true
	swapoff "/dev/${DISK}p2" 2>/dev/null || true
	vgchange --quiet -an 2>/dev/null || true
	cryptsetup close secret 2>/dev/null || true
	mdadm --quiet --stop /dev/md9 2>/dev/null || true
	ip link del br9 2>/dev/null || true
	ip link del vlan9 2>/dev/null || true
	ip link del bond9 2>/dev/null || true
	ip link del dummy9 2>/dev/null || true
	ip route flush default 2>/dev/null || true
	ip link set "$PORT" down 2>/dev/null || true
}

refused() { # ADDRESS TEXT...: exit 5, said why, nothing changed
	vp bind "$1"
	expect 5 "cannot bind '$1': " "${@:2}" "hint: " || return
	unchanged "$before"
}

claim() { # DISK: as a program does that wants it for itself
	python3 -c "
import os, signal
fd = os.open('/dev/$1', os.O_RDONLY | os.O_EXCL)
print('open', flush=True)
signal.pause()" >"$BATS_TEST_TMPDIR/out" 3>&- 4>&- &
	claimer=$!
	wait_for "$VM_PATIENCE" test -s "$BATS_TEST_TMPDIR/out"
}

let_go() {
	kill "$claimer"
	wait "$claimer" || true
}

allowed() { # ADDRESS
	vp bind --dry-run "$1"
	expect 0 "$1: would go from"
}

@test "a filesystem on an LVM volume: mounted, not mounted, volume inactive" {
	mount_volume "/dev/${DISK}p1"
	echo precious >/mnt/file
	refused "$NVME" "'/mnt' is mounted from $DISK > ${DISK}p1 > store-data (LVM)"
	[ "$(cat /mnt/file)" = precious ]
	vp bind --dry-run "$NVME"
	expect 5 "'/mnt' is mounted from $DISK > ${DISK}p1 > store-data (LVM)"
	# The whole group, and together with another device: nothing of it either.
	vp bind --group "$NVME"
	expect 5 "'/mnt' is mounted"
	unchanged "$before"
	umount /mnt
	refused "$NVME" "store-data (LVM) is on $DISK > ${DISK}p1"
	vgchange --quiet -an store
	allowed "$NVME"
	vgremove --quiet --force store
	pvremove --quiet "/dev/${DISK}p1"
}

@test "a mount point with blanks; a mount in another mount namespace" {
	mkfs.ext4 -q -F "/dev/${DISK}p1"
	mkdir -p '/mnt/my disk'
	mount "/dev/${DISK}p1" '/mnt/my disk'
	refused "$NVME" "'/mnt/my disk' is mounted from $DISK > ${DISK}p1"
	umount '/mnt/my disk'
	allowed "$NVME"
	unshare --mount --propagation=private sh -c "mount /dev/${DISK}p1 /mnt && echo mounted && exec sleep 1000" \
		>"$BATS_TEST_TMPDIR/out" 3>&- 4>&- &
	claimer=$!
	wait_for "$VM_PATIENCE" test -s "$BATS_TEST_TMPDIR/out"
	refused "$NVME" "$DISK is claimed by the kernel or by a program"
	kill "$claimer"
	wait "$claimer" || true
	wait_for "$VM_PATIENCE" allowed "$NVME"
}

@test "a loop device on a partition: it claims nothing, what is mounted from it is seen" {
	mkfs.ext4 -q -F "/dev/${DISK}p1"
	modprobe loop
	losetup /dev/loop0 "/dev/${DISK}p1"
	refused "$NVME" "loop0 is on $DISK > ${DISK}p1"
	mount /dev/loop0 /mnt
	refused "$NVME" "'/mnt' is mounted from $DISK > ${DISK}p1 > loop0"
	umount /mnt
	losetup -d /dev/loop0
	allowed "$NVME"
}

@test "a disk without its node, as in a container: refused; with it, free" {
	vp_with unshare --mount sh -c "mount -t tmpfs none /dev && exec \"\$@\"" - -- bind "$NVME"
	expect 5 "cannot bind '$NVME': what it is used for can't be told: /dev/$DISK: " "hint: "
	unchanged "$before"
	vp_with setpriv --reuid=65534 --regid=65534 --clear-groups -- bind --dry-run "$NVME"
	expect 0 "warning: '$NVME': what it is used for can't be told: /dev/$DISK: Permission denied" \
		"$NVME: would go from"
	allowed "$NVME"
}

@test "swap" {
	mkswap -q "/dev/${DISK}p2" || mkswap "/dev/${DISK}p2"
	swapon "/dev/${DISK}p2"
	refused "$NVME" "swap '/dev/${DISK}p2' is on $DISK > ${DISK}p2"
	grep -q "${DISK}p2" /proc/swaps
	swapoff "/dev/${DISK}p2"
	allowed "$NVME"
}

@test "dm-crypt, RAID, and a program that claims the disk" {
	head -c 32 /dev/zero | cryptsetup open --type plain --cipher aes-cbc-essiv:sha256 --key-size 256 \
		--key-file - "/dev/${DISK}p1" secret
	refused "$NVME" "secret (dm-crypt) is on $DISK > ${DISK}p1"
	cryptsetup close secret
	mdadm --quiet --create /dev/md9 --run --force --level=0 --raid-devices=1 --metadata=1.2 \
		"/dev/${DISK}p2"
	refused "$NVME" "md9 (RAID) is on $DISK > ${DISK}p2"
	mkfs.ext4 -q /dev/md9
	mount /dev/md9 /mnt
	refused "$NVME" "'/mnt' is mounted from $DISK > ${DISK}p2 > md9 (RAID)"
	umount /mnt
	mdadm --quiet --stop /dev/md9
	mdadm --quiet --zero-superblock "/dev/${DISK}p2"
	claim "$DISK"
	refused "$NVME" "$DISK is claimed by the kernel or by a program"
	let_go
	allowed "$NVME"
}

@test "a multipath disk: its paths have no node of their own" {
	local head path=()
	wait_for "$VM_PATIENCE" eval "path=($pci/$PF/nvme/nvme*/nvme*c*n1); [ -e \"\${path[0]}\" ]"
	[[ ${path[0]##*/} =~ ^(nvme[0-9]+)c[0-9]+(n[0-9]+)$ ]]
	head=${BASH_REMATCH[1]}${BASH_REMATCH[2]}
	claim "$head"
	refused "$PF" "$head is claimed by the kernel or by a program"
	let_go
	allowed "$PF"
}

@test "--force takes a mounted disk, with a warning" {
	mkfs.ext4 -q -F "/dev/${DISK}p1"
	mount "/dev/${DISK}p1" /mnt
	# The filesystem loses its disk: what the kernel says about that is its business.
	allow_kernel_report '.'
	vp bind --force "$NVME"
	expect 0 "warning: '$NVME': '/mnt' is mounted from $DISK > ${DISK}p1" "$NVME: nvme -> vfio-pci"
	umount -l /mnt
	vp unbind "$NVME"
	expect 0 "vfio-pci -> nvme"
	wait_for "$VM_PATIENCE" test -b "/dev/${DISK}p1"
	disallow_kernel_report
}

@test "the default route on a bridge over the interface, IPv4 and IPv6; the bridge itself; nothing" {
	ip link add br9 type bridge
	ip link set "$PORT" up
	ip link set "$PORT" master br9
	ip link set br9 up
	ip addr add 192.0.2.1/24 dev br9
	ip route add default via 192.0.2.254 dev br9
	refused "$PAIR0" "the default route goes through $PORT > br9"
	[ -n "$(ip route show default)" ]
	# Its neighbour in the group is free, the group is not.
	allowed "$PAIR1"
	vp bind --group "$PAIR1"
	expect 5 "'$PAIR0': the default route"
	unchanged "$before"
	ip route del default
	refused "$PAIR0" "br9, which is up, is on $PORT"
	ip -6 addr add 2001:db8::1/64 dev br9 nodad
	ip -6 route add default via 2001:db8::fe dev br9
	refused "$PAIR0" "the default route goes through $PORT > br9"
	ip -6 route del default
	ip link set br9 down
	allowed "$PAIR0"
	ip link del br9
	ip addr add 192.0.2.1/24 dev "$PORT"
	ip route add default via 192.0.2.254 dev "$PORT"
	refused "$PAIR0" "the default route goes through $PORT"
	ip route del default
	ip addr flush dev "$PORT"
}

@test "a default route with several next hops, in a table of its own, by next hop objects" {
	ip link add dummy9 type dummy
	ip link set dummy9 up
	ip link set "$PORT" up
	ip addr add 198.51.100.1/24 dev dummy9
	ip addr add 192.0.2.1/24 dev "$PORT"
	ip -6 addr add 2001:db8::1/64 dev "$PORT" nodad
	allowed "$PAIR0"
	ip route add default nexthop via 198.51.100.254 dev dummy9 nexthop via 192.0.2.254 dev "$PORT"
	# The file shows the first one only.
	[ -z "$(awk -v port="$PORT" '$1 == port && $2 == "00000000"' /proc/net/route)" ]
	refused "$PAIR0" "the default route goes through $PORT"
	ip route del default
	ip route add default via 192.0.2.254 dev "$PORT" table 99
	refused "$PAIR0" "the default route goes through $PORT"
	ip route del default table 99
	ip -6 route add default nexthop via 2001:db8::fd dev "$PORT" nexthop via 2001:db8::fe dev "$PORT"
	refused "$PAIR0" "the default route goes through $PORT"
	ip -6 route del default
	ip -6 addr add 2001:db8:1::1/64 dev dummy9 nodad
	ip nexthop add id 1 via 2001:db8:1::fe dev dummy9
	ip nexthop add id 2 via 2001:db8::fe dev "$PORT"
	ip nexthop add id 3 group 1/2
	ip -6 route add default nhid 3
	[ -z "$(awk -v port="$PORT" '$10 == port && $2 == "00"' /proc/net/ipv6_route)" ]
	refused "$PAIR0" "the default route goes through $PORT"
	ip -6 route del default
	ip nexthop flush
	# What leads nowhere, and what isn't the default.
	ip route add unreachable default
	ip route add 198.18.0.0/15 via 192.0.2.254 dev "$PORT"
	allowed "$PAIR0"
	ip route del unreachable default
	ip link del dummy9
	ip addr flush dev "$PORT"
}

@test "a VLAN; a bond with two ports" {
	ip link set "$PORT" up
	ip link add link "$PORT" name vlan9 type vlan id 9
	allowed "$PAIR0"
	ip link set vlan9 up
	refused "$PAIR0" "vlan9, which is up, is on $PORT"
	ip link del vlan9
	ip link set "$PORT" down
	interface=("$pci/$PAIR1"/net/*)
	other=${interface[0]##*/}
	ip link set "$other" down
	ip link add bond9 type bond mode active-backup
	ip link set "$PORT" master bond9
	ip link set "$other" master bond9
	ip link set bond9 up
	refused "$PAIR0" "bond9, which is up, is on $PORT"
	refused "$PAIR1" "bond9, which is up, is on $other"
	ip addr add 192.0.2.1/24 dev bond9
	ip route add default via 192.0.2.254 dev bond9
	vp bind --group "$PAIR0"
	expect 5 "'$PAIR0': the default route goes through $PORT > bond9" \
		"'$PAIR1': the default route goes through $other > bond9"
	unchanged "$before"
	ip link del bond9
}

@test "the caller's SSH session, also when sudo has dropped its variable" {
	ip link set "$PORT" up
	ip addr add 192.0.2.1/24 dev "$PORT"
	allowed "$PAIR0"
	export SSH_CONNECTION="198.51.100.7 50022 192.0.2.1 22"
	refused "$PAIR0" "your SSH session (192.0.2.1) comes through $PORT"
	# An ancestor has it still.
	vp_with env -u SSH_CONNECTION -- bind "$PAIR0"
	expect 5 "your SSH session (192.0.2.1) comes through $PORT"
	unchanged "$before"
	unset SSH_CONNECTION
	ip addr flush dev "$PORT"
}

@test "a bridge" {
	for bridge in "$CONV_BRIDGE" "$D3HOT_PORT_UP"; do
		vp bind "$bridge"
		expect 4 "cannot bind '$bridge': it is a bridge" "hint: "
		unchanged "$before"
		vp bind --force "$bridge"
		expect 4 "cannot bind '$bridge': it is a bridge" "hint: "
		unchanged "$before"
	done
}

@test "VFs: one that is open is never taken, with --force or without; one on VFIO is nobody's loss" {
	echo 0 >"$pci/$PF/sriov_drivers_autoprobe"
	echo 2 >"$pci/$PF/sriov_numvfs"
	vf=$(readlink "$pci/$PF/virtfn0")
	vf=${vf##*/}
	vp bind "$vf"
	expect 0 "$vf: no driver -> vfio-pci" "a VF: its power is that of $PF"
	allowed "$PF"
	open_device "$vf"
	snapshot; before=$REPLY
	refused "$PF" "its VF $vf is open through VFIO"
	vp bind --force "$PF"
	expect 5 "its VF $vf is open through VFIO"
	unchanged "$before"
	close_device
	allowed "$PF"
	vp unbind "$vf"
	echo 0 >"$pci/$PF/sriov_numvfs"
}

@test "VFs: one on a driver of the host is in use" {
	echo 0 >"$pci/$PF/sriov_drivers_autoprobe"
	echo 1 >"$pci/$PF/sriov_numvfs"
	vf=$(readlink "$pci/$PF/virtfn0")
	vf=${vf##*/}
	modprobe uio_pci_generic
	bind_to uio_pci_generic "$vf"
	snapshot; before=$REPLY
	refused "$PF" "its VF $vf (uio_pci_generic) is in use"
	unbind "$vf"
	allowed "$PF"
	echo 0 >"$pci/$PF/sriov_numvfs"
}
