#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=slow timeout=900
# clang's static analyzer finds nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# scan-build puts its own compiler into CC, which the Makefile takes.
scan-build --status-bugs -o "$tmp/report" --use-cc=clang \
	make -s -j2 BUILD="$tmp/build" \
	CFLAGS='-O1 -Wno-gnu-variable-sized-type-not-at-end' all >"$tmp/log" 2>&1 ||
	{ cat "$tmp/log"; exit 1; }
