#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12,debug modparam="disable_idle_d3=1" timeout=300 cost=30
#
# The library's own answers, with descriptors of its own and with one that it was handed.

load lib
load cmd

setup() { start_case; }
teardown() { unbind_all; }

library=$(cd "${BATS_TEST_DIRNAME:-.}/../../build/tests/vm" && pwd)/library

@test "by the group: open, probe, enter, exit, wakeup mode, wrapped" {
	bind_vfio "$D3HOT"
	code=0
	output=$("$library" "$D3HOT" group </dev/null 2>&1) || code=$?
	[ "$code" = 0 ] || fail "$output"
	[[ $output == *"backend: group"* ]]
	is_state "$D3HOT" active D0
}

@test "by its own choice: cdev where the kernel has it" {
	bind_vfio "$D3COLD"
	code=0
	output=$("$library" "$D3COLD" </dev/null 2>&1) || code=$?
	[ "$code" = 0 ] || fail "$output"
	if [ -e /dev/iommu ] && [ -d /dev/vfio/devices ]; then
		[[ $output == *"backend: cdev"* ]] || fail "$output"
	else
		[[ $output == *"backend: group"* ]] || fail "$output"
		vp enter --backend=cdev "$D3COLD"
		expect_code 4
		[[ $output == *"not available here"* ]] || fail "$output"
	fi
}

@test "borrowed again: what has its number is no device, or no group, any more" {
	bind_vfio "$D3COLD"
	code=0
	output=$("${library%/*}/borrow_again" "$D3COLD" 2>&1) || code=$?
	if [ "$VM_KERNEL" = debug ]; then
		# Built without CONFIG_KCMP: whether two descriptors are one can't be told.
		[[ $code = 1 && $output == *"refused: unsupported"* ]] || fail "$output"
		return
	fi
	[ "$code" = 0 ] || fail "$output"
	[ "$(grep -c '^ok: ' <<<"$output")" = 49 ] || fail "$output"
	is_state "$D3COLD" active D0
}
