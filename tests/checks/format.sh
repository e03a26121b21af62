#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=fast
# C is formatted as .clang-format says, in lines of at most 100 columns.
# What stays the writer's: the column of a trailing comment and of a macro's
# value, which clang-format can't keep in tab stops.
set -euo pipefail
cd "$(dirname "$0")/../.."

loose() { sed -E -e 's,[ \t]+(/\*.*)$, \1,' -e '/^#define/s/[ \t]+/ /g'; }

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
