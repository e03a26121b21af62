# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the VM tests of `explain` share: `load explain` after `load lib` and `load cmd`.

# What is set by these tests, or by a mend that they run, and outlives the driver.
knobs="D3COLD D3COLD_VIA PAIRCOLD0 PAIRCOLD1 SHARED0 SHARED1 D3HOT HOTCOLD PF"

idle_d3() { # 0|1: what disable_idle_d3 is to be
	local now=
	[ ! -d /sys/module/vfio_pci ] || get now /sys/module/vfio_pci/parameters/disable_idle_d3
	[ "$now" = "$([ "$1" = 0 ] && echo N || echo Y)" ] ||
		load_vfio disable_idle_d3="$1" enable_sriov=1
}

# The machine as each case expects it: no driver, no holder, all as at boot but for that ports
# may be told to go to D3cold by the case.
put_back() {
	local role port pid
	for pid in $(pgrep -x vfio-pm); do kill -9 "$pid"; done
	echo 0 2>/dev/null >"$pci/$PF/sriov_numvfs" || true
	if [ -d /sys/module/e1000e ]; then
		udevadm settle --timeout=30 || true
		modprobe -r e1000e
	fi
	for role in $ROLES; do
		[ ! -e "$pci/${!role}/driver" ] || unbind "${!role}" 2>/dev/null
		echo >"$pci/${!role}/driver_override"
	done
	for role in $knobs; do
		echo on >"$pci/${!role}/power/control"
		# The driver of the host sets it. Not each device can wake the system.
		echo disabled 2>/dev/null >"$pci/${!role}/power/wakeup" || true
		echo 1 >"$pci/${!role}/d3cold_allowed"
	done
	for port in "$D3COLD_VIA_UP" "$PAIRCOLD0_UP" "$HOTCOLD_UP"; do
		echo 0 >"$pci/$port/d3cold_allowed"
		echo auto >"$pci/$port/power/control"
	done
}

# Runs explain, as text in `output` and as JSON in the file $json.
explain() { # OPTION... ADDRESS
	vp explain "$@"
	json=${BATS_TEST_TMPDIR:-/run/tmp}/explain.json
	"$vfio_pm" explain -J "$@" >"$json" 2>/dev/null || true
}

# Rules that are in the way, in the order told, one line.
blockers() {
	jq -r '[.devices[].findings[] | select(.matters and .verdict == "blocks") | .rule] | join(" ")' "$json"
}

mends() { # those that are needed, as printed by the text
	sed -n '/^In this order:$/,/^[^ ]/ s/^  //p' <<<"$output"
}

# Runs the printed mends as printed, in the order given.
run_mends() {
	mends >"$BATS_TEST_TMPDIR/mends.sh"
	PATH=${vfio_pm%/*}:$PATH sh -ex "$BATS_TEST_TMPDIR/mends.sh" 2>&1 ||
		fail "a mend failed: $(cat "$BATS_TEST_TMPDIR/mends.sh")"
}

# Exit 6, and just these rules are in the way.
expect_blocked() { # RULE...
	local told
	expect_code 6
	told=$(blockers)
	[ "$told" = "$*" ] || fail "in the way: '$told' instead of '$*': $output"
}

# The rules are the only ones in the way, the sentence says so, and the mends work.
expect_and_mend() { # ADDRESS STATE RULE...
	local address=$1 state=$2
	shift 2
	explain --state="$state" "$address"
	expect_blocked "$@"
	run_mends
	wait_state "$address" suspended "$state"
	vp explain --state="$state" "$address"
	expect_code 0
}

on_e1000e() { # ADDRESS: on its driver of the host, alone: to probe each device takes its time
	local role
	for role in $ROLES; do
		[ -e "$pci/${!role}/driver" ] || echo none >"$pci/${!role}/driver_override"
	done
	modprobe e1000e
	bind_to e1000e "$1"
}
