#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# policy, owner, wait and monitor on mocked systems.

load fixture

vfio_pm=$BATS_TEST_DIRNAME/../../build/vfio-pm

setup() {
	fixture_new "$BATS_TEST_TMPDIR/root"
	fx_device 0000:01:00.0 driver=vfio-pci group=7 status=suspended state=D3cold enable=1
	fx_device 0000:02:00.0 driver=vfio-pci group=8 status=active state=D0 control=on d3cold_allowed=0
	fx_process 4711 comm=qemu-system-x86 uid=0 fd=/dev/vfio/7
}

on_fixture() { run "$vfio_pm" --sysroot="$FX" "$@"; }

@test "policy as a table and as JSON, with what is persisted and where it has drifted" {
	mkdir -p "$FX/etc/udev/rules.d"
	cat >"$FX/etc/udev/rules.d/90-vfio-pm.rules" <<-'RULES'
	# a comment
	ACTION=="bind", SUBSYSTEM=="pci", KERNEL=="0000:02:00.0", ATTR{vendor}=="0x8086", ATTR{device}=="0x10d3", ATTR{power/control}="auto", ATTR{d3cold_allowed}="0"
	RULES
	on_fixture policy 0000:01:00.0 0000:02:00.0
	[ "$status" = 0 ]
	[[ ${lines[0]} =~ ^DEVICE\ +CONTROL\ +D3COLD\ +STATUS\ +STATE\ +PERSISTED\ +DRIFT ]]
	[[ ${lines[1]} =~ ^0000:01:00.0\ +auto\ +allow\ +suspended\ +D3cold\ *$ ]]
	[[ ${lines[2]} =~ ^0000:02:00.0\ +on\ +deny\ +active\ +D0\ +auto,deny\ +control$ ]]
	on_fixture policy -J 0000:02:00.0
	[ "$(jq -c . <<<"$output")" = '{"devices":[{"address":"0000:02:00.0","control":"on","d3cold_allowed":false,"status":"active","state":"D0","persisted":{"control":"auto","d3cold_allowed":false},"drift":["control"]}]}' ]
}

@test "status tells what is persisted, and where the device has drifted from it" {
	on_fixture status 0000:02:00.0
	[[ $output != *persisted* ]]
	mkdir -p "$FX/etc/udev/rules.d"
	echo 'ACTION=="bind", SUBSYSTEM=="pci", KERNEL=="0000:02:00.0", ATTR{vendor}=="0x8086", ATTR{device}=="0x10d3", ATTR{power/control}="auto", ATTR{d3cold_allowed}="0"' \
		>"$FX/etc/udev/rules.d/90-vfio-pm.rules"
	on_fixture status 0000:02:00.0
	[ "$status" = 0 ]
	[[ $output == *"persisted "*"control auto: drifted, it isn't so now"* ]]
	[[ $output =~ persisted\ +D3cold\ not\ allowed$'\n' ]]
}

@test "a rule for another device at that address counts for nothing" {
	mkdir -p "$FX/etc/udev/rules.d"
	echo 'ACTION=="bind", SUBSYSTEM=="pci", KERNEL=="0000:02:00.0", ATTR{vendor}=="0x10de", ATTR{device}=="0x10d3", ATTR{power/control}="auto"' \
		>"$FX/etc/udev/rules.d/90-vfio-pm.rules"
	on_fixture policy -J 0000:02:00.0
	[ "$(jq -c '.devices[0].persisted' <<<"$output")" = null ]
}

@test "nothing is set, persisted or forgotten below another root" {
	for option in --control=on --cap=D3hot --persist --forget '--control=on --dry-run'; do
		# shellcheck disable=SC2086 # words
		on_fixture policy 0000:01:00.0 $option
		[ "$status" = 2 ]
		[[ $output == *"--sysroot is for reading"* ]]
	done
	[ ! -e "$FX/etc" ]
}

@test "wrong words" {
	for option in --control=off --d3cold=1 --cap=D2 '--persist --forget'; do
		# shellcheck disable=SC2086 # words
		on_fixture policy 0000:01:00.0 $option
		[ "$status" = 2 ]
	done
	on_fixture policy
	[ "$status" = 2 ]
	on_fixture policy 0000:09:00.0
	[ "$status" = 3 ]
	for arguments in '0000:01:00.0' '0000:01:00.0 --state=D1' '--state=D0' '0000:01:00.0 --state=D0 --for=x'; do
		# shellcheck disable=SC2086 # words
		on_fixture wait $arguments
		[ "$status" = 2 ]
	done
}

@test "owner as a table and as JSON; users and boot time are not this machine's" {
	on_fixture owner
	[ "$status" = 0 ]
	[[ ${lines[0]} =~ ^DEVICE\ +PID\ +COMMAND\ +USER\ +STARTED\ +VIA ]]
	[[ ${lines[1]} =~ ^0000:01:00.0\ +4711\ +qemu-system-x86\ +0\ +-\ +group$ ]]
	[ ${#lines[@]} = 2 ]
	on_fixture owner -J 0000:01:00.0 0000:02:00.0
	[ "$(jq -c '[.devices[] | {address, owner: [.owner[] | {pid, comm, uid, start_time, via}]}]' <<<"$output")" = \
		'[{"address":"0000:01:00.0","owner":[{"pid":4711,"comm":"qemu-system-x86","uid":0,"start_time":1000000,"via":"group"}]},{"address":"0000:02:00.0","owner":[]}]' ]
}

@test "an owner who can't be seen is said to be there" {
	fx_set 0000:02:00.0 enable 1
	on_fixture owner 0000:02:00.0
	[ "$status" = 0 ]
	[[ $output == *"'0000:02:00.0' is open, its owner isn't visible from here"* ]]
}

@test "wait: there already, not there, there after a while, kept for long enough" {
	on_fixture wait 0000:01:00.0 --state=D3hot --timeout=0
	[ "$status" = 0 ]
	[ -z "$output" ]
	on_fixture wait 0000:01:00.0 --state=D3hot
	[ "$status" = 0 ]
	[ -z "$output" ]
	on_fixture wait 0000:01:00.0 --state=active --timeout=200ms --interval=10ms
	[ "$status" = 6 ]
	# Said where it waits, with the interval.
	[[ ${lines[0]} == "vfio-pm: warning: "*"looking every 10 ms"* ]]
	[[ ${lines[1]} == "vfio-pm: hint: root gets them"* ]]
	[[ ${lines[2]} == "vfio-pm: cannot wait for '0000:01:00.0': not active within 200 ms, it is suspended/D3cold" ]]
	(sleep 0.5; fx_set 0000:01:00.0 power_state D0; fx_set 0000:01:00.0 power/runtime_status active) 3>&- &
	on_fixture wait 0000:01:00.0 --state=D0 --timeout=5 --interval=10ms
	[ "$status" = 0 ]
	on_fixture wait 0000:01:00.0 --state=D0 --for=300ms --timeout=5
	[ "$status" = 0 ]
	on_fixture wait 0000:01:00.0 --state=D0 --for=5 --timeout=100ms
	[ "$status" = 6 ]
	# Put into D3hot by its user: that isn't asleep.
	fx_set 0000:01:00.0 power_state D3hot
	on_fixture wait 0000:01:00.0 --state=D3hot --timeout=0
	[ "$status" = 6 ]
}

@test "monitor without trace events says how often it looks, and tells what it sees" {
	"$vfio_pm" --sysroot="$FX" monitor --interval=20ms --json-lines 0000:01:00.0 \
		>"$BATS_TEST_TMPDIR/log" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	pid=$!
	sleep 0.5
	fx_set 0000:01:00.0 power_state D0
	fx_set 0000:01:00.0 power/runtime_status active
	sleep 0.5
	kill -INT "$pid"
	wait "$pid"
	grep -q "looking every 20 ms" "$BATS_TEST_TMPDIR/err"
	[ "$(jq -c 'select(.event == "status" or .event == "state") | [.event, .status, .state, .pid]' "$BATS_TEST_TMPDIR/log" | sort)" = \
		"$(printf '%s\n' '["state",null,"D0",null]' '["status","active",null,null]')" ]
}

@test "output that can't be written is a failure" {
	run sh -c "'$vfio_pm' --sysroot='$FX' policy 0000:01:00.0 >/dev/full"
	[ "$status" = 1 ]
	run sh -c "'$vfio_pm' --sysroot='$FX' owner >/dev/full"
	[ "$status" = 1 ]
	run timeout 5 sh -c "'$vfio_pm' --sysroot='$FX' monitor 0000:01:00.0 >/dev/full"
	[ "$status" = 1 ]
}
