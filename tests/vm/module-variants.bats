#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12,debug timeout=400 group=soak
#
# The paths that this kernel's headers don't choose (module/Kbuild): entry and exit by the core, as on kernels
# that export dma-bufs; and idle D3 by an own reference, on cores without a field for it.

load lib
load module-lib

setup() { start_case; }
teardown_file() { module_teardown; }

load_variant() { # NAME [PARAMETER]...: once for each case
	MODULE_KO=$VM_ROOT/build/module/$VM_RELEASE-$1/vfio_pm_pci.ko
	[ -e "$MODULE_KO" ] || fail "$MODULE_KO is missing: make test-variants"
	shift
	unbind_all
	load_driver vfio-pm-pci "$@"
}

@test "by the core: the answers" {
	load_variant core
	[ "$(modinfo -F vfio_pm_zap "$MODULE_KO")" = core ]
	for role in D3COLD NVME NOPM; do
		bind_to vfio-pm-pci "${!role}"
		program answers "${!role}"
	done
}

@test "by the core: mappings" {
	# The core takes them away as vfio-pci does: on 6.1 with its race, and it leaves what it leaves there.
	if [ "$VM_KERNEL" = 6.1 ]; then
		allow_kernel_report "untrack_pfn"
		export VT_BY_CORE=1
	fi
	load_variant core
	for role in D3COLD NVME; do
		bind_to vfio-pm-pci "${!role}"
		program mapping "${!role}"
	done
	disallow_kernel_report
}

@test "by the core: wakes and bursts, and the account" {
	load_variant core
	for role in D3COLD NVME; do
		bind_to vfio-pm-pci "${!role}"
		program sleep "${!role}" "$(count 500)"
		program account "${!role}" "$(count 40)"
	done
}

@test "by the core: a device that the user put into D3hot, and quiet reads" {
	load_variant core
	bind_to vfio-pm-pci "$D3COLD"
	program states d3hot "$D3COLD"
	program quiet "$D3COLD"
}

@test "by the core: deepen is refused" {
	load_variant core deepen=1
	bind_to vfio-pm-pci "$D3COLD"
	[ "$(<"$pci/$D3COLD/vfio_pm/deepen")" = 0 ]
	if echo 1 >"$pci/$D3COLD/vfio_pm/deepen" 2>/dev/null; then fail "deepen was taken"; fi
}

# Without a field of the device's the core's variable, which is vfio-pci's parameter, governs all drivers: 1 can't be
# made up for, 0 can.
@test "idle D3 by reference: vfio-pci's 1 governs, where that is 0 it is the device's own" {
	unbind_all
	load_driver vfio-pci disable_idle_d3=1
	load_variant reference disable_idle_d3=0
	bind_to vfio-pm-pci "$D3COLD"
	stays_state "$D3COLD" active D0 1
	unbind_all
	load_driver vfio-pci disable_idle_d3=0
	load_variant reference disable_idle_d3=1
	bind_to vfio-pm-pci "$D3COLD"
	stays_state "$D3COLD" active D0 1
	# Latched: what the parameter becomes meanwhile is nothing to this device.
	echo 0 >/sys/module/vfio_pm_pci/parameters/disable_idle_d3
	unbind "$D3COLD"
	bind_to vfio-pm-pci "$D3COLD"
	wait_state "$D3COLD" suspended D3cold
}

@test "idle D3 by reference: opened and closed again and again, no reference is lost" {
	load_variant reference disable_idle_d3=1
	bind_to vfio-pm-pci "$D3COLD"
	for ((i = 0; i < $(count 200); i++)); do
		program answers "$D3COLD" >/dev/null
		is_state "$D3COLD" active D0
	done
	unbind "$D3COLD"
	unload_driver vfio-pm-pci
}
