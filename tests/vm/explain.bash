# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the VM tests of `explain` share: `load explain` after `load lib` and `load cmd`.

# Runs explain, as text in `output` and as JSON in the file $json.
explain() { # OPTION... ADDRESS
	vp explain "$@"
	json=${BATS_TEST_TMPDIR:-/run/tmp}/explain.json
	"$vfio_pm" explain -J "$@" >"$json" 2>/dev/null || true
}

# Rules that are in the way, in the order told, one line.
blockers() {
	jq -r '[.devices[0].findings[] | select(.matters and .verdict == "blocks") | .rule] | join(" ")' "$json"
}

mends() { # those that are commands, as printed by the text
	sed -n '/^In this order:$/,$ s/^  //p' <<<"$output"
}

# Runs the printed mends as printed, in the order given.
run_mends() {
	mends >"$BATS_TEST_TMPDIR/mends.sh"
	PATH=${vfio_pm%/*}:$PATH sh -ex "$BATS_TEST_TMPDIR/mends.sh" 2>&1 ||
		fail "a mend failed: $(cat "$BATS_TEST_TMPDIR/mends.sh")"
}

# The rules are the only ones in the way, the sentence says so, and the mends work.
expect_and_mend() { # ADDRESS STATE RULE...
	local address=$1 state=$2
	shift 2
	explain --state="$state" "$address"
	expect_code 6
	[ "$(blockers)" = "$*" ] || fail "in the way: '$(blockers)' instead of '$*': $output"
	run_mends
	wait_state "$address" suspended "$state"
	explain --state="$state" "$address"
	expect_code 0
	[ -z "$(blockers)" ]
}
