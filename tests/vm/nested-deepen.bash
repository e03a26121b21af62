# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What nested-deepen*.bats share: two devices in one guest, $role0 (in slot 10, e1000e wherever the
# topology has one with power of its own) and $role1 (11); PM_DRIVER says whose driver the host has.

subjects() { # sets role0, role1, device0, device1, loss
	local role
	role0='' role1=''
	for role in D3COLD D3COLD2 D3COLD_PORT; do
		if [ -z "$role0" ] && [ "$(dev "KIND_$role")" = e1000e ]; then role0=$role; else role1=$role; fi
	done
	: "${role0:=D3COLD}"
	[ "$role0" != "$role1" ] || role1=D3COLD2
	device0=${!role0} device1=${!role1}
	loss=("--state-loss-ok=$device0" "--state-loss-ok=$device1")
}

deep() { # [SECONDS]: both
	wait_state "$device0" suspended D3cold "${1:-20}"
	wait_state "$device1" suspended D3cold "${1:-20}"
}

awake() {
	is_state "$device0" active D0 || fail "$device0: $REPLY"
	is_state "$device1" active D0 || fail "$device1: $REPLY"
}

# How the service is started: it needs no dwell where the driver does the work.
serve() { # ARGUMENT...
	deepen_start --dwell=300ms --rate=0 --retry=500ms "${loss[@]}" "$@" "$device0" "$device1"
	wait_said "$device1: watched"
	[ "$PM_DRIVER" = vfio-pci ] || said "the driver deepens by itself"
}

take() { # the devices, on the driver under test
	if [ "$PM_DRIVER" = vfio-pci ]; then
		load_vfio disable_idle_d3=1
	else
		load_driver vfio-pm-pci disable_idle_d3=1
	fi
	bind_to "$PM_DRIVER" "$device0" "$device1"
}

sleep_round() {
	nested 'kick suspend 10; kick suspend 11'
	deep
	nested 'kick resume 10 && kick resume 11 && works 10 && works 11'
	awake
	nested_alive
}

# Nothing is engaged and nobody is stopped once the owner has gone. The first thread of QEMU ends before those
# that close the devices, and a listener wakes them before that.
let_go() { # after QEMU has ended
	local device
	wait_for 20 nested_gone || return
	for device in "$device0" "$device1"; do
		wait_for 20 is_closed "$device" || fail "$device is still open" || return
		wait_state "$device" active D0 || return
	done
}

# Kills the service SPIN turns of a loop after it has stopped the owner, or the entry has begun to suspend
# DEVICE; when that isn't seen in half a minute, too, and fails. There is one processor: it is seen only where
# they sleep, and who looks without a pause takes it from the guest, which then hardly ever suspends.
kill_stopping() { # SERVICE OWNER SPIN [DEVICE]
	local - line status=suspending turn end=$((SECONDS + 30)) hit=1
	set +x
	while [ "$hit" = 1 ] && [ "$SECONDS" -lt "$end" ]; do
		[ -z "${4:-}" ] || read -r status <"$pci/$4/power/runtime_status"
		read -r line <"/proc/$2/stat"
		[ "$status" != suspending ] || [[ $line != *") T "* ]] || hit=0
		[ "$hit" = 0 ] || rest 0.001
	done
	for ((turn = 0; turn < $3; turn++)); do :; done
	kill -KILL "$1"
	return "$hit"
}
