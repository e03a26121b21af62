#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 soak=6.12 cost=40
#
# run: asleep while the command runs, awake and free afterwards, whatever happens.

load lib

vfio_pm=$VM_ROOT/build/vfio-pm

setup() {
	start_case
	load_vfio disable_idle_d3=1
	bind_vfio "$D3COLD"
}

teardown() { unbind_all; }

@test "asleep while it runs, awake afterwards, status handed on" {
	bind_vfio "$D3HOT"
	run "$vfio_pm" run "$D3COLD" "$D3HOT" -- sh -c \
		"cat $pci/$D3COLD/power_state $pci/$D3HOT/power_state $pci/$D3COLD/power/runtime_status; exit 42"
	echo "$output"
	[ "$status" = 42 ]
	[ "$output" = $'D3cold\nD3hot\nsuspended' ]
	is_state "$D3COLD" active D0
	get enable "$pci/$D3COLD/enable"
	[ "$enable" = 0 ]
	"$vfio_pm" run "$D3COLD" -- true
}

@test "its own failures: 125, 126, 127, and the command isn't run" {
	run "$vfio_pm" run "$D3COLD" -- /nonexistent/command
	[ "$status" = 127 ]
	run "$vfio_pm" run "$D3COLD" -- /etc/passwd
	[ "$status" = 126 ]
	is_state "$D3COLD" active D0
	echo on >"$pci/$D3COLD/power/control"
	run "$vfio_pm" run "$D3COLD" --timeout=500ms -- touch /run/was-run
	echo "$output"
	[ "$status" = 125 ]
	[ ! -e /run/was-run ]
	[[ $output == *"'$D3COLD' is not asleep after"* ]]
	echo auto >"$pci/$D3COLD/power/control"
	run "$vfio_pm" run ffff:00:00.0 -- true
	[ "$status" = 125 ]
	run "$vfio_pm" run "$D3COLD"
	[ "$status" = 2 ]
}

@test "signals reach the command; one that ends it is told as the shell does" {
	"$vfio_pm" run "$D3COLD" -- sh -c 'trap "echo got >/run/got; exit 7" TERM; echo up >/run/up; while :; do sleep 0.1; done' 3>&- &
	pid=$!
	wait_for 20 test -e /run/up
	wait_state "$D3COLD" suspended D3cold
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" = 7 ]
	[ "$(cat /run/got)" = got ]
	is_state "$D3COLD" active D0
	run "$vfio_pm" run "$D3COLD" -- sh -c 'kill -KILL $$'
	[ "$status" = 137 ]
}

@test "the caller ignores the end of its children: no matter" {
	run timeout 20 env --ignore-signal=CHLD "$vfio_pm" run "$D3COLD" -- sh -c 'exit 7'
	echo "$output"
	[ "$status" = 7 ]
	is_state "$D3COLD" active D0
}

ends_within() { # SECONDS STATUS TEXT: the run in the background
	local start=$SECONDS status=0
	wait "$pid" || status=$?
	cat /run/err
	[ "$status" = "$2" ] && [ $((SECONDS - start)) -le "$1" ] || fail "$status after $((SECONDS - start)) s"
	[ -z "$3" ] || grep -q "$3" /run/err
}

@test "a signal, an unbind while it waits for sleep: at once, and the command isn't run" {
	echo on >"$pci/$D3COLD/power/control"
	enabled() { [ "$(<"$pci/$D3COLD/enable")" = 1 ]; }
	for signal in INT TERM USR1; do
		env --default-signal=INT "$vfio_pm" run --timeout=1h "$D3COLD" -- touch /run/was-run 2>/run/err 3>&- &
		pid=$!
		wait_for "$VM_PATIENCE" enabled
		sleep 0.5
		kill -CONT "$pid"
		kill -"$signal" "$pid"
		ends_within 5 125 "ended by a signal before the command was started"
		is_state "$D3COLD" active D0
	done
	"$vfio_pm" run --timeout=1h "$D3COLD" -- touch /run/was-run 2>/run/err 3>&- &
	pid=$!
	wait_for "$VM_PATIENCE" enabled
	sleep 0.5
	timeout 10 sh -c "echo $D3COLD >$pci/$D3COLD/driver/unbind"
	ends_within 5 125 "'$D3COLD' was let go of"
	[ ! -e /run/was-run ]
	# nohup's.
	bind_vfio "$D3COLD"
	echo on >"$pci/$D3COLD/power/control"
	env --ignore-signal=HUP "$vfio_pm" run --timeout=1h "$D3COLD" -- touch /run/was-run 2>/run/err 3>&- &
	pid=$!
	wait_for "$VM_PATIENCE" enabled
	sleep 0.5
	kill -HUP "$pid"
	echo auto >"$pci/$D3COLD/power/control"
	ends_within "$VM_PATIENCE" 0 ""
	[ -e /run/was-run ]
}

@test "the process that holds the device is killed: the command goes on, and 125 says it" {
	"$vfio_pm" run "$D3COLD" -- sh -c ': >/run/up; sleep 2; : >/run/done' 2>/run/err 3>&- &
	pid=$!
	wait_for 20 test -e /run/up
	pkill -KILL -P "$pid" -x vfio-pm-work
	ends_within 10 125 "the process that held it was killed"
	[ -e /run/done ]
	wait_state "$D3COLD" active D0
}

@test "killed: low power is left all the same" {
	"$vfio_pm" run "$D3COLD" -- sleep 30 3>&- &
	pid=$!
	wait_state "$D3COLD" suspended D3cold
	kill -KILL "$pid"
	wait "$pid" || true
	wait_state "$D3COLD" active D0
	# Awake comes first: the last close disables the device after it.
	wait_for "$VM_PATIENCE" grep -qx 0 "$pci/$D3COLD/enable"
	pkill -x -P 1 sleep || true
}

@test "unbound meanwhile: let go of at once, the command goes on" {
	"$vfio_pm" run "$D3COLD" -- sh -c 'sleep 5; exit 9' 2>/run/err 3>&- &
	pid=$!
	wait_state "$D3COLD" suspended D3cold
	timeout 5 sh -c "echo $D3COLD >$pci/$D3COLD/driver/unbind"
	status=0
	wait "$pid" || status=$?
	[ "$status" = 9 ]
	grep -q "'$D3COLD' was let go of" /run/err
}

@test "unplugged meanwhile: the same" {
	bind_vfio "$HOTPLUG"
	"$vfio_pm" run "$HOTPLUG" -- sh -c ': >/run/plugged; sleep 5; exit 9' 2>/run/err 3>&- &
	pid=$!
	wait_for 20 test -e /run/plugged
	device_del "$ID_HOTPLUG"
	wait_for 20 gone "$HOTPLUG"
	ends_within 10 9 "'$HOTPLUG' was let go of"
	device_add "$KIND_HOTPLUG" "$ID_HOTPLUG" "$HOTPLUG_BUS" \
		"$([ "$KIND_HOTPLUG" = nvme ] && echo serial=HOTPLUG || echo romfile=)"
	wait_for 20 there "$HOTPLUG"
}
