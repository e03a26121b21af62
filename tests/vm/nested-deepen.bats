#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 modparam="disable_idle_d3=1" timeout=900 mem=3072 qemu="-smp 1 -machine hpet=off" soak=6.1 drivers=vfio-pci,vfio-pm-pci cost=170
#
# The service with a stock QEMU, in whose guest the devices' own drivers suspend and resume them.

load lib
load cmd
load module-lib
load guest_pm
load nested
load nested-deepen

PM_DRIVER=$vfio_driver
NESTED_MACHINE=pc

setup_file() {
	subjects
	take
	nested_start "$role0" "$role1"
}

teardown_file() {
	nested_stop
	module_teardown
}

setup() {
	start_case
	subjects
	deepen=''
}

teardown() {
	deepen_stop || true
	nested_console
}

@test "the guest's drivers suspend: D3cold; they resume: registers, DMA and interrupts, again and again" {
	nested 'works 10 && works 11'
	nested 'kick suspend 10'
	is_state "$device0" active D3hot || fail "$REPLY"
	nested 'kick resume 10'
	serve
	rounds=$(count 200)
	for ((i = 1; i <= rounds; i++)); do
		progress "$i" "$rounds"
		sleep_round || fail "round $i of $rounds"
	done
	"$vfio_pm" status "$device0" | tee "$BATS_TEST_TMPDIR/status"
	grep -q "service  *process $deepen watches it" "$BATS_TEST_TMPDIR/status"
	grep -q "deepened  *$rounds, woken $rounds, asleep" "$BATS_TEST_TMPDIR/status"
	deepen_stop
	said "$device0: deepened $rounds, woken $rounds, refused 0"
	awake
}

@test "MSI-X before, INTx now" {
	nested 'for s in 10 11; do irqs $s PCI-MSI; irqs $s IO-APIC; done; grep -E "eth|nvme" /proc/interrupts'
	[ "$(dev "KIND_$role0")" = e1000e ] || return 0
	nested 'rmmod e1000e && load e1000e IntMode=0,0,0,0'
	serve
	rounds=$(count 60)
	for ((i = 1; i <= rounds; i++)); do
		progress "$i" "$rounds"
		sleep_round || fail "round $i of $rounds"
	done
	nested 'a=$(irqs 10 IO-APIC); works 10; b=$(irqs 10 IO-APIC); [ $b -gt $a ] && rmmod e1000e && load e1000e'
}

# Milliseconds that a storm leaves a device in D3hot at most. The service takes 40 from its look to the entry on
# a slow machine: of D3hot that is shorter it would meet none.
storm_ms() { # sets REPLY
	if [ "$PM_DRIVER" = vfio-pci ]; then REPLY=100; else REPLY=60; fi
}

# Entries of the first device: the driver's count, or what the service has said.
entries() { # sets REPLY
	if [ "$PM_DRIVER" = vfio-pci ]; then
		REPLY=$(grep -c "^$device0: deepened:" "$deepen_log" || true)
	else
		account "$device0" entries
	fi
}

@test "the race: a guest that suspends and resumes at random, reading a register right after each D0" {
	deepen_start --dwell=0 --rate=0 --retry=100ms "${loss[@]}" "$device0" "$device1"
	wait_said "$device1: watched"
	entries
	before=$REPLY
	rounds=$(count 5000)
	read -r _ offset _ <<<"$(dev "REG_$role0")"
	storm_ms
	nested "storm 10 $offset $rounds $REPLY" $((rounds + 60))
	[ "$REPLY" = "rounds $rounds bad 0 failed 0" ] || fail "$REPLY"
	entries
	deepen_stop
	echo "# $(grep "$device0: deepened [0-9]" "$deepen_log"); $((REPLY - before)) entries" >&3
	# The service meets few of them on a busy host, the driver each.
	if [ "$PM_DRIVER" = vfio-pci ]; then share=50; else share=2; fi
	[ $(((REPLY - before) * share)) -ge "$rounds" ] || fail "$((REPLY - before)) entries in $rounds rounds"
	nested 'works 10 && works 11'
}

@test "the service killed at random: QEMU is never left stopped, the guest lives" {
	rounds=$(count 100) hits=0
	deepen_log=$BATS_TEST_TMPDIR/deepen.log
	: >"$deepen_log"
	entries
	before=$REPLY
	read -r _ offset _ <<<"$(dev "REG_$role0")"
	storm_ms
	nested "storm_begin 10 $offset $REPLY"
	for ((i = 0; i < rounds; i++)); do
		progress "$i" "$rounds"
		deepen_start --dwell=0 --rate=0 --retry=100ms "${loss[@]}" "$device0" "$device1"
		if [ "$PM_DRIVER" = vfio-pci ]; then
			# In the look before the entry, in the suspend, and after either.
			at=("$device0")
			[ $((i % 3)) != 0 ] || at=()
			! kill_stopping "$deepen" "$(nested_pid)" $((RANDOM % 3 * RANDOM % 1500)) "${at[@]}" || hits=$((hits + 1))
		else
			sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
			kill -KILL "$deepen"
		fi
		wait "$deepen" || true
		wait_for 5 nested_alive ||
			fail "round $i: QEMU is $(grep State "/proc/$(nested_pid)/status"), $(head -n 2 "$nested_dir/said")"
	done
	deepen=''
	nested storm_end
	[[ $REPLY =~ ^rounds\ ([0-9]+)\ bad\ 0\ failed\ 0$ ]] || fail "$REPLY"
	guest_rounds=${BASH_REMATCH[1]}
	entries
	entries=$((REPLY - before))
	echo "# $entries entries in $rounds lives and $guest_rounds rounds of the guest, $hits ended with QEMU stopped" >&3
	# A life that ends early has none.
	[ "$rounds" -lt 50 ] || [ $((entries * 20)) -ge "$rounds" ] || fail "$entries entries"
	# Of few rounds chance may take half.
	if [ "$rounds" -lt 50 ]; then share=5; else share=2; fi
	[ "$PM_DRIVER" != vfio-pci ] || [ $((hits * share)) -ge "$rounds" ] || fail "$hits ends with QEMU stopped"
	nested 'works 10 && works 11'
}

@test "stray wakes: the guest sees nothing of them" {
	serve
	for access in "lspci -vv" "cat $pci/$device0/config $pci/$device1/config" reset; do
		nested 'kick suspend 10; kick suspend 11'
		deep
		if [ "$access" = reset ]; then
			# A device that keeps its state in D3hot would lose it by a reset, with or without us.
			[ "$(dev "KIND_$role0")" = e1000e ] || { nested 'kick resume 10 && kick resume 11'; continue; }
			echo 1 >"$pci/$device0/reset"
		else
			$access >/dev/null
		fi
		nested 'kick resume 10 && kick resume 11 && works 10 && works 11' || fail "after $access"
	done
}

@test "S3 with everything asleep; migration is refused by QEMU itself" {
	serve
	nested_send 'echo mem >/sys/power/state; works 10 && works 11'
	wait_for 60 nested_status suspended
	deep
	nested_qmp '{"execute":"system_wakeup"}'
	nested_answer 90
	awake
	nested 'kick suspend 10; kick suspend 11'
	deep
	if nested_qmp '{"execute":"migrate","arguments":{"uri":"exec:cat >/dev/null"}}'; then fail "a guest with a device of VFIO was migrated"; fi
	nested_status running
	is_state "$device0" suspended D3cold || fail "$REPLY"
	nested 'kick resume 10 && kick resume 11 && works 10 && works 11'
}

@test "QEMU's reset in deep sleep, the guest's own reboot, its crash" {
	serve
	ways=(qmp)
	[ "${VFIO_PM_SCALE:-5}" -lt 50 ] || ways+=(reboot crash)
	for way in "${ways[@]}"; do
		nested 'kick suspend 10; kick suspend 11'
		deep
		case $way in
		qmp) nested_qmp '{"execute":"system_reset"}' ;;
		reboot) nested_send 'reboot -f' ;;
		crash) nested_send 'echo c >/proc/sysrq-trigger' ;;
		esac
		nested_boots
		nested 'works 10 && works 11' || fail "after $way"
		awake
	done
}

@test "QEMU killed in deep sleep leaves nothing behind" {
	serve
	nested 'kick suspend 10; kick suspend 11'
	deep
	kill -KILL "$(nested_pid)"
	let_go
	wait_said "$device0: its owner let go of it after"
	deepen_stop
}

@test "poweroff in deep sleep" {
	[ "${VFIO_PM_SCALE:-5}" -ge 50 ] || return 0
	nested_start "$role0" "$role1"
	serve
	nested 'kick suspend 10; kick suspend 11'
	deep
	nested_send 'poweroff -f'
	let_go
}
