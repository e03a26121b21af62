#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=debug append="kmemleak=on" timeout=600
#
# What only the debug kernel can show: allocations that fail, leaks, the device cdev and iommufd.

load lib
load module-lib

setup_file() { load_driver vfio-pm-pci; }
setup() { start_case; }
teardown_file() { module_teardown; }

debugfs=/sys/kernel/debug

@test "each allocation on the way fails in turn" {
	mountpoint -q "$debugfs" || mount -t debugfs debugfs "$debugfs"
	# fail-nth decides alone; a sleeping allocation may fail as well.
	echo N >"$debugfs/failslab/ignore-gfp-wait"
	echo 0 >"$debugfs/failslab/verbose"
	unbind "$D3COLD"
	echo vfio-pm-pci >"$pci/$D3COLD/driver_override"
	PROGRAM_TIMEOUT=500 program failing "$D3COLD"
}

@test "by the device cdev and iommufd: answers" {
	modprobe iommufd 2>/dev/null || true
	bind_to vfio-pm-pci "$NVME"
	VT_CDEV=1 program answers "$NVME"
}

@test "by the device cdev and iommufd: wakes and bursts" { VT_CDEV=1 program sleep "$NVME" 10; }
@test "by the device cdev and iommufd: mappings" { VT_CDEV=1 program mapping "$NVME"; }
@test "by the device cdev and iommufd: account" { VT_CDEV=1 program account "$NVME" 2; }

@test "nothing leaks" {
	unbind_all
	echo scan >"$debugfs/kmemleak"
	sleep 6
	echo scan >"$debugfs/kmemleak"
	leaks=$(grep -E 'vfio_pm_pci|lp_' "$debugfs/kmemleak" || true)
	[ -z "$leaks" ] || fail "$(cat "$debugfs/kmemleak")"
}
