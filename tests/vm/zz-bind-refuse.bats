#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 timeout=1200 cost=60 append="test=bind-refuse"
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
	mark "test $BATS_TEST_DESCRIPTION"
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



@test "a loop device on a partition: it claims nothing, what is mounted from it is seen" {
	mkfs.ext4 -q -F "/dev/${DISK}p1"
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











