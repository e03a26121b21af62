#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 modparam="disable_idle_d3=1" timeout=300 cost=40 soak=6.1
#
# A device that doesn't come back from a sleep: whatever is read of it is all ones.

load lib
load cmd

setup() {
	start_case
	load_vfio disable_idle_d3=1
	allow_kernel_report "Unable to change power state from D3(hot|cold) to D0"
	address=
}

subject() { # ROLE
	local port=${1}_UP
	address=${!1} port=${!port}
	bind_vfio "$address"
	# The kernel would wait for the end of the reset at the close for more than a minute, and keep the
	# port locked meanwhile (drivers/pci/pci.c, pci_dev_wait(), pci_reset_function()).
	echo >"$pci/$address/reset_method"
	# A port that comes back from a sleep has its registers restored.
	above=$port
	echo on >"$pci/$above/power/control"
	buses=$(cfg_read "$above" 18.L)
}

# Nobody claims what is meant for the buses behind the port any more.
die() { cfg_write "$above" 18.L 00000000; }

teardown() {
	cfg_write "$above" 18.L "$buses"
	echo auto >"$pci/$above/power/control"
	echo default >"$pci/$address/reset_method"
	unbind_all
}

cycle_until_dead() { # ROLE: sets status; what was said is in $log.err
	subject "$1"
	log=$BATS_TEST_TMPDIR/log
	"$vfio_pm" cycle "$address" --duration=10m --json-lines >"$log" 2>"$log.err" 3>&- &
	local cycle=$!
	wait_for 30 grep -q '"cycle":3,' "$log"
	die
	ended() { ! kill -0 "$cycle" 2>/dev/null; }
	wait_for 60 ended
	status=0
	wait "$cycle" || status=$?
	cat "$log.err"
	[ "$status" = 1 ]
	grep -q "cannot cycle '$address': cycle [0-9]*: " "$log.err"
}

@test "config space goes all ones while it cycles: it doesn't come back, which is said, and nothing hangs" {
	cycle_until_dead D3COLD_PORT
	# A device without No_Soft_Reset, which e1000e is, is waited for by the kernel when it leaves D3hot, for
	# a minute (drivers/pci/pci.c, pci_power_up(), pci_dev_wait()): longer than we wait for the kernel.
	grep -q "try a reset of the slot" "$log.err" ||
		{ grep -q "the kernel has not answered for 30 s" "$log.err" && grep -q "is stuck in the kernel" "$log.err"; }
}

@test "one with No_Soft_Reset: what was found is named" {
	[ "$KIND_PF" = nvme ]
	cycle_until_dead PF
	grep -Eq "cycle [0-9]*: .*(expected .*, found |all ones)" "$log.err"
	grep -q "try a reset of the slot" "$log.err"
}

@test "one that doesn't come back after run: 125, or what the command returned, and said" {
	local status=0
	subject PF
	"$vfio_pm" run "$address" -- sh -c 'echo up >/run/up; while [ ! -e /run/dead ]; do sleep 0.1; done; exit 0' \
		2>"$BATS_TEST_TMPDIR/err" 3>&- &
	wait_for 30 test -e /run/up
	die
	: >/run/dead
	wait $! || status=$?
	cat "$BATS_TEST_TMPDIR/err"
	[ "$status" = 125 ] || fail "exit status $status"
	grep -Eq "'$address'.*(expected .*, found |all ones)" "$BATS_TEST_TMPDIR/err"
}
