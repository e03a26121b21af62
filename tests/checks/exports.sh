#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=fast
# What the library exports, its symbol map and its header are one list.
set -euo pipefail
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

make -s all
nm -D --defined-only build/libvfiopm.so | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
	sort >"$tmp/exported"
grep -oE '^[[:space:]]+vfiopm_[a-z0-9_]+;' lib/libvfiopm.sym | tr -d '\t ;' | sort >"$tmp/map"
# The preprocessor takes comments and macros away.
gcc -E -P lib/vfiopm.h | grep -oE '\bvfiopm_[a-z0-9_]+ ?\(' | tr -d ' (' | sort -u >"$tmp/header"

diff -u --label map "$tmp/map" --label exported "$tmp/exported"
diff -u --label header "$tmp/header" --label map "$tmp/map"
# Each version inherits from the one before: a released one never changes.
# (Not -q: the writer would die of a closed pipe.)
nm -D build/libvfiopm.so | grep 'vfiopm_ctx_new@@VFIOPM_0\.1' >/dev/null ||
	{ echo "vfiopm_ctx_new lost its first version"; exit 1; }
