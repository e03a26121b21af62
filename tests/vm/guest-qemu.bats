#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 modparam="disable_idle_d3=1" timeout=1200 cost=200 mem=3072 qemu="-smp 1" group=lab
#
# Guest-driven sleep with a stock QEMU: the guest's own drivers suspend, its ACPI calls the table.

load lib
load cmd
load nested

listen_log=$nested_dir.log
listen_pid=$nested_dir.listener
socket=$nested_dir.sock

setup_file() {
	load_vfio disable_idle_d3=1
	bind_vfio "$D3COLD" "$D3COLD2"
	"$vfio_pm" guest-table 10.0 11.0 --socket="$socket" --output="$nested_dir.aml" >"$nested_dir.args"
	listen_start
	vm_start
}

vm_start() {
	read -ra NESTED_ARGS <<<"$(tr '\n' ' ' <"$nested_dir.args")"
	# pc's slots can be hot-plugged by ACPI unless it is told not to: no _EJ0 then, as on q35.
	NESTED_ARGS+=(-global PIIX4_PM.acpi-root-pci-hotplug=off
		-global PIIX4_PM.acpi-pci-hotplug-with-bridge-support=off)
	nested_start D3COLD D3COLD2
}

teardown_file() {
	listen_stop KILL || true
	nested_stop
	unbind_all
}

setup() { mark "test $BATS_TEST_DESCRIPTION"; }

teardown() {
	tail -n 15 "$listen_log"
	nested_console
}

listen_start() {
	"$vfio_pm" guest-listen --socket="$socket" --device=10.0="$D3COLD" --device=11.0="$D3COLD2" \
		--qmp="$nested_qmp_socket" --rate=0 --dwell=0 >>"$listen_log" 2>&1 3>&- 9>&- &
	echo $! >"$listen_pid"
}

listen_stop() { # [SIGNAL]
	local pid
	pid=$(<"$listen_pid")
	kill "-${1:-TERM}" "$pid"
	wait_for 20 eval "! kill -0 $pid 2>/dev/null || grep -q '^State:.Z' /proc/$pid/status"
}

said_times() { [ "$(grep -c -- "$1" "$listen_log")" -ge "$2" ]; } # REGEX N

both() { # STATUS STATE
	wait_state "$D3COLD" "$@" && wait_state "$D3COLD2" "$@"
}

asleep() {
	nested 'kick suspend 10 && kick suspend 11' || return
	both suspended D3cold
}

awake() {
	nested 'kick resume 10 && kick resume 11' || return
	is_state "$D3COLD" active D0 && is_state "$D3COLD2" active D0 || fail "$REPLY"
}

works() { nested 'works 10 && works 11'; }

@test "the guest's drivers suspend and resume: D3cold on the host, registers, DMA and interrupts" {
	works
	nested 'cat $(node 10)/firmware_node/path; ls -d $(node 10)/firmware_node/power_resources_D3hot $(node 11)/firmware_node/power_resources_D3hot'
	asleep
	nested 'cat $(node 10)/power_state $(node 11)/power_state'
	[ "$REPLY" = $'D3cold\nD3cold' ] || fail "$REPLY"
	vp status "$D3COLD"
	[[ $output == *"driven by   the guest of qemu-system-x86, process $(nested_pid), where it is 10.0"* ]] || fail "$output"
	awake
	works
	rounds=$(count 200)
	for ((i = 1; i <= rounds; i++)); do
		asleep && awake || fail "round $i of $rounds"
	done
	works
	grep -E ' (off|on).*: answered' "$listen_log" | tail -n 4 | sed "s/^/# $VM_KERNEL: /" >&3
}

@test "a listener that is killed while it sleeps: the guest wakes, in time; another comes" {
	asleep
	listen_stop KILL
	local start=$SECONDS
	nested 'kick resume 10 && kick resume 11' 60
	[ $((SECONDS - start)) -le 12 ] || fail "$((SECONDS - start)) s"
	is_state "$D3COLD" active D0
	nested_alive
	works
	# Without one: bounded, and it works.
	start=${EPOCHREALTIME/./}
	nested 'for i in 1 2 3 4 5; do kick suspend 10; kick resume 10; done' 60
	echo "# $VM_KERNEL: five transitions without a listener: $((${EPOCHREALTIME/./} - start)) us" >&3
	works
	is_state "$D3COLD" active D0
	listen_start
	wait_for "$VM_PATIENCE" said_times "connected to" 2
	asleep
	awake
	works
}

@test "reset, stop and cont, a crash, S3, in low power: never left engaged, and the next boot works" {
	asleep
	nested_qmp '{"execute":"stop"}'
	both suspended D3cold
	nested_qmp '{"execute":"cont"}'
	awake
	asleep
	nested_qmp '{"execute":"system_reset"}'
	nested_boots
	both active D0
	works
	asleep
	awake
	works
	asleep
	nested_send 'echo c >/proc/sysrq-trigger'
	nested_boots
	both active D0
	works
	asleep
	awake
	works
}

@test "a QEMU that is killed in low power, and another" {
	asleep
	nested_stop
	wait_for 20 eval '[ "$(<"$pci/$D3COLD/enable")" = 0 ]'
	vm_start
	works
	asleep
	awake
	works
}

@test "S3 of the guest, in low power" {
	asleep
	nested_send 'echo mem >/sys/power/state; kick resume 10; kick resume 11; works 10 && works 11'
	wait_for 60 nested_status suspended || fail "the guest doesn't sleep: $REPLY"
	nested_qmp '{"execute":"system_wakeup"}'
	nested_answer 90 || fail "$REPLY"
	both active D0
	asleep
	awake
	works
}

@test "at random points of transitions: reset, stop and cont, no listener, no QEMU" {
	local n seed=$((RANDOM * 32768 + RANDOM)) i what
	n=$(count 50)
	echo "# seed $seed" | tee /dev/fd/3
	RANDOM=$seed
	for ((i = 0; i < n; i++)); do
		what=$((RANDOM % 4))
		nested_send 'for i in 1 2 3; do kick suspend 10; kick suspend 11; kick resume 10; kick resume 11; done'
		sleep "$((RANDOM % 2)).$((RANDOM % 10))$((RANDOM % 10))"
		case $what in
		0) nested_qmp '{"execute":"system_reset"}'; nested_boots ;;
		1) nested_qmp '{"execute":"stop"}'; sleep 0.3; nested_qmp '{"execute":"cont"}'; nested_answer 60 ;;
		2) listen_stop KILL; sleep 0.2; listen_start; nested_answer 60 ;;
		3) nested_stop; vm_start ;;
		esac
		both active D0 || fail "round $i, $what"
		works || fail "round $i, $what"
		nested_alive
	done
	asleep
	awake
	listen_stop
	grep 'total\|frames' "$listen_log"
}
