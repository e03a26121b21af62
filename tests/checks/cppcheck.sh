#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=slow
set -euo pipefail
cd "$(dirname "$0")/../.."

# Knowing no system header is fine: it then judges our code only.
cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	--suppress=missingInclude --error-exitcode=1 -j2 -D_GNU_SOURCE \
	-DVFIOPM_VERSION='"0"' -Ilib lib cmd
