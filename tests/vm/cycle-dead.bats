#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 modparam="disable_idle_d3=1" timeout=300 cost=40 soak=6.1
#
# A device that doesn't come back from a sleep: whatever is read of it is all ones.

load lib
load cmd

setup() {
	mark "test $BATS_TEST_DESCRIPTION"
	load_vfio disable_idle_d3=1
	bind_vfio "$D3COLD_PORT"
	# The kernel would wait for the end of the reset at the close for more than a minute, and keep the
	# port locked meanwhile (drivers/pci/pci.c, pci_dev_wait(), pci_reset_function()).
	echo >"$pci/$D3COLD_PORT/reset_method"
	buses=$(cfg_read "$D3COLD_PORT_UP" 18.L)
}

teardown() {
	cfg_write "$D3COLD_PORT_UP" 18.L "$buses"
	echo default >"$pci/$D3COLD_PORT/reset_method"
	unbind_all
}

@test "config space goes all ones while it cycles: it doesn't come back, which is said, and nothing hangs" {
	allow_kernel_report "Unable to change power state from D3(hot|cold) to D0"
	log=$BATS_TEST_TMPDIR/log
	"$vfio_pm" cycle "$D3COLD_PORT" --duration=10m --json-lines >"$log" 2>"$log.err" 3>&- &
	cycle=$!
	wait_for 30 grep -q '"cycle":3,' "$log"
	# Nobody claims what is meant for the buses behind the port any more.
	cfg_write "$D3COLD_PORT_UP" 18.L 00000000
	ended() { ! kill -0 "$cycle" 2>/dev/null; }
	wait_for 60 ended
	status=0
	wait "$cycle" || status=$?
	cat "$log.err"
	[ "$status" = 1 ]
	grep -q "cannot cycle '$D3COLD_PORT': cycle [0-9]*: " "$log.err"
	# A device without No_Soft_Reset, which e1000e is, is waited for by the kernel when it leaves D3hot, for
	# a minute (drivers/pci/pci.c, pci_power_up(), pci_dev_wait()): longer than we wait for the kernel.
	grep -q "try a reset of the slot" "$log.err" ||
		{ grep -q "the kernel has not answered for 30 s" "$log.err" && grep -q "is stuck in the kernel" "$log.err"; }
}
