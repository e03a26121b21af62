#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 modparam="disable_idle_d3=1" timeout=900 mem=3072 qemu="-smp 1 -machine hpet=off" soak=6.12 cost=170
#
# enter and exit --borrow, on the devices of a stock QEMU whose guest knows nothing of it.

load lib
load cmd
load module-lib
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
	unbind_all
}

setup() {
	start_case
	subjects
	qmp="--qmp=$nested_qmp_socket"
	# One of them may be an nvme, whose No_Soft_Reset is set.
	loss_ok=--state-loss-ok
}

teardown() {
	nested_console
	between_end
}

between() { # [QEMU-SOCKET [N COMMAND]]: another process's socket, $other (tests/vm/qmp-between.py)
	other=$nested_dir/other
	between_end
	rm -f "$other"*
	FILES="$pci/$device0/power/runtime_status $pci/$device1/power/runtime_status" \
		python3 "$BATS_TEST_DIRNAME/qmp-between.py" "$other" "$@" >"$nested_dir/between" 2>&1 3>&- &
	between=$!
	wait_for 30 test -S "$other" || fail "$(<"$nested_dir/between")"
}

between_end() {
	[ -n "${between:-}" ] || return 0
	kill "$between" || true
	wait "$between" 2>/dev/null || true
	between=
}

guest_sleeps() {
	nested_send 'echo mem >/sys/power/state; works 10 && works 11'
	wait_for 60 nested_status suspended || fail "the guest doesn't sleep: $REPLY"
}

@test "while the guest sleeps in S3 its devices go to D3cold; leaving wakes both, and its drivers go on" {
	rounds=$(count 100)
	for ((i = 1; i <= rounds; i++)); do
		guest_sleeps
		vp enter --borrow "$qmp" "$device0" "$device1"
		expect_code 0
		deep 1
		vp exit --borrow "$qmp" "$device0" "$device1"
		expect_code 0
		nested_answer 90 || fail "round $i: $REPLY"
		awake
		nested_status running
	done
}

@test "named alone, a device comes back and the guest sleeps on; it is woken when both are awake" {
	guest_sleeps
	vp enter --borrow "$qmp" "$device0" "$device1"
	expect_code 0
	deep 1
	vp exit --borrow "$qmp" "$device0"
	expect_code 4
	[[ $output == *"cannot wake the guest of '$device0': its device '$device1' is asleep"* ]]
	[[ $output == *"hint: vfio-pm exit --borrow $qmp $device0 $device1"* ]]
	is_state "$device0" active D0
	is_state "$device1" suspended D3cold
	# The first is awake; of the second nothing is known.
	vp exit --borrow "$qmp" "$device0" 0000:ff:1f.7
	expect_code 3
	[[ $output == *"the guest is left as it is"* ]]
	nested_status suspended
	between "$nested_qmp_socket"
	vp exit --borrow "--qmp=$other" "$device0" "$device1"
	expect_code 0
	[ "$(<"$other.seen")" = $'active\nactive' ] || fail "woken with its devices $(<"$other.seen")"
	nested_answer 90
	awake
	nested_status running
}

hooks=$BATS_TEST_DIRNAME/../../examples/hooks

# A virsh in the hook's place: what it is asked for is noted, and the test does it. libvirt itself isn't here.
stub_virsh() {
	local device bdf
	mkdir -p "$nested_dir/bin"
	{
		for device in "$device0" "$device1"; do
			IFS=:. read -ra bdf <<<"$device"
			cat <<-END
				<hostdev mode='subsystem' type='pci' managed='no'>
				  <source>
				    <address domain='0x${bdf[0]}' bus='0x${bdf[1]}' slot='0x${bdf[2]}' function='0x${bdf[3]}'/>
				  </source>
				  <address type='pci' domain='0x0000' bus='0x00' slot='0x10' function='0x0'/>
				</hostdev>
			END
		done
	} >"$nested_dir/domain.xml"
	cat >"$nested_dir/bin/virsh" <<-END
		#!/bin/sh
		case \$1 in
		dumpxml) cat $nested_dir/domain.xml ;;
		dompmsuspend) echo "\$*" >$nested_dir/asked ;;
		domstate) cat $nested_dir/domstate ;;
		*) exit 1 ;;
		esac
	END
	chmod +x "$nested_dir/bin/virsh"
	echo running >"$nested_dir/domstate"
	rm -f "$nested_dir/asked"
	PATH=$nested_dir/bin:${vfio_pm%/*}:$PATH
}

@test "the hooks: a domain sleeps and wakes with its devices, and the host's own sleep in between" {
	stub_virsh
	export VFIO_PM_QMP=$nested_qmp_socket VFIO_PM_BORROWED=$nested_dir/borrowed
	"$hooks/libvirt-sleep" suspend guest >"$nested_dir/hook" 2>&1 3>&- &
	hook=$!
	wait_for 20 test -e "$nested_dir/asked" || fail "$(<"$nested_dir/hook")"
	[ "$(<"$nested_dir/asked")" = "dompmsuspend guest mem" ]
	guest_sleeps
	echo pmsuspended >"$nested_dir/domstate"
	wait $hook || fail "$(<"$nested_dir/hook")"
	deep 1

	printf '# a comment\n\n%s %s\n%s %s\n' "$device0" "$nested_qmp_socket" "$device1" "$nested_qmp_socket" >"$VFIO_PM_BORROWED"
	"$hooks/system-sleep" pre suspend
	# As the host's own wake does.
	cfg_read "$device0" 0.L
	cfg_read "$device1" 0.L
	for device in "$device0" "$device1"; do
		state_of "$device"
		[[ $REPLY == active* ]]
	done
	"$hooks/system-sleep" post suspend
	deep 1

	# What was awake before stays so.
	vp exit --borrow "$device0"
	"$hooks/system-sleep" pre suspend
	"$hooks/system-sleep" post suspend
	state_of "$device0"
	[[ $REPLY == active* ]]

	"$hooks/libvirt-sleep" wake guest
	nested_answer 90 || fail "$REPLY"
	awake
	nested_status running
}

@test "a socket of another process is refused; of a manager's QEMU only that of the device's" {
	between
	rpm_trace_start "$device0"
	for verb in enter exit; do
		vp $verb --borrow "--qmp=$other" "$device0"
		expect_code 4
		[[ $output == *"QMP socket '$other' belongs to 'python"*"' (pid $between), the device to 'qemu-system-x86' (pid $(nested_pid))"* ]]
	done
	rpm_trace_stop
	[ "$(rpm_count "$device0")" = 0 ]
	nested_status running
	between "$nested_qmp_socket"
	nested 'kick suspend 10'
	vp enter --borrow $loss_ok "--qmp=$other" "$device0"
	expect_code 0
	[[ $output == *"was frozen for "*"(qmp)"* ]]
	nested 'kick resume 10 && works 10'
}

@test "a cont that the monitor loses: told, and the guard gives it again" {
	nested 'kick suspend 10'
	between "$nested_qmp_socket" 0 cont
	vp enter --borrow $loss_ok "--qmp=$other" "$device0"
	expect_code 1
	[[ $output == *"warning: '$device0': its guest may still be stopped"*"hint: let it go on by the monitor's cont"* ]]
	wait_for 12 nested_status running
	is_state "$device0" active D0
	nested 'kick resume 10 && works 10'
}

@test "the guest wakes while its device is put to sleep: refused, and low power is left" {
	nested_qmp '{"execute":"stop"}'
	between "$nested_qmp_socket" 2 cont
	vp enter --borrow --force "--qmp=$other" "$device0"
	expect_code 5
	[[ $output == *"its guest has gone on or to sleep meanwhile"* ]]
	nested_status running
	nested 'works 10 && works 11'
	guest_sleeps
	between "$nested_qmp_socket" 3 system_wakeup
	vp enter --borrow "--qmp=$other" "$device0"
	expect_code 5
	[[ $output == *"its guest has gone on or to sleep meanwhile"* ]]
	nested_answer 90
	awake
	nested_status running
}

@test "the guest wakes by itself, nobody having left low power" {
	guest_sleeps
	vp enter --borrow "$qmp" "$device0" "$device1"
	expect_code 0
	deep 1
	nested_qmp '{"execute":"system_wakeup"}'
	nested_answer 90
	awake
}

@test "refused: running and in D0, also with --force; without --borrow; without the rights; a wrong socket" {
	for force in '' --force; do
		vp enter --borrow $force "$qmp" "$device0"
		expect_code 4
		[[ $output == *"cannot borrow for low power '$device0': its guest runs and uses it: it is in D0"* ]]
		vp enter --borrow $force "$device0"
		expect_code 4
		[[ $output == *"its guest runs and uses it: it is in D0"*"a guest that sleeps can be told by --qmp=SOCKET only"* ]]
		awake
	done
	vp enter "$device0"
	expect_code 5
	vp enter --borrow --qmp=/nowhere "$device0"
	expect_code 1
	[[ $output == *"no answer from QMP socket '/nowhere'"* ]]
	code=0
	output=$(setpriv --reuid=65534 --regid=65534 --clear-groups "$vfio_pm" enter --borrow "$device0" 2>&1) || code=$?
	expect_code 5
	awake
	nested_alive
	nested 'works 10 && works 11'
}

@test "suspended by the guest's own driver: by QMP, and by a signal; the guest's own D0 wakes" {
	rounds=$(count 40)
	for ((i = 1; i <= rounds; i++)); do
		for how in "$qmp" ''; do
			nested 'kick suspend 10; kick suspend 11'
			# shellcheck disable=SC2086 # or nothing
			vp enter --borrow $loss_ok $how "$device0" "$device1"
			expect_code 0
			if [ -n "$how" ]; then
				[[ $output == *"was frozen for "*"(qmp)"* ]]
			else
				[[ $output == *"was frozen for "*"(signal)"* ]]
			fi
			deep 1
			nested_status running
			nested 'kick resume 10 && kick resume 11 && works 10 && works 11' || fail "round $i"
			awake
		done
	done
	nested 'kick suspend 10; kick suspend 11'
	vp enter --borrow $loss_ok "$qmp" "$device0" "$device1"
	vp exit --borrow "$qmp" "$device0" "$device1"
	expect_code 0
	nested 'kick resume 10 && kick resume 11 && works 10 && works 11'
}

@test "paused: in D0 only with --force, and a warning; it runs again when all its devices are awake" {
	nested 'kick suspend 11'
	nested_qmp '{"execute":"stop"}'
	vp enter --borrow "$qmp" "$device0"
	expect_code 4
	[[ $output == *"its guest is paused, it doesn't sleep"*"--force"* ]]
	is_state "$device0" active D0
	# Its own driver has suspended this one.
	vp enter --borrow $loss_ok "$qmp" "$device1"
	expect_code 0
	wait_state "$device1" suspended D3cold
	vp enter --borrow --force "$qmp" "$device0"
	expect_code 0
	[[ $output == *"warning: '$device0': the guest's driver will find a device that may have lost its state"*"vfio-pm exit --borrow"*"kills the VM (SIGBUS)"* ]]
	deep
	nested_status paused
	vp exit --borrow "$qmp" "$device0"
	expect_code 4
	[[ $output == *"cannot wake the guest of '$device0': its device '$device1' is asleep"* ]]
	nested_status paused
	vp exit --borrow "$qmp" "$device0" "$device1"
	expect_code 0
	awake
	nested_status running
	nested 'kick resume 11 && works 10 && works 11'
}

is_stopped() { # QEMU is; without a fork
	local line=
	read -r line <"/proc/$qemu/stat" || return 1
	[[ ${line##*) } == T* ]]
}

is_paused() { # its guest has been stopped since the last nested_qmp
	local line=
	[ -z "$paused" ] || return 0
	nested_line "$events" 0.02 || return 1
	[[ $line == *'"event": "STOP"'* ]] || return 1
	paused=1
}

# The tool's two processes, killed by their group: as soon as `seen', or after up to MS.
killed() { # MS ARGUMENT...: counts hits; $seen is is_stopped or is_paused
	local tool ms=$1
	shift
	paused='' part='' qemu=$(nested_pid)
	exec {events}<>"$nested_dir/monitor.out"
	setsid "$vfio_pm" enter --borrow "$@" >/dev/null 2>&1 3>&- &
	tool=$!
	if [ "$ms" = 0 ]; then
		delay="the stop"
		if catch "$tool" $seen; then hits=$((hits + 1)); fi
	else
		printf -v delay '0.%03d' $((RANDOM % ms))
		sleep "$delay"
		# Afterwards the guard may have let it go on already.
		if is_stopped; then hits=$((hits + 1)); fi
	fi
	kill -KILL -- "-$tool" 2>/dev/null || true
	exec {events}>&-
	wait "$tool" || true
}

@test "the tool killed at any moment: the guest wakes by itself, and lives" {
	rounds=$(count 100) hits=0
	[ "$rounds" -ge 4 ] || rounds=4
	nested_status running
	for ((i = 1; i <= rounds; i++)); do
		nested 'kick suspend 10'
		how=("$qmp") seen=is_paused
		[ $((i % 2)) = 0 ] || how=() seen=is_stopped
		killed $((i % 4 < 2 ? 0 : 300)) $loss_ok "${how[@]}" "$device0"
		wait_for 12 nested_alive || fail "round $i, after $delay: left stopped"
		wait_for 12 nested_status running || fail "round $i, after $delay: $REPLY"
		nested 'kick resume 10 && works 10' || fail "round $i, after $delay"
		is_state "$device0" active D0 || fail "round $i, after $delay: $REPLY"
	done
	echo "$rounds times killed, $hits times while the guest was stopped"
	[ "$hits" -ge $((rounds / 4)) ]
	if [ "${VFIO_PM_SCALE:-5}" -ge 50 ]; then rounds=20; else rounds=1; fi
	seen=is_stopped
	for ((i = 1; i <= rounds; i++)); do
		guest_sleeps
		killed $((i % 2 ? 0 : 400)) "$qmp" "$device0" "$device1"
		wait_for 12 nested_alive || fail "S3, round $i, after $delay: left stopped"
		nested_qmp '{"execute":"system_wakeup"}'
		nested_answer 90 || fail "S3, round $i, after $delay: $REPLY"
		awake
	done
}

@test "QEMU killed while its devices are in D3cold leaves nothing behind" {
	nested 'kick suspend 10; kick suspend 11'
	vp enter --borrow $loss_ok "$qmp" "$device0" "$device1"
	expect_code 0
	deep 1
	kill -KILL "$(nested_pid)"
	let_go
	no_guard() { ! pgrep -x vfio-pm-guard; }
	wait_for 12 no_guard
}
