#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=fast
# Man pages are free of mistakes, and each is reached from another.
set -euo pipefail
cd "$(dirname "$0")/../.."

# An example without a prompt is run by no test (tests/vm/examples.bats).
awk '/^\.Sh / { on = $2 == "EXAMPLES" } on && /^\.Dl / && !/^\.Dl # / {
	print FILENAME ":" FNR ": no prompt"; bad = 1 } END { exit bad }' man/*.[478]
for page in man/*.[478]; do
	grep -qE '^(\.Dl )?# ' "$page" || continue
	grep -q "^	page ${page#man/} " tests/vm/examples.bats ||
		{ echo "tests/vm/examples.bats doesn't run the examples of $page"; exit 1; }
done
mandoc -T lint -W warning man/*.[1-9]
for page in man/*.[1-9]; do
	name=${page#man/}
	section=${name##*.}
	name=${name%.*}
	case $name in
	vfio-pm | libvfiopm | vfio-pm-pci) continue ;;
	esac
	grep -q "^\.Xr $name $section" man/vfio-pm.8 ||
		{ echo "vfio-pm.8 doesn't refer to $name($section)"; exit 1; }
done
