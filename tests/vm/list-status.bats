#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12,debug drivers=vfio-pci,vfio-pm-pci timeout=900 cost=90 soak=6.12
#
# Looking changes nothing, and what is told is true.

load lib
load cmd

setup() { start_case; }

teardown() {
	end_user
	pkill -KILL -x vfio-pm || true
	unbind_all
}

json() { # ADDRESS FILTER: of the device's object
	"$vfio_pm" list -J -o all "$1" | jq -c ".devices[0]|$2"
}

looks() { # COUNT ADDRESS...
	local n=$1
	shift
	repeat "$n" quiet status "$@"
	repeat "$n" quiet list
	repeat "$(((n + 9) / 10))" quiet status -J "$@"
	repeat "$(((n + 9) / 10))" quiet list -a -J -o all
}

look_at() { # COUNT ADDRESS...: all ways to look at devices, COUNT times each
	never_wakes "${@:2}" -- looks "$1"
}

@test "1,000 looks at devices that nobody has open: no transition, of them nor their ports" {
	load_vfio disable_idle_d3=0
	bind_vfio "$D3COLD" "$D3COLD_PORT" "$D3HOT_PORT" "$NVME"
	wait_state "$D3COLD" suspended D3cold
	wait_state "$D3COLD_PORT" suspended D3cold
	wait_state "$NVME" suspended D3hot
	look_at "$(count 1000)" "$D3COLD" "$D3COLD_PORT" "$D3HOT_PORT" "$NVME"
}

@test "1,000 looks at a device that a holder keeps asleep: no transition" {
	load_vfio disable_idle_d3=1
	bind_vfio "$D3HOT_PORT" "$D3COLD"
	vp enter "$D3COLD" "$D3HOT_PORT"
	expect_code 0
	look_at "$(count 1000)" "$D3COLD" "$D3HOT_PORT"
	vp exit "$D3COLD" "$D3HOT_PORT"
	expect_code 0
}

@test "what is told of devices that sleep, can't sleep, and stay awake" {
	load_vfio disable_idle_d3=0
	bind_vfio "$D3COLD" "$NOPM"
	wait_state "$D3COLD" suspended D3cold
	wait_state "$NOPM" suspended D0
	[ "$(json "$D3COLD" '[.asleep,.state,.status,.owner,.vfio]')" = '[true,"D3cold","suspended",[],true]' ]
	[ "$(json "$NOPM" '[.asleep,.state,.status]')" = '[false,"D0","suspended"]' ]
	[ "$(json "$D3COLD" '.resources|length')" = 1 ]
	vp status "$D3COLD"
	[[ $output == *"asleep      yes: suspended, in D3cold"* ]] || fail "$output"
	[[ $output == *"unopened    may sleep (idle runtime PM)"* ]] || fail "$output"
	vp status "$NOPM"
	[[ $output == *"asleep      no: suspended by runtime PM, but in D0: no PM capability"* ]] || fail "$output"
	unbind "$D3COLD" "$NOPM"
	load_vfio disable_idle_d3=1
	bind_vfio "$D3COLD"
	vp status "$D3COLD"
	[[ $output == *"asleep      no: active, in D0"* ]] || fail "$output"
	[[ $output == *"unopened    kept in D0 (disable_idle_d3)"* ]] || fail "$output"
	vp list --asleep
	[ "$output" = "" ]
	[ "$("$vfio_pm" list -n -r -o address --awake)" = "$D3COLD" ]
}

@test "since when it sleeps: not longer than its owner has it open" {
	load_vfio disable_idle_d3=0
	bind_vfio "$D3COLD"
	# Five seconds of sleep that the owner's open ends.
	wait_state "$D3COLD" suspended D3cold
	sleep 5
	vp enter "$D3COLD"
	expect_code 0
	[ "$(json "$D3COLD" '.since >= 0 and .since < .suspended_time - 2000')" = true ] ||
		fail "$(json "$D3COLD" '[.since, .suspended_time]')"
	vp status "$D3COLD"
	[[ $output =~ since\ +at\ most ]] || fail "$output"
	vp exit "$D3COLD"
	expect_code 0
}

@test "put into D3hot by its user through PCI_PM_CTRL: active in D3hot, not asleep" {
	load_vfio disable_idle_d3=1
	bind_vfio "$D3HOT"
	start_user "$D3HOT" d3hot
	# Kept awake by the host, too: its state is no less D3hot for that.
	echo on >"$pci/$D3HOT/power/control"
	is_state "$D3HOT" active D3hot || fail "$REPLY"
	vp status "$D3HOT"
	[[ $output == *"asleep      no: its user put it into D3hot by PCI_PM_CTRL, runtime PM is active"* ]] || fail "$output"
	[ "$(json "$D3HOT" '[.asleep,.state,.status,.control]')" = '[false,"D3hot","active","on"]' ]
	end_user
}

@test "the owner: of the device that is open, not of the other one in its group" {
	load_vfio disable_idle_d3=1
	bind_vfio "$PAIR0" "$PAIR1"
	start_user "$PAIR1"
	[ "$(json "$PAIR1" '[.owner[]|.pid,.comm,.uid]')" = "[$user_pid,\"user\",0]" ]
	[ "$(json "$PAIR0" .owner)" = '[]' ]
	[ "$("$vfio_pm" list -n -r -o address --owner=user)" = "$PAIR1" ]
	end_user
	[ "$(json "$PAIR1" .owner)" = '[]' ]
}

@test "the owner who closed every descriptor and kept a mapping" {
	load_vfio disable_idle_d3=1
	bind_vfio "$D3HOT" "$D3COLD"
	start_user "$D3HOT" map
	[ "$(json "$D3HOT" '[.owner[]|.pid,.via]')" = "[$user_pid,\"map\"]" ]
	[ "$(json "$D3COLD" .owner)" = '[]' ]
	end_user
	[ "$(json "$D3HOT" .owner)" = '[]' ]
}

@test "an unbind that waits for the owner blocks no look, at that device or at others" {
	load_vfio disable_idle_d3=1
	bind_vfio "$D3HOT"
	start_user "$D3HOT"
	# The owner listens to no request to release: the kernel waits, with the device locked.
	echo "$D3HOT" >"$pci/$D3HOT/driver/unbind" 3>&- 9>&- &
	unbind_pid=$!
	wait_for "$VM_PATIENCE" test ! -e "$pci/$D3HOT/driver"
	for look in "status $D3HOT" "status -J $D3HOT" "list $D3HOT" "list -a -J -o all" "owner $D3HOT"; do
		# shellcheck disable=SC2086 # words
		timeout $((VM_PATIENCE * 4)) "$vfio_pm" $look >"$BATS_TEST_TMPDIR/look" || fail "$look: $?"
		case $look in
		"status $D3HOT")
			grep -q "driver  *none: its unbind waits until its owner closes it" "$BATS_TEST_TMPDIR/look"
			grep -q "open  *by user, process $user_pid, user 0" "$BATS_TEST_TMPDIR/look"
			;;
		list*-J*)
			[ "$(jq -c ".devices[]|select(.address==\"$D3HOT\")|[.driver,.owner[0].pid]" \
				"$BATS_TEST_TMPDIR/look")" = "[null,$user_pid]" ]
			;;
		esac
	done
	kill -0 "$unbind_pid" || fail "the unbind has not waited: nothing was shown"
	end_user
	wait "$unbind_pid"
	[ ! -e "$pci/$D3HOT/driver" ]
}
