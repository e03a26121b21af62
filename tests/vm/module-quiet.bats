#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12,debug timeout=400 cost=60 soak=6.12
#
# Config space, every byte awake against engaged, on every kind of device; and which reads wake.

load lib
load module-lib

setup() { start_case; }
teardown_file() { module_teardown; }

quiet() { # DRIVER ROLE
	bind_to "$1" "${!2}"
	program quiet "${!2}"
}

# Reading 4096 bytes one by one wakes vfio-pci's device for most of them: one kind will do.
@test "vfio-pci: config space awake and engaged, conventional PCI" {
	load_driver vfio-pci
	bind_to vfio-pci "$CONV1"
	quiet vfio-pci CONV0
	unbind "$CONV0" "$CONV1"
}

@test "vfio-pm-pci: e1000e or nvme" { load_driver vfio-pm-pci; quiet vfio-pm-pci D3COLD; }
@test "vfio-pm-pci: e1000e or nvme behind a port" { quiet vfio-pm-pci D3COLD_PORT; }
@test "vfio-pm-pci: nvme disk" { quiet vfio-pm-pci NVME; }
@test "vfio-pm-pci: nvme with SR-IOV" { quiet vfio-pm-pci PF; }
@test "vfio-pm-pci: e1000e with a sibling" { bind_to vfio-pm-pci "$PAIR1"; quiet vfio-pm-pci PAIR0; }
@test "vfio-pm-pci: edu" { quiet vfio-pm-pci NOPM; }
@test "vfio-pm-pci: pci-testdev" { quiet vfio-pm-pci NOPM2; }
@test "vfio-pm-pci: ivshmem" { quiet vfio-pm-pci HUGEBAR; }
@test "vfio-pm-pci: conventional" { bind_to vfio-pm-pci "$CONV1"; quiet vfio-pm-pci CONV0; }

# Its IDs are nobody's registers: VFIO makes them up (vfio_config_init()). A PF of VFIO's would want a token.
@test "vfio-pm-pci: a VF" {
	local vf
	unbind "$PF"
	modprobe nvme
	bind_to nvme "$PF"
	allow_kernel_report "Unable to change power state from D3(hot|cold) to D0"
	echo 0 >"$pci/$PF/sriov_drivers_autoprobe"
	echo 1 >"$pci/$PF/sriov_numvfs"
	vf=$(readlink "$pci/$PF/virtfn0")
	vf=${vf##*/}
	bind_to vfio-pm-pci "$vf"
	program quiet "$vf"
	echo 0 >"$pci/$PF/sriov_numvfs"
	echo 1 >"$pci/$PF/sriov_drivers_autoprobe"
	unbind "$PF"
	modprobe -r nvme
	disallow_kernel_report
}

@test "vfio-pm-pci: quiet_reads=2, in the wakeup mode too" {
	unbind_all
	load_driver vfio-pm-pci quiet_reads=2
	quiet vfio-pm-pci D3COLD
}

@test "vfio-pm-pci: quiet_reads=0, never" {
	unbind_all
	load_driver vfio-pm-pci quiet_reads=0 autosuspend_ms=0
	bind_to vfio-pm-pci "$CONV1"
	quiet vfio-pm-pci CONV0
}
