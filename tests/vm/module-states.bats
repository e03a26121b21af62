#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12,debug timeout=300 cost=40 soak=6.12
#
# D3hot by the user's own hand, interrupts across a sleep, a PF with VFs: as the core handles them, with
# either driver.

load lib
load module-lib

setup() { start_case; }
teardown_file() { module_teardown; }

each() { # DRIVER
	local driver=$1 role
	load_driver "$driver"
	for role in D3COLD NVME PAIR0; do
		bind_to "$driver" "${!role}"
		[ "$role" != PAIR0 ] || bind_to "$driver" "$PAIR1"
		program states d3hot "${!role}" || fail "$role"
	done
	# INTx and MSI of the e1000e of the pair.
	program states irq "$PAIR0" 0 || fail INTx
	program states irq "$PAIR0" 1 || fail MSI
}

@test "vfio-pci: D3hot by the user, interrupts" { each vfio-pci; }
@test "vfio-pm-pci: D3hot by the user, interrupts" { each vfio-pm-pci; }

with_vfs() { # DRIVER
	# With either driver: the VF is disabled by the time its own resume runs, and what its config space
	# answers then is read as D3cold (pci_update_current_state()).
	allow_kernel_report "Unable to change power state from D3(hot|cold) to D0"
	load_driver "$1" enable_sriov=1
	bind_to "$1" "$PF"
	echo 1 >"$pci/$PF/sriov_numvfs"
	holds "$PF" entry
	# Engaged, but the VF needs it.
	stays_state "$PF" active D0 1
	echo 0 >"$pci/$PF/sriov_numvfs"
	wait_state "$PF" suspended D3hot
	end_hold TERM
	unbind "$PF"
	disallow_kernel_report
}

@test "vfio-pci: a PF with VFs stays awake until they are gone" { with_vfs vfio-pci; }
@test "vfio-pm-pci: a PF with VFs stays awake until they are gone" { with_vfs vfio-pm-pci; }
