# SPDX-License-Identifier: GPL-2.0-or-later
#
# faults.awk KNOWN-FAULTS DMESG: prints "FILE TEST<tab>LINE" for each fault in a kernel's log that is
# not known and that the running test didn't announce with allow_kernel_report. The marks in the log
# are written by tests/vm/lib.bash. Patterns are matched against the line and the eight after it.

BEGIN {
	file = "-"
	test = "-"
	fault = "BUG:|WARNING:|Oops|general protection fault|kernel BUG at|KASAN:|UBSAN:|KCSAN:" \
		"|INFO: (task .* blocked|rcu_|trying to register|possible)" \
		"|possible (circular|recursive) locking|inconsistent lock state|suspicious RCU" \
		"|scheduling while atomic|sleeping function called|refcount_t:" \
		"|kmemleak: [0-9]+ new|list_(add|del) corruption|Kernel panic" \
		"|soft lockup|hard LOCKUP|nobody cared|Unable to change power state"
}

function judge(    i) {
	if (!left)
		return
	left = 0
	if (allowed_then != "" && block ~ allowed_then)
		return
	for (i = 1; i <= patterns; i++)
		if (block ~ known[i])
			return
	print where "\t" line
}

FNR == NR {
	if ($0 !~ /^#|^$/)
		known[++patterns] = $0
	next
}

/vfio-pm-test: / {
	judge()
	text = $0
	sub(/.*vfio-pm-test: /, "", text)
	if (text ~ /^file /) {
		file = substr(text, 6)
		test = "-"
		allowed = ""
	} else if (text ~ /^test /) {
		test = substr(text, 6)
	} else if (text ~ /^allow /) {
		allowed = substr(text, 7)
	} else if (text ~ /^disallow/) {
		allowed = ""
	}
	next
}

left {
	block = block " " $0
	if (--left == 0) {
		left = 1
		judge()
	}
	next
}

$0 ~ fault {
	line = block = $0
	where = file " " test
	allowed_then = allowed
	left = 8
}

END { judge() }
