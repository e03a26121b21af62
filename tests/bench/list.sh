#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=bench timeout=900
#
# What a look costs: against lspci and driverctl on this machine's own devices, and with the number of
# devices on made-up systems. Ratios of one run; nothing here passes or fails by time.
set -euo pipefail
cd "$(dirname "$0")/../.."
export LC_ALL=C
vfio_pm=build/vfio-pm
dir=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")")
trap 'rm -rf "$dir"' EXIT

# instructions COMMAND...: in user space, of the command and what it starts
instructions() {
	rm -f "$dir"/cg.*
	valgrind --tool=callgrind --trace-children=yes --callgrind-out-file="$dir/cg.%p" "$@" \
		>/dev/null 2>"$dir/valgrind" || true
	awk '/^(summary|totals):/ { if (!seen[FILENAME]++) sum += $2 } END { print sum + 0 }' "$dir"/cg.*
}

# cpu N COMMAND...: user and system time of one run, in microseconds, of N
cpu() {
	local n=$1 i
	shift
	"$@" >/dev/null 2>&1 || true
	TIMEFORMAT='%3U %3S'
	{ time for ((i = 0; i < n; i++)); do "$@" >/dev/null 2>&1 || true; done; } 2>"$dir/time"
	awk -v n="$n" '{ printf "%.0f\n", ($1 + $2) * 1e6 / n }' "$dir/time"
}

compare() { # LABEL COMMAND...: against list -a
	local label=$1 count time
	shift
	count=$(instructions "$@")
	time=$(cpu 20 "$@")
	printf '  %-28s %12d instructions %8d us   list -a takes %5.1f %% and %5.1f %%\n' "$label" "$count" "$time" \
		"$(awk "BEGIN { print 100 * $own_count / $count }")" "$(awk "BEGIN { print 100 * $own_time / $time }")"
}

echo "on this machine's $("$vfio_pm" list -a -rn -o address | wc -l) devices, with names:"
own_count=$(instructions "$vfio_pm" list -a)
own_time=$(cpu 20 "$vfio_pm" list -a)
printf '  %-28s %12d instructions %8d us\n' "vfio-pm list -a" "$own_count" "$own_time"
compare "lspci -D" lspci -D
if command -v driverctl >/dev/null; then
	compare "driverctl list-devices" driverctl list-devices
fi

cc -O2 -o "$dir/mktree" tests/cli/mktree.c
echo "with the number of devices (list, less what it takes for one):"
"$dir/mktree" "$dir/1" 1
one_us=$(cpu 20 "$vfio_pm" --sysroot="$dir/1" list)
one_kib=$(/usr/bin/time -f %M "$vfio_pm" --sysroot="$dir/1" list 2>&1 >/dev/null)
for n in 10 100 1000 10000; do
	"$dir/mktree" "$dir/$n" "$n"
	us=$(cpu $((n > 1000 ? 3 : 20)) "$vfio_pm" --sysroot="$dir/$n" list)
	json_us=$(cpu $((n > 1000 ? 3 : 20)) "$vfio_pm" --sysroot="$dir/$n" list -J)
	kib=$(/usr/bin/time -f %M "$vfio_pm" --sysroot="$dir/$n" list 2>&1 >/dev/null)
	awk -v n="$n" -v us="$us" -v json="$json_us" -v kib="$kib" -v one_us="$one_us" -v one_kib="$one_kib" 'BEGIN {
		printf "  %6d devices: %8.1f ms, %5.1f us a device (JSON %5.1f us), %5.2f KiB a device\n",
			n, us / 1000, (us - one_us) / (n - 1), (json - one_us) / (n - 1), (kib - one_kib) / (n - 1) }'
	rm -rf "${dir:?}/$n"
done
