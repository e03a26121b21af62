#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# generate.sh [--check]: the tables of verbs, columns, exit codes and pages in
# vfio-pm.8 and README.md, made from what `build/vfio-pm --describe` says, and the
# functions in libvfiopm.3, from the header's kernel-doc. They
# stand between "begin NAME" and "end NAME" lines; all else is written by hand.
# --check writes nothing, prints what would change, and fails when anything would.
set -euo pipefail
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
../build/vfio-pm --describe >"$tmp/json"

# The page that a verb has to itself or shares with another, or nothing.
page_of() {
	local page
	for page in vfio-pm-*.8; do
		# shellcheck disable=SC2015 # nothing is printed otherwise
		[ -f "$page" ] && grep -qE "^\.Nm vfio-pm-$1( ,)?\$" "$page" && echo "${page%.8}" && return
	done
	return 0
}

verbs() {
	echo '.Bl -tag -width "unbind" -compact'
	jq -r '.verbs[] | "\(.name)\t\(.summary)"' "$tmp/json" | while IFS=$'\t' read -r name summary; do
		page=$(page_of "$name")
		echo ".It Cm $name"
		if [ -n "$page" ]; then
			printf '%s;\n.Xr %s 8\n' "$summary" "$page"
		else
			echo "$summary"
		fi
	done
	echo .El
}

columns() {
	echo '.Bl -tag -width Ds -compact'
	jq -r '.columns[] | ".It Va \(.name) Pq \(.type)\(if .unit then ", \(.unit)" else "" end)\n\(.help)"' \
		"$tmp/json" | sed 's/\\/\\e/g'
	echo .El
}

exits() {
	echo '.Bl -tag -width Ds -compact'
	jq -r '.exit_codes[] | ".It \(.code)\n\(.meaning)"' "$tmp/json"
	echo .El
}

pages() {
	local page
	for page in vfio-pm-*.8; do
		[ -f "$page" ] && echo ".Xr ${page%.8} 8 ,"
	done | sed '$s/ ,$//'
}

# In the order in which the header has them.
functions() {
	local headers
	mapfile -t headers < <(sed -n 's|^#include "\(vfiopm/.*\)"|../lib/\1|p' ../lib/vfiopm.h)
	perl kerneldoc.pl "${headers[@]}"
}

readme_verbs() {
	echo '| verb | what it does |'
	echo '|---|---|'
	jq -r '.verbs[] | select(.name != "help") | "| `\(.name)` | \(.summary) |"' "$tmp/json"
}

# fill FILE BEGIN END BLOCK: what stands between these lines becomes BLOCK's output.
fill() {
	"$4" >"$tmp/block"
	awk -v begin="$2" -v end="$3" -v block="$tmp/block" '
		$0 == end { inside = 0 }
		!inside { print }
		$0 == begin { inside = 1; while ((getline line <block) > 0) print line }' "$1" >"$tmp/new"
	if [ "$check" = 0 ]; then
		cmp -s "$1" "$tmp/new" || cp "$tmp/new" "$1"
	else
		diff -u --label "$1" "$1" --label "from --describe" "$tmp/new" || differs=1
	fi
}

check=0
differs=0
[ "${1-}" != --check ] || check=1
for block in verbs columns exits pages; do
	fill vfio-pm.8 ".\\\\\" begin $block" ".\\\\\" end $block" $block
done
fill libvfiopm.3 '.\\" begin functions' '.\\" end functions' functions
fill ../README.md '<!-- begin verbs -->' '<!-- end verbs -->' readme_verbs
exit $differs
