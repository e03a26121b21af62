#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# enter and exit --borrow: what doesn't go together is wrong usage, before anything is looked at.

load cli

wrong() { # TEXT ARGUMENT...
	local text=$1
	shift
	run "$vfio_pm" "$@" 0000:ff:1f.7
	[ "$status" = 2 ] || fail "exit $status instead of 2: $output"
	[[ $output == *"$text"* ]] || fail "$output"
}

@test "what is for a holder has no sense without one" {
	wrong "--on-wake and --backend are for a holder" enter --borrow --on-wake=stay
	wrong "--on-wake and --backend are for a holder" enter --backend=cdev --borrow
	wrong "--read is for a holder's device" exit --borrow --read=0:0x8
}

@test "what is for an owner takes --borrow; there is nothing to force on the way up" {
	wrong "--force and --state-loss-ok go with --borrow" enter --force
	wrong "--force and --state-loss-ok go with --borrow" enter --state-loss-ok
	wrong "--qmp goes with --borrow" enter --qmp=/nowhere
	wrong "--qmp goes with --borrow" exit --qmp=/nowhere
	wrong "unrecognized option '--force'" exit --borrow --force
}
