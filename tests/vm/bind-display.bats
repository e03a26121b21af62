#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 timeout=200 cost=30 qemu="-device VGA,bus=pcie.0,romfile=" soak=6.12
#
# The boot display, and the console on it, are not taken.

load lib
load bind-lib

setup() {
	start_case
	local path class
	for path in "$pci"/*; do
		get class "$path/class"
		[ "$class" != 0x030000 ] || vga=${path##*/}
	done
}

@test "the boot display, the console's framebuffer, a monitor" {
	grep -q 1 "$pci/$vga/boot_vga"
	snapshot; before=$REPLY
	vp bind "$vga"
	expect 5 "cannot bind '$vga': it is the boot display" "hint: "
	unchanged "$before"
	modprobe bochs
	wait_for "$VM_PATIENCE" is_on "$vga" bochs-drm
	snapshot; before=$REPLY
	vp bind "$vga"
	expect 5 "it is the boot display" "the console is on it (fb0)" "it shows a picture (card0-Virtual-1)"
	unchanged "$before"
}

@test "--force takes it" {
	modprobe bochs
	wait_for "$VM_PATIENCE" is_on "$vga" bochs-drm
	vp bind --force "$vga"
	expect 0 "warning: '$vga': it is the boot display" "$vga: bochs-drm -> vfio-pci"
	vp unbind "$vga"
	expect 0 "$vga: vfio-pci -> bochs-drm"
}
