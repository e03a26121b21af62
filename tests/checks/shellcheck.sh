#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=fast
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
# SC1091: a sourced file is checked for itself.
printf '%s\0' "${files[@]}" | xargs -0 -n 8 -P 2 shellcheck -x -e SC1091
