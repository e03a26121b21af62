#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 drivers=vfio-pci,vfio-pm-pci timeout=900 soak=6.1 cost=150
#
# cycle: figures of devices that come back, and the right words and code for each that doesn't.

load lib
load cmd

setup() { start_case; }

teardown() {
	[ -z "${cycle_pid:-}" ] || kill -INT "$cycle_pid" 2>/dev/null || true
	end_user || true
	unbind_all
}

bound() { # ROLE...: on VFIO's driver, awake in D0 by themselves
	local role
	load_vfio disable_idle_d3=1
	for role; do bind_vfio "${!role}"; done
}

worker_of() { pgrep -P "$1" -x vfio-pm-work; }

background() { # ARGUMENT...: cycles without end; returns when some have been done
	log=$BATS_TEST_TMPDIR/log
	"$vfio_pm" cycle --duration=10m --json-lines "$@" >"$log" 2>"$log.err" 3>&- &
	cycle_pid=$!
	wait_for 30 grep -q '"cycle":3,' "$log"
}

ended() { ! kill -0 "$cycle_pid" 2>/dev/null; }

ends_with() { # STATUS SECONDS TEXT
	local status=0
	wait_for "$2" ended || fail "still there after $2 s"
	wait "$cycle_pid" || status=$?
	cycle_pid=
	cat "$log.err"
	[ "$status" = "$1" ] || fail "exit status $status, not $1"
	[ -z "$3" ] || grep -q "$3" "$log.err" || fail "not said: $3"
}

@test "a thousand cycles of the D3cold endpoint, no failure, no leak" {
	bound D3COLD
	n=$(count 1000)
	# Enough to still be at it when it is looked at half way.
	[ "$n" -ge 200 ] || n=200
	"$vfio_pm" cycle "$D3COLD" --count="$n" --state=D3cold --json-lines >"$BATS_TEST_TMPDIR/log" 3>&- &
	cycle_pid=$!
	wait_for 30 grep -q '"cycle":5,' "$BATS_TEST_TMPDIR/log"
	worker=$(worker_of "$cycle_pid")
	fds() { find "/proc/$1/fd" -type l | wc -l; }
	rss() { awk '/VmData/ { print $2 }' "/proc/$1/status"; }
	before="$(fds "$cycle_pid") $(fds "$worker") $(rss "$worker") $(rss "$cycle_pid")"
	wait_for 300 grep -q "\"cycle\":$((n / 2))," "$BATS_TEST_TMPDIR/log"
	kill -STOP "$cycle_pid"
	after="$(fds "$cycle_pid") $(fds "$worker") $(rss "$worker") $(rss "$cycle_pid")"
	kill -CONT "$cycle_pid"
	wait "$cycle_pid"
	# One that is in the middle of a look has a few descriptors more; a leak has one a cycle.
	read -r fds0 worker0 rss0 data0 <<<"$before"
	read -r fds1 worker1 rss1 data1 <<<"$after"
	# Who counts keeps 32 bytes a cycle; 500 bytes a cycle of something else would be seen.
	[ $((fds1 - fds0)) -lt 5 ] && [ $((worker1 - worker0)) -lt 5 ] && [ "$rss0" = "$rss1" ] &&
		[ $((data1 - data0)) -lt $((140 + n / 4)) ] ||
		fail "descriptors and memory: $before, then $after"
	tail -n 1 "$BATS_TEST_TMPDIR/log" | jq -e --argjson n "$n" '
		.devices[0] | .cycles == $n and .failed == 0 and .first_failure == null and
		([.entry, .fall_asleep, .wake, .exit] | all(.count == $n and
			.min > 0 and .min <= .median and .median <= .p95 and .p95 <= .p99 and .p99 <= .max))'
	[ -z "$(pgrep -x vfio-pm-work)" ]
	is_state "$D3COLD" active D0
	is_closed "$D3COLD"
}

@test "every other kind of device, each by itself" {
	bound D3COLD_PORT D3COLD_VIA SHARED0 D3HOT D3HOT_PORT NVME PF PAIR0 HOTPLUG EJECT HOTCOLD HUGEBAR NOPM2
	bind_vfio "$PAIR1"
	n=$(count 100)
	# Those of QEMU that have no PM capability.
	for role in HUGEBAR NOPM2; do
		run "$vfio_pm" cycle "${!role}" --count="$n" --timeout=3
		[ "$status" = 6 ] || fail "$role ($(dev "KIND_$role")): $output"
		[[ $output == *"cycle 1: expected suspended in D3hot or D3cold, found suspended in D0: "* ]]
	done
	echo 1 >"$pci/$D3COLD_VIA_UP/d3cold_allowed"
	for role in D3COLD_PORT D3COLD_VIA D3HOT D3HOT_PORT NVME PF PAIR0 HOTPLUG EJECT HOTCOLD; do
		state=D3hot
		[[ $role != D3COLD_* ]] || state=D3cold
		run "$vfio_pm" cycle "${!role}" --count="$n" --json --state=$state
		[ "$status" = 0 ] || fail "$role ($(dev "KIND_$role")): $output"
		jq -e --argjson n "$n" '.devices[0] | .cycles == $n and .failed == 0' <<<"$output"
	done
	echo 0 >"$pci/$D3COLD_VIA_UP/d3cold_allowed"
}

@test "one of several fails: the others are cycled all the same, or aren't counted" {
	bound D3COLD D3HOT
	echo on >"$pci/$D3COLD/power/control"
	status=0
	"$vfio_pm" cycle "$D3COLD" "$D3HOT" --count=2 --keep-going --timeout=1 --json >"$BATS_TEST_TMPDIR/json" || status=$?
	echo auto >"$pci/$D3COLD/power/control"
	[ "$status" = 6 ]
	jq -e '.devices[0] | .cycles == 2 and .failed == 2' "$BATS_TEST_TMPDIR/json"
	jq -e '.devices[1] | .cycles == 2 and .failed == 0 and .entry.count == 2 and .fall_asleep.count == 2' \
		"$BATS_TEST_TMPDIR/json"
}

@test "two devices of one group, two of one power resource, and a conventional group, together" {
	bound PAIR0 PAIR1 SHARED0 SHARED1 CONV0 CONV1
	n=$(count 100)
	"$vfio_pm" cycle --group "$PAIR0" --count="$n"
	"$vfio_pm" cycle "$SHARED0" "$SHARED1" --count="$n" --state=D3cold
	run "$vfio_pm" cycle "$CONV0" "$CONV1" --count=2
	echo "$output"
	# QEMU's conventional cards have no PM capability.
	[ "$status" = 6 ]
}

@test "the table, and a user's own check with its environment" {
	bound D3COLD
	run "$vfio_pm" cycle "$D3COLD" --count=2 --asleep=50ms --awake=50ms \
		--command='echo "$VFIO_PM_DEVICE $VFIO_PM_PHASE $VFIO_PM_CYCLE $VFIO_PM_STATE" >>/run/checks'
	echo "$output"
	[ "$status" = 0 ]
	[[ ${lines[0]} =~ ^DEVICE\ +CYCLES\ +FAILED\ +PHASE\ +MIN\ +MEDIAN\ +P95\ +P99\ +MAX$ ]]
	[[ ${lines[2]} =~ ^$D3COLD\ +2\ +0\ +fall\ asleep\ +[0-9.]+ ]]
	printf "$D3COLD %s\n" 'asleep 1 D3cold' 'awake 1 D3cold' 'asleep 2 D3cold' 'awake 2 D3cold' |
		diff - /run/checks
	run "$vfio_pm" cycle "$D3COLD" --count=5 --command='[ "$VFIO_PM_CYCLE" != 2 ] || exit 3'
	[ "$status" = 1 ]
	[[ $output == *"cannot cycle '$D3COLD': cycle 2: asleep: the command's exit status: expected 0, found 3"* ]]
	is_state "$D3COLD" active D0
}

@test "--keep-going does, and counts" {
	bound D3COLD
	status=0
	"$vfio_pm" cycle "$D3COLD" --count=5 --keep-going --json --command='[ $((VFIO_PM_CYCLE % 2)) = 1 ]' \
		>"$BATS_TEST_TMPDIR/json" 2>"$BATS_TEST_TMPDIR/err" || status=$?
	cat "$BATS_TEST_TMPDIR/err"
	[ "$status" = 1 ]
	jq -e '.devices[0] | .cycles == 5 and .failed == 2 and .first_failure.cycle == 2' "$BATS_TEST_TMPDIR/json"
	[ "$(grep -c 'asleep: the command.s exit status: expected 0, found 1' "$BATS_TEST_TMPDIR/err")" = 2 ]
	# Without it the first is the last.
	"$vfio_pm" cycle "$D3COLD" --count=5 --json --command='[ $((VFIO_PM_CYCLE % 2)) = 1 ]' \
		>"$BATS_TEST_TMPDIR/json" || true
	jq -e '.devices[0] | .cycles == 2 and .failed == 1' "$BATS_TEST_TMPDIR/json"
}

@test "a failure comes with the kernel's messages of that cycle, not of another" {
	bound D3COLD
	run "$vfio_pm" cycle "$D3COLD" --count=5 \
		--command='echo "words of cycle $VFIO_PM_CYCLE, $VFIO_PM_PHASE" >/dev/kmsg; [ "$VFIO_PM_CYCLE" != 2 ]'
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"cycle 2: asleep: the command's exit status"*"kernel: words of cycle 2, asleep"* ]]
	[[ $output != *"words of cycle 1"* ]]
}

@test "--register: what was written is there afterwards, and what isn't fails" {
	# D3hot, No_Soft_Reset set: only what was written will do.
	bound NVME
	"$vfio_pm" cycle "$NVME" --count=2 --register=0:0x24=0x000f000f
	# The version can't be written.
	run "$vfio_pm" cycle "$NVME" --count=2 --register=0:0x8=0x12345678
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"cycle 1: BAR 0 at 0x8: expected 0x12345678, found 0x00010400"* ]]
	"$vfio_pm" cycle "$NVME" --count=2 --register=0:0x8=0x12345678 --no-verify
	# Where the sleep may lose it, its value of the start is as good.
	bound D3COLD
	read -r bar offset value <<<"$(dev REG_D3COLD)"
	"$vfio_pm" cycle "$D3COLD" --count=2 --state=D3cold "--register=$bar:$offset=$value"
	run "$vfio_pm" cycle "$D3COLD" --register=0:0x24
	[ "$status" = 2 ]
	run "$vfio_pm" cycle "$D3COLD" --register=0:0x25=1
	[ "$status" = 2 ]
}

@test "on a terminal a bar shows how far it is; elsewhere nothing does" {
	bound D3COLD
	script -qefc "$vfio_pm cycle $D3COLD --count=4 --command='[ \$VFIO_PM_CYCLE != 2 ]' --keep-going" \
		"$BATS_TEST_TMPDIR/typescript" >/dev/null </dev/null || status=$?
	tr '\r' '\n' <"$BATS_TEST_TMPDIR/typescript" | tee "$BATS_TEST_TMPDIR/lines"
	[ "$status" = 1 ]
	grep -q '^\[#######\.\{23\}\]  25 %, cycle 1, 0 failed, ' "$BATS_TEST_TMPDIR/lines"
	grep -q '^\[#\{30\}\] 100 %, cycle 4, 1 failed, ' "$BATS_TEST_TMPDIR/lines"
	grep -q '^DEVICE' <(sed 's/^\x1b\[K//' "$BATS_TEST_TMPDIR/lines")
	run "$vfio_pm" cycle "$D3COLD" --count=2
	[[ $output != *%* ]]
}

@test "not asleep: the other function of its slot is kept busy; 6, and it is named" {
	# It keeps the port awake that has the power of both.
	bound PAIRCOLD0 PAIRCOLD1
	echo 1 >"$pci/$PAIRCOLD0_UP/d3cold_allowed"
	run "$vfio_pm" cycle "$PAIRCOLD0" --state=D3cold --timeout=2
	echo "$output"
	echo 0 >"$pci/$PAIRCOLD0_UP/d3cold_allowed"
	[ "$status" = 6 ]
	[[ $output == *"cycle 1: expected D3cold, found suspended in D3hot: "*"$PAIRCOLD1"* ]]
}

@test "its slot's other function, asleep until then, becomes busy while it cycles" {
	load_vfio disable_idle_d3=0
	bind_vfio "$PAIRCOLD0" "$PAIRCOLD1"
	echo 1 >"$pci/$PAIRCOLD0_UP/d3cold_allowed"
	background "$PAIRCOLD0" --state=D3cold --timeout=3
	echo on >"$pci/$PAIRCOLD1/power/control"
	ends_with 6 30 "expected D3cold, found suspended in D3hot: .*$PAIRCOLD1"
	echo auto >"$pci/$PAIRCOLD1/power/control"
	# And with it quiet, again.
	run "$vfio_pm" cycle "$PAIRCOLD0" --state=D3cold --count=2
	echo 0 >"$pci/$PAIRCOLD0_UP/d3cold_allowed"
	echo "$output"
	[ "$status" = 0 ]
}

@test "not asleep: control on, no PM capability, an awake port; exit status 6, and why" {
	bound D3COLD NOPM
	echo on >"$pci/$D3COLD/power/control"
	run "$vfio_pm" cycle "$D3COLD" --timeout=1
	echo "$output"
	[ "$status" = 6 ]
	[[ $output == *"cycle 1: expected suspended in D3hot or D3cold, found active in D0: "*control* ]]
	run "$vfio_pm" cycle "$NOPM" --timeout=3
	echo "$output"
	[ "$status" = 6 ]
	[[ $output == *"found suspended in D0: "*"PM capability"* ]]
	# Its port has the power resource, and is kept awake.
	bind_vfio "$D3COLD_VIA"
	echo on >"$pci/$D3COLD_VIA_UP/power/control"
	run "$vfio_pm" cycle "$D3COLD_VIA" --state=D3cold --timeout=3
	echo "$output"
	echo auto >"$pci/$D3COLD_VIA_UP/power/control"
	[ "$status" = 6 ]
	[[ $output == *"expected D3cold, found suspended in D3hot: "*"$D3COLD_VIA_UP"* ]]
}

@test "switched to control=on while it cycles" {
	bound D3COLD
	background "$D3COLD" --timeout=2
	echo on >"$pci/$D3COLD/power/control"
	ends_with 6 20 "found active in D0: .*control"
	echo auto >"$pci/$D3COLD/power/control"
	jq -s -e '.[-1].devices[0].failed == 1' "$log"
}

@test "unbound from outside while it cycles: let go of at once, and said" {
	bound D3COLD
	background "$D3COLD"
	timeout 10 sh -c "echo $D3COLD >$pci/$D3COLD/driver/unbind"
	ends_with 1 10 "the host asked for the device back: it was unbound"
	jq -s -e '[.[] | select(.result == "asked-back")] | length == 1' "$log"
}

@test "removed and unplugged while it cycles: 3" {
	bound D3COLD HOTPLUG
	background "$D3COLD"
	timeout 10 sh -c "echo 1 >$pci/$D3COLD/remove"
	ends_with 3 10 "the host asked for the device back: it was removed"
	jq -s -e '[.[] | select(.result == "gone")] | length == 1' "$log"
	echo 1 >/sys/bus/pci/rescan
	wait_for 10 test -e "$pci/$D3COLD"
	background "$HOTPLUG" --asleep=100ms
	device_del "$ID_HOTPLUG"
	ends_with 3 30 "the host asked for the device back: it was removed"
	wait_for 20 gone "$HOTPLUG"
	device_add "$KIND_HOTPLUG" "$ID_HOTPLUG" "$HOTPLUG_BUS" \
		"$([ "$KIND_HOTPLUG" = nvme ] && echo serial=HOTPLUG || echo romfile=)"
	wait_for 20 test -e "$pci/$HOTPLUG/iommu_group"
}

@test "the process that holds the device is killed: said, and the device is free" {
	bound D3COLD
	background "$D3COLD"
	kill -KILL "$(worker_of "$cycle_pid")"
	ends_with 1 10 "the process that held the device was killed"
	jq -s -e '[.[] | select(.result == "killed")] | length == 1' "$log"
	wait_state "$D3COLD" active D0
	"$vfio_pm" cycle "$D3COLD" --count=1
}

@test "killed itself, nothing stays behind" {
	bound D3COLD
	background "$D3COLD"
	worker=$(worker_of "$cycle_pid")
	kill -KILL "$cycle_pid"
	wait "$cycle_pid" || true
	cycle_pid=
	no_worker() { ! kill -0 "$worker" 2>/dev/null; }
	wait_for 10 no_worker
	wait_state "$D3COLD" active D0
}

@test "^C ends it with the figures so far, and with the device awake" {
	bound D3COLD
	background "$D3COLD" --asleep=200ms
	kill -INT "$cycle_pid"
	ends_with 0 10 ""
	jq -s -e '.[-1] | .interrupted and .devices[0].cycles >= 3 and .devices[0].failed == 0' "$log"
	wait_state "$D3COLD" active D0
}

with_command() { # PHASE [ARGUMENT]...: in the middle of a long command; in a process group of its own
	local phase=$1
	shift
	log=$BATS_TEST_TMPDIR/log
	rm -f /run/in-command
	setsid env --default-signal=INT "$vfio_pm" cycle "$D3COLD" --duration=10m --json-lines "$@" \
		--command="[ \$VFIO_PM_CYCLE != 3 ] || [ \$VFIO_PM_PHASE != $phase ] || { : >/run/in-command; sleep 20; : >/run/slept; }" \
		>"$log" 2>"$log.err" 3>&- &
	cycle_pid=$!
	wait_for "$VM_PATIENCE" test -e /run/in-command
}

# The shell and what it runs: a group of their own.
no_sleep() { ! pgrep -x sleep -s "$cycle_sid" >/dev/null && [ ! -e /run/slept ]; }

@test "^C while a command runs ends both, and is no failure" {
	bound D3COLD
	for phase in asleep awake; do
		with_command $phase
		cycle_sid=$cycle_pid
		# As from a terminal, to all of them.
		kill -INT -- "-$cycle_pid"
		ends_with 0 10 ""
		[ ! -s "$log.err" ]
		jq -s -e '.[-1] | .interrupted and .devices[0].cycles == 2 and .devices[0].failed == 0' "$log"
		no_sleep
		wait_state "$D3COLD" active D0
	done
	# Asked by one that knows nothing of the command.
	with_command asleep
	cycle_sid=$cycle_pid
	kill -TERM "$cycle_pid"
	ends_with 0 10 ""
	no_sleep
}

@test "a command that wants to read from the terminal can't, and doesn't hang" {
	bound D3COLD
	timeout 30 script -qefc "$vfio_pm cycle $D3COLD --count=1 --command='read -r line </dev/tty && echo \$line; :'" \
		/dev/null </dev/null
}

@test "the reader of --json-lines goes away: so does it" {
	bound D3COLD
	{
		code=0
		timeout 20 "$vfio_pm" cycle "$D3COLD" --duration=10m --json-lines 2>"$BATS_TEST_TMPDIR/err" || code=$?
		echo $code >"$BATS_TEST_TMPDIR/code"
	} | head -n 1
	# As everybody who writes into such a pipe, once the device was let go of.
	[ "$(<"$BATS_TEST_TMPDIR/code")" = 141 ] || fail "exit status $(<"$BATS_TEST_TMPDIR/code")"
	wait_state "$D3COLD" active D0
}

@test "a reader that takes its time is no hang" {
	bound D3COLD
	# A pipe of a page, which some thirty lines fill.
	python3 -c 'import fcntl, subprocess, sys, time
p = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
fcntl.fcntl(p.stdout, 1031, 4096)
time.sleep(40)
sys.stdout.buffer.write(p.stdout.read())
sys.exit(p.wait())' "$vfio_pm" cycle "$D3COLD" --count=60 --json-lines >"$BATS_TEST_TMPDIR/log"
	jq -s -e '.[-1].devices[0] | .cycles == 60 and .failed == 0' "$BATS_TEST_TMPDIR/log"
}

@test "the kernel doesn't answer for one of two: the other isn't said to be killed" {
	bound SHARED0 SHARED1
	background "$SHARED0" "$SHARED1"
	kill -STOP "$(worker_of "$cycle_pid")"
	ends_with 1 60 "the kernel has not answered for 30 s"
	if grep -q "was killed" "$log.err"; then false; fi
}

@test "unbound while a command runs: the device isn't kept for it" {
	bound D3COLD
	with_command asleep
	cycle_sid=$cycle_pid
	start=$SECONDS
	timeout 15 sh -c "echo $D3COLD >$pci/$D3COLD/driver/unbind"
	ends_with 1 10 "the host asked for the device back"
	[ $((SECONDS - start)) -lt 12 ]
	no_sleep
	if grep -q "ended by signal" "$log.err"; then false; fi
}

@test "the kernel doesn't answer: said after 30 s, and not waited for any longer" {
	bound D3COLD
	background "$D3COLD"
	worker=$(worker_of "$cycle_pid")
	kill -STOP "$worker"
	ends_with 1 60 "the kernel has not answered for 30 s"
	run kill -0 "$worker"
	[ "$status" != 0 ]
}

@test "owned by somebody else, not bound, no such device" {
	bound D3COLD
	"$vfio_pm" enter "$D3COLD"
	run "$vfio_pm" cycle "$D3COLD"
	[ "$status" = 5 ]
	[[ $output == *"cannot cycle '$D3COLD': in use by 'vfio-pm"* ]]
	"$vfio_pm" exit "$D3COLD"
	unbind "$D3COLD"
	run "$vfio_pm" cycle "$D3COLD"
	[ "$status" = 4 ]
	run "$vfio_pm" cycle ffff:00:00.0
	[ "$status" = 3 ]
}
