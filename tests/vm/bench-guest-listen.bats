#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 modparam="disable_idle_d3=1" group=bench timeout=600 cost=60
#
# What the listener of guest-driven sleep adds to the kernel's part of a transition, when it knows the owner
# already. The owner is a small program: a nested guest would take the processor from the listener.

load lib
load cmd
load bench
load guest_pm
load guest_listen

own_time() { # WAY BOUND: the median of what is beyond the ioctl, in ms, without the first of each device
	local text
	sed -nE "s/.*: $1( after [^:]*)?: answered after ([0-9.]+) ms, ([0-9.]+) ms of these the .*/\2 \3/p" "$listen_log" |
		awk 'NR > 4 { printf "%.2f\n", $1 - $2 }' >"$BATS_TEST_TMPDIR/own"
	text=$(figures "listener, $1: beyond the ioctl" <"$BATS_TEST_TMPDIR/own") || fail "$(tail -n 5 "$listen_log")"
	echo "$text" >&3
	sort -n "$BATS_TEST_TMPDIR/own" | awk -v bound="$2" '{ v[NR] = $1 } END { exit !(NR && v[int((NR + 1) / 2)] < bound) }' ||
		fail "not less than $2 ms: $text"
}

@test "what the listener adds, when it knows the owner: less than a millisecond" {
	local rounds=${BENCH_ROUNDS:-100} device
	serve_guest
	for device in 0 1; do
		VMM_PATIENCE=$((rounds + 60)) vmm sleeps "$device" "$rounds"
		echo "# $VM_KERNEL: what the guest of device $device waits for: ${REPLY#bad 0 rounds "$rounds" } (us)" >&3
		[[ $REPLY == "bad 0 rounds $rounds "* ]] || fail "$REPLY"
	done
	own_time off 1
	own_time on 1
}
