#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12,debug timeout=200 cost=20 soak=6.1
#
# What vfio-pci does beside low power: tokens of VFs.

load lib
load module-lib

setup() { start_case; }
teardown_file() { module_teardown; }

token() { # DRIVER
	load_driver "$1" enable_sriov=1
	bind_to "$1" "$PF"
	# The VF is disabled by the time its own resume runs.
	allow_kernel_report "Unable to change power state from D3hot to D0"
	program vf_token "$PF"
	disallow_kernel_report
	unbind "$PF"
}

@test "vfio-pci: a VF takes the token of its PF" { token vfio-pci; }
@test "vfio-pm-pci: a VF takes the token of its PF" { token vfio-pm-pci; }
