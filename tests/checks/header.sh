#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=fast
# The public header and its parts, by topic, stand alone, in C and in C++, and
# every declaration says since when it is there.
set -euo pipefail
cd "$(dirname "$0")/../.."

headers=(lib/vfiopm.h lib/vfiopm/*.h)
alone=(-pedantic -Wall -Wextra -Werror -fsyntax-only)
for std in c99 gnu11 c17; do
	gcc -std=$std "${alone[@]}" -x c lib/vfiopm.h
	clang -std=$std "${alone[@]}" -x c lib/vfiopm.h
done
for std in c++11 c++20; do
	g++ -std=$std "${alone[@]}" -x c++ lib/vfiopm.h
	clang++ -std=$std "${alone[@]}" -x c++ lib/vfiopm.h
done
for header in lib/vfiopm/*.h; do
	gcc -std=c99 "${alone[@]}" -x c "$header"
	g++ -std=c++11 "${alone[@]}" -x c++ "$header"
	grep -q "\"${header#lib/}\"" lib/vfiopm.h || case $header in
	*/common.h) ;;
	*) echo "$header: vfiopm.h doesn't include it"; exit 1 ;;
	esac
done

# The comment right above a declaration names it, and has a "Since:".
awk '
	/^\/\*\*/ { doc = ""; indoc = 1 }
	indoc { doc = doc $0 "\n" }
	/\*\// { indoc = 0; next }
	!indoc && match($0, /vfiopm_[a-z0-9_]+\(/) && !/^[ \t]/ && !/^#/ && !/^typedef/ {
		name = substr($0, RSTART, RLENGTH - 1)
		if (index(doc, name " - ") == 0 || doc !~ /Since: 0\.[0-9]/) {
			print FILENAME ":" FNR ": " name " has no kernel-doc with a Since:"
			bad = 1
		}
		doc = ""
	}
	END { exit bad }' "${headers[@]}"
