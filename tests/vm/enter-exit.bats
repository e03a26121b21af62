#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 drivers=vfio-pci,vfio-pm-pci modparam="disable_idle_d3=1" timeout=900 cost=90 soak=6.12
#
# enter and exit on real (emulated) devices. With disable_idle_d3=1 a sleep is our doing.

load lib
load cmd

setup() {
	start_case
	vfio_loaded || load_vfio disable_idle_d3=1
}

teardown() {
	pkill -KILL -x 'vfio-pm|socat' || true
	rm -f /dev/log
	umount "$pci/$D3COLD/power/runtime_usage" 2>/dev/null || true
	echo 0 >"$pci/$D3COLD_VIA_UP/d3cold_allowed"
	unbind_all
}

round_trip() { # ROLE STATE
	local address=${!1} bar offset value vendor device
	bind_vfio "$address"
	is_state "$address" active D0 || fail "$1: $REPLY before"
	vp enter "$address"
	expect_code 0
	[[ $output == "$address: asleep in $2 after "*"(was active in D0)"* ]] || fail "$1: $output"
	is_state "$address" suspended "$2" || fail "$1: $REPLY after enter"
	read -r bar offset value <<<"$(dev "REG_$1")"
	vp exit "--read=$bar:$offset" "$address"
	expect_code 0
	read -r vendor <"$pci/$address/vendor"
	read -r device <"$pci/$address/device"
	[[ $output == *"awake in D0"*"config space reads ${vendor#0x}:${device#0x}"* ]] || fail "$1: $output"
	[[ $output == *"reads $value"* ]] || fail "$1: register: $output"
	[[ $output == *"released; it stays in D0: disable_idle_d3"* ]] || fail "$1: $output"
	is_state "$address" active D0 || fail "$1: $REPLY after exit"
}

@test "from D0 to D3cold and back, on the root complex and behind a port" {
	round_trip D3COLD D3cold
	round_trip D3COLD_PORT D3cold
}

@test "from D0 to D3cold by the port's power resource" {
	# The device suspends to D3hot; its port follows by autosuspend, and takes it to D3cold.
	echo 1 >"$pci/$D3COLD_VIA_UP/d3cold_allowed"
	for ((i = $(count 100); i > 0; i--)); do
		round_trip D3COLD_VIA D3cold
	done
}

@test "from D0 to D3hot and back: root complex, port, nvme" {
	round_trip D3HOT D3hot
	round_trip D3HOT_PORT D3hot
	round_trip NVME D3hot
}

@test "a device without PM capability: exit 6, and why" {
	bind_vfio "$NOPM"
	vp enter "$NOPM"
	expect_code 6
	[[ $output == *"suspended in D0: no PM capability"* ]] || fail "$output"
	is_state "$NOPM" suspended D0
	vp exit "$NOPM"
	expect_code 0
	# It stayed held, as asked.
	[[ $output == *"$NOPM: released"* ]] || fail "$output"
}

@test "power/control=on: exit 6, the mend is printed and works" {
	bind_vfio "$D3COLD"
	echo on >"$pci/$D3COLD/power/control"
	vp enter --timeout=1 "$D3COLD"
	expect_code 6
	[[ $output == *"active in D0: power/control is on"* ]] || fail "$output"
	eval "$(printf '%s\n' "$output" | sed -n 's/^vfio-pm: hint: //p')"
	wait_state "$D3COLD" suspended D3cold
	vp exit "$D3COLD"
	expect_code 0
}

@test "kill -9 of a holder: free at once; SIGTERM: low power is left first" {
	bind_vfio "$D3COLD"
	vp enter "$D3COLD"
	expect_code 0
	pid=$(pgrep -x vfio-pm)
	pkill -KILL -x vfio-pm
	wait_for 5 no_holder
	# At once: nobody's, and whatever its power is on the way back, that is what is told.
	vp status "$D3COLD"
	expect_code 0
	[[ $output != *"vfio-pm, process $pid"*"holds it"* && $output == *"open        no"* ]] || fail "$output"
	[ "$("$vfio_pm" list -J -o owner "$D3COLD" | jq -c '.devices[0].owner')" = '[]' ]
	wait_state "$D3COLD" active D0
	vp status "$D3COLD"
	[[ $output == *"asleep      no: active, in D0"* ]] || fail "$output"
	vp enter "$D3COLD"
	expect_code 0
	pkill -TERM -x vfio-pm
	wait_for 5 no_holder
	is_state "$D3COLD" active D0 || fail "$REPLY"
	vp exit "$D3COLD"
	expect_code 0
	[[ $output == *"nothing to do: not held"* ]] || fail "$output"
}

# Nothing is left to a process that stays: no capability, no directory, and no file but $2.
has_given_up() { # PID [FILE]
	grep -q '^CapEff:[[:space:]]*0*$' "/proc/$1/status" || fail "$(grep Cap "/proc/$1/status")"
	grep -q '^CapPrm:[[:space:]]*0*$' "/proc/$1/status" || fail "$(grep Cap "/proc/$1/status")"
	[ "$(readlink "/proc/$1/cwd")" = / ] || fail "cwd: $(readlink "/proc/$1/cwd")"
	for fd in 0 1 2; do
		[ -z "${2:-}" ] || [ "$(readlink "/proc/$1/fd/$fd")" = "$2" ] ||
			fail "descriptor $fd: $(readlink "/proc/$1/fd/$fd")"
	done
}

@test "capabilities are given up when all is open: devices of two groups, one of which is a user's" {
	bind_vfio "$D3COLD" "$D3HOT"
	group_of "$D3HOT"
	chown 65534 "/dev/vfio/$REPLY"
	chmod 600 "/dev/vfio/$REPLY"
	(cd "$BATS_TEST_TMPDIR" && exec "$vfio_pm" hold "$D3COLD" "$D3HOT") 2>"$BATS_TEST_TMPDIR/log" 3>&- &
	holder=$!
	wait_for "$VM_PATIENCE" grep -q "$D3HOT: asleep" "$BATS_TEST_TMPDIR/log" ||
		fail "$(<"$BATS_TEST_TMPDIR/log")"
	has_given_up $holder
	vp exit "$D3COLD" "$D3HOT"
	expect_code 0
	wait $holder
	cd "$BATS_TEST_TMPDIR"
	vp enter "$D3COLD" "$D3HOT"
	cd /
	expect_code 0
	for holder in $(pgrep -x vfio-pm); do
		has_given_up "$holder" /dev/null
	done
	[ "$(pgrep -cx vfio-pm)" = 2 ]
	vp exit "$D3COLD" "$D3HOT"
	expect_code 0
}

@test "enter --no-wait: done when low power is entered, asleep or not" {
	bind_vfio "$D3COLD" "$NOPM"
	echo on >"$pci/$D3COLD/power/control"
	vp enter --no-wait "$D3COLD" "$NOPM"
	expect_code 0
	[[ $output == *"$D3COLD: low power entered; now active in D0"* ]] || fail "$output"
	[[ $output == *"$NOPM: low power entered; now "* ]] || fail "$output"
	[ "$(pgrep -cx vfio-pm)" = 2 ]
	echo auto >"$pci/$D3COLD/power/control"
	wait_state "$D3COLD" suspended D3cold
	vp exit "$D3COLD" "$NOPM"
	expect_code 0
}

@test "enter twice: both succeed, one holder" {
	bind_vfio "$D3COLD"
	vp enter "$D3COLD"
	expect_code 0
	vp enter "$D3COLD"
	expect_code 0
	[[ $output == *"it was held already"* ]] || fail "$output"
	[ "$(pgrep -cx vfio-pm)" = 1 ]
	vp exit "$D3COLD"
	expect_code 0
	wait_for 5 no_holder
	# At the same time: each may find no holder, and start one.
	for ((i = $(count 20); i > 0; i--)); do
		"$vfio_pm" enter "$D3COLD" >"$BATS_TEST_TMPDIR/a" 2>&1 3>&- &
		a=$!
		"$vfio_pm" enter "$D3COLD" >"$BATS_TEST_TMPDIR/b" 2>&1 3>&- &
		b=$!
		wait $a || fail "$(<"$BATS_TEST_TMPDIR/a")"
		wait $b || fail "$(<"$BATS_TEST_TMPDIR/b")"
		[ "$(pgrep -cx vfio-pm)" = 1 ]
		is_state "$D3COLD" suspended D3cold || fail "$REPLY"
		vp exit "$D3COLD"
		expect_code 0
		wait_for 5 no_holder
	done
}

@test "two devices of one group, together and apart, dropped in either order" {
	bind_vfio "$PAIR0" "$PAIR1"
	vp enter "$PAIR0" "$PAIR1"
	expect_code 0
	[ "$(pgrep -cx vfio-pm)" = 1 ]
	vp exit "$PAIR0"
	expect_code 0
	is_state "$PAIR1" suspended D3hot || fail "$REPLY"
	vp enter "$PAIR0"
	expect_code 0
	[ "$(pgrep -cx vfio-pm)" = 1 ]
	vp exit "$PAIR1"
	expect_code 0
	is_state "$PAIR0" suspended D3hot || fail "$REPLY"
	vp exit "$PAIR0" "$PAIR1"
	expect_code 0
	[[ $output == *"$PAIR1: nothing to do: not held"* ]] || fail "$output"
	wait_for 5 no_holder
	"$vfio_pm" hold --group "$PAIR1" 3>&- &
	wait_state "$PAIR0" suspended D3hot
	wait_state "$PAIR1" suspended D3hot
	kill "$!"
	wait "$!"
}

# What the two printed, in either order of their doings, against what is so now: the exit came last
# when it says that it released the device, else the enter did.
race_was_told() {
	local entered exited
	entered=$(<"$BATS_TEST_TMPDIR/a") exited=$(<"$BATS_TEST_TMPDIR/b")
	if [[ $exited == *"$D3COLD: released; it stays in D0"* ]]; then
		[[ $exited == *"$D3COLD: awake in D0 after "*"config space reads "* ]] || return
		wait_for 5 no_holder && is_state "$D3COLD" active D0 || return
	else
		[[ $exited == *"$D3COLD: nothing to do: not held"* ]] || return
		[ "$(pgrep -cx vfio-pm)" = 1 ] && is_state "$D3COLD" suspended D3cold || return
		[ $status_a = 0 ] || return
	fi
	case $status_a in
	0) [[ $entered == "$D3COLD: asleep in D3cold after "*"(was active in D0)"* ]] ;;
	# Overtaken before it slept: told as what it then was.
	6) [[ $entered == *"'$D3COLD' is not asleep after "* && $exited == *released* ]] ;;
	esac
}

@test "a conventional pair, without PM capability and behind a bridge: exit 6, one holder, exit 0" {
	bind_vfio "$CONV0" "$CONV1"
	vp enter "$CONV0" "$CONV1"
	expect_code 6
	for address in "$CONV0" "$CONV1"; do
		[[ $output == *"'$address' is not asleep after "*": suspended in D0: no PM capability"* ]] ||
			fail "$address: $output"
	done
	[ "$(pgrep -cx vfio-pm)" = 1 ]
	vp exit "$CONV1" "$CONV0"
	expect_code 0
	[[ $output == *"$CONV0: released"* && $output == *"$CONV1: "* ]] || fail "$output"
	wait_for 5 no_holder
}

@test "enter and exit race each other: no lost holder, no wrong answer" {
	bind_vfio "$D3COLD"
	for ((i = $(count 200); i > 0; i--)); do
		"$vfio_pm" enter "$D3COLD" >"$BATS_TEST_TMPDIR/a" 2>&1 3>&- &
		a=$!
		"$vfio_pm" exit "$D3COLD" >"$BATS_TEST_TMPDIR/b" 2>&1 3>&- &
		b=$!
		status_a=0 status_b=0
		wait $a || status_a=$?
		wait $b || status_b=$?
		# An exit that overtakes the sleep makes enter say 6; nothing else may fail.
		[ $status_b = 0 ] || fail "exit: $status_b: $(<"$BATS_TEST_TMPDIR/b")"
		[ $status_a = 0 ] || [ $status_a = 6 ] || fail "enter: $status_a: $(<"$BATS_TEST_TMPDIR/a")"
		race_was_told || fail "enter ($status_a): $(<"$BATS_TEST_TMPDIR/a")" \
			"exit: $(<"$BATS_TEST_TMPDIR/b")" "now $REPLY, holders: $(pgrep -x vfio-pm)"
		vp exit "$D3COLD"
		expect_code 0
		wait_for 5 no_holder || fail "a holder is left over"
		is_state "$D3COLD" active D0 || fail "$REPLY"
	done
}

@test "enter -J and exit -J: an object a device, also for the one that fails" {
	json() { # VERB [OPTION...] DEVICE...
		code=0
		output=$("$vfio_pm" "$1" -J "${@:2}" 2>"$BATS_TEST_TMPDIR/err") || code=$?
	}
	is_told() { # JQ-FILTER
		[ "$(jq --arg port "$D3COLD_PORT" --arg nopm "$NOPM" "$1" <<<"$output")" = true ] ||
			fail "not so: $1" "$output"
	}
	bind_vfio "$D3COLD_PORT" "$NOPM"
	json enter "$D3COLD_PORT" "$NOPM"
	expect_code 6
	grep -q "'$NOPM' is not asleep after" "$BATS_TEST_TMPDIR/err"
	is_told '[.devices[].address] == [$port, $nopm]'
	is_told '.devices[0] | [.code, .error, .asleep, .state, .status, .state_before, .status_before, .held] ==
		[0, null, true, "D3cold", "suspended", "D0", "active", true]'
	is_told '.devices[0] | .time > 0 and .pid > 1'
	# The port above it can sleep, too, once nothing below it is awake.
	is_told '.devices[0].ports | length == 1 and .[0].status == "suspended" and .[0].status_before == "active"'
	is_told '.devices[1] | [.code, .asleep, .state, .status, .held] == [6, false, "D0", "suspended", true]'
	is_told '.devices[1].error | startswith("no PM capability")'

	read -r bar offset value <<<"$REG_D3COLD_PORT"
	json exit "--read=$bar:$offset" "$D3COLD_PORT"
	expect_code 0
	id=$(<"$pci/$D3COLD_PORT/vendor")
	is_told '.devices[0] | [.code, .held, .state_before, .status_before, .state, .afterwards] ==
		[0, true, "D3cold", "suspended", "D0", "disable_idle_d3"]'
	is_told ".devices[0] | .register == $((value)) and (.id | startswith(\"${id#0x}:\")) and .time > 0"
	json exit "$D3COLD_PORT" "$NOPM"
	expect_code 0
	is_told '[.devices[] | .code, .held, .id != null] == [0, false, false, 0, true, true]'
	wait_for 5 no_holder
}

@test "ten devices at once" {
	all=("$D3COLD" "$D3COLD2" "$D3COLD_PORT" "$D3HOT" "$D3HOT_PORT" "$NVME" "$PF" "$PAIR0" "$PAIR1" "$HOTPLUG")
	bind_vfio "${all[@]}"
	vp enter "${all[@]}"
	expect_code 0
	for address in "${all[@]}"; do
		state_of "$address"
		[[ $REPLY == "suspended D3"* ]] || fail "$address: $REPLY"
	done
	vp exit "${all[@]}"
	expect_code 0
	for address in "${all[@]}"; do
		is_state "$address" active D0 || fail "$address: $REPLY"
	done
	wait_for 5 no_holder
	# Again, each by a command of its own, all at the same time; two of them are of one group.
	for verb in "enter --timeout=60" exit; do
		pids=()
		for address in "${all[@]}"; do
			# shellcheck disable=SC2086 # words
			"$vfio_pm" $verb "$address" >"$BATS_TEST_TMPDIR/$address" 2>&1 3>&- &
			pids+=($!)
		done
		for i in "${!all[@]}"; do
			wait "${pids[i]}" || fail "$verb ${all[i]}: $(<"$BATS_TEST_TMPDIR/${all[i]}")"
			state_of "${all[i]}"
			[ "$verb" = exit ] || [[ $REPLY == "suspended D3"* ]] || fail "${all[i]}: $REPLY"
		done
	done
	wait_for 5 no_holder
}

@test "on-wake: a wake is noticed, and what was asked for follows" {
	bind_vfio "$D3COLD"
	vp enter --on-wake "$D3COLD"
	expect_code 0
	cfg_read "$D3COLD" 0.L >/dev/null
	wait_for 5 no_holder || fail "exit: the holder stays"
	is_state "$D3COLD" active D0 || fail "exit: $REPLY"

	vp enter --on-wake=stay "$D3COLD"
	expect_code 0
	cfg_read "$D3COLD" 0.L >/dev/null
	wait_state "$D3COLD" active D0
	stays_state "$D3COLD" active D0 2
	vp exit "$D3COLD"
	expect_code 0

	vp enter --on-wake=reenter "$D3COLD"
	expect_code 0
	cfg_read "$D3COLD" 0.L >/dev/null
	wait_state "$D3COLD" suspended D3cold
	cfg_read "$D3COLD" 0.L >/dev/null
	wait_state "$D3COLD" suspended D3cold
	vp exit "$D3COLD"
	expect_code 0
}

@test "enter of a device that is held otherwise: nothing changes unless --on-wake is given" {
	bind_vfio "$D3COLD"
	"$vfio_pm" hold --on-wake=stay "$D3COLD" 2>"$BATS_TEST_TMPDIR/log" 3>&- &
	holder=$!
	wait_for "$VM_PATIENCE" grep -q asleep "$BATS_TEST_TMPDIR/log" || fail "$(<"$BATS_TEST_TMPDIR/log")"
	rpm_trace_start "$D3COLD"
	vp enter "$D3COLD"
	expect_code 0
	rpm_trace_stop
	[[ $output == *"it was held already (pid $holder)"* ]] || fail "$output"
	[ "$(rpm_count "$D3COLD")" = 0 ] || fail "$(rpm_transitions)"
	is_state "$D3COLD" suspended D3cold || fail "$REPLY"
	# It still notices a wake, and stays awake then; and so after another enter.
	for _ in 1 2; do
		: >"$BATS_TEST_TMPDIR/log"
		cfg_read "$D3COLD" 0.L >/dev/null
		wait_for "$VM_PATIENCE" grep -q "woken; it stays awake and held" "$BATS_TEST_TMPDIR/log" ||
			fail "$(<"$BATS_TEST_TMPDIR/log")"
		is_state "$D3COLD" active D0 || fail "$REPLY"
		vp enter "$D3COLD"
		expect_code 0
		is_state "$D3COLD" suspended D3cold || fail "$REPLY"
	done
	# As it is told: no wake is noticed any more.
	vp enter --on-wake=ignore "$D3COLD"
	expect_code 0
	: >"$BATS_TEST_TMPDIR/log"
	cfg_read "$D3COLD" 0.L >/dev/null
	wait_state "$D3COLD" suspended D3cold
	[ ! -s "$BATS_TEST_TMPDIR/log" ] || fail "$(<"$BATS_TEST_TMPDIR/log")"
	vp exit "$D3COLD"
	expect_code 0
	wait $holder
}

@test "a kernel without runtime_usage: what follows the close is told all the same" {
	bind_vfio "$D3COLD"
	: >"$BATS_TEST_TMPDIR/usage"
	mount --bind "$BATS_TEST_TMPDIR/usage" "$pci/$D3COLD/power/runtime_usage"
	vp enter "$D3COLD"
	expect_code 0
	vp exit "$D3COLD"
	umount "$pci/$D3COLD/power/runtime_usage"
	expect_code 0
	[[ $output == *"released; it stays in D0: disable_idle_d3"* ]] || fail "$output"
}

# sd_notify's messages follow each other without anything in between.
status_ends() { # TEXT
	local told
	told=$(<"$BATS_TEST_TMPDIR/notified")
	told=${told//STATUS=/ STATUS=}
	[[ $told == *"$1" ]]
}

@test "the unit's hold: ready when asleep, logs wakes, ends at a signal with low power left" {
	read -r _ verb < <(sed -n "s/^ExecStart=.*vfio-pm /- /p" "$VM_ROOT/units/vfio-pm-hold@.service")
	[ "$verb" = "hold %I" ] || fail "$verb"
	bind_vfio "$D3COLD"
	notify=$BATS_TEST_TMPDIR/notify
	socat -u "UNIX-RECV:$notify" "CREATE:$BATS_TEST_TMPDIR/notified" 3>&- &
	wait_for 5 test -S "$notify"
	# shellcheck disable=SC2086 # words
	NOTIFY_SOCKET=$notify strace -D -o "$BATS_TEST_TMPDIR/calls" -e trace=read,ioctl \
		"$vfio_pm" ${verb/\%I/$D3COLD} 2>"$BATS_TEST_TMPDIR/log" &
	holder=$!
	wait_state "$D3COLD" suspended D3cold
	wait_for 5 grep -q READY=1 "$BATS_TEST_TMPDIR/notified"
	grep -q "STATUS=.*suspended in D3cold" "$BATS_TEST_TMPDIR/notified"
	cfg_read "$D3COLD" 0.L >/dev/null
	wait_for 5 grep -q "$D3COLD: woken; low power again" "$BATS_TEST_TMPDIR/log"
	wait_for "$VM_PATIENCE" status_ends "active in D0 STATUS=$D3COLD suspended in D3cold" ||
		fail "$(<"$BATS_TEST_TMPDIR/notified")"
	is_state "$D3COLD" suspended D3cold || fail "$REPLY"
	kill -TERM $holder
	status=0
	wait $holder || status=$?
	[ $status = 0 ] || fail "exit status $status"
	grep -q STOPPING=1 "$BATS_TEST_TMPDIR/notified"
	grep -q "$D3COLD: released: Terminated" "$BATS_TEST_TMPDIR/log"
	# After the signal (a signalfd_siginfo of 128 bytes) low power was left, by its ioctl.
	sed '1,/^read(.*, 128) *= 128$/d' "$BATS_TEST_TMPDIR/calls" | grep -q 'VFIO_DEVICE_FEATURE.*= 0' ||
		fail "low power was not left: $(tail -n 20 "$BATS_TEST_TMPDIR/calls")"
	is_state "$D3COLD" active D0
}

@test "unbind of a held device finishes within a second; the holder ends and says why" {
	bind_vfio "$D3COLD"
	"$vfio_pm" hold "$D3COLD" 2>"$BATS_TEST_TMPDIR/log" &
	holder=$!
	wait_state "$D3COLD" suspended D3cold
	start=${EPOCHREALTIME/[.,]/}
	echo "$D3COLD" >"$pci/$D3COLD/driver/unbind"
	took=$(((${EPOCHREALTIME/[.,]/} - start) / 1000))
	[ $took -lt 1000 ] || fail "unbind took $took ms"
	wait $holder
	grep -q "the host asked for it" "$BATS_TEST_TMPDIR/log" || fail "$(<"$BATS_TEST_TMPDIR/log")"
}

@test "unbind of a device that the holder in the background keeps: within a second, and it says why" {
	socat -u UNIX-RECV:/dev/log "CREATE:$BATS_TEST_TMPDIR/log" 3>&- &
	wait_for 5 test -S /dev/log
	bind_vfio "$D3COLD"
	vp -v enter "$D3COLD"
	expect_code 0
	[[ $output == *"vfio-pm: holder $(pgrep -x vfio-pm) has been given the device"* ]] || fail "$output"
	# What is done there is in its log.
	wait_for 5 grep -q "$D3COLD: LOW_POWER_ENTRY: done" "$BATS_TEST_TMPDIR/log" ||
		fail "$(<"$BATS_TEST_TMPDIR/log")"
	grep -q "$D3COLD: opened by its group" "$BATS_TEST_TMPDIR/log"
	start=${EPOCHREALTIME/[.,]/}
	echo "$D3COLD" >"$pci/$D3COLD/driver/unbind"
	took=$(((${EPOCHREALTIME/[.,]/} - start) / 1000))
	[ $took -lt 1000 ] || fail "unbind took $took ms"
	wait_for 5 no_holder
	wait_for 5 grep -q "$D3COLD: released: the host asked for it" "$BATS_TEST_TMPDIR/log" ||
		fail "$(<"$BATS_TEST_TMPDIR/log")"
}

@test "unplug of a held device: it goes, and so does the holder" {
	bind_vfio "$HOTPLUG"
	# A holder in the background has syslog to talk to.
	socat -u UNIX-RECV:/dev/log "CREATE:$BATS_TEST_TMPDIR/log" 3>&- &
	wait_for 5 test -S /dev/log
	vp enter "$HOTPLUG"
	expect_code 0
	device_del "$ID_HOTPLUG"
	wait_for 20 gone "$HOTPLUG"
	wait_for 5 no_holder
	wait_for 5 grep -q "$HOTPLUG: released: the host asked for it" "$BATS_TEST_TMPDIR/log" ||
		fail "$(<"$BATS_TEST_TMPDIR/log")"
	device_add "$KIND_HOTPLUG" "$ID_HOTPLUG" "$HOTPLUG_BUS" \
		"$([ "$KIND_HOTPLUG" = nvme ] && echo serial=HOTPLUG || echo romfile=)"
	wait_for 20 there "$HOTPLUG"
}

@test "with disable_idle_d3=0: success only after our own entry, and what follows the close" {
	load_vfio disable_idle_d3=0
	bind_vfio "$D3COLD"
	wait_state "$D3COLD" suspended D3cold
	rpm_trace_start "$D3COLD"
	vp enter "$D3COLD"
	expect_code 0
	# As the trace was when enter had returned.
	rpm_trace_stop
	[[ $output == *"asleep in D3cold after"*"(was suspended in D3cold)"* ]] || fail "$output"
	# The open resumed it: the sleep that was told came after that.
	[ "$(rpm_count "$D3COLD" resume)" -ge 1 ]
	[ "$(rpm_transitions "$D3COLD" | tail -n 1)" = "$D3COLD suspend" ] || fail "$(rpm_transitions)"
	[ "$(pgrep -cx vfio-pm)" = 1 ]
	vp exit "$D3COLD"
	expect_code 0
	[[ $output == *"released; idle runtime PM: suspended, D3cold"* ]] || fail "$output"
	is_state "$D3COLD" suspended D3cold || fail "$REPLY"
}
