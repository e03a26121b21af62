#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.12 timeout=600 cost=120 group=lab
#
# explain: each thing that can be in the way, made for real, is told first and alone, and the mends
# work as printed; what sleeps is accused of nothing, and nothing is woken.

load lib
load cmd
load explain

setup() {
	mark "test $BATS_TEST_DESCRIPTION"
	clean
	load_vfio disable_idle_d3=0 enable_sriov=1
}

teardown() { clean; }

# Settings of a device outlive its driver, so each one is put back.
clean() {
	local role port pid
	[ -z "${user:-}" ] || kill "$user" 2>/dev/null || true
	for pid in $(pgrep -x vfio-pm); do kill -9 "$pid" 2>/dev/null || true; done
	echo 0 2>/dev/null >"$pci/$PF/sriov_numvfs" || true
	unbind_all 2>/dev/null || true
	[ ! -d /sys/module/e1000e ] || modprobe -r e1000e
	for port in "$D3COLD_VIA_UP" "$PAIRCOLD0_UP" "$HOTCOLD_UP"; do
		echo 0 >"$pci/$port/d3cold_allowed"
		echo auto >"$pci/$port/power/control"
	done
	for role in D3COLD D3COLD_VIA PAIRCOLD0 PAIRCOLD1 SHARED0 SHARED1; do
		echo 1 >"$pci/${!role}/d3cold_allowed"
	done
}

@test "what reaches its state is accused of nothing" {
	reach="D3COLD D3COLD2 D3COLD_PORT SHARED0 SHARED1 D3HOT D3HOT_PORT NVME PF PAIR0 PAIR1 HOTPLUG PAIRCOLD0 PAIRCOLD1"
	for role in $reach NOPM; do bind_vfio "${!role}"; done
	echo 1 >"$pci/$PAIRCOLD0_UP/d3cold_allowed"
	wait_state "$PAIRCOLD0" suspended D3cold
	for role in $reach; do
		explain "${!role}"
		expect_code 0
		[ -z "$(blockers)" ] || fail "$role: $output"
		[ "$(jq -r '.devices[0].outcome' "$json")" = reached ] || fail "$role: $output"
	done
	state_of "$D3COLD"; [ "$REPLY" = "suspended D3cold" ]
	# While it is on its way, too: nothing is in the way of a device that is awake for a moment.
	for ((i = 0; i < 5; i++)); do
		cfg_read "$D3COLD" 0.L >/dev/null
		explain "$D3COLD"
		expect_code 0
	done
	vp explain --all
	expect_code 6 # NOPM
	[ "$(grep -c 'not D3' <<<"$output")" = 1 ] || fail "$output"
}

@test "power/control is on" {
	bind_vfio "$D3COLD"
	echo on >"$pci/$D3COLD/power/control"
	expect_and_mend "$D3COLD" D3cold control
}

@test "d3cold_allowed is 0" {
	bind_vfio "$D3COLD"
	echo 0 >"$pci/$D3COLD/d3cold_allowed"
	wait_state "$D3COLD" suspended D3hot
	explain --state=D3hot "$D3COLD"
	expect_code 0
	expect_and_mend "$D3COLD" D3cold d3cold-allowed
}

@test "not on a VFIO driver" {
	explain "$D3COLD"
	expect_code 6
	[[ $(blockers) == driver* ]]
	# shellcheck disable=SC2046 # words
	expect_and_mend "$D3COLD" D3cold $(blockers)
}

@test "no power resource" {
	bind_vfio "$D3HOT"
	wait_state "$D3HOT" suspended D3hot
	explain --state=D3cold "$D3HOT"
	expect_code 6
	[ "$(blockers)" = power-resource ]
	explain "$D3HOT"
	expect_code 0
}

@test "no PM capability" {
	bind_vfio "$NOPM"
	wait_state "$NOPM" suspended D0
	explain "$NOPM"
	expect_code 6
	[ "$(blockers)" = pm-capability ]
	[[ $output == *"$NOPM stays in D0 as things are, not D3hot: no PM capability"* ]]
}

@test "the port may not go to D3cold" {
	bind_vfio "$D3COLD_VIA"
	wait_state "$D3COLD_VIA" suspended D3hot
	expect_and_mend "$D3COLD_VIA" D3cold bridge-d3cold
}

@test "a hotplug port" {
	echo 1 >"$pci/$HOTCOLD_UP/d3cold_allowed"
	bind_vfio "$HOTCOLD"
	wait_state "$HOTCOLD" suspended D3hot
	explain "$HOTCOLD"
	expect_code 6
	[ "$(blockers)" = hotplug ]
	[[ $(mends) == "# boot with pcie_ports=native"* ]] || fail "$output"
}

@test "a node with _EJ0" {
	bind_vfio "$EJECT"
	wait_state "$EJECT" suspended D3hot
	explain "$EJECT"
	expect_code 6
	[ "$(blockers)" = eject ]
	[[ $output == *"firmware_node/eject"* ]]
}

@test "a shared power resource is kept on by the other device" {
	bind_vfio "$SHARED0" "$SHARED1"
	wait_state "$SHARED0" suspended D3cold
	echo on >"$pci/$SHARED1/power/control"
	wait_state "$SHARED1" active D0
	explain "$SHARED0"
	expect_code 6
	[ "$(blockers)" = shared-resource ]
	[[ $output == *"shared with $SHARED1, which keeps it on"* ]]
	run_mends
	wait_state "$SHARED1" suspended D3cold
	explain "$SHARED0"
	expect_code 0
	get real "$pci/$SHARED0/firmware_node/real_power_state"
	[ "$real" = D3cold ]
}

@test "disable_idle_d3" {
	load_vfio disable_idle_d3=1
	bind_vfio "$D3COLD"
	expect_and_mend "$D3COLD" D3cold idle
	[[ $(mends) == "vfio-pm enter $D3COLD" ]] || true
}

@test "the group can't be opened" {
	load_vfio disable_idle_d3=1
	modprobe e1000e
	wait_for "$VM_PATIENCE" [ -e "$pci/$PAIR1/driver" ] || bind_to e1000e "$PAIR1"
	bind_vfio "$PAIR0"
	explain "$PAIR0"
	expect_code 6
	[ "$(blockers)" = "group idle" ] || fail "$output"
	[ "$(mends)" = "vfio-pm bind $PAIR1
vfio-pm enter $PAIR0" ] || fail "$output"
	run_mends
	wait_state "$PAIR0" suspended D3hot
}

# A process that has the device open; "d3hot" writes PCI_PM_CTRL as a guest would.
open_device() { # ADDRESS [d3hot]
	group_of "$1"
	python3 - "$REPLY" "$1" "${2:-}" 3>&- <<-'PY' &
	import fcntl, os, struct, sys, time
	container = os.open("/dev/vfio/vfio", os.O_RDWR)
	group = os.open("/dev/vfio/" + sys.argv[1], os.O_RDWR)
	fcntl.ioctl(group, 0x3b68, struct.pack("i", container))
	fcntl.ioctl(container, 0x3b66, 1)
	device = fcntl.ioctl(group, 0x3b6a, bytearray(sys.argv[2].encode() + b"\0"))
	if sys.argv[3] == "d3hot":
	    base = 7 << 40
	    cap = os.pread(device, 1, base + 0x34)[0]
	    while os.pread(device, 1, base + cap)[0] != 1:
	        cap = os.pread(device, 1, base + cap + 1)[0]
	    os.pwrite(device, struct.pack("<H", 3), base + cap + 4)
	time.sleep(600)
	PY
	user=$!
	wait_for "$VM_PATIENCE" grep -qx 1 "$pci/$1/enable"
}

@test "somebody has it open and has not entered low power" {
	bind_vfio "$D3COLD"
	open_device "$D3COLD"
	explain "$D3COLD"
	expect_code 6
	[ "$(blockers)" = owner ]
	[[ $output == *"python3 (pid $user) has it open and has not entered low power"* ]] || fail "$output"
	kill "$user"
	wait "$user" 2>/dev/null || true
	user=
	wait_state "$D3COLD" suspended D3cold
	explain "$D3COLD"
	expect_code 0
}

@test "its user has put it into D3hot, and nothing more happens" {
	bind_vfio "$D3COLD"
	open_device "$D3COLD" d3hot
	wait_state "$D3COLD" active D3hot
	explain "$D3COLD"
	expect_code 6
	[ "$(blockers)" = user-d3hot ]
	[[ $output == *"has put it into D3hot by PCI_PM_CTRL"* ]]
}

@test "two causes at once, mended as printed" {
	bind_vfio "$D3COLD"
	echo 0 >"$pci/$D3COLD/d3cold_allowed"
	echo on >"$pci/$D3COLD/power/control"
	expect_and_mend "$D3COLD" D3cold control d3cold-allowed
}

@test "looking wakes nothing" {
	bind_vfio "$D3COLD" "$D3COLD_PORT" "$PAIR0" "$PAIR1" "$SHARED0" "$SHARED1"
	wait_state "$D3COLD_PORT" suspended D3cold
	wait_state "$D3COLD" suspended D3cold
	watched=("$D3COLD" "$D3COLD_PORT" "$D3COLD_PORT_UP" "$PAIR0" "$PAIR1" "$PAIR0_UP" "$SHARED0")
	sleep 1
	rpm_trace_start "${watched[@]}"
	look() {
		"$vfio_pm" explain -v "$D3COLD" "$D3COLD_PORT" "$PAIR0" "$SHARED0" >/dev/null &&
			"$vfio_pm" explain -J --state=D3cold "$D3COLD_PORT" >/dev/null &&
			"$vfio_pm" explain --all >/dev/null
	}
	repeat "$(count 1000)" look
	"$vfio_pm" explain --watch=1 "$D3COLD" >/dev/null
	for address in "${watched[@]}"; do
		[ "$(rpm_count "$address")" = 0 ] || fail "$address: $(rpm_transitions)"
	done
	# The trace does see a wake.
	cfg_read "$D3COLD" 0.L >/dev/null
	[ "$(rpm_count "$D3COLD" resume)" = 1 ]
	rpm_trace_stop
}
