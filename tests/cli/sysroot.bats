#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Another system's tree is for reading: verbs that act on devices refuse it.

load fixture
load systems
load cli

setup_file() { system_build workstation; }
setup() { system_copy; }

@test "verbs that open devices take no --sysroot: exit 2, and nothing is opened or written" {
	before=$(cd "$FX" && find . -printf '%p %i %T@\n' | sort)
	for verb in enter exit hold cycle "run --no-wait" unbind; do
		# shellcheck disable=SC2086 # words
		vp $verb 01:00.0 -- true
		expect_code 2
		expect_out
		[ "$err" = "vfio-pm: '${verb%% *}' acts on devices and takes no --sysroot" ] || fail "$err"
	done
	[ "$(cd "$FX" && find . -printf '%p %i %T@\n' | sort)" = "$before" ]
}
