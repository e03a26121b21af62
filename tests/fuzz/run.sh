#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# run.sh TARGET [SECONDS] [libFuzzer arguments]: build and run a fuzz target.
#
# VFIO_PM_FUZZ_SECONDS sets the time (default: a minute; `make soak`: an hour).
# A finding is left in build/fuzz/TARGET-*; to run it again:
# tests/fuzz/run.sh TARGET 0 build/fuzz/TARGET-crash-…
set -euo pipefail
cd "$(dirname "$0")/../.."
target=$1
scale=${VFIO_PM_SCALE:-5}
seconds=${2:-${VFIO_PM_FUZZ_SECONDS:-$((scale >= 100 ? 3600 : 60))}}
shift; [ $# -eq 0 ] || shift
out=build/fuzz
mkdir -p "$out/$target.corpus"

flags=(-g -O1 -std=gnu11 -D_GNU_SOURCE '-DVFIOPM_VERSION="fuzz"' -Ilib -Icmd -Itests/fuzz
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
	-Wno-gnu-variable-sized-type-not-at-end)
guard=(tests/fuzz/tree.c tests/fuzz/guard.c -Wl,--wrap=open -Wl,--wrap=openat
	-Wl,--wrap=fopen -Wl,--wrap=mkstemp -Wl,--wrap=mkostemp -Wl,--wrap=syscall)
pkgs='libpci smartcols libsystemd json-c libudev libtracefs'
leaks=1
case $target in
address) sources=(lib/*.c cmd/units.c) ;;
guest) sources=(lib/guest_*.c "${guard[@]}") ;;
sysfs) sources=(lib/*.c "${guard[@]}") ;;
cli)
	sources=(lib/*.c cmd/*.c "${guard[@]}" -Dmain=vfio_pm_main tests/fuzz/clock.c
		-Wl,--wrap=poll -Wl,--wrap=nanosleep -Wl,--wrap=clock_gettime
		-Wl,--wrap=argp_parse -Wl,--wrap=argp_error
		-Wl,--wrap=argp_failure -Wl,--wrap=exit -Wl,--wrap=fclose -Wl,--wrap=vfiopm_ctx_new)
	# What a verb holds is lost when its parser is left.
	leaks=0
	;;
*) echo "run.sh: no target '$target'"; exit 2 ;;
esac

# shellcheck disable=SC2046 # pkg-config prints words
clang "${flags[@]}" $(pkg-config --cflags $pkgs) -o "$out/$target" "tests/fuzz/$target.c" \
	"${sources[@]}" $(pkg-config --libs $pkgs)

if [ $# -gt 0 ]; then
	exec "$out/$target" "$@"
fi
# A hang is ten seconds for what takes a millisecond. What the command says is
# left out of the log; what the sanitizers say stays.
export ASAN_OPTIONS=detect_leaks=$leaks
"$out/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=256 \
	-max_len=1024 -print_funcs=0 -close_fd_mask=1 -print_final_stats=1 \
	-artifact_prefix="$out/$target-" "$out/$target.corpus" 2>&1 </dev/null |
	grep -avE '^ *(vfio-pm|Usage|or:|Try)' >"$out/$target.log" || {
	tail -n 60 "$out/$target.log"
	exit 1
}
sed -n 's/^stat::number_of_executed_units: */executed: /p' "$out/$target.log"
