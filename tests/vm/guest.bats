#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 modparam="disable_idle_d3=1" timeout=600 cost=60 soak=6.1
#
# The listener of guest-driven sleep, with an owner that plays VMM and guest (tests/vm/guest_wire.h).

load lib
load cmd
load guest_pm
load guest_listen

@test "off is D3cold on the host, on is awake before the guest goes on; two devices in turn" {
	bind_vfio "$D3COLD_PORT" "$D3COLD"
	listen_start --rate=0 --dwell=0
	guest_start D3COLD_PORT D3COLD
	connected
	vmm off 0
	[[ $REPLY == "done "* ]] || fail "$REPLY"
	wait_state "$D3COLD_PORT" suspended D3cold
	is_state "$D3COLD" active D0
	vp status "$D3COLD_PORT"
	[[ $output == *"the guest of guest_pm, process $vmm, where it is 02.4/00.0, by process $listener"*"has it off"* ]] || fail "$output"
	stays_state "$D3COLD_PORT" suspended D3cold 1
	# Told when its port has followed.
	wait_listen "asleep: suspended in D3cold"
	if listen_said "suspended in D3hot"; then fail "told before the port followed"; fi
	vmm off 1
	wait_state "$D3COLD" suspended D3cold
	vmm on 0
	[[ $REPLY == "done "* ]]
	is_state "$D3COLD_PORT" active D0
	is_state "$D3COLD" suspended D3cold
	vmm on 1
	is_state "$D3COLD" active D0
	local rounds
	rounds=$(count 200)
	for device in 0 1; do
		VMM_PATIENCE=$((rounds + 60)) vmm sleeps "$device" "$rounds"
		echo "# $VM_KERNEL: sleeps $device: $REPLY (us)" >&3
		[[ $REPLY == "bad 0 rounds $rounds "* ]] || fail "$REPLY"
	done
	vmm_runs
	# Nothing to do costs nothing.
	is_idle 3
	listen_stop
	listen_said "$D3COLD (11.0 in the guest): off $((rounds + 1)), on $((rounds + 1)), refused 0, woken 0, again 0, failed 0;"
}

@test "what can't be done safely is refused, which costs the guest nothing but watts" {
	bind_vfio "$D3COLD_PORT" "$D3COLD"
	guest_start D3COLD_PORT D3COLD
	listen_start --rate=2 --dwell=0
	connected
	# Not in D3hot: f5 fa 11 14 00 07 is OFF of the first device.
	vmm bytes f5fa111400072c87
	wait_listen "refused: the guest hasn't put it into D3hot"
	is_state "$D3COLD_PORT" active D0
	# Again and again, with other numbers: told once. One after the other: of those that come together the last counts.
	for question in f5fa111400082d88 f5fa111400092e89 f5fa1114000a2f8a; do
		sleep 0.3
		vmm bytes $question
	done
	wait_for "$VM_PATIENCE" eval 'vp status "$D3COLD_PORT"; [[ $output == *"0 times off, 4 refused"* ]]' || fail "$output"
	[[ $output == *"has it off, but it stays awake"* ]] || fail "$output"
	[ "$(grep -c "hasn't put it into D3hot" "$listen_log")" = 1 ]
	echo on >"$pci/$D3COLD/power/control"
	vmm off 1
	[[ $REPLY == "refused "* ]] || fail "$REPLY"
	listen_said "refused: the host's policy keeps it awake: power/control is on"
	vmm on 1
	[[ $REPLY == "done "* ]] || fail "$REPLY"
	echo auto >"$pci/$D3COLD/power/control"
	for round in 1 2; do
		until_off 1
		vmm on 1
		[[ $REPLY == "done "* ]] || fail "$REPLY"
	done
	vmm off 1
	[[ $REPLY == "refused "* ]] || fail "$REPLY"
	listen_said "refused: too many transitions within a minute"
	vmm on 1
	listen_stop
	listen_start --rate=0 --dwell=2s
	connected 2
	vmm off 0
	[[ $REPLY == "done "* ]] || fail "$REPLY"
	vmm on 0
	vmm off 0
	[[ $REPLY == "refused "* ]] || fail "$REPLY"
	listen_said "refused: too soon after its last wake"
	sleep 2
	vmm on 0
	vmm off 0
	[[ $REPLY == "done "* ]] || fail "$REPLY"
	vmm on 0
	vmm_runs
}

@test "an answer that would come too late, a suspend that does: nothing sleeps behind a guest that has given up" {
	bind_vfio "$D3COLD_PORT" "$D3COLD"
	guest_start D3COLD_PORT D3COLD
	# The search for the owner takes long, or the kernel: the answer's time counts.
	local slow
	for slow in pidfd_getfd:delay_enter=700000 ioctl:delay_exit=500000; do
		: >"$listen_log"
		LISTEN_WITH=(strace -D -f -o /dev/null -e "trace=${slow%%:*}" -e "inject=$slow")
		listen_start --rate=0 --dwell=0
		# It looks for what it might have to leave first.
		wait_for 60 listen_said "connected to" || fail "$slow: $(<"$listen_log")"
		vmm on 1 20000
		vmm off 1 20000
		[[ $REPLY == "refused "* ]] || fail "$slow: $REPLY"
		wait_listen "refused: the question has waited"
		sleep 1
		[ "$(<"$pci/$D3COLD/power/runtime_status")" = active ] || fail "$slow: asleep"
		vmm on 1 20000
		[[ $REPLY == "done "* ]] || fail "$slow: $REPLY"
		listen_stop KILL
		LISTEN_WITH=()
	done
	# One that is slow, but not too slow for a guest that waits: nor is what follows it refused.
	: >"$listen_log"
	LISTEN_WITH=(strace -D -f -o /dev/null -e trace=pidfd_getfd -e inject=pidfd_getfd:delay_enter=50000)
	listen_start --rate=0 --dwell=0
	connected
	for ((i = 0; i < 3; i++)); do
		vmm off 1
		[[ $REPLY == "done "* && ${REPLY#done } -gt 40000 ]] || fail "$REPLY"
		vmm on 1
		[[ $REPLY == "done "* ]] || fail "$REPLY"
	done
	listen_stop KILL
	LISTEN_WITH=()
	# A suspend that doesn't come in time; a moment's time is for none.
	: >"$listen_log"
	listen_start --rate=0 --dwell=0 --suspend-timeout=1ms
	connected
	for ((i = 0; i < 20; i++)); do
		vmm off 1
		[[ $REPLY == "done "* ]] || fail "$REPLY"
		sleep 0.3
		! listen_said "left low power: it did not suspend in time" || break
		vmm on 1
	done
	listen_said "left low power: it did not suspend in time" || fail "$(<"$listen_log")"
	[ "$(<"$pci/$D3COLD/power/runtime_status")" = active ]
	vp status "$D3COLD"
	[[ $output == *"has it off, but it stays awake"* ]] || fail "$output"
	vmm on 1
	[[ $REPLY == "done "* ]] || fail "$REPLY"
	listen_stop
	listen_said "$D3COLD (11.0 in the guest): .* failed 1;" || fail "$(<"$listen_log")"
	vmm_runs
}

@test "an entry that fails is refused, never told as done" {
	local ioctls=$BATS_TEST_TMPDIR/ioctls n
	bind_vfio "$D3COLD_PORT" "$D3COLD"
	guest_start D3COLD_PORT D3COLD
	# Which of the listener's ioctls is the entry? The last before the answer.
	LISTEN_WITH=(strace -D -f -o "$ioctls" -e trace=ioctl)
	listen_start --rate=0 --dwell=0
	connected
	vmm on 1
	vmm off 1
	[[ $REPLY == "done "* ]] || fail "$REPLY"
	wait_for "$VM_PATIENCE" grep -q ioctl "$ioctls"
	n=$(grep -c 'ioctl(' "$ioctls")
	grep 'ioctl(' "$ioctls" | tail -n 1 | grep -Eq 'VFIO_DEVICE_FEATURE|_IO\(0x3b, 0x75\)|0x3b75' || fail "$(<"$ioctls")"
	vmm on 1
	listen_stop
	: >"$listen_log"
	LISTEN_WITH=(strace -D -f -o /dev/null -e trace=ioctl -e "inject=ioctl:error=EIO:when=$n")
	listen_start --rate=0 --dwell=0
	connected
	vmm on 1
	vmm off 1
	[[ $REPLY == "refused "* ]] || fail "$REPLY: $(<"$listen_log")"
	listen_said "refused: Input/output error"
	stays_state "$D3COLD" active D3hot 1
	vmm on 1
	[[ $REPLY == "done "* ]] || fail "$REPLY"
	until_off 1
	wait_state "$D3COLD" suspended D3cold
	vmm on 1
	vmm_runs
}

@test "a device of another process is left alone" {
	bind_vfio "$D3COLD_PORT" "$D3COLD"
	guest_start D3COLD_PORT
	listen_start --rate=0 --dwell=0
	connected
	exec {other_in}> >("$vmm_program" "$D3COLD,$(dev REG_D3COLD | tr ' ' ,)" >/dev/null 2>&1 3>&-)
	wait_for "$VM_PATIENCE" eval '[ "$(<"$pci/$D3COLD/enable")" = 1 ]'
	echo "d3 0" >&"$other_in"
	wait_for "$VM_PATIENCE" is_state "$D3COLD" active D3hot
	# OFF of 11.0
	vmm bytes f5fa11ff88079f58
	wait_listen "refused: the VM behind the socket doesn't have it open"
	stays_state "$D3COLD" active D3hot 1
	exec {other_in}>&-
}

@test "listeners that end, die, come back and come twice; a VM that closes, and one that dies" {
	bind_vfio "$D3COLD_PORT" "$D3COLD"
	local name
	guest_start D3COLD_PORT D3COLD
	vmm off 0 300
	[[ $REPLY == "none "* ]] || fail "$REPLY"
	vmm on 0 100
	[[ $REPLY == "none "* ]] || fail "$REPLY"
	listen_start --rate=0 --dwell=0
	connected
	vp guest-listen --socket="$socket" --device=1.0=x
	expect_code 2
	vp guest-listen --socket="$socket" --device=10.0="$NVME"
	expect_code 5
	[[ $output == *"process $listener does so already"* ]] || fail "$output"
	vp guest-listen --socket="$socket.other" --device=10.0="$D3COLD"
	expect_code 5
	# What another user has, or pretends to have, keeps nobody from being served.
	listen_stop
	for name in "guest/$D3COLD" "guest-socket/$(python3 -c 'import sys
h = 0xcbf29ce484222325
for c in sys.argv[1].encode(): h = (h ^ c) * 0x100000001b3 % 2**64
print("%016x" % h)' "$(realpath "$socket")")"; do
		setpriv --reuid=65534 --regid=65534 --clear-groups python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind("\0vfio-pm/" + sys.argv[1])
s.listen(8)
time.sleep(1000)' "$name" 3>&- 9>&- &
		squatters+=($!)
	done
	wait_for "$VM_PATIENCE" eval '[ "$(grep -c "@vfio-pm/guest" /proc/net/unix)" = 2 ]'
	listen_start --rate=0 --dwell=0
	connected 2
	listen_said "process ${squatters[0]} of user 65534 has taken the name by which the listener of '$D3COLD' is found: it is served"
	listen_said "process ${squatters[1]} of user 65534 has taken the name by which the listener of '$socket' is found: it is served"
	vmm on 1
	vmm sleeps 1 2
	[[ $REPLY == "bad 0 rounds 2 "* ]] || fail "$REPLY"
	listen_stop
	kill "${squatters[@]}"
	wait "${squatters[@]}" || true
	squatters=()
	listen_start --rate=0 --dwell=0
	connected 3
	vmm on 0
	# Killed while two devices sleep: the guest waits, goes on, and lives.
	vmm off 0
	vmm off 1
	wait_state "$D3COLD_PORT" suspended D3cold
	wait_state "$D3COLD" suspended D3cold
	listen_stop KILL
	stays_state "$D3COLD" suspended D3cold 1
	vmm on 0 500
	[[ $REPLY == "none "* ]] || fail "$REPLY"
	is_state "$D3COLD_PORT" active D0
	vmm_runs
	# A new one leaves what the dead one has left behind; a guest that waits gets its answer.
	echo "on 1" >&"$vmm_in"
	sleep 1
	is_state "$D3COLD" suspended D3cold
	listen_start --rate=0 --dwell=0
	vmm_answer
	[[ $REPLY == "done "* ]] || fail "$REPLY"
	is_state "$D3COLD" active D0
	vmm off 1
	wait_state "$D3COLD" suspended D3cold
	listen_stop
	is_state "$D3COLD" active D0 || fail "$REPLY"
	vmm on 1 100
	# The VM closes its end.
	listen_start --rate=0 --dwell=0
	connected 5
	vmm off 1
	[[ $REPLY == "done "* ]] || fail "$REPLY"
	wait_state "$D3COLD" suspended D3cold
	vmm hang
	wait_state "$D3COLD" active D0
	listen_said "left low power: the VM has closed the socket"
	vmm on 1
	[[ $REPLY == "done "* ]] || fail "$REPLY"
	# The VM dies while it sleeps, and another comes.
	vmm off 1
	wait_state "$D3COLD" suspended D3cold
	vmm_stop
	wait_for "$VM_PATIENCE" is_closed "$D3COLD"
	guest_start D3COLD_PORT D3COLD
	connected
	vmm sleeps 1 2
	[[ $REPLY == "bad 0 rounds 2 "* ]] || fail "$REPLY"
}

@test "who waits for a VM does nothing until it is there; its folder, too, may come later" {
	local folder=$BATS_TEST_TMPDIR/vm/run start time pid
	socket=$folder/socket
	bind_vfio "$D3COLD_PORT" "$D3COLD"
	listen_start --rate=0 --dwell=0
	# At first one may come at any moment.
	sleep 8
	is_idle 3
	mkdir "${folder%/*}"
	mkdir "$folder"
	sleep 8
	is_idle 3
	for time in 1 2; do
		guest_start D3COLD_PORT D3COLD
		start=$SECONDS
		connected
		[ $((SECONDS - start)) -le 5 ] || fail "$((SECONDS - start)) s"
		vmm off 0
		[[ $REPLY == "done "* ]] || fail "$REPLY"
		wait_state "$D3COLD_PORT" suspended D3cold
		pid=$vmm
		vmm_stop
		wait_listen "'guest_pm' (pid $pid) has closed the socket"
		# The socket is still there, but nobody behind it.
		sleep 8
		is_idle 3
	done
}

@test "low power that can't be left isn't told as left, and is left later" {
	serve_guest
	vmm off 1
	[[ $REPLY == "done "* ]] || fail "$REPLY"
	wait_state "$D3COLD" suspended D3cold
	listen_stop KILL
	# Another process has the same files: whose they are can't be told.
	vmm fork
	local child
	child=$(pgrep -P "$vmm")
	listen_start --rate=0 --dwell=0
	wait_listen "$D3COLD (11.0 in the guest): low power could not be left: .*; it is tried again"
	echo "on 1" >&"$vmm_in"
	sleep 1
	is_state "$D3COLD" suspended D3cold
	kill -KILL "$child"
	vmm_answer
	[[ $REPLY == "done "* ]] || fail "$REPLY"
	wait_listen "$D3COLD (11.0 in the guest): on after"
	[ "$(grep -c "$D3COLD (.*could not be left" "$listen_log")" = 1 ] || fail "$(<"$listen_log")"
	vmm touch 1
	# Nor is an ON done whose exit fails after a wake: some kernels restore what they have revoked only then.
	# The child keeps open what the owner has closed: which of its devices is which can't be told.
	vmm off 1
	[[ $REPLY == "done "* ]] || fail "$REPLY"
	wait_state "$D3COLD" suspended D3cold
	vmm fork
	child=$(pgrep -n -P "$vmm")
	vmm close 0
	setpci -s "$D3COLD" 0.l >/dev/null
	wait_listen "woken by something else"
	echo "on 1" >&"$vmm_in"
	if read -r -t 1 -u "$vmm_out" REPLY; then fail "answered: $REPLY"; fi
	kill -KILL "$child"
	vmm_answer
	[[ $REPLY == "done "* ]] || fail "$REPLY"
	wait_for "$VM_PATIENCE" eval '[ "$(<"$pci/$D3COLD_PORT/enable")" = 0 ]'
	vmm open 0
	vmm touch 1
	vmm sleeps 1 2
	[[ $REPLY == "bad 0 rounds 2 "* ]] || fail "$REPLY"
	vmm_runs
}

@test "bytes that aren't ours are ignored, counted and told once" {
	serve_guest
	for ((i = 0; i < 20; i++)); do
		vmm bytes 0d0a6c6f67696e3a20f5fa1114
		vmm off 0
		[[ $REPLY == "done "* ]] || fail "$REPLY"
		vmm bytes f5f5fafa00ff
		vmm on 0
		[[ $REPLY == "done "* ]] || fail "$REPLY"
	done
	# Version 2, and a device that isn't there.
	vmm bytes f5fa211400073cc7
	vmm bytes f5fa111401072d89
	vmm sleeps 1 2
	[[ $REPLY == "bad 0 rounds 2 "* ]] || fail "$REPLY"
	[ "$(grep -c "aren't ours" "$listen_log")" = 1 ]
	listen_stop
	listen_said "foreign bytes 380,"
}

@test "woken by something else it sleeps again, unless the machine was reset" {
	serve_guest
	vmm off 1
	wait_state "$D3COLD" suspended D3cold
	setpci -s "$D3COLD" 0.l >/dev/null
	wait_listen "woken by something else"
	wait_listen "put to sleep again"
	wait_state "$D3COLD" suspended D3cold
	vmm on 1
	[[ $REPLY == "done "* ]] || fail "$REPLY"
	vmm touch 1
	vmm off 1
	wait_state "$D3COLD" suspended D3cold
	vmm reset 1
	wait_listen "left low power: the guest has started anew"
	sleep 2
	is_state "$D3COLD" active D0
	vmm touch 1
	vmm on 1
	vmm sleeps 1 2
	[[ $REPLY == "bad 0 rounds 2 "* ]] || fail "$REPLY"
	# A console on the wire: another system may be running.
	vmm off 1
	wait_state "$D3COLD" suspended D3cold
	vmm bytes 6c6f67696e3a206c6f67696e3a20
	setpci -s "$D3COLD" 0.l >/dev/null
	wait_listen "left low power: what came over the wire"
	vmm on 1
	listen_stop
	# Not without limit.
	listen_start --rate=2 --dwell=0
	connected 2
	vmm off 1
	[[ $REPLY == "done "* ]] || fail "$REPLY"
	wait_state "$D3COLD" suspended D3cold
	setpci -s "$D3COLD" 0.l >/dev/null
	wait_for "$VM_PATIENCE" eval '[ "$(grep -c "put to sleep again" "$listen_log")" = 2 ]'
	wait_state "$D3COLD" suspended D3cold
	setpci -s "$D3COLD" 0.l >/dev/null
	wait_listen "refused: too many transitions within a minute"
	is_state "$D3COLD" active D0
	vmm on 1
	[[ $REPLY == "done "* ]] || fail "$REPLY"
	listen_stop
	listen_said "$D3COLD (11.0 in the guest): off 1, on 0, refused 1, woken 2, again 1, failed 0"
	vmm_runs
}

@test "woken by something else and not to be put to sleep again: an end of trying, and no false reasons" {
	serve_guest
	vmm off 1
	wait_state "$D3COLD" suspended D3cold
	echo on >"$pci/$D3COLD/power/control"
	wait_listen "woken by something else"
	wait_listen "refused: the host's policy keeps it awake"
	wait_for 20 listen_said "left low power: it could not be put to sleep again"
	is_idle 1
	vp status "$D3COLD"
	[[ $output == *"has it off, but it stays awake"* ]] || fail "$output"
	echo auto >"$pci/$D3COLD/power/control"
	vmm on 1
	[[ $REPLY == "done "* ]] || fail "$REPLY"
	# The VM lets go of it, as in an unplug.
	vmm off 1
	[[ $REPLY == "done "* ]] || fail "$REPLY"
	wait_state "$D3COLD" suspended D3cold
	setpci -s "$D3COLD" 0.l >/dev/null
	wait_for "$VM_PATIENCE" eval '[ "$(grep -c "woken by something else" "$listen_log")" = 2 ]'
	vmm close 1
	# Looked at just then, nothing is clear.
	wait_listen "left low power: \(the VM has closed it\|it can't be told\)"
	! listen_said "low power: the guest has started anew" || fail "$(<"$listen_log")"
	: >"$listen_log"
	vmm open 1
	vmm on 1
	[[ $REPLY == "done "* ]] || fail "$REPLY"
	# So does one that closes it while it sleeps: seen when somebody asks.
	vmm off 1
	[[ $REPLY == "done "* ]] || fail "$REPLY"
	wait_state "$D3COLD" suspended D3cold
	vmm close 1
	vp status "$D3COLD"
	[[ $output == *"can't use it: the VM doesn't have it open"* ]] || fail "$output"
	listen_said "left low power: the VM has closed it" || fail "$(<"$listen_log")"
	vmm open 1
	vmm on 1
	vmm sleeps 1 2
	[[ $REPLY == "bad 0 rounds 2 "* ]] || fail "$REPLY"
	vmm_runs
}

monitor_start() {
	rm -f "$monitor"
	python3 "$BATS_TEST_DIRNAME/qmp-between.py" "$monitor" 3>&- 9>&- &
	monitor_pid=$!
}

# The device sleeps when the monitor tells of a reset: nobody else does.
resets_are_heard() { # NTH
	vmm off 1
	[[ $REPLY == "done "* ]] || fail "$REPLY" || return
	wait_state "$D3COLD" suspended D3cold || return
	kill -USR1 "$monitor_pid"
	wait_for "$VM_PATIENCE" said_times "left low power: the VM was reset" "$1" || fail "$(<"$listen_log")" || return
	wait_state "$D3COLD" active D0 || return
	vmm touch 1
}

@test "a monitor that goes and comes again: told, and the VM's resets are heard again" {
	bind_vfio "$D3COLD_PORT" "$D3COLD"
	guest_start D3COLD_PORT D3COLD
	monitor=$BATS_TEST_TMPDIR/qmp
	monitor_start
	wait_for "$VM_PATIENCE" test -S "$monitor"
	listen_start --rate=0 --dwell=0 --qmp="$monitor"
	connected
	resets_are_heard 1
	# What else ends a guest's sleep, and what doesn't.
	local event
	for event in "WAKEUP the VM was woken from S3" "SHUTDOWN the VM shuts down"; do
		vmm off 1
		[[ $REPLY == "done "* ]] || fail "$REPLY"
		wait_state "$D3COLD" suspended D3cold
		for passing in SUSPEND STOP RESUME; do
			echo $passing >"$monitor.event"
			kill -USR1 "$monitor_pid"
			wait_listen "the VM says: ${passing,,}"
		done
		is_state "$D3COLD" suspended D3cold
		echo "${event%% *}" >"$monitor.event"
		kill -USR1 "$monitor_pid"
		wait_listen "left low power: ${event#* }"
		wait_state "$D3COLD" active D0
		vmm touch 1
	done
	rm "$monitor.event"
	kill "$monitor_pid"
	wait_listen "cannot use the monitor '$monitor': Connection refused; resets are noticed without it"
	# The VM itself is served as before.
	vmm off 1
	wait_state "$D3COLD" suspended D3cold
	vmm on 1
	[[ $REPLY == "done "* ]] || fail "$REPLY"
	monitor_start
	wait_listen "the monitor '$monitor' is there now"
	resets_are_heard 2
	kill "$monitor_pid"
	listen_stop
	vmm_runs
}

@test "killed and started at random while a guest sleeps and wakes: no SIGBUS, no OFF told that isn't" {
	bind_vfio "$D3COLD_PORT" "$D3COLD"
	guest_start D3COLD_PORT D3COLD
	local n told=0 devices=("$D3COLD_PORT" "$D3COLD")
	n=$(count 50)
	seed=$((RANDOM * 32768 + RANDOM))
	echo "# seed $seed"
	RANDOM=$seed
	for ((i = 0; i < n; i++)); do
		listen_start --rate=0 --dwell=0
		connected $((i + 1))
		echo "off $((i % 2)) 500" >&"$vmm_in"
		sleep "0.0$((RANDOM % 10))"
		kill -KILL "$listener"
		vmm_answer
		[[ $REPLY != SIGBUS && $REPLY != refused* ]] || fail "round $i: $REPLY"
		wait "$listener" || true
		if [[ $REPLY == "done "* ]]; then
			told=$((told + 1))
			wait_state "${devices[i % 2]}" suspended D3cold || fail "round $i: told, but it isn't so"
		fi
		vmm on $((i % 2)) 100
		vmm touch $((i % 2))
		is_state "${D3COLD_PORT}" active D0
		is_state "${D3COLD}" active D0
	done
	echo "# told done: $told of $n"
	vmm_runs
}
