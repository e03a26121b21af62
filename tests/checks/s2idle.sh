#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=vm timeout=600
# s2idle of the host with a live holder: afterwards the state is what was asked for, or told.
# The VM ends by itself (tests/vm/s2idle.sh), so its console is the witness.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

code=0
for kernel in 6.1 6.12; do
	keep=build/vm/s2idle-$kernel
	tests/vm/vm.sh run --quiet --kernel=$kernel --keep=$keep --timeout=200 \
		--modparam='vfio-pci disable_idle_d3=1' -- bash tests/vm/s2idle.sh >/dev/null 2>&1
	lines=$(tr -d '\r' <$keep/console.log | grep -o 's2idle: .*')
	echo "$kernel:"
	sed 's/^/  /' <<<"$lines"
	if ! grep -q 's2idle: the end' <<<"$lines" || grep -q 'not ok' <<<"$lines" ||
		[ "$(grep -c 's2idle: ok' <<<"$lines")" != 13 ]; then
		code=1
	fi
done
exit $code
