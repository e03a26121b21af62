#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=slow timeout=900
# gcc has no warning, and a build writes nothing outside of build/.
set -euo pipefail
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

git ls-files -z -co --exclude-standard | tar -c --null -T - | tar -x -C "$tmp"
cd "$tmp"
find . -type f -o -type l | sort >../"${tmp##*/}.before"
trap 'rm -rf "$tmp" "$tmp.before"' EXIT
make -s -j2 CC=gcc CFLAGS='-O2 -Werror' all test-programs
find . -path ./build -prune -o \( -type f -o -type l \) -print | sort |
	diff "$tmp.before" - || { echo "the build changed files outside of build/"; exit 1; }
make -s clean
[ ! -e build ] || { echo "'make clean' left build/"; exit 1; }
