#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=debug append="kmemleak=on" timeout=600
#
# What only the debug kernel can show: allocations that fail, leaks, the device cdev and iommufd.

load lib
load module-lib

setup_file() { load_driver vfio-pm-pci deepen_rate=0; }
setup() { start_case; }
teardown_file() { module_teardown; }

debugfs=/sys/kernel/debug

@test "each allocation on the way fails in turn" {
	local cache
	# fail-nth decides alone, of the caches named here; a sleeping allocation may fail as well. ACPICA's own
	# caches are left out: acpi_ut_update_object_reference() stops halfway when it gets no memory, and frees
	# what its namespace still points to (Linux 6.12; here it was _PRT, evaluated at each open). So are those
	# of kmemleak, which makes an object for each of the others' and has a reserve.
	for cache in /sys/kernel/slab/*; do
		[[ $cache == */@(Acpi-|kmemleak_)* ]] || echo 1 >"$cache/failslab"
	done
	echo Y >"$debugfs/failslab/cache-filter"
	echo N >"$debugfs/failslab/ignore-gfp-wait"
	echo 0 >"$debugfs/failslab/verbose"
	# A device of its own: when _ON got no memory, acpi_power_transition() leaves the state of its ACPI device
	# unknown, from which it never comes back, and D3hot is the deepest from then on.
	unbind "$D3COLD2"
	echo vfio-pm-pci >"$pci/$D3COLD2/driver_override"
	PROGRAM_TIMEOUT=500 program failing "$D3COLD2"
}

@test "by the device cdev and iommufd: answers" {
	modprobe iommufd 2>/dev/null || true
	bind_to vfio-pm-pci "$NVME"
	VT_CDEV=1 program answers "$NVME"
}

@test "by the device cdev and iommufd: wakes and bursts" { VT_CDEV=1 program sleep "$NVME" 10; }
@test "by the device cdev and iommufd: mappings" { VT_CDEV=1 program mapping "$NVME"; }
@test "by the device cdev and iommufd: account" { VT_CDEV=1 program account "$NVME" 2; }

@test "every use that a device has, and every end of one" {
	local mode
	bind_to vfio-pm-pci "$D3COLD"
	program states d3hot "$D3COLD"
	program quiet "$D3COLD"
	program deepen "$D3COLD" 20
	for mode in none entry wakeup d3hot; do
		holds "$D3COLD" "$mode"
		end_hold KILL
	done
	unbound vfio-pm-pci
}

@test "nothing leaks" {
	unbind_all
	echo scan >"$debugfs/kmemleak"
	sleep 6
	echo scan >"$debugfs/kmemleak"
	leaks=$(grep -E 'vfio_pm_pci|lp_' "$debugfs/kmemleak" || true)
	[ -z "$leaks" ] || fail "$(cat "$debugfs/kmemleak")"
}
