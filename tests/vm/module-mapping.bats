#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12,debug timeout=300 cost=45 soak=6.12
#
# BAR mappings around low power, with either driver.

load lib
load module-lib

setup() { start_case; }
teardown_file() { module_teardown; }

mapping() { # DRIVER ROLE [BAR]
	warn_anew
	bind_to "$1" "${!2}"
	program mapping "${!2}" "${@:3}"
}

# The stock driver on 6.1 zaps in .open, before fork() or mremap() brought the pages, and on entry
# shares mmap_lock with the second half of munmap(): both make untrack_pfn() warn.
stock_may_warn() { [ "$VM_KERNEL" != 6.1 ] || allow_kernel_report "untrack_pfn"; }

@test "vfio-pci: mappings, D3cold" { load_driver vfio-pci; stock_may_warn; mapping vfio-pci D3COLD; }
@test "vfio-pci: mappings, D3hot" { mapping vfio-pci NVME; }
@test "vfio-pci: huge mappings" { mapping vfio-pci HUGEBAR 2; disallow_kernel_report; }
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

# Ten minutes at full length.
seconds() { [ "${VFIO_PM_SCALE:-5}" = 100 ] && echo 600 || echo 8; }

warnings() { dmesg | grep -c 'WARNING.* untrack_pfn' || true; }

race() { # DRIVER: its figures, and what the kernel warned of, are shown also when all is well
	local out=$BATS_TEST_TMPDIR/out before
	load_driver "$1"
	warn_anew
	bind_to "$1" "$D3COLD"
	before=$(warnings)
	PROGRAM_TIMEOUT=1200 program mapping --race "$D3COLD" "$(seconds)" >"$out" || fail "$(<"$out")"
	echo "$(sed -n 's/^\(# .* entries.*\)/\1/p' "$out"); warnings in untrack_pfn: $(($(warnings) - before))" >&3
}

@test "vfio-pci: entry and exit against mmap, touch and munmap (may warn on 6.1)" {
	stock_may_warn
	race vfio-pci
	disallow_kernel_report
}

@test "vfio-pm-pci: entry and exit against mmap, touch and munmap, without a warning" { race vfio-pm-pci; }

@test "vfio-pm-pci: entry against the first mapping of an open" {
	program mapping --first "$D3COLD" "$(count 800)"
}
