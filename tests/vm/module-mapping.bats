#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12,debug timeout=300
#
# BAR mappings around low power, with either driver.

load lib
load module-lib

setup() { mark "test $BATS_TEST_DESCRIPTION"; }
teardown_file() { module_teardown; }

mapping() { # DRIVER ROLE [BAR]
	bind_to "$1" "${!2}"
	program mapping "${!2}" "${@:3}"
}

@test "vfio-pci: mappings, D3cold" { load_driver vfio-pci; mapping vfio-pci D3COLD; }
@test "vfio-pci: mappings, D3hot" { mapping vfio-pci NVME; }
@test "vfio-pci: huge mappings" { mapping vfio-pci HUGEBAR 2; }
@test "vfio-pm-pci: mappings, D3cold" { load_driver vfio-pm-pci; mapping vfio-pm-pci D3COLD; }
@test "vfio-pm-pci: mappings, D3hot" { mapping vfio-pm-pci NVME; }
@test "vfio-pm-pci: huge mappings" { mapping vfio-pm-pci HUGEBAR 2; }

@test "vfio-pm-pci: the path by which mappings are taken away is the kernel's" {
	case $VM_KERNEL in
	6.1) path=vma_list ;;
	*) path=mapping ;;
	esac
	[ "$(modinfo -F vfio_pm_zap "$module_ko")" = "$path" ]
}

@test "vfio-pci: entry and exit against mmap, touch and munmap" {
	load_driver vfio-pci
	# Its walk on 6.1 shares mmap_lock with the second half of munmap().
	[ "$VM_KERNEL" != 6.1 ] || allow_kernel_report "WARNING: .*untrack_pfn|Modules linked in|memtype"
	bind_to vfio-pci "$D3COLD"
	program mapping --race "$D3COLD" "$(count 60)"
	disallow_kernel_report
}

@test "vfio-pm-pci: entry and exit against mmap, touch and munmap" {
	load_driver vfio-pm-pci
	bind_to vfio-pm-pci "$D3COLD"
	PROGRAM_TIMEOUT=1200 program mapping --race "$D3COLD" "$(count 600)"
}
