#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 modparam="disable_idle_d3=1" group=bench append="tsc=reliable" timeout=600 cost=60
#
# What the listener of guest-driven sleep adds to the kernel's part of a transition, when it knows the owner
# already. The owner is a small program: a nested guest would take the processor from the listener. tsc=reliable
# because 6.1 takes the emulated processors' TSCs for unsynchronized, and a clock that isn't theirs for a system call.

load lib
load cmd
load bench
load guest_pm
load guest_listen

own_time() { # WAY: what is beyond the ioctl, without the first of each device; its median is less than a millisecond
	local text
	text=$(answers "$1" "$listen_log" | awk 'NR > 4 { print $1 - $2 }' | figures "listener, $1: beyond the ioctl") ||
		fail "$(tail -n 5 "$listen_log")"
	echo "$text" >&3
	# The log has tenths of one.
	[[ $text == *" median 0."* ]] || fail "not less than 1 ms: $text"
}

@test "what the listener adds, when it knows the owner: less than a millisecond" {
	local rounds=${BENCH_ROUNDS:-100} device
	serve_guest
	for device in 0 1; do
		VMM_PATIENCE=$((rounds + 60)) vmm sleeps "$device" "$rounds"
		echo "# $VM_KERNEL: what the guest of device $device waits for: ${REPLY#bad 0 rounds "$rounds" } (us)" >&3
		[[ $REPLY == "bad 0 rounds $rounds "* ]] || fail "$REPLY"
	done
	own_time off
	own_time on
}
