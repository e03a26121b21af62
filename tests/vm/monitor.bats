#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 timeout=600 soak=6.1 cost=90
#
# monitor, wait and owner: what they tell is what the kernel did, and they do nothing to it.

load lib
load cmd

waker=$VM_ROOT/build/tests/vm/waker

setup() { start_case; }

teardown() {
	[ -z "${monitor_pid:-}" ] || kill -KILL "$monitor_pid" 2>/dev/null || true
	end_user || true
	unbind_all
}

asleep() { # ROLE: bound, and asleep by itself
	load_vfio disable_idle_d3=0
	bind_vfio "${!1}"
	wait_state "${!1}" suspended "${2:-D3cold}"
}

monitor() { # ARGUMENT...: in the background, on $log; returns when it listens
	log=$BATS_TEST_TMPDIR/log
	"$vfio_pm" monitor "$@" >"$log" 2>"$log.err" 3>&- &
	monitor_pid=$!
	wait_for "$VM_PATIENCE" grep -q present "$log"
}

stop_monitor() { # [SIGNAL]
	kill "-${1:-INT}" "$monitor_pid"
	wait "$monitor_pid"
}

lines() { grep -c "$1" "$log" || true; }
has_lines() { [ "$(lines "$2")" -ge "$1" ]; }

instances() { compgen -G "$tracing/instances/vfio-pm-[0-9]*" || true; }

listens() { [ -n "$(instances)" ]; }

@test "monitor tells a wake, who asked for it, and the sleep after it" {
	asleep D3COLD
	monitor --json-lines "$D3COLD"
	"$waker" "$D3COLD" 1
	wait_for "$VM_PATIENCE" has_lines 2 '"event":"status"'
	stop_monitor
	cat "$log"
	jq -s -e --arg d "$D3COLD" '
		.[0] == (.[0] | .event = "present" | .device = $d | .status = "suspended" | .state = "D3cold") and
		([.[] | select(.event == "status") | .status] == ["active", "suspended"]) and
		([.[] | select(.event == "status" and .status == "active")][0] |
			.comm == "waker" and .pid > 0 and .took >= 5 and .took < 5000)' "$log"
	[ "$(instances)" = "" ]
}

@test "an ioctl of the owner is a wake, too, and told as its" {
	load_vfio disable_idle_d3=1
	bind_vfio "$D3COLD"
	start_user "$D3COLD" ask
	wait_state "$D3COLD" suspended D3cold
	monitor --json-lines "$D3COLD"
	echo >&9
	wait_for "$VM_PATIENCE" has_lines 2 '"event":"status"'
	stop_monitor
	cat "$log"
	jq -s -e --argjson pid "$user_pid" '
		[.[] | select(.event == "status") | [.status, .comm, .pid]] ==
			[["active", "user", $pid], ["suspended", null, null]]' "$log"
	end_user
}

# Which the kernel doesn't tell: the device stays enabled all the time.
handed_on() { # [MONITOR'S ARGUMENT]...
	load_vfio disable_idle_d3=1
	bind_vfio "$D3COLD"
	monitor --json-lines "$@" "$D3COLD"
	start_user "$D3COLD" heir
	wait_for "$VM_PATIENCE" grep -q "\"old_owner\":null,\"owner\":\"user ($user_pid)\"" "$log" ||
		fail "$(<"$log")"
	echo >&9
	wait_for "$VM_PATIENCE" grep -q heir "$BATS_TEST_TMPDIR/out"
	heir=$(sed -n 's/heir //p' "$BATS_TEST_TMPDIR/out")
	wait_for "$VM_PATIENCE" grep -q "\"owner\":\"user ($heir)\"" "$log" ||
		fail "$(<"$log")"
	end_user
	wait_for "$VM_PATIENCE" grep -q "\"old_owner\":\"user ($heir)\",\"owner\":null" "$log"
	stop_monitor
}

@test "the owner: opened, handed on from one process to another, closed" {
	handed_on
}

@test "the same where no trace events can be had, and it looks from time to time" {
	mkdir /run/no-tracing
	mount --bind /run/no-tracing /sys/kernel/tracing
	mount --bind /run/no-tracing /sys/kernel/debug/tracing || true
	code=0
	(handed_on --interval=100ms) || code=$?
	umount /sys/kernel/debug/tracing || true
	umount /sys/kernel/tracing
	rmdir /run/no-tracing
	cat "$log.err" || true
	[ $code = 0 ]
	grep -q 'looking every 100 ms' "$BATS_TEST_TMPDIR/log.err"
}

@test "monitor as text; SIGTERM and SIGHUP end it, and its trace instance goes with it" {
	asleep D3COLD
	for signal in TERM HUP INT; do
		monitor "$D3COLD"
		[ -n "$(instances)" ]
		"$waker" "$D3COLD" 1
		wait_for "$VM_PATIENCE" grep -q "$D3COLD status  active in .*, woken by waker ([0-9]*)" "$log"
		stop_monitor "$signal"
		[ "$(instances)" = "" ] || fail "after $signal"
	done
	cat "$log"
}

@test "a reader that goes away ends it as well; what kill -9 left is removed by the next" {
	asleep D3COLD
	# -n 1: `present` is all that head waits for.
	timeout 20 "$vfio_pm" monitor "$D3COLD" | head -n 1
	[ "$(instances)" = "" ]
	monitor "$D3COLD"
	kill -KILL "$monitor_pid"
	wait "$monitor_pid" || true
	[ -n "$(instances)" ]
	monitor "$D3COLD"
	[ "$(instances | wc -l)" = 1 ]
	stop_monitor
	[ "$(instances)" = "" ]
}

@test "an idle monitor wakes nothing and uses no CPU time" {
	asleep D3COLD
	rpm_trace_start "$D3COLD"
	monitor "$D3COLD"
	sleep 1
	read -r -a before <"/proc/$monitor_pid/stat"
	sleep 10
	read -r -a after <"/proc/$monitor_pid/stat"
	[ $((after[13] + after[14] - before[13] - before[14])) -le 1 ]
	stop_monitor
	rpm_trace_stop
	[ "$(rpm_count "$D3COLD")" = 0 ]
}

@test "a storm of transitions: each is told, once, in order" {
	asleep D3COLD
	n=$(count 5000)
	monitor --json-lines "$D3COLD"
	[ "$("$waker" "$D3COLD" "$n")" = "$n" ]
	wait_state "$D3COLD" suspended D3cold
	wait_for "$VM_PATIENCE" has_lines "$n" '"status":"suspended"' || true
	sleep 0.5
	stop_monitor
	jq -s -e --argjson n "$n" '
		[.[] | select(.event == "status")] as $s |
		([.[] | select(.event == "lost")] | length) == 0 and
		($s | length) == 2 * $n and
		([$s[] | .status] == [range($n) | "active", "suspended"]) and
		([$s[] | .monotonic_us] | . == sort) and
		([$s[] | select(.status == "active") | .comm] | unique == ["waker"])' "$log" ||
		fail "of $n wakes: $(lines '"status":"active"') told, $(lines '"status":"suspended"') sleeps, $(lines '"event":"lost"') losses"
}

@test "more than its buffer holds while it is stopped: the loss is told, and what comes after it is right" {
	asleep D3COLD
	monitor --json-lines "$D3COLD"
	instance=$(instances)
	# Some dozen transitions instead of thousands.
	echo 8 >"$instance/buffer_size_kb"
	kill -STOP "$monitor_pid"
	[ "$("$waker" "$D3COLD" 150)" = 150 ]
	kill -CONT "$monitor_pid"
	wait_for "$VM_PATIENCE" has_lines 1 '"event":"lost"' || fail "$(lines '"status":"active"') wakes told, no loss"
	wait_state "$D3COLD" suspended D3cold
	sleep 1
	told=$(lines '"event":"status"')
	[ "$told" -lt 300 ]
	"$waker" "$D3COLD" 1
	wait_for "$VM_PATIENCE" has_lines $((told + 2)) '"event":"status"'
	stop_monitor
	jq -s -e '
		([.[] | select(.event == "lost") | .count] | all(. == null or . > 0)) and
		([.[] | select(.event == "status")][-2:] |
			[.[0].status, .[0].comm, .[1].status] == ["active", "waker", "suspended"]) and
		([.[] | select(.event == "status") | .status] as $s |
			all(range(1; $s | length); $s[.] != $s[. - 1]))' "$log" || fail "$(tail -n 20 "$log")"
}

@test "driver, removal and return are told" {
	unbind_all
	load_vfio disable_idle_d3=0
	monitor --json-lines "$D3COLD"
	bind_vfio "$D3COLD"
	wait_for "$VM_PATIENCE" grep -q '"event":"driver","old_driver":null,"driver":"vfio-pci"' "$log"
	unbind "$D3COLD"
	wait_for "$VM_PATIENCE" grep -q '"event":"driver","old_driver":"vfio-pci","driver":null' "$log"
	echo 1 >"$pci/$D3COLD/remove"
	wait_for "$VM_PATIENCE" grep -q '"event":"gone"' "$log"
	echo 1 >/sys/bus/pci/rescan
	# What it is now comes first; nothing of what was there before is left to be told.
	wait_for "$VM_PATIENCE" has_lines 2 '"event":"present"' || fail "$(<"$log")"
	bind_vfio "$D3COLD"
	wait_state "$D3COLD" suspended D3cold
	wait_for "$VM_PATIENCE" grep -q '"old_state":"D0","state":"D3cold"' "$log"
	start_user "$D3COLD"
	wait_for "$VM_PATIENCE" grep -q "\"old_owner\":null,\"owner\":\"user ($user_pid)\"" "$log"
	# With an owner, who lets go of it when the host asks, or is ended.
	end_user
	wait_for "$VM_PATIENCE" grep -q "\"old_owner\":\"user ([0-9]*)\",\"owner\":null" "$log"
	stop_monitor
	jq -s -e '
		[.[] | .event] as $e | ($e | index("gone")) as $gone |
		($gone != null) and ($e[$gone + 1] == "present") and (.[$gone + 1].owner == null) and
		([$e[] | select(. == "present")] | length) == 2' "$log" || fail "$(<"$log")"
}

@test "without a device, what is bound later is followed, too" {
	unbind_all
	load_vfio disable_idle_d3=0
	log=$BATS_TEST_TMPDIR/log
	"$vfio_pm" monitor --json-lines >"$log" 3>&- &
	monitor_pid=$!
	sleep 1.5
	bind_vfio "$D3COLD"
	wait_for "$VM_PATIENCE" grep -q "\"device\":\"$D3COLD\",\"event\":\"present\"" "$log"
	wait_state "$D3COLD" suspended D3cold
	"$waker" "$D3COLD" 1
	wait_for "$VM_PATIENCE" grep -q '"comm":"waker"' "$log"
	stop_monitor
}

@test "wait: reached already, reached later, a short pulse, kept for a time, not in time" {
	asleep D3COLD
	"$vfio_pm" wait "$D3COLD" --state=D3cold --timeout=0
	"$vfio_pm" wait "$D3COLD" --state=suspended --for=300ms
	run "$vfio_pm" wait "$D3COLD" --state=active --timeout=300ms
	[ "$status" = 6 ]
	[[ $output == *"cannot wait for '$D3COLD': not active within 300 ms, it is suspended/D3cold"* ]]
	# A pulse of one config read, once it listens.
	for state in active D0; do
		(wait_for 20 listens; sleep 0.5; "$waker" "$D3COLD" 1) 3>&- &
		"$vfio_pm" wait "$D3COLD" "--state=$state" --timeout=20 || fail "a pulse of $state was missed"
		wait
	done
	# The time in D3cold ends at the pulse.
	(wait_for 20 listens; sleep 1; "$waker" "$D3COLD" 1) 3>&- &
	run "$vfio_pm" wait "$D3COLD" --state=D3cold --for=3 --timeout=3.5
	wait
	[ "$status" = 6 ]
	"$vfio_pm" wait "$D3COLD" --state=D3cold --for=500ms --timeout=20
	# Awake for the time of one config read: told by the kernel, not seen by looking.
	run "$vfio_pm" wait "$D3COLD" --state=active --for=5 --timeout=6
	[ "$status" = 6 ]
	[ "$(instances)" = "" ]
}

@test "wait: a sleep of 50 ms is seen, in D3hot and in D3cold" {
	load_vfio disable_idle_d3=0
	bind_vfio "$D3COLD" "$D3HOT"
	for pair in "$D3COLD D3cold" "$D3COLD D3hot" "$D3COLD suspended" "$D3HOT D3hot"; do
		read -r device state <<<"$pair"
		echo on >"$pci/$device/power/control"
		wait_state "$device" active D0
		(
			wait_for 20 listens
			sleep 0.5
			echo auto >"$pci/$device/power/control"
			sleep 0.05
			echo on >"$pci/$device/power/control"
		) 3>&- &
		"$vfio_pm" wait "$device" "--state=$state" --timeout=20 || fail "a sleep in $state was missed"
		wait
	done
	# Only a look: no trace instance is made.
	"$vfio_pm" wait "$D3COLD" --state=D0 --timeout=0
}

@test "none of them wakes a device, or a port above it" {
	load_vfio disable_idle_d3=0
	bind_vfio "$D3COLD" "$D3COLD_PORT" "$D3HOT_PORT" "$NVME"
	wait_state "$D3COLD" suspended D3cold
	wait_state "$D3COLD_PORT" suspended D3cold
	wait_state "$NVME" suspended D3hot
	all() { # DEVICE...
		repeat "$(count 100)" quiet owner
		repeat "$(count 100)" quiet owner -J "$@"
		repeat "$(count 100)" quiet wait --state=suspended --timeout=0 "$@"
		repeat "$(count 20)" quiet wait --state=suspended --for=100ms "$@"
		if "$vfio_pm" wait --state=active --timeout=1 "$1" 2>/dev/null; then false; fi
		monitor --json-lines "$@"
		sleep 3
		stop_monitor
		# All that are on a VFIO driver.
		monitor
		sleep 2
		stop_monitor
	}
	never_wakes "$D3COLD" "$D3COLD_PORT" "$D3HOT_PORT" "$NVME" -- all
}

@test "an ordinary user looks from time to time, and is told so" {
	asleep D3COLD
	log=$BATS_TEST_TMPDIR/log
	setpriv --reuid=65534 --regid=65534 --clear-groups \
		"$vfio_pm" monitor --interval=100ms "$D3COLD" >"$log" 2>"$log.err" 3>&- &
	monitor_pid=$!
	wait_for "$VM_PATIENCE" grep -q present "$log"
	grep -q 'looking every 100 ms' "$log.err"
	echo on >"$pci/$D3COLD/power/control"
	wait_for "$VM_PATIENCE" grep -q 'status  active' "$log"
	stop_monitor
	setpriv --reuid=65534 --regid=65534 --clear-groups \
		"$vfio_pm" wait "$D3COLD" --state=active
	run setpriv --reuid=65534 --regid=65534 --clear-groups \
		"$vfio_pm" wait "$D3COLD" --state=suspended --timeout=200ms --interval=20ms
	[ "$status" = 6 ]
	[[ $output == *"looking every 20 ms"* ]]
}

@test "owner: who has it open, since when and how; as a table and as JSON" {
	load_vfio disable_idle_d3=1
	bind_vfio "$D3COLD" "$D3HOT"
	since=$(($(date +%s) - 1))
	start_user "$D3COLD"
	until=$(($(date +%s) + 1))
	run "$vfio_pm" owner
	echo "$output"
	[ "$status" = 0 ]
	[ ${#lines[@]} = 2 ]
	[[ ${lines[0]} =~ ^DEVICE\ +PID\ +COMMAND\ +USER\ +STARTED\ +VIA$ ]]
	read -r device pid comm user day clock via <<<"${lines[1]}"
	[ "$device $pid $comm $user $via" = "$D3COLD $user_pid user root group" ]
	started=$(date -d "$day $clock" +%s)
	[ "$started" -ge "$since" ] && [ "$started" -le "$until" ] || fail "$day $clock: not from $since to $until"
	[ "$("$vfio_pm" owner -n)" = "${lines[1]}" ]
	# Of those that were named, also the ones that nobody has open.
	read -r -a stat < <(sed 's/.*) //' "/proc/$user_pid/stat")
	"$vfio_pm" owner -J "$D3COLD" "$D3HOT" | tee "$BATS_TEST_TMPDIR/json" | jq -e \
		--arg device "$D3COLD" --arg other "$D3HOT" --argjson pid "$user_pid" \
		--argjson ms $((stat[19] * 1000 / $(getconf CLK_TCK))) '
		.devices == [
			{ address: $device, owner: [{ pid: $pid, comm: "user", uid: 0, user: "root",
				start_time: $ms, via: "group" }] },
			{ address: $other, owner: [] }]' || fail "$(<"$BATS_TEST_TMPDIR/json")"
	end_user
	[ "$("$vfio_pm" owner)" = "" ]
	[ "$("$vfio_pm" owner -J | jq -c .)" = '{"devices":[]}' ]
	start_user "$D3HOT" map
	"$vfio_pm" owner -J | jq -e --arg device "$D3HOT" --argjson pid "$user_pid" '
		[.devices[] | .address, .owner[].pid, .owner[].via] == [$device, $pid, "map"]'
	# Another user sees that somebody has it, not who.
	run setpriv --reuid=65534 --regid=65534 --clear-groups "$vfio_pm" owner "$D3HOT"
	[[ $output == *"'$D3HOT' is open, its owner isn't visible from here"* ]]
	end_user
}
