# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Running the command in a VM test: `load cmd` after `load lib`.

vfio_pm=$(cd "${BATS_TEST_DIRNAME:-${BASH_SOURCE[0]%/*}}/../../build" && pwd)/vfio-pm

# Sets `code` and `output` (both streams). Unlike bats' run it costs one fork.
vp() {
	code=0
	output=$(timeout 120 "$vfio_pm" "$@" 2>&1) || code=$?
}

expect_code() {
	[ "$code" = "$1" ] || fail "exit $code instead of $1: $output"
}

# Another program that has the device open (tests/vm/user.c); it ends with its input.
start_user() { # ADDRESS [HOW]: sets user_pid
	local line=
	mkfifo "$BATS_TEST_TMPDIR/in"
	"${vfio_pm%/*}/tests/vm/user" "$@" <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	user_pid=$!
	exec 9>"$BATS_TEST_TMPDIR/in"
	wait_for 20 grep -q . "$BATS_TEST_TMPDIR/out"
	read -r line <"$BATS_TEST_TMPDIR/out"
	[ "$line" = ready ] || fail "user $*: $line"
}

end_user() {
	[ -n "${user_pid:-}" ] || return 0
	exec 9>&-
	wait "$user_pid"
	user_pid=
	rm -f "$BATS_TEST_TMPDIR/in"
}

quiet() { "$vfio_pm" "$@" >/dev/null; }

# COMMAND ARGUMENT... ADDRESS... does nothing to the devices, nor to the ports above them. The first is in
# D3cold and has no port, and a read of its config space ends that (D3hot is left as it is).
never_wakes() { # ADDRESS... -- COMMAND [ARGUMENT]...
	local address devices=() watched
	while [ "$1" != -- ]; do devices+=("$1"); shift; done
	shift
	watched=("${devices[@]}")
	for address in "${devices[@]}"; do
		mapfile -t -O ${#watched[@]} watched < <(upstream_ports "$address")
	done
	# A port follows its last child by autosuspend: that is none of ours.
	for address in "${watched[@]:${#devices[@]}}"; do
		wait_for "$VM_PATIENCE" port_is_done "$address" || fail "port $address: $REPLY"
	done
	rpm_trace_start "${watched[@]}"
	"$@" "${devices[@]}"
	# The trace does count: the last look is one that wakes.
	cfg_read "${devices[0]}" 0x0.L >/dev/null
	wait_for "$VM_PATIENCE" woken "${devices[0]}"
	rpm_trace_stop
	rpm_transitions
	[ "$(rpm_count "${devices[0]}" resume)" = 1 ] || fail "${devices[0]}: woken"
	for address in "${watched[@]:1}"; do
		[ "$(rpm_count "$address")" = 0 ] || fail "$address: transitions"
	done
}

# Suspended, or not to be: QEMU's ports may be kept in D0 (control on).
port_is_done() {
	state_of "$1"
	[[ $REPLY == "suspended "* || $(<"$pci/$1/power/control") == on ]]
}

woken() { [ "$(rpm_count "$1" resume)" != 0 ]; }

no_holder() { ! pgrep -x vfio-pm >/dev/null; }

# The deepest state that a role's power resources allow.
deepest() { # ROLE
	# Linux ignores the power resources of a node with _EJ0.
	[ "$1" != EJECT ] || { echo D3hot; return; }
	case $(dev "POWER_$1") in
	own | shared) echo D3cold ;;
	# A port without PM capability, as QEMU's, starts with d3cold_allowed 0 (drivers/pci/pci.c).
	*) echo D3hot ;;
	esac
}
