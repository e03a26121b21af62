#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 timeout=900 cost=130 mem=3072 qemu="-smp 1 -machine hpet=off" group=soak
#
# vfio-pm-pci below an unmodified QEMU: the guest's own drivers work, suspend, sleep on the host, wake and
# have their interrupts, MSI-X and INTx. Slot 10 is an e1000e (D3hot is as deep as it goes), slot 11
# an e1000e or nvme with D3cold.

load lib
load cmd
load module-lib
load nested

setup_file() {
	local device
	load_driver vfio-pm-pci disable_idle_d3=1
	bind_to vfio-pm-pci "$PAIR0" "$PAIR1" "$D3COLD"
	for device in "$PAIR0" "$D3COLD"; do deepens "$device" 1; done
	nested_start PAIR0 D3COLD
}

teardown_file() {
	nested_stop
	module_teardown
}

setup() { start_case; }
teardown() { nested_console; }

deepens() { # ADDRESS 0|1
	echo "$2" >"$pci/$1/vfio_pm/deepen"
	echo 0 >"$pci/$1/vfio_pm/deepen_rate"
	echo "$2" >"$pci/$1/vfio_pm/deepen_state_loss_ok"
}

# Interrupts of KIND (PCI-MSI: MSI-X too, IO-APIC: INTx) come.
works_by() { # SLOT KIND
	nested "a=\$(irqs $1 $2); works $1 && b=\$(irqs $1 $2) && [ \$b -gt \$a ]"
}

sleep_round() { # the guest's drivers suspend both; both sleep on the host; they wake, and work
	nested 'kick suspend 10; kick suspend 11'
	wait_state "$PAIR0" suspended D3hot
	wait_state "$D3COLD" suspended D3cold
	nested 'kick resume 10 && kick resume 11'
	is_state "$PAIR0" active D0 || fail "$PAIR0: $REPLY"
	is_state "$D3COLD" active D0 || fail "$D3COLD: $REPLY"
	works_by 10 "$1"
	works_by 11 PCI-MSI
	nested_alive
}

@test "the guest's drivers work, by MSI-X" {
	works_by 10 PCI-MSI
	works_by 11 PCI-MSI
	# More than one vector a device: not MSI.
	nested 'ls /sys/bus/pci/devices/0000:00:10.0/msi_irqs | wc -l'
	[ "$REPLY" -gt 1 ]
}

@test "they suspend, the devices sleep on the host, they wake and work by MSI-X; each is in the account" {
	local rounds i sleeps writes
	rounds=$(count 100)
	account "$D3COLD" sleeps; sleeps=$REPLY
	account "$D3COLD" config_write; writes=$REPLY
	for ((i = 1; i <= rounds; i++)); do
		sleep_round PCI-MSI || fail "round $i of $rounds"
	done
	account "$D3COLD" sleeps
	[ $((REPLY - sleeps)) -ge "$rounds" ]
	# The guest's write of D0 is what wakes.
	account "$D3COLD" config_write
	[ $((REPLY - writes)) -ge "$rounds" ]
	account "$D3COLD" refused
	[ "$REPLY" = 0 ]
}

@test "INTx before and after" {
	local i
	nested 'rmmod e1000e && load e1000e IntMode=0,0,0,0'
	works_by 10 IO-APIC
	if [ "$KIND_D3COLD" = e1000e ]; then works_by 11 IO-APIC; fi
	for ((i = 1; i <= 3; i++)); do
		nested 'kick suspend 10'
		wait_state "$PAIR0" suspended D3hot
		nested 'kick resume 10'
		works_by 10 IO-APIC
	done
	nested 'rmmod e1000e && load e1000e'
	works_by 10 PCI-MSI
}

@test "low power entered for it: D3cold in the wakeup mode, which the guest's own resume ends" {
	deepens "$D3COLD" 0
	nested 'kick suspend 11'
	is_state "$D3COLD" active D3hot || fail "$REPLY"
	vp enter --borrow --state-loss-ok "$D3COLD"
	expect_code 0
	wait_state "$D3COLD" suspended D3cold
	nested 'kick resume 11 && works 11'
	is_state "$D3COLD" active D0 || fail "$REPLY"
	[ "$(cat "$pci/$D3COLD/vfio_pm/engaged")" = 0 ]
	nested_alive
}

@test "killed while its devices sleep: nothing stays engaged" {
	local device entries
	deepens "$D3COLD" 1
	nested 'kick suspend 10; kick suspend 11'
	wait_state "$D3COLD" suspended D3cold
	nested_stop
	for device in "$PAIR0" "$D3COLD"; do
		wait_state "$device" active D0
		[ "$(cat "$pci/$device/vfio_pm/engaged")" = 0 ]
		account "$device" entries; entries=$REPLY
		account "$device" exits
		[ "$REPLY" = "$entries" ] || fail "$device: $entries entries, $REPLY exits"
	done
}
