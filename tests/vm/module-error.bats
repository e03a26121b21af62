#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 timeout=300 cost=30 soak=6.1
#
# An error that a device reports by AER while it sleeps: the kernel wakes it, asks its driver, and goes on.
#
# Not on the debug kernel: lockdep, which falls silent after its first report, finds an inversion of the kernel's
# own there. The recovery resumes devices with pci_bus_sem held (drivers/pci/pcie/err.c, pcie_do_recovery()), whose
# resume takes memory_lock, under which a suspend takes pci_bus_sem (vfio_pci_core_runtime_suspend()).

load lib
load cmd
load module-lib
load guest_pm

setup() {
	start_case
	vmm=''
	load_driver vfio-pm-pci disable_idle_d3=1
	bind_to vfio-pm-pci "$PAIR0" "$PAIR1"
}

teardown() {
	vmm_stop
	pkill -KILL -x hold || true
	unbind_all
}

teardown_file() { module_teardown; }

# At the port: the emulated devices have no say of their own. What is below it is asked as for theirs.
report_error() { # NAME, as QEMU has it
	local slot=${PAIR0_UP##*:} port
	slot=$((16#${slot%.*}))
	qmp '{"execute":"query-pci"}'
	port=$(jq -r --argjson slot $slot '.return[0].devices[] | select(.slot == $slot and .function == 0) | .qdev_id' <<<"$REPLY")
	qmp "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"pcie_aer_inject_error $port $1\"}}"
	[[ $REPLY == *"OK id"* ]] || fail "$REPLY"
}

times() { dmesg | grep -c "$PAIR0_UP: AER: device recovery successful" || true; }

recovered() { [ "$(times)" -ge "$1" ]; } # TIMES

engaged() { local value; get value "$pci/$PAIR0/vfio_pm/engaged"; [ "$value" = "$1" ]; }

@test "deepened: the owner's permission ends, and its next D3hot is taken again" {
	echo 1 >"$pci/$PAIR0/vfio_pm/deepen"
	vmm_start PAIR0 PAIR1
	vmm touch 0
	before=$REPLY
	for error in COMP_TIME COMP_TIME UNSUP; do
		vmm d3 0
		wait_state "$PAIR0" suspended D3hot
		engaged 1
		n=$(times)
		report_error $error
		wait_for "$VM_PATIENCE" recovered $((n + 1)) || fail "$(dmesg | tail -n 20)"
		wait_for "$VM_PATIENCE" engaged 0
		wait_state "$PAIR0" active D0
		stays_state "$PAIR0" active D0 1
		vmm d0 0
		[ "$REPLY" = "$before" ] || fail "$REPLY instead of $before"
		vmm_runs
	done
}

@test "entered: low power goes on, as with the kernel's driver" {
	holds "$PAIR0" entry
	wait_state "$PAIR0" suspended D3hot
	account "$PAIR0" host
	before=$REPLY n=$(times)
	report_error COMP_TIME
	wait_for "$VM_PATIENCE" recovered $((n + 1)) || fail "$(dmesg | tail -n 20)"
	wait_state "$PAIR0" suspended D3hot
	engaged 1
	account "$PAIR0" host
	[ "$REPLY" -gt "$before" ]
	end_hold KILL
	wait_for 5 engaged 0
}
