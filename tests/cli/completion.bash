# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the checks of the completions share. Sourced at the top of the repository,
# with $tmp, a folder: makes $tmp/pty, types at a shell, and $tmp/r, a system.

# shellcheck source=tests/cli/fixture.bash
. tests/cli/fixture.bash

gcc -O1 -Wall -Wextra -Werror -o "$tmp/pty" tests/checks/pty.c -lutil

fixture_new "$tmp/r"
fx_bridge 0000:00:1c.0
fx_device 0000:01:00.0 parent=0000:00:1c.0 driver=vfio-pci group=7 vendor=8086 device=10d3
fx_device 0000:01:00.1 parent=0000:00:1c.0 driver=vfio-pci group=7 vendor=8086 device=10d3
fx_device 0000:02:00.0 driver=nvme group=8 vendor=1b36 device=0010
fx_device 0001:02:00.0 driver=vfio-pci group=9 vendor=10de device=2204
# Whoever opens one of these hangs; on a real device it would have woken it.
for d in "$FX"/sys/bus/pci/devices/*; do
	for f in config vpd current_link_speed current_link_width max_link_speed max_link_width; do
		rm -f "$d/$f"
		mkfifo "$d/$f"
	done
done

# TAP
n=0
code=0
result() { # CODE TEXT
	n=$((n + 1))
	[ "$1" = 0 ] && echo "ok $n $2" || { echo "not ok $n $2"; code=1; }
}

finish() {
	echo "1..$n"
	exit "$code"
}

# Of a trace of processes and files, what comes after the shell looked for a file
# called completion-test-starts-here.
harmless() { # SHELL TRACE
	local r
	sed -n '/completion-test-starts-here/,$p' "$2" >"$tmp/after"
	[ -s "$tmp/after" ] && r=0 || r=1
	result "$r" "$1: was watched"
	grep -E '(clone|clone3|fork|vfork|execve|execveat)\(' "$tmp/after" | grep -v CLONE_THREAD >"$tmp/bad" || true
	[ ! -s "$tmp/bad" ] && r=0 || r=1
	result "$r" "$1: no process is started"
	sed 's/^/# /' "$tmp/bad"
	grep -E 'open(at)?\(' "$tmp/after" | grep -E "/sys/(bus|devices)/" |
		grep -vE 'O_DIRECTORY|/(class|vendor|device)"' >"$tmp/bad" || true
	[ ! -s "$tmp/bad" ] && r=0 || r=1
	result "$r" "$1: of a device only class, vendor and device are opened"
	sed 's/^/# /' "$tmp/bad"
}
