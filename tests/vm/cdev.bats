#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=debug modparam="disable_idle_d3=1" group=debug timeout=300
#
# iommufd and the device's own node, which Debian's kernels lack.

load lib
load cmd

setup() { mark "test $BATS_TEST_DESCRIPTION"; }

teardown() {
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
