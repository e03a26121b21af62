#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=debug modparam="vfio enable_unsafe_noiommu_mode=1" append="intel_iommu=off" group=debug timeout=300
#
# Groups without an IOMMU: /dev/vfio/noiommu-N.

load lib
load cmd

setup() { start_case; }

teardown() {
	pkill -KILL -x vfio-pm || true
	unbind_all
}

@test "enter and exit in a group without an IOMMU" {
	load_vfio disable_idle_d3=1
	bind_vfio "$D3COLD"
	group_of "$D3COLD"
	[ -c "/dev/vfio/noiommu-$REPLY" ]
	vp enter "$D3COLD"
	expect_code 0
	[[ $output == *"asleep in D3cold"* ]] || fail "$output"
	vp status "$D3COLD"
	[[ $output == *"/dev/vfio/noiommu-$REPLY"* ]] || fail "$output"
	vp exit "$D3COLD"
	expect_code 0
	[[ $output == *"awake in D0"* ]] || fail "$output"
}
