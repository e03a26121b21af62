# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For tests of what `make install` leaves: `load installed` after `load lib`.

install_here() {
	[ ! -x /usr/local/bin/vfio-pm ] || return 0
	# What is built is installed: no time stamp of the host is doubted.
	make -s -C "$VM_ROOT" --assume-old=build/flags install >"$BATS_TEST_TMPDIR/log" 2>&1 || {
		cat "$BATS_TEST_TMPDIR/log"
		return 1
	}
	ldconfig
}
