#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 group=bench timeout=900
#
# vfio-pci and vfio-pm-pci side by side in one boot: what accesses cost while low power is engaged and
# while it isn't. Emulated by TCG: a figure says nothing about hardware, but counts of wakes do, and so
# does one driver's figure next to the other's. On hardware a wake takes 10 ms by the PCI rules alone.

load lib
load module-lib

setup() { mark "test $BATS_TEST_DESCRIPTION"; }
teardown_file() { module_teardown; }

# The program stops at each "begin" and "end", for the kernel's count of resumes in between.
measure() { # DRIVER ADDRESS N: sets FIGURES[DRIVER KEY]
	local driver=$1 address=$2 line key to from
	bind_to "$driver" "$address"
	coproc BENCH { "$programs/bench" "$address" "$3" 3>&-; }
	to=${BENCH[1]} from=${BENCH[0]}
	while read -r -u "$from" key line; do
		case $key in
		begin) rpm_trace_start "$address"; echo >&"$to" ;;
		end)
			rpm_trace_stop
			FIGURES["$driver ${line}_wakes"]=$(rpm_count "$address" resume)
			echo >&"$to"
			;;
		*) FIGURES["$driver $key"]=$line ;;
		esac
	done
	unbind "$address"
}

at_most() { # WHAT VALUE LIMIT
	awk -v v="$2" -v l="$3" 'BEGIN { exit !(v <= l) }' || fail "$1: $2, more than $3"
}

@test "both drivers, D3hot" {
	local -A FIGURES=()
	local key n=500
	[ "${VFIO_PM_BENCH_N:-}" = "" ] || n=$VFIO_PM_BENCH_N
	load_driver vfio-pci
	load_driver vfio-pm-pci
	measure vfio-pci "$NVME" "$n"
	measure vfio-pm-pci "$NVME" "$n"
	{
		echo "# Linux $VM_RELEASE, emulated (TCG), $n reads; microseconds, fastest batch or median"
		printf '# %-28s %14s %14s\n' "" vfio-pci vfio-pm-pci
		for key in awake_config_read awake_region_read awake_mapped_read entry_median \
			entry_to_asleep_median exit_asleep_median \
			reads_{1ms_apart,20ms_apart,back_to_back}_{wakes,total,median} \
			vendor_20ms_apart_{wakes,total,median}; do
			printf '# %-28s %14s %14s\n' "$key" "${FIGURES[vfio-pci $key]}" "${FIGURES[vfio-pm-pci $key]}"
		done
	} | tee "$VM_ROOT/build/module-bench-$VM_KERNEL" >&3 2>/dev/null || true
	for key in reads_1ms_apart reads_20ms_apart; do
		[ "${FIGURES[vfio-pm-pci ${key}_wakes]}" = 1 ] || fail "$key: ${FIGURES[vfio-pm-pci ${key}_wakes]} wakes"
		[ "${FIGURES[vfio-pci ${key}_wakes]}" -gt $((n / 5)) ] || fail "$key: vfio-pci didn't wake"
	done
	[ "${FIGURES[vfio-pm-pci vendor_20ms_apart_wakes]}" = 0 ] || fail "reads of the vendor ID wake"
}
