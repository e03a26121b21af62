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
