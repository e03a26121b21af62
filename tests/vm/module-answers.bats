#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12,debug timeout=300 cost=20
#
# The low-power features answer the same whichever driver a device is bound to.

load lib
load module-lib

setup() { start_case; }
teardown_file() { module_teardown; }

answers() { # DRIVER ROLE
	bind_to "$1" "${!2}"
	program answers "${!2}"
}

@test "vfio-pci: answers, D3cold" { load_driver vfio-pci; answers vfio-pci D3COLD; }
@test "vfio-pci: answers, D3hot" { answers vfio-pci NVME; }
@test "vfio-pci: answers, no PM capability" { answers vfio-pci NOPM; }
@test "vfio-pm-pci: answers, D3cold" { load_driver vfio-pm-pci; answers vfio-pm-pci D3COLD; }
@test "vfio-pm-pci: answers, D3hot" { answers vfio-pm-pci NVME; }
@test "vfio-pm-pci: answers, no PM capability" { answers vfio-pm-pci NOPM; }
@test "vfio-pm-pci: answers, without autosuspend" {
	unbind_all
	load_driver vfio-pm-pci autosuspend_ms=0
	answers vfio-pm-pci D3COLD
}
