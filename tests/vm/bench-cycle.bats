#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 modparam="disable_idle_d3=1" group=bench timeout=900 cost=240
#
# cycle against a bare loop of the two ioctls, in turns in one machine; what a monitor costs, idle and
# under load. Emulated: ratios mean something, times are those of TCG.

load lib
load cmd
load bench

setup() {
	start_case
	load_vfio disable_idle_d3=1
	bind_vfio "$D3COLD"
}

teardown() { unbind_all; }

seconds() { # COMMAND...: sets REPLY
	local start=${EPOCHREALTIME/./}
	"$@" >/dev/null
	REPLY=$((${EPOCHREALTIME/./} - start))
}

@test "cycles a second, nothing verified, against the bare loop" {
	n=${BENCH_ROUNDS:-200} bare=0 tool=0
	for _ in 1 2; do
		for loop in bare tool; do
			if [ $loop = bare ]; then
				us=$("$VM_ROOT/build/tests/vm/bench_cycle" "$D3COLD" "$n" | awk '{ printf "%d", $1 * 1e6 }')
				bare=$((bare + us))
			else
				# Start, open and close are in both runs: the difference is the cycles.
				seconds "$vfio_pm" cycle "$D3COLD" --no-verify --state=D3cold --count=10 --json
				short=$REPLY
				seconds "$vfio_pm" cycle "$D3COLD" --no-verify --state=D3cold --count=$((n + 10)) --json
				tool=$((tool + REPLY - short))
			fi
		done
	done
	awk -v n=$((2 * n)) -v b=$bare -v t=$tool 'BEGIN {
		printf "# bare loop %.2f cycles/s, vfio-pm cycle %.2f: ratio %.3f\n",
			n * 1e6 / b, n * 1e6 / t, b / t
		exit (b / t < 0.95) }' >&3 || fail "more than 5 % slower than the bare loop"
}

@test "a monitor: processor time while idle, and of 1,000 events" {
	"$vfio_pm" monitor --json-lines >"$BATS_TEST_TMPDIR/events" 2>&1 3>&- &
	monitor=$!
	sleep 3
	idle=$(idle_ticks "$monitor" "${BENCH_SECONDS:-60}")
	before=$(cpu_ticks "$monitor")
	events=$(wc -l <"$BATS_TEST_TMPDIR/events")
	"$VM_ROOT/build/tests/vm/bench_cycle" "$D3COLD" 250 >/dev/null
	sleep 2
	busy=$(($(cpu_ticks "$monitor") - before))
	events=$(($(wc -l <"$BATS_TEST_TMPDIR/events") - events))
	kill "$monitor"
	wait "$monitor" || true
	echo "# idle, ${BENCH_SECONDS:-60} s: $idle ticks of $(getconf CLK_TCK) a second; $events events: $busy ticks," \
		"$((busy * 1000 / (events > 0 ? events : 1))) for 1,000" >&3
	[ "$idle" -le 1 ] || fail "an idle monitor took $idle ticks"
	[ "$events" -ge 500 ] || fail "of 250 cycles $events events"
}
