#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 timeout=900 cost=70 soak=6.12
#
# explain: each thing that can be in the way, made for real, is told first and alone, and the mend works
# as printed; what sleeps is accused of nothing.

load lib
load cmd
load explain

setup_file() { put_back; }

setup() {
	start_case
	idle_d3 0
}

teardown() {
	end_user
	put_back
}

states() { # sets `asleep` and `cold` to the addresses that are so
	local role
	asleep=() cold=()
	for role in $ROLES; do
		state_of "${!role}"
		case $REPLY in
		"suspended D3"*) asleep+=("${!role}") ;;&
		"suspended D3cold") cold+=("${!role}") ;;
		esac
	done
}

reached() { # OPTION... ADDRESS...: so is each device, and no rule is in the way
	vp explain -J "$@"
	expect_code 0
	jq -e 'all(.devices[]; .outcome == "reached" and
		([.findings[] | select(.matters and .verdict != "passes")] | length) == 0)' <<<"$output" >/dev/null ||
		fail "$output"
}

@test "what reaches its state is accused of nothing" {
	for role in $ROLES; do bind_vfio "${!role}"; done
	echo 1 >"$pci/$PAIRCOLD0_UP/d3cold_allowed"
	echo 1 >"$pci/$D3COLD_VIA_UP/d3cold_allowed"
	for role in D3COLD D3COLD2 D3COLD_PORT D3COLD_VIA SHARED0 SHARED1 PAIRCOLD0 PAIRCOLD1; do
		wait_state "${!role}" suspended D3cold
	done
	for role in D3HOT D3HOT_PORT NVME PF PAIR0 PAIR1 HOTPLUG EJECT HOTCOLD; do
		wait_state "${!role}" suspended D3hot
	done
	states
	reached --state=D3hot "${asleep[@]}"
	reached --state=D3cold "${cold[@]}"
	# The deepest that the platform offers is what they are in, but for two.
	deepest=()
	for address in "${asleep[@]}"; do
		[ "$address" = "$EJECT" ] || [ "$address" = "$HOTCOLD" ] || deepest+=("$address")
	done
	reached "${deepest[@]}"
	# While it is on its way, too: nothing is in the way of a device that is awake for a moment.
	for ((i = 0; i < 3; i++)); do
		cfg_read "$D3COLD" 0.L >/dev/null
		vp explain "$D3COLD"
		expect_code 0
		# Nor in the way of one beside which another is.
		cfg_read "$PAIRCOLD1" 0.L >/dev/null
		vp explain --state=D3cold "$PAIRCOLD0"
		expect_code 0
	done
	wait_state "$PAIRCOLD1" suspended D3cold
	vp explain --all
	expect_code 6
	[ "$(grep -c ' is in D3' <<<"$output")" = "${#deepest[@]}" ] || fail "$output"
}

@test "power/control is on" {
	bind_vfio "$D3COLD"
	echo on >"$pci/$D3COLD/power/control"
	# All that wait for it to sleep tell the same reason.
	for verb in "wait --state=D3cold --timeout=500ms" "enter --timeout=500ms" \
		"cycle --count=1 --timeout=500ms --state=D3cold"; do
		# shellcheck disable=SC2086 # words
		vp $verb "$D3COLD"
		[[ $code != 0 && $output == *"power/control is on, which keeps it awake"* ]] || fail "$verb: $output"
		[[ $output == *"echo auto > /sys/bus/pci/devices/$D3COLD/power/control"* ]] || fail "$verb: $output"
		[ "${verb%% *}" != enter ] || vp exit "$D3COLD"
	done
	expect_and_mend "$D3COLD" D3cold control
}

@test "d3cold_allowed is 0" {
	bind_vfio "$D3COLD"
	echo 0 >"$pci/$D3COLD/d3cold_allowed"
	wait_state "$D3COLD" suspended D3hot
	vp explain --state=D3hot "$D3COLD"
	expect_code 0
	expect_and_mend "$D3COLD" D3cold d3cold-allowed
}

@test "not on a VFIO driver" {
	# It has no driver and control is on, as each device at boot; the mend of the one mends both.
	expect_and_mend "$D3COLD" D3cold driver control
	unbind "$D3COLD"
	echo auto >"$pci/$D3COLD/power/control"
	expect_and_mend "$D3COLD" D3cold driver
}

@test "what no command mends: power resource, PM capability, _EJ0, hotplug" {
	echo 1 >"$pci/$HOTCOLD_UP/d3cold_allowed"
	bind_vfio "$D3HOT" "$NOPM" "$EJECT" "$HOTCOLD"
	wait_state "$D3HOT" suspended D3hot
	wait_state "$NOPM" suspended D0
	wait_state "$EJECT" suspended D3hot
	wait_state "$HOTCOLD" suspended D3hot
	explain --state=D3cold "$D3HOT"
	expect_blocked power-resource
	vp explain "$D3HOT"
	expect_code 0
	explain "$NOPM"
	expect_blocked pm-capability
	[[ $output == *"$NOPM stays in D0 as things are, not D3hot: no PM capability"* ]] || fail "$output"
	explain "$EJECT"
	expect_blocked eject
	[[ $output == *"firmware_node/eject"* ]] || fail "$output"
	explain "$HOTCOLD"
	expect_blocked hotplug
	# That the second works is shown by explain-native.bats; where QEMU handles hotplug by ACPI, only the first.
	[[ $(mends) == "# turn hotplug of this slot off in the firmware, or else boot with pcie_ports=native" ]] ||
		fail "$output"
}

@test "the port may not go to D3cold; it is kept on" {
	bind_vfio "$D3COLD_VIA"
	wait_state "$D3COLD_VIA" suspended D3hot
	expect_and_mend "$D3COLD_VIA" D3cold bridge-d3cold
	echo on >"$pci/$D3COLD_VIA_UP/power/control"
	wait_state "$D3COLD_VIA" suspended D3hot
	expect_and_mend "$D3COLD_VIA" D3cold bridge-control
}

@test "a sibling that no driver has is awake" {
	echo 1 >"$pci/$PAIRCOLD0_UP/d3cold_allowed"
	bind_vfio "$PAIRCOLD0"
	expect_and_mend "$PAIRCOLD0" D3cold sibling
	[[ $(mends) == "" ]]
	is_state "$PAIRCOLD1" suspended D3cold
}

@test "a sibling may not go to D3cold" {
	echo 1 >"$pci/$PAIRCOLD0_UP/d3cold_allowed"
	bind_vfio "$PAIRCOLD0" "$PAIRCOLD1"
	wait_state "$PAIRCOLD0" suspended D3cold
	echo 0 >"$pci/$PAIRCOLD1/d3cold_allowed"
	wait_state "$PAIRCOLD0" suspended D3hot
	expect_and_mend "$PAIRCOLD0" D3cold sibling-d3cold
}

@test "a sibling on a driver of the host is awake; it is to wake the system and can't from D3cold" {
	echo 1 >"$pci/$PAIRCOLD0_UP/d3cold_allowed"
	bind_vfio "$PAIRCOLD0"
	on_e1000e "$PAIRCOLD1"
	echo disabled >"$pci/$PAIRCOLD1/power/wakeup"
	echo on >"$pci/$PAIRCOLD1/power/control"
	explain --state=D3cold "$PAIRCOLD0"
	[[ $output == *"(driver e1000e, control on, usage "* ]] || fail "$output"
	expect_and_mend "$PAIRCOLD0" D3cold sibling
	echo enabled >"$pci/$PAIRCOLD1/power/wakeup"
	# The port asks what is below it when this is written.
	echo 1 >"$pci/$PAIRCOLD1/d3cold_allowed"
	wait_state "$PAIRCOLD0" suspended D3hot
	expect_and_mend "$PAIRCOLD0" D3cold sibling-wakeup
}

@test "it is to wake the system itself and can't from D3cold" {
	echo 1 >"$pci/$PAIRCOLD0_UP/d3cold_allowed"
	on_e1000e "$PAIRCOLD0"
	bind_vfio "$PAIRCOLD0" "$PAIRCOLD1"
	echo enabled >"$pci/$PAIRCOLD0/power/wakeup"
	echo 1 >"$pci/$PAIRCOLD0/d3cold_allowed"
	wait_state "$PAIRCOLD0" suspended D3hot
	expect_and_mend "$PAIRCOLD0" D3cold wakeup
}

@test "a shared power resource is kept on by the other device" {
	bind_vfio "$SHARED0" "$SHARED1"
	wait_state "$SHARED0" suspended D3cold
	echo on >"$pci/$SHARED1/power/control"
	wait_state "$SHARED1" active D0
	explain "$SHARED0"
	expect_blocked shared-resource
	[[ $output == *"shared with $SHARED1, which keeps it on"* ]] || fail "$output"
	run_mends
	wait_state "$SHARED1" suspended D3cold
	vp explain "$SHARED0"
	expect_code 0
	get real "$pci/$SHARED0/firmware_node/real_power_state"
	[ "$real" = D3cold ]
}

@test "virtual functions are enabled" {
	bind_vfio "$PF"
	echo 1 >"$pci/$PF/sriov_numvfs"
	wait_for "$VM_PATIENCE" [ -e "$pci/$PF/virtfn0" ]
	expect_and_mend "$PF" D3hot sriov
}

@test "it is a virtual function itself" {
	local vf
	bind_vfio "$PF"
	echo 1 >"$pci/$PF/sriov_numvfs"
	wait_for "$VM_PATIENCE" [ -e "$pci/$PF/virtfn0" ]
	vf=$(readlink -f "$pci/$PF/virtfn0")
	vf=${vf##*/}
	bind_vfio "$vf"
	# QEMU's have a PM capability.
	wait_state "$vf" suspended D3hot
	echo on >"$pci/$vf/power/control"
	expect_and_mend "$vf" D3hot control
}

@test "disable_idle_d3" {
	idle_d3 1
	bind_vfio "$D3COLD"
	explain --state=D3cold "$D3COLD"
	[ "$(mends)" = "vfio-pm enter $D3COLD" ] || fail "$output"
	expect_and_mend "$D3COLD" D3cold idle
}

@test "--all waits for what passes once, not for each device" {
	idle_d3 1
	# Each is held, as one is while it is accessed: that is looked at for some milliseconds.
	bind_vfio "$D3COLD" "$D3COLD2" "$SHARED0" "$SHARED1" "$D3HOT" "$NVME" "$D3HOT_PORT" "$D3COLD_VIA"
	output=$(strace -qq -e trace=clock_nanosleep -o "$BATS_TEST_TMPDIR/waits" "$vfio_pm" explain --all) || true
	[[ $output == *"8 devices on a VFIO driver, 8 kept "* ]] || fail "$output"
	[ "$(grep -c nanosleep "$BATS_TEST_TMPDIR/waits")" -le 8 ] || fail "$(cat "$BATS_TEST_TMPDIR/waits")"
}

@test "the group can't be opened" {
	idle_d3 1
	on_e1000e "$PAIR1"
	bind_vfio "$PAIR0"
	explain "$PAIR0"
	expect_blocked group idle
	[ "$(mends)" = "vfio-pm bind $PAIR1
vfio-pm enter $PAIR0" ] || fail "$output"
	run_mends
	wait_state "$PAIR0" suspended D3hot
}

@test "somebody has it open and has not entered low power; has put it into D3hot" {
	bind_vfio "$D3COLD"
	start_user "$D3COLD"
	explain "$D3COLD"
	expect_blocked owner
	[[ $output == *"user (pid $user_pid) has it open and has not entered low power"* ]] || fail "$output"
	[[ $(mends) == "# let the user of $D3COLD enter low power, suspend it"* ]] || fail "$output"
	end_user
	wait_state "$D3COLD" suspended D3cold
	vp explain "$D3COLD"
	expect_code 0
	start_user "$D3COLD" d3hot
	wait_state "$D3COLD" active D3hot
	explain "$D3COLD"
	[[ $output == *"user (pid $user_pid) has put it into D3hot by PCI_PM_CTRL"* ]] || fail "$output"
	if [[ $(dev KIND_D3COLD) == nvme* ]]; then
		# No_Soft_Reset, which explain can't see without a look at the config space: the mend asks for
		# a consent that only the administrator has, and says so.
		expect_blocked user-d3hot
		[[ $(mends) == "vfio-pm enter --borrow $D3COLD"$'\n'"# with --state-loss-ok "* ]] || fail "$output"
		vp enter --borrow "$D3COLD"
		expect_code 4
		[[ $output == *"hint: --state-loss-ok"* ]] || fail "$output"
		vp enter --borrow --state-loss-ok "$D3COLD"
		expect_code 0
		wait_state "$D3COLD" suspended D3cold
		vp explain --state=D3cold "$D3COLD"
		expect_code 0
	else
		expect_and_mend "$D3COLD" D3cold user-d3hot
	fi
}
