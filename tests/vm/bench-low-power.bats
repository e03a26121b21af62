#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 modparam="disable_idle_d3=1" group=bench timeout=600
#
# Measured under emulation: the ratios mean something, the times are those of TCG.

load lib

bench=$(cd "${BATS_TEST_DIRNAME:-.}/../../build/tests/vm" && pwd)/bench_low_power

@test "enter and exit through the library against the bare ioctl" {
	bind_vfio "$D3HOT"
	"$bench" "$D3HOT" "${BENCH_ROUNDS:-200}" | sed 's/^/# /' >&3
	unbind_all
}
