# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A listener and the guest that it serves, for the cases of tests/vm/guest.bats: `load guest_listen` after `load guest_pm`.

setup() {
	start_case
	[ -d /sys/module/vfio_pci ] || load_vfio disable_idle_d3=1
	vmm='' listener='' monitor_pid='' LISTEN_WITH=() squatters=()
	socket=$BATS_TEST_TMPDIR/socket
	listen_log=$BATS_TEST_TMPDIR/listen.log
	: >"$listen_log"
}

teardown() {
	tail -n 20 "$listen_log"
	[ -z "$listener" ] || kill -KILL "$listener" 2>/dev/null || true
	[ -z "$monitor_pid" ] || kill "$monitor_pid" 2>/dev/null || true
	[ ${#squatters[@]} = 0 ] || kill "${squatters[@]}" 2>/dev/null || true
	vmm_stop
	pkill -KILL -x vfio-pm || true
	unbind_all
}

# The guest has the first behind a port and the second on the root complex.
guest_start() { # ROLE...
	vmm_start "$@"
	vmm "listen $socket"
}

listen_start() { # ARGUMENT...: for D3COLD_PORT and D3COLD
	"${LISTEN_WITH[@]}" "$vfio_pm" guest-listen --socket="$socket" --device=02.4/00.0="$D3COLD_PORT" --device=11.0="$D3COLD" "$@" \
		>>"$listen_log" 2>&1 3>&- 9>&- &
	listener=$!
}

listen_stop() { # [SIGNAL]
	kill "-${1:-TERM}" "$listener"
	wait "$listener" || [ "${1:-TERM}" = KILL ]
	listener=
}

# A guest with two devices, and a listener without limits.
serve_guest() {
	bind_vfio "$D3COLD_PORT" "$D3COLD"
	guest_start D3COLD_PORT D3COLD
	listen_start --rate=0 --dwell=0
	connected
}

listen_said() { grep -q -- "$1" "$listen_log"; } # REGEX

wait_listen() { # REGEX
	wait_for "$VM_PATIENCE" listen_said "$1" || fail "not said: $1; but: $(<"$listen_log")"
}

# The Nth connection. As at a guest's boot an ON comes first, whose prompt answer says that OFF may take its time.
connected() { # [N]
	wait_for "$VM_PATIENCE" said_times "connected to 'guest_pm' (pid $vmm)" "${1:-1}" || fail "$(<"$listen_log")"
	vmm on 0
}

said_times() { [ "$(grep -c -- "$1" "$listen_log")" -ge "$2" ]; } # REGEX N

# A listener that has nothing to do does nothing.
is_idle() { # SECONDS
	local before after
	before=$(grep -h ctxt_switches "/proc/$listener/status"; cut -d' ' -f14-15 "/proc/$listener/stat")
	sleep "$1"
	after=$(grep -h ctxt_switches "/proc/$listener/status"; cut -d' ' -f14-15 "/proc/$listener/stat")
	[ "$before" = "$after" ] || fail "idle, but: $before, then $after"
}

# What was refused isn't tried again for a moment.
until_off() { # DEVICE
	local i
	for ((i = 0; i < 60; i++)); do
		vmm off "$1"
		[[ $REPLY != "done "* ]] || return 0
		sleep 0.1
	done
	fail "$REPLY"
}
