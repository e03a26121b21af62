#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 modparam="disable_idle_d3=1" timeout=1200 mem=3072 qemu="-smp 1 -machine hpet=off" soak=6.1 drivers=vfio-pci,vfio-pm-pci cost=250
#
# Guest-driven sleep with a stock QEMU: the guest's own drivers suspend, its ACPI calls the table. One device
# ($here) is on the guest's root complex, the other ($there) behind a root port, in slots of the seed's choice.

load lib
load cmd
load nested
load nested-deepen

listen_log=$nested_dir.log
listen_pid=$nested_dir.listener
socket=$nested_dir.sock

slots() { # sets role0, device0 ... and, in the guest, here (of role0) and there (of role1)
	subjects
	here=$(printf '%02x' $((VM_SEED % 13 + 2)))
	there=$(printf '%02x' $((VM_SEED % 14 + 15)))
	map=("--device=$here.0=$device0" "--device=$there.0/00.0=$device1")
}

setup_file() {
	slots
	load_vfio disable_idle_d3=1
	bind_vfio "$device0" "$device1"
	"$vfio_pm" guest-table "$here.0" "$there.0/00.0" --socket="$socket" --output="$nested_dir.aml" >"$nested_dir.args"
	listen_start
	vm_start
}

vm_start() {
	read -ra NESTED_ARGS <<<"$(tr '\n' ' ' <"$nested_dir.args")"
	nested_start "$role0:$here" "$role1:$there:port"
}

teardown_file() {
	listen_stop KILL || true
	nested_stop
	unbind_all
}

# The listener of the case before, which may have failed without one.
setup() {
	start_case
	slots
	grep -q '^State:.[^Z]' "/proc/$(<"$listen_pid")/status" || listen_start
}

teardown() {
	tail -n 15 "$listen_log"
	nested_console
}

listen_start() {
	"${LISTEN_WITH[@]}" "$vfio_pm" guest-listen --socket="$socket" "${map[@]}" \
		--qmp="$nested_qmp_socket" --rate=0 --dwell=0 >>"$listen_log" 2>&1 3>&- 9>&- &
	echo $! >"$listen_pid"
}

listen_stop() { # [SIGNAL]
	local pid
	pid=$(<"$listen_pid")
	kill "-${1:-TERM}" "$pid"
	wait_for 20 eval "! kill -0 $pid 2>/dev/null || grep -q '^State:.Z' /proc/$pid/status"
}

listen_again() { # killed, and another
	local connected
	listen_stop KILL
	connected=$(grep -c "connected to" "$listen_log")
	listen_start
	wait_for "$VM_PATIENCE" said_times "connected to" $((connected + 1))
}

said_times() { [ "$(grep -c -- "$1" "$listen_log")" -ge "$2" ]; } # REGEX N

both() { # STATUS STATE
	wait_state "$device0" "$@" && wait_state "$device1" "$@"
}

asleep() {
	nested "kick suspend $here && kick suspend $there" || return
	deep
}

wake() {
	nested "kick resume $here && kick resume $there" || return
	awake
}

# A guest whose last question found nobody waits for 50 ms: on a busy host its next one comes late and is refused.
asked_again() {
	nested "for how in suspend resume; do kick \$how $here; kick \$how $there; done"
}

works() { nested "works $here && works $there"; }

@test "the guest's drivers suspend and resume: D3cold on the host, registers, DMA and interrupts" {
	works
	nested "ls -d \$(node $here)/firmware_node/power_resources_D3hot \$(node $there)/firmware_node/power_resources_D3hot"
	asleep
	nested "cat \$(node $here)/power_state \$(node $there)/power_state"
	[ "$REPLY" = $'D3cold\nD3cold' ] || fail "$REPLY"
	vp status "$device0"
	[[ $output == *"driven by   the guest of qemu-system-x86, process $(nested_pid), where it is $here.0"* ]] || fail "$output"
	wake
	works
	rounds=$(count 200)
	for ((i = 1; i <= rounds; i++)); do
		progress "$i" "$rounds"
		asleep && wake || fail "round $i of $rounds"
	done
	works
	grep -E ' (off|on).*: answered' "$listen_log" | tail -n 4 | sed "s/^/# $VM_KERNEL: /" >&3
}

five_transitions() { # of the first device: sets fastest, of suspend and of resume, in us
	local took i=0
	nested "for i in 1 2 3 4 5; do for how in suspend resume; do kick \$how $here; cat /sys/module/kick/parameters/took; done; done" 60
	echo "# $VM_KERNEL: five transitions $1 a listener, us: ${REPLY//$'\n'/ }" >&3
	fastest=(9999999 9999999)
	for took in $REPLY; do
		[ "$took" -le 5000000 ] || fail "$took us"
		[ "$took" -ge "${fastest[i % 2]}" ] || fastest[i % 2]=$took
		i=$((i + 1))
	done
	[ $i = 10 ]
}

@test "a listener that is killed while it sleeps: the guest wakes, in time; another comes" {
	local fastest own way
	five_transitions with
	own=("${fastest[@]}")
	asleep
	listen_stop KILL
	local start=$SECONDS
	nested "kick resume $here && kick resume $there" 60
	[ $((SECONDS - start)) -le 9 ] || fail "$((SECONDS - start)) s"
	is_state "$device0" active D0
	nested_alive
	works
	# Without one: bounded, and it works. A twentieth of a second for each question, not the half of one as for the first
	# at boot, and the emulated driver's own time: of five times, since this host may be busy, the shortest.
	five_transitions without
	for way in 0 1; do
		[ "${fastest[way]}" -ge 50000 ] && [ "${fastest[way]}" -le $((own[way] + 350000)) ] ||
			fail "suspend, resume: with a listener ${own[*]}, without ${fastest[*]} us"
	done
	works
	is_state "$device0" active D0
	listen_start
	wait_for "$VM_PATIENCE" said_times "connected to" 2
	asked_again
	asleep
	wake
	works
}

@test "reset, stop and cont, a crash, S3, in low power: never left engaged, and the next boot works" {
	asleep
	nested_qmp '{"execute":"stop"}'
	both suspended D3cold
	nested_qmp '{"execute":"cont"}'
	wake
	asleep
	before=$(wc -l <"$listen_log")
	nested_qmp '{"execute":"system_reset"}'
	nested_boots
	both active D0
	# QEMU's own reset wakes them, before or after it tells of it: neither is taken for a passer-by.
	tail -n "+$((before + 1))" "$listen_log" >"$listen_log.since"
	grep -q "the VM says: reset" "$listen_log.since"
	! grep "put to sleep again" "$listen_log.since" || fail "put to sleep after a reset"
	works
	asleep
	wake
	works
	asleep
	nested_send 'echo c >/proc/sysrq-trigger'
	nested_boots
	both active D0
	works
	asleep
	wake
	works
}

@test "a QEMU that is killed in low power, a guest that powers off in it; a listener that comes while the next one boots" {
	local way boot
	for way in kill poweroff; do
		asleep
		if [ $way = kill ]; then nested_stop; else nested_send 'poweroff -f'; fi
		let_go
		listen_stop
		nested_stop
		vm_start 3>&- &
		boot=$!
		sleep $((RANDOM % 8 + 2))
		listen_start
		wait $boot
		works
		asked_again
		asleep
		wake
		works
	done
}

@test "S3 of the guest, in low power" {
	# QEMU resets its devices on the way up. e1000e's driver sets its own up again when it resumes; nvme's
	# knows nothing of runtime PM (kick.ko only makes it look so) and would lose a controller.
	nested "kick suspend $here"
	wait_state "$device0" suspended D3cold
	nested_send "echo mem >/sys/power/state; kick resume $here; works $here && works $there"
	wait_for 60 nested_status suspended || fail "the guest doesn't sleep: $REPLY"
	nested_qmp '{"execute":"system_wakeup"}'
	nested_answer 90 || fail "$REPLY"
	both active D0
	asleep
	wake
	works
	# A q35 that has been woken once obeys neither the next S3 nor poweroff.
	nested_stop
	vm_start
}

# While the guest suspends and resumes its devices so many seconds pass; then COMMAND, in the guest.
in_transitions() { # SECONDS [COMMAND [SLOT]]
	nested_send "${2:+(sleep $1; $2) &} for i in 1 2 3; do for how in suspend resume; do for d in ${3:-$here $there}; do kick \$how \$d; done; done; done"
	[ -n "${2:-}" ] || sleep "$1"
}

at_random() { # WAY
	local after
	after=$((RANDOM % 2)).$((RANDOM % 10))$((RANDOM % 10))
	case $1 in
	reset) in_transitions $after && nested_qmp '{"execute":"system_reset"}' && nested_boots ;;
	stop)
		in_transitions $after && nested_qmp '{"execute":"stop"}' && sleep 0.3 &&
			nested_qmp '{"execute":"cont"}' && nested_answer 60
		;;
	listener) in_transitions $after && listen_again && nested_answer 60 ;;
	killed) in_transitions $after && nested_stop && vm_start ;;
	crash) in_transitions $after 'echo c >/proc/sysrq-trigger' && nested_boots ;;
	poweroff)
		in_transitions $after 'poweroff -f' || return
		wait_for 60 nested_gone || { nested_threads; nested_console; return 1; }
		let_go && nested_stop && vm_start
		;;
	s3)
		# nvme's driver would lose its controller, and a q35 can be woken once.
		in_transitions $after 'echo mem >/sys/power/state' "$here" || return
		wait_for 60 nested_status suspended || fail "the guest doesn't sleep" || return
		nested_qmp '{"execute":"system_wakeup"}' || return
		nested_answer 90 || fail "after S3, in the guest: $REPLY"
		;;
	esac || return
	both active D0 || return
	nested_alive || return
	if [ "$1" = s3 ]; then
		nested "works $here" || return
		nested_stop
		vm_start || return
	fi
	works
}

@test "at random points of transitions, in the ioctl too: reset, stop, no listener, no QEMU, a crash, poweroff, S3" {
	local n seed=$((RANDOM * 32768 + RANDOM)) i way ways=()
	n=$(count 50)
	echo "# seed $seed" | tee /dev/fd/3
	RANDOM=$seed
	for ((i = 0; i < n; i++)); do
		# Every other round before and after the ioctl is where the listener spends its time.
		LISTEN_WITH=()
		[ $((i % 2)) = 0 ] || LISTEN_WITH=(strace -D -f -o /dev/null -e trace=ioctl
			-e inject=ioctl:delay_enter=50000:delay_exit=50000)
		listen_again || fail "round $i: no listener"
		[ ${#ways[@]} -gt 0 ] || mapfile -t ways < <(shuf -e reset stop listener killed crash poweroff s3 \
			--random-source=<(yes "$seed $i"))
		way=${ways[0]}
		ways=("${ways[@]:1}")
		progress "$i" "$n" "$way${LISTEN_WITH:+, slow ioctl}"
		at_random "$way" || fail "round $i: $way${LISTEN_WITH:+, slow ioctl}"
	done
	LISTEN_WITH=()
	listen_again
	asked_again
	asleep
	wake
	listen_stop
	grep 'total\|frames' "$listen_log"
}

@test "tables for one to eight devices, on the root complex and behind ports: a booted guest has their power resources" {
	local n slots slot address=() args
	for n in 1 2 3 4 5 6 7 8; do
		[ "$n" = 8 ] || [ "${VFIO_PM_SCALE:-5}" -ge 50 ] || continue
		mapfile -t slots < <(for ((slot = 2; slot < 30; slot++)); do printf '%02x\n' $slot; done | shuf -n "$n")
		address=() NESTED_ARGS=()
		for slot in "${slots[@]}"; do
			if [ $((RANDOM % 2)) = 0 ]; then
				address+=("$slot.0")
				NESTED_ARGS+=(-device "pci-testdev,bus=pcie.0,addr=0x$slot")
			else
				address+=("$slot.0/00.0")
				NESTED_ARGS+=(-device "pcie-root-port,id=port$slot,bus=pcie.0,addr=0x$slot,chassis=$((16#$slot)),hotplug=off"
					-device "pci-testdev,bus=port$slot,addr=0x0")
			fi
		done
		"$vfio_pm" guest-table "${address[@]}" --socket="$socket.$n" --output="$nested_dir.$n.aml" >"$nested_dir.$n.args"
		read -ra args <<<"$(tr '\n' ' ' <"$nested_dir.$n.args")"
		NESTED_ARGS+=("${args[@]}")
		nested_start
		nested "n=0; for s in ${slots[*]}; do [ -d \$(node \$s)/firmware_node/power_resources_D3hot ] && n=\$((n + 1)); done; echo \$n"
		[ "$REPLY" = "$n" ] || fail "$REPLY of $n (${address[*]})"
	done
}
