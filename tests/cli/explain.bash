# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the tests of explain share: `load explain` after `load fixture`.

dev=0000:01:00.0
port=0000:00:1c.0

setup() {
	vfio_pm=$BATS_TEST_DIRNAME/../../build/vfio-pm
	unset SSH_CONNECTION
	fixture_new "$BATS_TEST_TMPDIR/root"
}

explain() {
	asked=("$@")
	code=0
	output=$(timeout 20 "$vfio_pm" --sysroot="$FX" explain "$@" 2>&1) || code=$?
}

json() { # FILTER
	timeout 20 "$vfio_pm" --sysroot="$FX" explain -J "${asked[@]}" 2>/dev/null | jq -r "$1"
}

# Sets blocks and unknown to the rules that matter, in order; of whatever is said to be in the way or
# unknown there has to be evidence, and a mend or the reason why it is unknown.
rules() {
	local bare
	IFS='|' read -r blocks unknown bare < <(json 'def rules(v): [.devices[0].findings[] |
		select(.matters and .verdict == v) | .rule] | join(" ");
		rules("blocks") + "|" + rules("unknown") + "|" + ([.devices[].findings[] |
		select(.verdict != "passes" and ((.evidence | length) == 0 or
			(if .verdict == "blocks" then (.mends | length) == 0 else .reason == null end))) |
		.rule] | join(" "))')
	[ -z "$bare" ] || { echo "without evidence, mend or reason: $bare"; return 1; }
}

expect() { # CODE BLOCKING [UNKNOWN]: exit code, rules in the way, rules that couldn't be measured
	rules || return
	if [ "$code" != "$1" ] || [ "$blocks" != "$2" ] || [ "$unknown" != "${3:-}" ]; then
		echo "exit $code, in the way: '$blocks', unknown: '$unknown'"
		echo "$output"
		return 1
	fi
}

first() { # RULE: it is told first
	rules || return
	[ "${blocks%% *}" = "$1" ] || { echo "in the way: '$blocks'"; echo "$output"; return 1; }
}

says() {
	[[ $output == *"$1"* ]] || { echo "not said: $1"; echo "$output"; return 1; }
}

# An attribute that answers with an error, as a report of another machine has it.
fx_error() { # ADDR FILE ERROR
	fx_path "$1"
	fx_symlink "error:$3" "$FX/$FX_RET/$2"
}

# A device behind a port whose ACPI node can cut the power: asleep in D3hot, the port awake.
cold_port() { # [KEY=VALUE...] for the port
	fx_bridge $port acpi='\_SB_.PCI0.RP05' resources=LNXPOWER:00 "$@"
}

cold_device() {
	fx_device $dev parent=$port driver=vfio-pci group=7 "$@"
}
