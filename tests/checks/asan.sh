#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=slow timeout=1500
# The unit tests and the tests of the command, with AddressSanitizer, leaks
# included, and UBSan. In a copy, so that build/ stays what was asked for.
set -euo pipefail
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

git ls-files -z -co --exclude-standard | tar -c --null -T - | tar -x -C "$tmp"
cd "$tmp"
flags='-g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined'
make -s -j2 CFLAGS="$flags" all test-programs >log 2>&1 || { cat log; exit 1; }
# A fault has an exit code of its own, which no test expects.
export ASAN_OPTIONS=exitcode=99:detect_stack_use_after_return=1:strict_string_checks=1
# Its shadow memory isn't what the command needs.
export VFIO_PM_TEST_KIB=400000
# Nor is its time.
export VFIO_PM_TEST_MS=20000
export UBSAN_OPTIONS=print_stacktrace=1
tests/run.sh 'unit-*' 'cli-*'
