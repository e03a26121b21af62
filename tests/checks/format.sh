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

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/formatted" "$tmp/a" "$tmp/b"

git ls-files -z -co --exclude-standard '*.c' '*.h' '*.clang-format' | tar -c --null -T - --ignore-failed-read 2>/dev/null |
	tar -x -C "$tmp/formatted"
cd "$tmp/formatted"
mapfile -t files < <(find . -name '*.[ch]' | sort)
cd - >/dev/null

# loose DIR OUT: every file of DIR below OUT, with what is the writer's taken out.
loose() (
	cd "$1"
	find . -type d -exec mkdir -p "$2/{}" \;
	awk -v out="$2" '
	FNR == 1 { if (on) print line >to; close(to); on = 0; to = out "/" FILENAME }
	{
		indent = $0
		sub(/[^\t ].*/, "", indent)
		text = substr($0, length(indent) + 1)
		gsub(/[ \t]+/, " ", text)
		line = on ? line " " text : indent text
		on = text !~ /([;{}]|\*\/)$/ && text !~ /^(#|\/\*|\*([ \/]|$)|$|(case .*|[a-z_]+):$)/
	}
	!on { print line >to }
	END { if (on) print line >to }' "${files[@]}"
)

code=0
loose "$tmp/formatted" "$tmp/a"
(cd "$tmp/formatted" && awk '
	length > 12 {
		n = split($0, part, "\t")
		columns = 0
		for (i = 1; i < n; i++) columns += length(part[i]) - length(part[i]) % 8 + 8
		columns += length(part[n])
		if (columns > 100) { print FILENAME ":" FNR ": " columns " columns"; bad = 1 }
	}
	END { exit bad }' "${files[@]}") || code=1
if (cd "$tmp/formatted" && grep -nE '[ 	]$' "${files[@]}"); then
	echo "blanks at the end of a line"
	code=1
fi
(cd "$tmp/formatted" && printf '%s\0' "${files[@]}" | xargs -0 -n 30 -P 2 clang-format -i)
loose "$tmp/formatted" "$tmp/b"
(cd "$tmp" && diff -ru a b) || code=1
exit $code
