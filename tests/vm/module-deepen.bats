#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12,debug timeout=700 cost=70 soak=6.12
#
# vfio_pm/deepen: the user's write of D3hot becomes D3cold, a program in the place of the VMM.

load lib
load module-lib

setup() { start_case; }
teardown_file() { module_teardown; }

deepens() { # ROLE
	bind_to vfio-pm-pci "${!1}"
	program deepen "${!1}" "$(count 1000)"
}

@test "D3cold by its own power resource" { load_driver vfio-pm-pci deepen_rate=0; deepens D3COLD; }
@test "D3cold by the port's" { deepens D3COLD_VIA; }
@test "nvme, which keeps its state in D3hot" { deepens NVME; }
@test "e1000e, which doesn't" { bind_to vfio-pm-pci "$PAIR1"; deepens PAIR0; }

@test "reset by the user of the other function" { program deepen --hot-reset "$PAIR0" "$PAIR1"; }

@test "in D3cold on the host, for real" {
	unbind "$D3COLD"
	bind_to vfio-pm-pci "$D3COLD"
	[ "$(cat "$pci/$D3COLD/vfio_pm/deepen")" = 0 ]
	echo 1 >"$pci/$D3COLD/vfio_pm/deepen"
	echo 1 >"$pci/$D3COLD/vfio_pm/deepen_state_loss_ok"
	holds "$D3COLD" d3hot
	wait_state "$D3COLD" suspended D3cold
	stays_state "$D3COLD" suspended D3cold 2
	# A stray wake, and back again.
	setpci -s "$D3COLD" STATUS
	wait_state "$D3COLD" suspended D3cold
	end_hold KILL
	wait_for 5 grep -q 0 "$pci/$D3COLD/vfio_pm/engaged"
}

@test "the parameter is the default of devices bound later" {
	unbind_all
	load_driver vfio-pm-pci deepen=1
	bind_to vfio-pm-pci "$D3COLD"
	[ "$(cat "$pci/$D3COLD/vfio_pm/deepen")" = 1 ]
	[ "$(cat "$pci/$D3COLD/vfio_pm/deepen_state_loss_ok")" = 0 ]
	[ "$(cat "$pci/$D3COLD/vfio_pm/deepen_rate")" = 12 ]
}

@test "so often a minute, and D3hot is D3hot until the next" {
	bind_to vfio-pm-pci "$D3COLD2"
	echo 1 >"$pci/$D3COLD2/vfio_pm/deepen_state_loss_ok"
	echo 3 >"$pci/$D3COLD2/vfio_pm/deepen_rate"
	"$programs/d0write" "$D3COLD2" 5 >"$BATS_TEST_TMPDIR/states"
	[ "$(cut -d' ' -f1 "$BATS_TEST_TMPDIR/states" | tr '\n' ' ')" = "D3cold D3cold D3cold D3hot D3hot " ]
	account "$D3COLD2" rate_limited
	[ "$REPLY" -ge 2 ]
	account "$D3COLD2" sleeps
	[ "$REPLY" -ge 3 ]
	! echo -1 >"$pci/$D3COLD2/vfio_pm/deepen_rate" 2>/dev/null || fail "a negative rate was taken"
	echo 0 >"$pci/$D3COLD2/vfio_pm/deepen_rate"
	"$programs/d0write" "$D3COLD2" 2 >"$BATS_TEST_TMPDIR/states"
	[ "$(cut -d' ' -f1 "$BATS_TEST_TMPDIR/states" | sort -u)" = D3cold ]
}

@test "who wakes it again and again wakes it once more, and it sleeps when the minute is over, or at once when it may" {
	local i start
	unbind "$D3COLD2"
	bind_to vfio-pm-pci "$D3COLD2"
	echo 1 >"$pci/$D3COLD2/vfio_pm/deepen"
	echo 1 >"$pci/$D3COLD2/vfio_pm/deepen_state_loss_ok"
	echo 2 >"$pci/$D3COLD2/vfio_pm/deepen_rate"
	# The minute begins with its first sleep, however long it has been bound.
	sleep 4
	start=$SECONDS
	holds "$D3COLD2" d3hot
	wait_state "$D3COLD2" suspended D3cold
	setpci -s "$D3COLD2" STATUS
	wait_state "$D3COLD2" suspended D3cold
	setpci -s "$D3COLD2" STATUS
	stays_state "$D3COLD2" active D0 2
	[ "$(cat "$pci/$D3COLD2/vfio_pm/engaged")" = 1 ]
	account "$D3COLD2" rate_limited
	[ "$REPLY" -ge 1 ]
	wait_state "$D3COLD2" suspended D3cold 70
	[ $((SECONDS - start)) -ge 58 ] || fail "after $((SECONDS - start)) s"
	for i in 1 2; do setpci -s "$D3COLD2" STATUS; sleep 0.5; done
	stays_state "$D3COLD2" active D0 1
	echo 0 >"$pci/$D3COLD2/vfio_pm/deepen_rate"
	wait_state "$D3COLD2" suspended D3cold
	end_hold KILL
	wait_for 5 grep -q 0 "$pci/$D3COLD2/vfio_pm/engaged"
}
