# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A stock QEMU inside the VM, as the owner of devices: `load nested` after `load lib`, a head with
# mem=3072 qemu="-smp 1 -machine hpet=off" (384 MiB of the guest are pinned, for each device anew; no HPET: pulse.c),
# and `make test-nested` before.
#
#	nested_start ROLE[:SLOT[:port]]...	a q35 with these devices, which are on vfio-pci (or vfio-pm-pci)
#					already; the guest obeys 20 to 40 s later. SLOT is the device's on bus 0
#					(hex; 10, 11 ...), or that of a root port that it is behind
#	NESTED_ARGS=(-acpitable ...)	more for QEMU, NESTED_APPEND="..." for the guest's kernel,
#	NESTED_VFIO=",x-no-mmap=on"	for each vfio-pci device
#	NESTED_MACHINE=pc		has no ports, and can be woken from S3 more than once: q35 sleeps once
#	nested 'COMMAND'		in the guest's shell: sets REPLY to what it said; its status
#	nested_send 'COMMAND'; nested_answer [SECONDS]		the same in two steps
#	nested_qmp '{"execute":"stop"}'	sets REPLY to the answer, fails on an error
#	nested_event NAME [SECONDS]	waits for an event that came since the last nested_qmp
#	nested_status WORD		true when query-status says so (running, suspended, paused ...)
#	nested_alive			QEMU runs: not stopped, not dead, nor is its guest
#	progress I N [WHAT]		of a long case, into the kernel's log
#	nested_threads			what QEMU is at, for a case that fails
#	nested_stop			kills QEMU (the teardown); nested_console shows its last words
#
# $nested_qmp_socket is a second monitor, for the tool; nested_pid prints QEMU's number. All state is in
# files, so that one guest may serve several cases: start it in setup_file, stop it in teardown_file.
# The machine below has one processor (-smp 1 in the head). QEMU 7.2's emulated VMRUN leaves the vector
# of an interrupt that it has injected in exception_index (target/i386/tcg/sysemu/svm_helper.c), and a
# request to leave the execution loop makes an exception of that: the guest gets its timer interrupt a second
# time, with interrupts disabled, and hangs in hrtimer_interrupt() or dies in its entry code. With two
# processors the round-robin scheduler makes such a request ten times a second, with one nobody does. It also
# forgets a timer's interrupt now and then, which tests/vm/pulse.c is against.
#
# In the guest, tests/vm/nested/init has: node, net, kick, load, irqs, works.

nested_dir=${BATS_FILE_TMPDIR:-/run/tmp}/nested
nested_qmp_socket=$nested_dir/qmp

nested_start() { # ROLE...
	local word role slot place next=10 args=() machine=${NESTED_MACHINE:-q35} bus=pcie.0 chipset=ICH9-LPC
	[ "$machine" != pc ] || bus=pci.0 chipset=PIIX4_PM
	nested_stop
	[ -e "$VM_ROOT/build/tests/nested/$VM_KERNEL.cpio" ] || fail "no guest: make test-nested" || return
	[ -d /sys/module/kvm_amd ] || modprobe kvm_amd || return
	pgrep -x pulse >/dev/null || "$VM_ROOT/build/tests/vm/pulse" || return
	mkdir -p "$nested_dir"
	mkfifo "$nested_dir"/{uart,monitor}.{in,out}
	: >"$nested_dir/console"
	for word; do
		IFS=: read -r role slot place <<<"$word"
		[ -n "$slot" ] || slot=$((next++))
		if [ "$place" = port ]; then
			args+=(-device "pcie-root-port,id=port$slot,bus=$bus,addr=0x$slot,chassis=$((16#$slot)),hotplug=off")
			place=bus=port$slot,addr=0x0
		else
			place=bus=$bus,addr=0x$slot
		fi
		args+=(-device "vfio-pci,host=${!role},id=vfio$slot,$place,rombar=0${NESTED_VFIO:-}")
	done
	${NESTED_WITH:-} qemu-system-x86_64 -machine "$machine" -accel kvm -cpu host -m 384 -display none -nodefaults \
		-no-user-config -monitor none -global $chipset.disable_s3=0 \
		-serial "file:$nested_dir/console" \
		-chardev "pipe,id=uart,path=$nested_dir/uart" -device isa-serial,chardev=uart \
		-chardev "pipe,id=monitor,path=$nested_dir/monitor" -mon chardev=monitor,mode=control \
		-qmp "unix:$nested_qmp_socket,server=on,wait=off" \
		-kernel "${VM_MODULES%%/lib/modules*}/vmlinuz" \
		-initrd "$VM_ROOT/build/tests/nested/$VM_KERNEL.cpio" \
		-append "console=ttyS0 quiet nokaslr mitigations=off no_timer_check panic=1 ${NESTED_APPEND:-}" \
		"${args[@]}" "${NESTED_ARGS[@]}" </dev/null >"$nested_dir/said" 2>&1 3>&- 9>&- &
	echo $! >"$nested_dir/pid"
	echo 1 >"$nested_dir/id"
	nested_boots
}

nested_boots() { # waits until the guest obeys
	local line
	exec {nested_in}<>"$nested_dir/uart.out"
	while IFS= read -r -t 120 -u "$nested_in" line; do
		if [[ $line == "=0 0"* ]]; then
			exec {nested_in}>&-
			return 0
		fi
	done
	exec {nested_in}>&-
	nested_console
	fail "the guest doesn't come up"
}

nested_pid() { cat "$nested_dir/pid" 2>/dev/null || true; }

nested_alive() {
	local state
	state=$(sed -n 's/^State:\t*//p' "/proc/$(nested_pid)/status" 2>/dev/null)
	[[ $state == [SRD]* ]] && ! grep -q 'kvm run failed' "$nested_dir/said" 2>/dev/null
}

# Into the kernel's log, which the host has of a machine that hangs, too.
progress() { # I N [WHAT]: each tenth, or what is done in it
	[ -z "${3:-}" ] && [ $(($1 % 10)) != 0 ] || mark "round $1 of $2${3:+: $3}"
}

nested_gone() {
	local pid
	pid=$(nested_pid)
	[ -z "$pid" ] || [ ! -e "/proc/$pid" ] || grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null
}

nested_stop() {
	local pid
	pid=$(nested_pid)
	if [ -n "$pid" ]; then
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
		wait_for 20 nested_gone
	fi
	rm -rf "$nested_dir"
}

nested_console() {
	tail -n 20 "$nested_dir/console" "$nested_dir/said" 2>/dev/null | tr -d '\r'
}

# What QEMU is at, thread by thread, and says of its guest.
nested_threads() {
	local task
	for task in "/proc/$(nested_pid)/task/"*; do
		echo "$(<"$task/comm"): $(sed -n 's/^State:\t//p' "$task/status")"
		sed 's/^/  /' "$task/stack"
	done
	nested_qmp '{"execute":"query-status"}' && echo "$REPLY"
} 2>&1

nested_send() { # COMMAND
	local id
	id=$(($(<"$nested_dir/id") + 1))
	echo $id >"$nested_dir/id"
	echo "$id $1" >"$nested_dir/sent"
	nested_write "$id $1"
}

nested_write() { # LINE
	local fd
	exec {fd}<>"$nested_dir/uart.in"
	printf '%s\n' "$1" >&"$fd"
	exec {fd}>&-
}

# A line into $line. What read has taken when its time is up is the beginning of one: it stays in $part,
# the caller's, for the next try.
nested_line() { # FD SECONDS
	IFS= read -r -t "$2" -u "$1" line || { part+=$line; return 1; }
	line=$part$line
	part=
}

# The emulated line loses a byte now and then. After a long silence the guest is asked for its last answer
# once more; when that is an earlier one it hasn't got the command.
nested_answer() { # [SECONDS]: sets REPLY
	local id line part='' fd said='' silent=0 asked='' end=$((SECONDS + ${1:-$((VM_PATIENCE * 12))}))
	id=$(<"$nested_dir/id")
	exec {fd}<>"$nested_dir/uart.out"
	while [ $SECONDS -le $end ]; do
		nested_line "$fd" 2 || {
			nested_gone && break
			[ $((++silent % 10)) != 0 ] || { asked=1 said=''; nested_write "?"; }
			continue
		}
		silent=0
		line=${line%$'\r'}
		if [[ $line == "=$id "* ]]; then
			exec {fd}>&-
			REPLY=${said%$'\n'}
			return "${line#* }"
		elif [[ $line != =* ]]; then
			said+=$line$'\n'
		else
			said=
			[ -z "$asked" ] || { asked=''; nested_write "$(<"$nested_dir/sent")"; }
		fi
	done
	exec {fd}>&-
	REPLY=$said
	nested_console
	fail "the guest doesn't answer (QEMU: $(grep State "/proc/$(nested_pid)/status" 2>&1))" || return 125
}

nested() { # COMMAND [SECONDS]
	nested_send "$1"
	nested_answer ${2:+"$2"} || {
		local status=$?
		echo "in the guest: $1: status $status: $REPLY"
		return $status
	}
}

# The test's own monitor is a pair of pipes; events are noted on the way.
nested_qmp() { # JSON
	local fd out line id=$RANDOM$RANDOM try
	REPLY=
	exec {fd}<>"$nested_dir/monitor.in" {out}<>"$nested_dir/monitor.out"
	[ -e "$nested_dir/qmp-ready" ] || {
		: >"$nested_dir/qmp-ready"
		echo '{"execute":"qmp_capabilities"}' >&"$fd"
	}
	: >"$nested_dir/events"
	printf '%s\n' "${1%\}},\"id\":\"$id\"}" >&"$fd"
	for ((try = 0; try < 200; try++)); do
		IFS= read -r -t 20 -u "$out" line || break
		[[ $line != *'"event": '* ]] || echo "$line" >>"$nested_dir/events"
		[[ $line == *"\"id\": \"$id\""* ]] || continue
		REPLY=${line%$'\r'}
		break
	done
	exec {fd}>&- {out}>&-
	[[ -n $REPLY && $REPLY != *'"error": {'* ]] || fail "nested qmp: $1: ${REPLY:-no answer}"
}

nested_event() { # NAME [SECONDS]
	local out line part='' end=$((SECONDS + ${2:-60}))
	grep -q "\"event\": \"$1\"" "$nested_dir/events" 2>/dev/null && return
	exec {out}<>"$nested_dir/monitor.out"
	while [ $SECONDS -le $end ]; do
		nested_line "$out" 1 || continue
		echo "$line" >>"$nested_dir/events"
		if [[ $line == *"\"event\": \"$1\""* ]]; then
			exec {out}>&-
			return 0
		fi
	done
	exec {out}>&-
	fail "nested: no event $1"
}

nested_status() { # WORD
	nested_qmp '{"execute":"query-status"}' && [[ $REPLY == *"\"status\": \"$1\""* ]]
}
