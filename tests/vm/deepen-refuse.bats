#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 modparam="disable_idle_d3=1" timeout=1200 cost=130 soak=6.1
#
# What the service leaves alone, each refusal produced; stray wakes; the driver that does it by itself.

load lib
load cmd
load module-lib
load guest_pm
load deepen

refused() { # REASON ARGUMENT...: the owner of $role is in D3hot and stays there
	local reason=$1
	shift
	: >"$BATS_TEST_TMPDIR/deepen.log"
	deepen_start --dwell=0 --retry=300ms --json-lines "$@" "$address"
	wait_said "\"event\":\"refused\",\"reason\":\"$reason\""
	is_state "$address" active D3hot || fail "$REPLY"
	if said '"event":"deepened"'; then fail "$(<"$deepen_log")"; fi
	vmm_runs
	deepen_stop
}

@test "No_Soft_Reset is set: only with --state-loss-ok" {
	reason=state-loss
	# In a topology where no nvme has power of its own that isn't the question.
	role_of nvme own || { role_of nvme none; reason=nothing-gained; }
	take "$REPLY"
	vmm_start "$role"
	vmm d3 0
	refused $reason
	refused $reason --dry-run
	[ $reason = state-loss ] || return 0
	deepen_start --dwell=0 "--state-loss-ok=$address" "$address"
	wait_state "$address" suspended D3cold
	vmm d0 0
}

@test "D3hot is the deepest: nothing to gain" {
	role_of e1000e none || role_of nvme none
	take "$REPLY"
	vmm_start "$role"
	vmm d3 0
	refused nothing-gained "--state-loss-ok=$address"
}

armed() { # DRIVER
	subject "$1"
	vmm_start "$role"
	# VFIO keeps it from the guest, and clears it at the open; here the host's own hand sets it.
	cfg_write "$address" CAP_PM+4.W 0100:0100
	vmm d3 0
	refused pme "${allow[@]}"
	cfg_write "$address" CAP_PM+4.W 0000:0100
	deepen_start --dwell=0 "${allow[@]}" "$address"
	wait_state "$address" suspended D3cold
	vmm d0 0
}

@test "armed to wake by PME" { armed vfio-pci; }
@test "vfio-pm-pci: armed to wake by PME" { armed vfio-pm-pci; }

@test "two processes have it, one has it twice, one is stopped" {
	subject
	vmm_start "$role"
	vmm d3 0
	kill -STOP "$vmm"
	: >"$BATS_TEST_TMPDIR/deepen.log"
	deepen_start --dwell=0 --json-lines "${allow[@]}" "$address"
	wait_said '"reason":"stopped"'
	deepen_stop
	if vmm_runs; then fail "it was let run"; fi
	kill -CONT "$vmm"
	vmm twice 0
	refused unclear "${allow[@]}"
	vmm fork 0
	refused shared "${allow[@]}"
}

@test "it doesn't suspend in time: D3hot as before, and left alone for --retry, whatever its owner does" {
	subject
	vmm_start "$role"
	deepen_start --dwell=0 --rate=0 --suspend-timeout=1ms --retry=1h --json-lines "${allow[@]}" "$address"
	wait_said '"event":"watched"'
	vmm d3 0
	wait_said '"reason":"not-suspended"'
	stays_state "$address" active D3hot 1
	vmm d0 0
	vmm toggle 0 40 20000
	vmm join
	[[ $REPLY == "bad 0 "* ]] || fail "$REPLY"
	vmm d3 0
	sleep 1
	vmm d0 0
	deepen_stop
	[ "$(grep -c '"event":"refused"' "$deepen_log")" = 1 ] || fail "$(<"$deepen_log")"
}

# Sets entry: which of the service's ioctls the entry is, the last before the device sleeps.
find_entry() {
	local ioctls=$BATS_TEST_TMPDIR/ioctls
	DEEPEN_WITH=(strace -D -f -o "$ioctls" -e trace=ioctl)
	deepen_start --dwell=0 "${allow[@]}" "$address"
	wait_state "$address" suspended D3cold
	wait_for "$VM_PATIENCE" grep -q "^$deepen .*ioctl(" "$ioctls"
	grep "^$deepen .*ioctl(" "$ioctls" | tail -n 1 | grep -Eq 'VFIO_DEVICE_FEATURE|_IO\(0x3b, 0x75\)|0x3b75' ||
		fail "$(<"$ioctls")"
	entry=$(grep -c "^$deepen .*ioctl(" "$ioctls")
	vmm d0 0
	deepen_stop
	vmm d3 0
}

@test "its owner can't be seen, can't be reached, has entered by itself" {
	subject
	vmm_start "$role"
	vmm d3 0
	DEEPEN_WITH=(setpriv --bounding-set=-sys_ptrace --inh-caps=-sys_ptrace)
	refused owner-hidden "${allow[@]}"
	DEEPEN_WITH=(strace -D -f -o /dev/null -e trace=pidfd_getfd -e inject=pidfd_getfd:error=EPERM)
	refused denied "${allow[@]}"
	find_entry
	# What ENTRY answers to who is in low power already.
	DEEPEN_WITH=(strace -D -f -o /dev/null -e trace=ioctl -e "inject=ioctl:error=EINVAL:when=$entry")
	refused engaged --retry=1h "${allow[@]}"
	vmm d0 0
}

@test "the kernel doesn't answer: that is said, and the owner runs again before" {
	subject
	vmm_start "$role"
	vmm d3 0
	find_entry
	: >"$BATS_TEST_TMPDIR/deepen.log"
	DEEPEN_WITH=(strace -D -f -o /dev/null -e trace=ioctl -e "inject=ioctl:delay_enter=33000000:when=$entry")
	deepen_start --dwell=0 --json-lines "${allow[@]}" "$address"
	stands() { ! vmm_runs; }
	wait_for "$VM_PATIENCE" stands
	wait_for 5 vmm_runs
	wait_said "cannot deepen '$address': the kernel has not answered for 30 s" 60
	wait_said "warning: '$address': the kernel has answered after 3[0-9] s" 30
	# By now the look before the entry is worth nothing.
	wait_said '"event":"refused","reason":"thawed"'
	is_state "$address" active D0 || fail "$REPLY"
	vmm d0 0
	vmm_runs
	deepen_stop
}

@test "an owner that doesn't stop in time is let run, and tried again" {
	subject
	vmm_start "$role"
	vmm d3 0
	vmm vfork 0 8000
	: >"$BATS_TEST_TMPDIR/deepen.log"
	deepen_start --dwell=0 --retry=300ms --json-lines "${allow[@]}" "$address"
	wait_said '"reason":"not-frozen"'
	vmm_runs || wait_for 5 vmm_runs
	# It ends, and then nothing is in the way.
	wait_state "$address" suspended D3cold 20
	deepen_stop
	is_state "$address" active D3hot || fail "$REPLY"
	vmm d0 0
}

@test "power/control=on: it doesn't suspend, low power is left again" {
	subject
	vmm_start "$role"
	deepen_start --dwell=0 --retry=300ms --json-lines "${allow[@]}" "$address"
	wait_said '"event":"watched"'
	echo on >"$pci/$address/power/control"
	vmm d3 0
	wait_said '"event":"refused","reason":"\(nothing-gained\|not-suspended\)"'
	vmm d0 0
	vmm d3 0
	vmm d0 0
	vmm_runs
}

@test "at most so many transitions a minute" {
	subject
	vmm_start "$role"
	deepen_start --dwell=0 --rate=2 --retry=300ms --json-lines "${allow[@]}" "$address"
	for _ in 1 2; do
		vmm d3 0
		wait_state "$address" suspended D3cold
		vmm d0 0
	done
	vmm d3 0
	wait_said '"reason":"rate"'
	is_state "$address" active D3hot || fail "$REPLY"
	vmm d0 0
}

@test "a stray wake: awake until the owner's next D3hot" {
	subject
	vmm_start "$role"
	deepen_start --dwell=0 "${allow[@]}" "$address"
	vmm d3 0
	wait_state "$address" suspended D3cold
	lspci -vv -s "$address" >/dev/null
	wait_said "woken after"
	stays_state "$address" active D0 2
	vmm d0 0
	vmm d3 0
	wait_state "$address" suspended D3cold
	cat "$pci/$address/config" >/dev/null
	vmm d0 0
}

@test "the owner is killed in deep sleep: nothing stays, the next owner is served" {
	subject
	vmm_start "$role"
	deepen_start --dwell=0 "${allow[@]}" "$address"
	vmm d3 0
	wait_state "$address" suspended D3cold
	kill -KILL "$vmm"
	wait_said "its owner let go of it"
	wait_state "$address" active D0
	vmm_start "$role"
	vmm d3 0
	wait_state "$address" suspended D3cold
	vmm d0 0
}

@test "dry run: says so, touches nothing" {
	subject
	vmm_start "$role"
	vmm d3 0
	rpm_trace_start "$address"
	deepen_start --dwell=0 --dry-run "${allow[@]}" "$address"
	wait_said "would be deepened"
	stays_state "$address" active D3hot 1
	deepen_stop
	rpm_trace_stop
	[ "$(rpm_count "$address")" = 0 ]
}

@test "all devices, also those that are bound later" {
	deepen_start --dwell=0 --all
	sleep 1
	subject
	wait_said "$address: watched"
	unbind "$address"
	wait_said "$address: no longer watched"
	deepen_stop
	vp deepen "$NOPM"
	expect_code 4
	vp deepen
	expect_code 2
}

@test "events are lost: what has gone isn't watched any more, what came is" {
	subject
	deepen_start --dwell=0 --all
	wait_said "$address: watched"
	# The kernel's answer when its buffer was full; the event itself is never read.
	strace -qq -o "$BATS_TEST_TMPDIR/strace" -e trace=recvmsg -e inject=recvmsg:error=ENOBUFS \
		-p "$deepen" 3>&- &
	tracer=$!
	traced() { grep -q "^TracerPid:.*$tracer\$" "/proc/$deepen/status"; }
	wait_for "$VM_PATIENCE" traced
	unbind "$address"
	wait_said "$address: no longer watched"
	bind_vfio "$PAIR0"
	wait_said "$PAIR0: watched"
	kill "$tracer"
	wait "$tracer" || true
	grep -q INJECTED "$BATS_TEST_TMPDIR/strace"
	deepen_stop
}

@test "vfio-pm-pci: turned on, watched, turned off again" {
	subject vfio-pm-pci
	vmm_start "$role"
	deepen_start --rate=30 "${allow[@]}" "$address"
	wait_said "$address: watched; the driver deepens by itself"
	[ "$(<"$pci/$address/vfio_pm/deepen")" = 1 ]
	[ "$(<"$pci/$address/vfio_pm/deepen_rate")" = 30 ]
	vmm d3 0
	wait_state "$address" suspended D3cold
	wait_said "$address: deepened: suspended in D3cold"
	vmm d0 0
	wait_said "$address: woken after"
	deepen_stop
	put_back
	# Consent that somebody else gave isn't the service's, while it is the one that turned it on.
	echo 1 >"$pci/$address/vfio_pm/deepen_state_loss_ok"
	: >"$deepen_log"
	deepen_start --rate=30 "$address"
	wait_said "$address: watched; the driver deepens by itself"
	[ "$(<"$pci/$address/vfio_pm/deepen_state_loss_ok")" = 0 ]
	deepen_stop
	[ "$(<"$pci/$address/vfio_pm/deepen_state_loss_ok")" = 1 ]
	echo 0 >"$pci/$address/vfio_pm/deepen_state_loss_ok"
	# Killed, nothing outlives it.
	: >"$deepen_log"
	deepen_start --rate=0 "--state-loss-ok=$address" "$address"
	wait_said "$address: watched; the driver deepens by itself"
	[ "$(<"$pci/$address/vfio_pm/deepen_state_loss_ok")" = 1 ]
	kill -KILL "$deepen"
	wait "$deepen" || true
	deepen=
	wait_for 5 put_back
}

@test "vfio-pm-pci: D3hot from before the service, what isn't taken is told, the owner lets go" {
	subject vfio-pm-pci
	vmm_start "$role"
	vmm d3 0
	deepen_start --dwell=0 --rate=2 --json-lines "$address"
	if [ -n "${allow[*]}" ]; then
		wait_said '"event":"refused","reason":"state-loss"'
		deepen_stop
		: >"$deepen_log"
		deepen_start --dwell=0 --rate=2 --json-lines "${allow[@]}" "$address"
	fi
	wait_said '"event":"deepened"'
	vmm d0 0
	wait_said '"event":"woken"'
	for i in 1 2 3; do
		vmm d3 0
		sleep 1
		[ "$i" = 3 ] || vmm d0 0
	done
	wait_said '"event":"refused","reason":"rate"'
	vmm_stop
	deepen_stop
	: >"$deepen_log"
	vmm_start "$role"
	deepen_start --dwell=0 --rate=0 --json-lines "${allow[@]}" "$address"
	wait_said '"event":"watched"'
	vmm d3 0
	wait_said '"event":"deepened"'
	kill -KILL "$vmm"
	wait_said '"event":"owner-gone"'
}

@test "vfio-pm-pci: No_Soft_Reset is set; D3hot is the deepest; not suspended" {
	# In some topologies no nvme has power of its own: the consent is asked for all the same.
	role_of nvme own || role_of nvme none
	take "$REPLY" vfio-pm-pci
	vmm_start "$role"
	vmm d3 0
	refused state-loss
	vmm_stop
	unbind_all
	role_of e1000e none || role_of nvme none
	take "$REPLY" vfio-pm-pci
	vmm_start "$role"
	deepen_start --dwell=0 --json-lines "--state-loss-ok=$address" "$address"
	wait_said '"event":"watched"'
	vmm d3 0
	wait_said '"event":"refused","reason":"nothing-gained"'
	is_state "$address" suspended D3hot || fail "$REPLY"
	vmm d0 0
	# What keeps it awake is told, and D3hot is D3hot.
	echo on >"$pci/$address/power/control"
	vmm d3 0
	wait_said '"event":"refused","reason":"not-suspended"'
	is_state "$address" active D3hot || fail "$REPLY"
	vmm d0 0
	echo auto >"$pci/$address/power/control"
	if said '"event":"deepened"'; then fail "$(<"$deepen_log")"; fi
	vmm_runs
	deepen_stop
}

@test "vfio-pm-pci: a stray wake too many: awake for the rest of the minute, which is told" {
	subject vfio-pm-pci
	vmm_start "$role"
	deepen_start --dwell=0 --rate=2 --json-lines "${allow[@]}" "$address"
	wait_said '"event":"watched"'
	vmm d3 0
	wait_state "$address" suspended D3cold
	wait_said '"event":"deepened"'
	cfg_read "$address" STATUS >/dev/null
	wait_state "$address" suspended D3cold
	cfg_read "$address" STATUS >/dev/null
	wait_said '"event":"refused","reason":"rate"'
	is_state "$address" active D0 || fail "$REPLY"
	vmm_runs
	vmm d0 0
	wait_said '"event":"woken"'
}

idle() { # SECONDS: one read of a file in each
	local before after reads start seconds ticks
	sleep 2
	read -ra before <"/proc/$deepen/stat"
	reads=$(sed -n 's/^syscr: //p' "/proc/$deepen/io")
	start=${EPOCHREALTIME/./}
	sleep "$1"
	reads=$(($(sed -n 's/^syscr: //p' "/proc/$deepen/io") - reads))
	seconds=$(((${EPOCHREALTIME/./} - start) / 1000000))
	read -ra after <"/proc/$deepen/stat"
	# User and system time, in hundredths of a second.
	ticks=$((after[13] + after[14] - before[13] - before[14]))
	echo "# $seconds s: $reads reads, $ticks/100 s of CPU time" >&3
	[ "$reads" -ge $((seconds - 2)) ] || fail "$reads reads"
	[ "$reads" -le $((seconds + 1)) ] || fail "$reads reads"
	# 1 %, not the 0.1 % of real hardware: an emulated look is slow, and time in which the host does
	# something else counts as ours.
	[ "$ticks" -le "$seconds" ] || fail "$ticks ticks"
}

idles() { # DRIVER: in D0, then asleep
	subject "$1"
	vmm_start "$role"
	deepen_start --rate=0 "${allow[@]}" "$address"
	wait_said "$address: watched"
	idle 30
	vmm d3 0
	wait_said "$address: deepened: suspended in D3cold"
	idle 30
	vmm d0 0
	wait_said "$address: woken after"
	deepen_stop
	said "$address: deepened 1, woken 1, refused 0" || fail "$(<"$deepen_log")"
}

@test "idle: one read a device and second, no CPU time to speak of" { idles vfio-pci; }

@test "idle with vfio-pm-pci: the same" { idles vfio-pm-pci; }
