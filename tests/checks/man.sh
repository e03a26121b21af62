#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=fast
# Man pages are free of mistakes, and each is reached from another.
set -euo pipefail
cd "$(dirname "$0")/../.."

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
