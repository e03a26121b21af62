#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=fast
# Every file names its licence, the one of its room, and the text is there.
set -euo pipefail
cd "$(dirname "$0")/../.."

code=0
while read -r f; do
	if [ ! -f "$f" ] || [ -L "$f" ] || [ ! -s "$f" ]; then continue; fi
	case $f in
	LICENSES/*) continue ;;
	# Data that is compared byte by byte, or whose format has no comments.
	*.json | tests/*/fixtures/* | tests/*/golden/* | tests/fuzz/corpus/*) continue ;;
	esac
	id=
	# Five lines, without a process for each file.
	mapfile -t -n 5 top <"$f" 2>/dev/null || true
	for line in "${top[@]}"; do
		[[ $line =~ SPDX-License-Identifier:\ ([A-Za-z0-9.+-]+) ]] || continue
		id=${BASH_REMATCH[1]}
		break
	done
	case $f in
	lib/*) want=LGPL-2.1-or-later ;;
	module/*) want='GPL-2.0-only' ;;
	cmd/* | Makefile) want=GPL-2.0-or-later ;;
	*) want=$id ;;
	esac
	if [ -z "$id" ]; then
		echo "$f: no SPDX-License-Identifier in its first five lines"
		code=1
	elif [ "$id" != "$want" ]; then
		echo "$f: $id, but this folder is $want"
		code=1
	elif [ ! -f "LICENSES/$id.txt" ]; then
		echo "$f: LICENSES/$id.txt is missing"
		code=1
	fi
done < <(git ls-files -co --exclude-standard)
exit $code
