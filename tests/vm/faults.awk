# SPDX-License-Identifier: GPL-2.0-or-later
#
# Reads a kernel log; prints "FILE TEST<tab>LINE" for each fault that the running test didn't announce
# with allow_kernel_report. The marks are written by tests/vm/lib.bash.

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

/vfio-pm-test: / {
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

$0 ~ fault {
	if (allowed == "" || $0 !~ allowed)
		print file " " test "\t" $0
}
