#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=fast
# C is formatted as .clang-format says, in lines of at most 100 columns.
# What stays the writer's: where a statement or a list goes on in a new line,
# and the column of a trailing comment and of a macro's value, which
# clang-format can't keep in tab stops. So a line that isn't over is joined with
# the next, and blanks within a line count as one.
set -euo pipefail
cd "$(dirname "$0")/../.."

loose() {
	awk '
	{
		indent = $0
		sub(/[^\t ].*/, "", indent)
		text = substr($0, length(indent) + 1)
		gsub(/[ \t]+/, " ", text)
		line = on ? line " " text : indent text
		on = text !~ /([;{}]|\*\/)$/ && text !~ /^(#|\/\*|\*([ \/]|$)|$|(case .*|[a-z_]+):$)/
		if (!on) print line
	}
	END { if (on) print line }'
}

code=0
while read -r f; do
	[ -f "$f" ] || continue
	clang-format "$f" | loose | diff -u --label "$f" <(loose <"$f") --label formatted - || code=1
	expand "$f" | awk -v f="$f" \
		'length > 100 { print f ":" FNR ": " length " columns"; bad = 1 } END { exit bad }' ||
		code=1
	if grep -nE '[ 	]$' "$f"; then
		echo "$f: blanks at the end of a line"
		code=1
	fi
done < <(git ls-files -co --exclude-standard '*.c' '*.h')
exit $code
