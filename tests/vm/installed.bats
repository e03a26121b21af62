#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 modparam="disable_idle_d3=1" timeout=600 cost=60 soak=6.12
#
# What `make install` leaves: programs that use the library build and work, and completion at a real
# prompt wakes nothing. The man pages' examples are in examples.bats.

bats_require_minimum_version 1.5.0
load lib
load installed

setup() { start_case; }
teardown() { unbind_all; }

@test "the example VMM enters low power on its own descriptor and hears the wakeup" {
	install_here
	make -s -C "$VM_ROOT/examples" OUT="$BATS_TEST_TMPDIR"
	load_vfio disable_idle_d3=1
	bind_vfio "$D3COLD"
	"$BATS_TEST_TMPDIR/vmm" "$D3COLD" >"$BATS_TEST_TMPDIR/out"
	cat "$BATS_TEST_TMPDIR/out"
	get vendor "$pci/$D3COLD/vendor"
	diff "$BATS_TEST_TMPDIR/out" - <<-END
		paused: suspended, D3cold
		guest reads: vendor ${vendor#0x}
		wakeup: signalled
		running: active, D0
		END
	is_state "$D3COLD" active D0
}

@test "the example watcher sees a device fall asleep and wake" {
	install_here
	make -s -C "$VM_ROOT/examples" OUT="$BATS_TEST_TMPDIR"
	load_vfio disable_idle_d3=1
	bind_vfio "$D3COLD"
	"$BATS_TEST_TMPDIR/watcher" 60 >"$BATS_TEST_TMPDIR/out" 3>&- &
	watcher=$!
	wait_for "$VM_PATIENCE" grep -q "^$D3COLD unknown -> D0, active" "$BATS_TEST_TMPDIR/out"
	vfio-pm enter "$D3COLD"
	wait_for "$VM_PATIENCE" grep -q "^$D3COLD D0 -> D3cold, suspended" "$BATS_TEST_TMPDIR/out"
	vfio-pm exit "$D3COLD"
	wait_for "$VM_PATIENCE" grep -q "^$D3COLD D3cold -> D0, active" "$BATS_TEST_TMPDIR/out"
	kill "$watcher"
}

@test "completion offers the addresses that fit, starts no process, opens no config, wakes nothing" {
	install_here
	load_vfio disable_idle_d3=0
	bind_vfio "$D3COLD"
	wait_state "$D3COLD" suspended D3cold
	gcc -o "$BATS_TEST_TMPDIR/pty" "$VM_ROOT/tests/checks/pty.c" -lutil
	cat >"$BATS_TEST_TMPDIR/rc" <<-'END'
		PS1=@@ready@@
		HISTFILE=
		. /usr/local/share/bash-completion/completions/vfio-pm
		show() { printf '\n@@%s@@\n' "$READLINE_LINE"; }
		bind -x '"\C-x\C-r": show'
		bind 'set bell-style none'
		[[ -e /completion-test-starts-here ]]
		END
	mapfile -t ports < <(upstream_ports "$D3COLD")
	rpm_trace_start "$D3COLD" "${ports[@]}"
	strace -f -qq -o "$BATS_TEST_TMPDIR/strace" -e trace=process,%file \
		"$BATS_TEST_TMPDIR/pty" bash --noprofile --rcfile "$BATS_TEST_TMPDIR/rc" -i \
		>"$BATS_TEST_TMPDIR/out" <<-END
			vfio-pm enter ${D3COLD%.*}.\t
			vfio-pm enter \e*
			vfio-pm bind ${D3COLD}\t
			vfio-pm status ${D3COLD}\t
			END
	rpm_trace_stop
	cat "$BATS_TEST_TMPDIR/out"
	diff "$BATS_TEST_TMPDIR/out" - <<-END
		vfio-pm enter $D3COLD 
		vfio-pm enter $D3COLD 
		vfio-pm bind $D3COLD
		vfio-pm status $D3COLD 
		END
	sed -n '/completion-test-starts-here/,$p' "$BATS_TEST_TMPDIR/strace" >"$BATS_TEST_TMPDIR/after"
	[ -s "$BATS_TEST_TMPDIR/after" ]
	run -1 grep -E '(clone|clone3|fork|vfork|execve)\(' "$BATS_TEST_TMPDIR/after"
	run -1 grep -E '"[^"]*/(config|vpd|[a-z]*_link_[a-z]*)"' "$BATS_TEST_TMPDIR/after"
	for device in "$D3COLD" "${ports[@]}"; do
		[ "$(rpm_count "$device")" = 0 ]
	done
	is_state "$D3COLD" suspended D3cold
}
