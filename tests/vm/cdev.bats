#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=debug modparam="disable_idle_d3=1" group=debug timeout=300 cost=70
#
# iommufd and the device's own node, which Debian's kernels lack.

load lib
load cmd
load guest_pm

setup() {
	start_case
	vmm='' deepen=''
}

teardown() {
	deepen_stop || true
	vmm_stop
	pkill -KILL -x vfio-pm || true
	unbind_all
}

@test "enter and exit by the device's own node, which is what auto chooses" {
	bind_vfio "$D3COLD"
	vp enter "$D3COLD"
	expect_code 0
	[[ $output == *"asleep in D3cold"* ]] || fail "$output"
	vp list -J -o address,owner "$D3COLD"
	[ "$(jq -r '.devices[0].owner[0].via' <<<"$output")" = cdev ] || fail "$output"
	vp exit "$D3COLD"
	expect_code 0
	[[ $output == *"awake in D0"* ]] || fail "$output"
	vp enter --backend=group "$D3COLD"
	expect_code 0
	vp list -J -o address,owner "$D3COLD"
	[ "$(jq -r '.devices[0].owner[0].via' <<<"$output")" = group ] || fail "$output"
	vp exit "$D3COLD"
	expect_code 0
}

@test "two devices of one group share an iommufd" {
	bind_vfio "$PAIR0" "$PAIR1"
	vp enter "$PAIR0" "$PAIR1"
	expect_code 0
	[ "$(pgrep -cx vfio-pm)" = 1 ]
	vp exit "$PAIR0"
	expect_code 0
	is_state "$PAIR1" suspended D3hot || fail "$REPLY"
	vp exit "$PAIR1"
	expect_code 0
	wait_for 5 no_holder
}

@test "owned by another program through its node: 5, and it is named" {
	bind_vfio "$D3COLD"
	cp "$vfio_pm" "$BATS_TEST_TMPDIR/other-vmm"
	"$BATS_TEST_TMPDIR/other-vmm" hold "$D3COLD" 2>"$BATS_TEST_TMPDIR/log" &
	wait_state "$D3COLD" suspended D3cold
	vp enter "$D3COLD"
	expect_code 5
	[[ $output == *"in use by 'other-vmm'"* ]] || fail "$output"
	pkill -TERM -x other-vmm
	wait
}

# An owner that has opened the device's own node and no group.
cdev_owner() {
	bind_vfio "$D3COLD"
	vmm_start D3COLD
	vp owner -J "$D3COLD"
	[ "$(jq -c '[.devices[0].owner[]|.pid,.comm,.via]' <<<"$output")" = "[$vmm,\"guest_pm\",\"cdev\"]" ] ||
		fail "$output"
}

@test "borrowed from an owner that has the device by its own node: enter, its own wake, exit" {
	cdev_owner
	vmm d3 0
	for _ in 1 2 3; do
		vp enter --borrow --state-loss-ok "$D3COLD"
		expect_code 0
		[[ $output == "$D3COLD: asleep in D3cold; 'guest_pm' (pid $vmm) was frozen for "* ]] || fail "$output"
		is_state "$D3COLD" suspended D3cold || fail "$REPLY"
		# The owner's own access; the register of its mapping is checked.
		vmm d0 0
		is_state "$D3COLD" active D0 || fail "$REPLY"
		vmm d3 0
	done
	vp enter --borrow --state-loss-ok "$D3COLD"
	expect_code 0
	vp exit --borrow "$D3COLD"
	expect_code 0
	[[ $output == *"$D3COLD: awake in D0 after "*", 'guest_pm' (pid $vmm) has it"* ]] || fail "$output"
	vmm d0 0
	vmm touch 0
	stays_state "$D3COLD" active D0 1
	# Nothing of it is left open by us.
	vmm_stop
	wait_for 20 is_closed "$D3COLD"
}

@test "deepened for an owner that has the device by its own node" {
	cdev_owner
	# A suspend takes some 100 ms on this kernel.
	deepen_start --dwell=0 --rate=0 --suspend-timeout=1s "--state-loss-ok=$D3COLD" "$D3COLD"
	wait_said "$D3COLD: watched"
	for _ in 1 2 3; do
		vmm d3 0
		wait_state "$D3COLD" suspended D3cold
		vmm_runs
		vmm d0 0
		is_state "$D3COLD" active D0 || fail "$REPLY"
	done
	deepen_stop
	said "$D3COLD: deepened 3, woken 3"
}
