#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12,debug timeout=300 cost=50 soak=6.1
#
# What wakes a device, what ends low power and what one burst of accesses costs: the same program with
# either driver.

load lib
load module-lib

setup() { start_case; }
teardown_file() { module_teardown; }

sleeps() { # DRIVER ROLE
	bind_to "$1" "${!2}"
	program sleep "${!2}" "$(count 500)"
}

@test "vfio-pci: wakes and bursts, D3cold" { load_driver vfio-pci; sleeps vfio-pci D3COLD; }
@test "vfio-pci: wakes and bursts, D3cold by the port" { sleeps vfio-pci D3COLD_VIA; }
@test "vfio-pci: wakes and bursts, D3hot" { sleeps vfio-pci NVME; }
@test "vfio-pm-pci: wakes and bursts, D3cold" { load_driver vfio-pm-pci; sleeps vfio-pm-pci D3COLD; }
@test "vfio-pm-pci: wakes and bursts, D3cold by the port" { sleeps vfio-pm-pci D3COLD_VIA; }
@test "vfio-pm-pci: wakes and bursts, D3hot" { sleeps vfio-pm-pci NVME; }

@test "vfio-pm-pci: in D3cold for real, and idle again after the close" {
	bind_to vfio-pm-pci "$D3COLD"
	wait_state "$D3COLD" suspended D3cold
	holds "$D3COLD" entry
	[ "$(cat "$pci/$D3COLD/vfio_pm/engaged")" = 1 ]
	wait_state "$D3COLD" suspended D3cold
	stays_state "$D3COLD" suspended D3cold 1
	end_hold TERM
	wait_for 10 grep -q 0 "$pci/$D3COLD/vfio_pm/engaged"
	wait_state "$D3COLD" suspended D3cold
}

@test "vfio-pm-pci: disable_idle_d3 is the device's own, whatever vfio-pci's is" {
	unbind_all
	load_driver vfio-pci disable_idle_d3=1
	load_driver vfio-pm-pci disable_idle_d3=0
	bind_to vfio-pm-pci "$D3COLD"
	wait_state "$D3COLD" suspended D3cold
	unbind_all
	load_driver vfio-pci disable_idle_d3=0
	load_driver vfio-pm-pci disable_idle_d3=1
	bind_to vfio-pm-pci "$D3COLD"
	stays_state "$D3COLD" active D0 1
	holds "$D3COLD" entry
	wait_state "$D3COLD" suspended D3cold
	end_hold TERM
	wait_state "$D3COLD" active D0
	stays_state "$D3COLD" active D0 1
	# A device that is bound already keeps what it was bound with.
	echo 0 >/sys/module/vfio_pm_pci/parameters/disable_idle_d3
	stays_state "$D3COLD" active D0 1
}

@test "vfio-pm-pci: binds by driver_override only, and has no alias" {
	load_driver vfio-pm-pci
	unbind "$D3COLD"
	echo "$D3COLD" >/sys/bus/pci/drivers_probe || true
	driver_of "$D3COLD"
	[ "$REPLY" = "" ]
	[ -z "$(modinfo -F alias "$module_ko")" ]
	bind_to vfio-pm-pci "$D3COLD"
}
