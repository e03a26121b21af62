# SPDX-License-Identifier: GPL-2.0-or-later
#
# awk -v out=FOLDER -f examples.awk PAGE: writes the examples of a manual page, and what it says is to be
# typed to set something up, one after the other, to FOLDER/N.command, and what the page says of each in
# comments before it:
#	.\" exit: N		N.exit		its exit status isn't 0
#	.\" with: SCRIPT	N.with		what sed(1) puts into it: a command of the reader's, a long time
#	.\" meanwhile: COMMAND	N.meanwhile	it runs until it is interrupted, and this while it does
#	.\" loose: WHY		N.loose		what it prints depends on the machine
#	.\" no run: WHY				not at all
# What the page shows of its output becomes N.output.

function write(what, text) { print text >(out "/" n "." what); close(out "/" n "." what) }

/^\.Sh / { on = /^\.Sh (EXAMPLES|SETTING IT UP)$/; shown = 0 }
!on { next }
/^\.\\" (exit|with|meanwhile|loose|no run): / {
	text = $0
	sub(/^\.\\" /, "", text)
	key = text
	sub(/:.*/, "", key)
	sub(/^[^:]*: /, "", text)
	said[key] = text
	next
}
{ gsub(/\\e/, "\\"); gsub(/\\&/, ""); gsub(/\\-/, "-") }
/^(\.Dl )?# / {
	# What comes after a line of its own isn't its output.
	shown = !/^\.Dl/ && !("no run" in said)
	sub(/^(\.Dl )?# /, "")
	if (!("no run" in said)) {
		n++
		write("command", $0)
		for (key in said) write(key, said[key])
	}
	delete said
	next
}
/^\./ { shown = 0 }
shown { print >(out "/" n ".output") }
