# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a benchmark counts and how it tells it: `load bench` after `load cmd`.

cpu_ticks() { # PID: user and system time of it and of its children, in clock ticks
	local stat
	stat=$(<"/proc/$1/stat")
	# shellcheck disable=SC2086 # words
	set -- ${stat##*) }
	echo $((${12} + ${13} + ${14} + ${15}))
}

idle_ticks() { # PID SECONDS: those of a process that has nothing to do
	local before
	before=$(cpu_ticks "$1")
	sleep "$2"
	echo $(($(cpu_ticks "$1") - before))
}

figures() { # WHAT: the distribution of the milliseconds on stdin, one a line
	sort -n | awk -v what="$1" '{ v[NR] = $1 } END {
		if (!NR) { print "# " what ": nothing was measured"; exit 1 }
		printf "# %s, ms: min %.1f, median %.1f, p95 %.1f, max %.1f (%d)\n", what,
			v[1], v[int((NR + 1) / 2)], v[int(NR * 0.95 + 0.5)], v[NR], NR }'
}

# What a listener's log tells of its answers, one a line: until it was given, and the kernel's part of that, in ms.
answers() { # off|on LOG
	sed -nE "s/.*: $1( after [^:]*)?: answered after ([0-9.]+) ms, ([0-9.]+) ms of these the .*/\2 \3/p" "$2"
}
