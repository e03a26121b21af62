#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 timeout=900 cost=90 soak=6.12
#
# enter and exit --borrow, on the device of a program that knows nothing of low power.
# shellcheck disable=SC2086 # $loss is an option or nothing

load lib

vfio_pm=$VM_ROOT/build/vfio-pm
yama=/proc/sys/kernel/yama/ptrace_scope
# Root without CAP_SYS_PTRACE.
no_ptrace=(setpriv --bounding-set=-sys_ptrace --inh-caps=-sys_ptrace --reuid=0 --regid=0 --clear-groups)

setup() {
	start_case
	load_vfio disable_idle_d3=1
	scope=$(<"$yama")
	vmm_program=$VM_ROOT/build/tests/vm/vmm loss=
}

teardown() {
	echo "$scope" >"$yama"
	stop_vmm
	unbind_all
}

# The owner: a coprocess with commands on its input.
start_vmm() {
	coproc VMM { exec "${VMM_WITH[@]}" "$vmm_program" 2>&1 3>&-; }
	vmm_pid=$VMM_PID vmm_out=${VMM[0]} vmm_in=${VMM[1]}
}

stop_vmm() {
	[ -n "${vmm_pid:-}" ] || return 0
	kill -KILL "$vmm_pid" 2>/dev/null || true
	wait "$vmm_pid" 2>/dev/null || true
	vmm_pid=
}

vmm() { # COMMAND...: sets REPLY to the answer
	echo "$*" >&"$vmm_in"
	IFS= read -r -t 60 -u "$vmm_out" REPLY || fail "vmm: $*: no answer"
	[[ $REPLY != failed* ]] || fail "vmm: $*: $REPLY"
}

register() { read -r bar offset value <<<"$(dev "REG_$1")"; }

owned() { # ROLE [d3hot]: by the vmm
	bind_vfio "${!1}"
	start_vmm
	vmm open "${!1}"
	[ -z "${2:-}" ] || vmm "$2" "${!1}"
	register "$1"
	# Set with nvme, clear with e1000e: No_Soft_Reset.
	[[ $(dev "KIND_$1") != nvme* ]] || loss=--state-loss-ok
}

reads_right() { # ROLE
	vmm touch "${!1}" "$offset"
	[ "$REPLY" = "$value" ] || fail "$1: read $REPLY, not $value"
}

runs() { # not stopped, not dead
	local state
	state=$(awk '{ sub(/.*\) /, ""); print $1 }' "/proc/$vmm_pid/stat")
	[[ $state == [RSD] ]]
}

is_stopped() { # without a fork
	local line=
	read -r line <"/proc/$vmm_pid/stat" || return 1
	[[ ${line##*) } == T* ]]
}

@test "what its owner has put into D3hot goes to D3cold, and comes back by the owner's own access" {
	owned D3COLD d3hot
	is_state "$D3COLD" active D3hot
	n=$(count 100)
	for ((i = 0; i < n; i++)); do
		run "$vfio_pm" enter --borrow $loss "$D3COLD"
		[ "$status" = 0 ] || fail "round $i: $output"
		[[ $output == "$D3COLD: asleep in D3cold; 'vmm' (pid $vmm_pid) was frozen for "*"(signal); its next access wakes the device" ]] || fail "$output"
		is_state "$D3COLD" suspended D3cold
		vmm d0 "$D3COLD"
		is_state "$D3COLD" active D0 || fail "round $i: $REPLY"
		reads_right D3COLD
		vmm d3hot "$D3COLD"
	done
	echo "$output"
}

@test "exit --borrow wakes it for its owner" {
	owned D3COLD d3hot
	"$vfio_pm" enter --borrow $loss "$D3COLD"
	run "$vfio_pm" enter --borrow $loss "$D3COLD"
	[[ $status = 0 && $output == *"asleep already, in D3cold"* ]]
	run "$vfio_pm" exit --borrow "$D3COLD"
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *"$D3COLD: awake in D0 after "*" ms, 'vmm' (pid $vmm_pid) has it"* ]]
	is_state "$D3COLD" active D0
	reads_right D3COLD
	stays_state "$D3COLD" active D0 1
}

@test "a device that doesn't answer any more: it isn't back, which is told" {
	owned D3COLD_PORT
	echo >"$pci/$D3COLD_PORT/reset_method"
	buses=$(cfg_read "$D3COLD_PORT_UP" 18.L)
	# Nobody claims what is meant for the buses behind the port any more.
	cfg_write "$D3COLD_PORT_UP" 18.L 00000000
	run "$vfio_pm" exit --borrow "$D3COLD_PORT"
	cfg_write "$D3COLD_PORT_UP" 18.L "$buses"
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"cannot borrow to leave low power on '$D3COLD_PORT': it does not come back: it reads all ones"* ]]
	run "$vfio_pm" exit --borrow "$D3COLD_PORT"
	echo "$output"
	[ "$status" = 0 ]
	stop_vmm
	echo default >"$pci/$D3COLD_PORT/reset_method"
}

@test "it promises to keep its state in D3hot: only with --state-loss-ok" {
	owned NVME d3hot
	run "$vfio_pm" enter --borrow "$NVME"
	echo "$output"
	[ "$status" = 4 ]
	[[ $output == *"it promises to keep its state in D3hot (No_Soft_Reset)"*"hint: --state-loss-ok"* ]]
	is_state "$NVME" active D3hot
	"$vfio_pm" enter --borrow --state-loss-ok "$NVME"
	is_state "$NVME" suspended D3hot
	vmm d0 "$NVME"
	reads_right NVME
}

@test "several devices: one is refused, and none sleeps" {
	owned D3COLD d3hot
	bind_vfio "$D3HOT"
	run "$vfio_pm" enter --borrow $loss "$D3COLD" "$D3HOT"
	echo "$output"
	[ "$status" = 4 ]
	[[ $output == *"$D3COLD: asleep in D3cold"* ]]
	[[ $output == *"warning: '$D3COLD': low power is left again: of several devices all sleep or none"* ]]
	# To reach it again wakes it, and then its owner may have written D0 itself.
	stays_state "$D3COLD" active D0 1
	reads_right D3COLD
	vmm d3hot "$D3COLD"
	# Nor with a device that there isn't; what slept before sleeps on.
	"$vfio_pm" enter --borrow $loss "$D3COLD"
	run "$vfio_pm" enter -J --borrow $loss "$D3COLD" 0000:ff:1f.7
	[ "$status" = 3 ]
	is_state "$D3COLD" suspended D3cold
	"$vfio_pm" exit --borrow "$D3COLD"
	vmm d3hot "$D3COLD"
	output=$("$vfio_pm" enter -J --borrow $loss "$D3COLD" "$D3HOT" 2>/dev/null) && false
	[ "$(jq -c '.devices[0]|[.code,.asleep,.error]' <<<"$output")" = '[4,false,"low power was left again: another device has failed"]' ]
}

@test "refused: shared with another process, stopped by somebody else, by itself in low power" {
	owned D3COLD
	vmm enter "$D3COLD"
	echo on >"$pci/$D3COLD/power/control"
	run "$vfio_pm" enter --borrow --force "$D3COLD"
	echo "$output"
	[ "$status" = 4 ]
	[[ $output == *"its owner has entered low power by itself"* ]]
	echo auto >"$pci/$D3COLD/power/control"
	# Its own low power is as it was.
	wait_state "$D3COLD" suspended D3cold
	vmm leave "$D3COLD"
	vmm d3hot "$D3COLD"
	kill -STOP "$vmm_pid"
	stopped() { ! runs; }
	wait_for 5 stopped
	run "$vfio_pm" enter --borrow $loss "$D3COLD"
	echo "$output"
	[ "$status" = 5 ]
	[[ $output == *"somebody else has stopped its owner"* ]]
	stopped
	kill -CONT "$vmm_pid"
	wait_for 5 runs
	vmm fork "$D3COLD"
	run "$vfio_pm" enter --borrow $loss "$D3COLD"
	echo "$output"
	[ "$status" = 5 ]
	[[ $output == *"several processes have it open"* ]]
	is_state "$D3COLD" active D3hot
	vmm d0 "$D3COLD"
	reads_right D3COLD
}

@test "a wrapped QEMU is a QEMU: --force doesn't take what its guest has in D0" {
	cp "$vmm_program" "$BATS_TEST_TMPDIR/.qemu-system-x86_64-wrapped"
	vmm_program=$BATS_TEST_TMPDIR/.qemu-system-x86_64-wrapped
	owned D3COLD
	run "$vfio_pm" enter --borrow --force "$D3COLD"
	echo "$output"
	[ "$status" = 4 ]
	[[ $output == *"its guest runs and uses it: it is in D0"* ]]
	is_state "$D3COLD" active D0
}

@test "asleep by itself, not open though its group is: nobody's" {
	load_vfio disable_idle_d3=0
	owned D3HOT
	vmm close "$D3HOT"
	wait_state "$D3HOT" suspended D3hot
	run "$vfio_pm" enter --borrow "$D3HOT"
	echo "$output"
	[ "$status" = 4 ]
	[[ $output == *"nobody has it open"* ]]
	is_state "$D3HOT" suspended D3hot
}

@test "refused: without --borrow, in D0, nobody's, our holder's, without the rights" {
	owned D3COLD
	run "$vfio_pm" enter "$D3COLD"
	[ "$status" = 5 ]
	run "$vfio_pm" enter --borrow $loss "$D3COLD"
	echo "$output"
	[ "$status" = 4 ]
	[[ $output == *"cannot borrow for low power '$D3COLD': its owner uses it: it is in D0"* ]]
	is_state "$D3COLD" active D0
	reads_right D3COLD
	run setpriv --reuid=65534 --regid=65534 --clear-groups "$vfio_pm" enter --borrow $loss "$D3COLD"
	echo "$output"
	[ "$status" = 5 ]
	[[ $output == *"its owner isn't visible from here"* ]]
	# Root without the capability sees no more.
	rpm_trace_start "$D3COLD"
	run "${no_ptrace[@]}" "$vfio_pm" exit --borrow "$D3COLD"
	echo "$output"
	[ "$status" = 5 ]
	[[ $output == *"its owner isn't visible from here"* ]]
	rpm_trace_stop
	[ "$(rpm_count "$D3COLD")" = 0 ]
	runs
	reads_right D3COLD
	bind_vfio "$D3HOT"
	run "$vfio_pm" enter --borrow "$D3HOT"
	[ "$status" = 4 ]
	[[ $output == *"nobody has it open"* ]]
	"$vfio_pm" enter "$D3HOT"
	run "$vfio_pm" enter --borrow "$D3HOT"
	[ "$status" = 5 ]
	[[ $output == *"of our own holds it"* ]]
	"$vfio_pm" exit "$D3HOT"
}

@test "an owner that can be seen but not looked into: refused, nothing changed" {
	[ "$(<"$yama")" -lt 3 ]
	VMM_WITH=("${no_ptrace[@]}")
	owned D3COLD
	echo 2 >"$yama"
	rpm_trace_start "$D3COLD"
	for verb in enter exit; do
		run "${no_ptrace[@]}" "$vfio_pm" $verb --borrow "$D3COLD"
		echo "$output"
		[ "$status" = 1 ]
		[[ $output == *"no permission to look into its owner"* ]]
	done
	rpm_trace_stop
	[ "$(rpm_count "$D3COLD")" = 0 ]
	runs
	reads_right D3COLD
}

@test "--force in D0, with a warning; the owner's next access to config space wakes it" {
	owned D3COLD
	run "$vfio_pm" enter --borrow --force "$D3COLD"
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *"warning: '$D3COLD': its owner will find a device that may have lost its state"*"kills the owner (SIGBUS)"* ]]
	is_state "$D3COLD" suspended D3cold
	vmm d0 "$D3COLD"
	reads_right D3COLD
}

@test "control on: not reached, low power left, the owner goes on" {
	owned D3COLD d3hot
	echo on >"$pci/$D3COLD/power/control"
	run "$vfio_pm" enter --borrow $loss "$D3COLD"
	echo "$output"
	[ "$status" = 6 ]
	[[ $output == *"it didn't suspend within"*control* ]]
	runs
	vmm d0 "$D3COLD"
	reads_right D3COLD
	echo auto >"$pci/$D3COLD/power/control"
}

@test "an owner that is alone in its cgroup is frozen by that" {
	[ -e /sys/fs/cgroup/cgroup.controllers ] || mount -t cgroup2 none /sys/fs/cgroup
	owned D3COLD d3hot
	mkdir /sys/fs/cgroup/vm1
	echo "$vmm_pid" >/sys/fs/cgroup/vm1/cgroup.procs
	run "$vfio_pm" enter --borrow $loss "$D3COLD"
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *"(cgroup)"* ]]
	grep -q 'frozen 0' /sys/fs/cgroup/vm1/cgroup.events
	vmm d0 "$D3COLD"
	reads_right D3COLD
	stop_vmm
	rmdir /sys/fs/cgroup/vm1
}

@test "an owner that toggles D3hot and D0 and touches its BAR lives through it" {
	for role in D3COLD NVME; do
		owned "$role"
		seconds=$(count 200)
		echo "toggle ${!role} $offset $value $seconds" >&"$vmm_in"
		end=$((SECONDS + seconds)) asleep=0 refused=0
		while [ $SECONDS -lt $end ]; do
			run "$vfio_pm" enter --borrow $loss --timeout=0 "${!role}"
			case $status in
			0) asleep=$((asleep + 1)) ;;
			4 | 6) refused=$((refused + 1)) ;;
			*) fail "$role: $output" ;;
			esac
			runs || fail "$role: the owner is stopped or dead"
		done
		IFS= read -r -t 30 -u "$vmm_out" REPLY || fail "$role: the owner is dead"
		echo "$role: $REPLY rounds, $asleep times asleep, $refused refused"
		[[ $REPLY == [1-9]* ]]
		[ $asleep -gt 0 ]
		stop_vmm
	done
}

@test "killed at any moment: the owner is never left frozen, and its device comes back" {
	owned D3COLD d3hot
	n=$(count 100) hits=0
	[ "$n" -ge 4 ] || n=4
	for ((i = 0; i < n; i++)); do
		# A group of its own: the child that does the work, and the one that waits for it.
		setsid "$vfio_pm" enter --borrow $loss "$D3COLD" >/dev/null 2>&1 3>&- &
		tool=$! delay="the owner's stop" hit=0
		if [ $((i % 2)) = 0 ]; then
			# The stop is over in some 20 ms.
			if catch "$tool" is_stopped; then hit=1; fi
		else
			printf -v delay '0.%03d' $((RANDOM % 250))
			sleep "$delay"
			if is_stopped; then hit=1; fi
		fi
		hits=$((hits + hit))
		kill -KILL -- "-$tool" 2>/dev/null || true
		wait "$tool" || true
		wait_for 12 runs || fail "round $i, after $delay: left frozen"
		vmm d0 "$D3COLD" || fail "round $i, after $delay"
		reads_right D3COLD || fail "round $i, after $delay"
		vmm d3hot "$D3COLD"
	done
	no_guard() { ! pgrep -x vfio-pm-guard; }
	wait_for 12 no_guard
	echo "$n times killed, $hits times while the owner was stopped"
	[ "$hits" -ge $((n / 4)) ]
}

@test "two functions of one group: the one that was named, and only that" {
	bind_vfio "$PAIR0" "$PAIR1"
	start_vmm
	vmm open "$PAIR1"
	vmm d3hot "$PAIR1"
	# Not open: nobody's, though its group is.
	run "$vfio_pm" enter --borrow "$PAIR0"
	echo "$output"
	[ "$status" = 4 ]
	is_closed "$PAIR0"
	vmm open "$PAIR0"
	vmm d3hot "$PAIR0"
	"$vfio_pm" enter --borrow "$PAIR0"
	is_state "$PAIR0" suspended D3hot
	is_state "$PAIR1" active D3hot
	"$vfio_pm" enter --borrow "$PAIR1"
	is_state "$PAIR1" suspended D3hot
	vmm d0 "$PAIR1"
	is_state "$PAIR0" suspended D3hot
	vmm d0 "$PAIR0"
	register PAIR0
	vmm touch "$PAIR0" "$offset"
	[ "$REPLY" = "$value" ]
}

@test "two at once on one owner: one after the other, or refused; it lives, its devices come back" {
	bind_vfio "$PAIR0" "$PAIR1"
	start_vmm
	vmm open "$PAIR0"
	vmm open "$PAIR1"
	register PAIR0
	n=$(count 100) asleep=0
	for ((i = 0; i < n; i++)); do
		vmm d3hot "$PAIR0"
		vmm d3hot "$PAIR1"
		"$vfio_pm" enter --borrow "$PAIR0" >"$BATS_TEST_TMPDIR/other" 2>&1 3>&- &
		run "$vfio_pm" enter --borrow "$PAIR1"
		other=0
		wait $! || other=$?
		# 5: the one's duplicates are a second owner to the other.
		[[ "$status $other" == [05]" "[05] ]] || fail "$output" "$(<"$BATS_TEST_TMPDIR/other")"
		[ "$status" != 0 ] || { is_state "$PAIR1" suspended D3hot && asleep=$((asleep + 1)); }
		[ $other != 0 ] || { is_state "$PAIR0" suspended D3hot && asleep=$((asleep + 1)); }
		vmm d0 "$PAIR0"
		vmm d0 "$PAIR1"
		reads_right PAIR0
		vmm touch "$PAIR1" "$offset"
	done
	echo "$n times two, $asleep times asleep"
	[ $asleep -gt 0 ]
}

# Who opens devices as the first, and closes them as the last, in an instance of the function tracer.
# The last may be the tool: the owner can close what it holds for the moment.
opens_trace_start() {
	opens=$tracing/instances/vfio-pm-opens
	for function in vfio_pci_core_enable vfio_pci_core_disable; do
		grep -q "^$function " "$tracing/available_filter_functions" || fail "$function can't be traced" || return
	done
	mkdir -p "$opens"
	printf '%s\n' vfio_pci_core_enable vfio_pci_core_disable >"$opens/set_ftrace_filter"
	echo function >"$opens/current_tracer"
	: >"$opens/trace"
}

opens_trace_stop() { # sets opens_trace
	echo 0 >"$opens/tracing_on"
	opens_trace=$(grep vfio_pci_core_ "$opens/trace")
	echo nop >"$opens/current_tracer"
	rmdir "$opens"
}

# The owner opens and closes PAIR0 all the time; what is asked for is put to sleep, the other isn't.
while_reopened() { # FUNCTION OTHER SECONDS
	local end=$((SECONDS + $3)) asleep=0 codes=
	rpm_trace_start "$2"
	# PAIR0 is in D3hot anew after each open; PAIR1 has to be woken by its owner.
	echo "reopen $PAIR0 $3 $([ "$1" = "$PAIR0" ] || echo "$PAIR1")" >&"$vmm_in"
	while [ $SECONDS -lt $end ]; do
		run "$vfio_pm" enter --borrow --timeout=0 "$1"
		# 0 asleep, 4 nobody's or in D0, 5 try again, 6 woken again
		[[ $status == [0456] ]] || fail "$1: $output"
		codes+=$status
		[ "$status" != 0 ] || [[ $output == *already* ]] || asleep=$((asleep + 1))
	done
	IFS= read -r -t 30 -u "$vmm_out" REPLY
	[[ $REPLY == [1-9]* ]] || fail "the owner: $REPLY"
	rpm_trace_stop
	echo "$1: $REPLY rounds, $asleep times asleep"
	[ $asleep -gt 1 ] || fail "$asleep times asleep: $codes; last: $output"
	[ "$(rpm_count "$2" suspend)" = 0 ] || fail "$2 was put to sleep in the place of $1"
}

@test "an owner that opens and closes meanwhile: the right one is acted on, or it is refused, never opened by us first" {
	bind_vfio "$PAIR0" "$PAIR1"
	start_vmm
	vmm open "$PAIR1"
	vmm d3hot "$PAIR1"
	vmm open "$PAIR0"
	opens_trace_start
	seconds=$(count 100)
	[ "$seconds" -ge 20 ] || seconds=20
	while_reopened "$PAIR0" "$PAIR1" "$seconds"
	while_reopened "$PAIR1" "$PAIR0" "$seconds"
	opens_trace_stop
	grep -q " vmm-.*vfio_pci_core_enable" <<<"$opens_trace"
	# The owner's close may become ours, which had the last copy: core_disable(). Its open may not.
	if grep " vfio-pm-.*vfio_pci_core_enable" <<<"$opens_trace"; then fail "opened by us first"; fi
	vmm close "$PAIR0"
	is_closed "$PAIR0"
}

@test "the owner killed in its sleep leaves nothing behind" {
	owned D3COLD d3hot
	"$vfio_pm" enter --borrow $loss "$D3COLD"
	stop_vmm
	wait_for 5 is_closed "$D3COLD"
	"$vfio_pm" cycle "$D3COLD" --count=1
}
