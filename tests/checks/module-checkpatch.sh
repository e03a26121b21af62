#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=vm timeout=600
# The kernel's own checkpatch.pl has nothing to say about the module.
set -euo pipefail
cd "$(dirname "$0")/../.."
checkpatch=$(tests/vm/kernels.sh checkpatch)

# Not asked: the lists of fields that trace events and operation tables share can't be put into
# parentheses, and our copy of the core's VMA operations can't be const.
for file in module/*.[ch]; do
	perl "$checkpatch" --no-tree --quiet --terse --show-types --max-line-length=100 --file "$file" \
		--ignore COMPLEX_MACRO,MULTISTATEMENT_MACRO_USE_DO_WHILE,CONST_STRUCT
done
