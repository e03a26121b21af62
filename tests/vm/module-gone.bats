#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12,debug timeout=300 cost=15
#
# A device that doesn't come back from a sleep is not answered for.

load lib
load module-lib

setup() { start_case; }
teardown_file() { module_teardown; }

@test "config space that goes all ones is no longer quiet" {
	allow_kernel_report "Unable to change power state from D3(hot|cold) to D0"
	load_driver vfio-pm-pci
	bind_to vfio-pm-pci "$D3COLD_PORT"
	program gone "$D3COLD_PORT" "$D3COLD_PORT_UP"
}
