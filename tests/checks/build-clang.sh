#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=slow timeout=900
# clang has no warning. (A uapi header with a flexible array in front of its
# payload is how ioctls of VFIO are built.)
set -euo pipefail
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

make -s -j2 BUILD="$tmp" CC=clang \
	CFLAGS='-O1 -Werror -Wno-gnu-variable-sized-type-not-at-end' all test-programs
