# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# shellcheck disable=SC2034 # what is set here is for the files that load this
#
# What the tests of guest-table and guest-listen share: `load guest` after `load cli`.

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	FX=/
}

# As the machine of a test's host is of no interest: no --sysroot.
table() {
	code=0
	"$vfio_pm" guest-table "$@" >out 2>err || code=$?
	out=$(<out)
	err=$(<err)
}
