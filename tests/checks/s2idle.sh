#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=vm timeout=600
# s2idle of the host with a live holder, on both drivers: afterwards the state is what was asked for, or told.
# The VM ends by itself (tests/vm/s2idle.sh), so its console is the witness.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

code=0
for machine in 6.1-vfio-pci 6.12-vfio-pci 6.1-vfio-pm-pci 6.12-vfio-pm-pci; do
	keep=build/vm/s2idle-$machine
	tests/vm/vm.sh run --quiet --kernel="${machine%%-*}" --keep="$keep" --timeout=200 \
		--env=VFIO_PM_DRIVER="${machine#*-}" -- bash tests/vm/s2idle.sh >/dev/null 2>&1
	lines=$(tr -d '\r' <"$keep/console.log" | grep -o 's2idle: .*')
	echo "$machine:"
	sed 's/^/  /' <<<"$lines"
	if ! grep -q 's2idle: the end' <<<"$lines" || grep -q 'not ok' <<<"$lines" ||
		[ "$(grep -c 's2idle: ok' <<<"$lines")" != 13 ]; then
		code=1
	fi
done
exit $code
