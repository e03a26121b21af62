#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=slow
set -euo pipefail
cd "$(dirname "$0")/../.."

# Scripts by name and by their first line.
mapfile -t files < <(
	git ls-files -co --exclude-standard | while read -r f; do
		[ -f "$f" ] || continue
		case $f in
		*.sh | *.bash | *.bats | completions/vfio-pm) echo "$f"; continue ;;
		esac
		read -r first <"$f" 2>/dev/null || true
		[[ ${first-} =~ ^'#!'.*[/\ ](sh|bash)$ ]] && echo "$f"
	done 2>/dev/null
)
# SC1091: a sourced file is checked for itself. SC1007: "a= b=1" empties a.
# SC2119, SC2120: a function's argument may be optional. SC2054: -Wl,--wrap has
# commas. SC2154: bats and sourced files set variables.
# SC2034: the words of a test (expect_code) read what it sets.
check() { xargs -0 -n 8 -P 2 shellcheck -x -S warning -e SC1091,SC1007,SC2054,SC2119,SC2120,SC2154"$1"; }
printf '%s\0' "${files[@]}" | grep -zv '\.bats$' | check ''
printf '%s\0' "${files[@]}" | { grep -z '\.bats$' || true; } | check ,SC2034
