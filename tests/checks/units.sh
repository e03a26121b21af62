#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# systemd takes the units without a word.
set -euo pipefail
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

for unit in units/*.service; do
	sed "s|@bindir@|$PWD/build|" "$unit" >"$tmp/${unit##*/}"
done
said=$(systemd-analyze verify --man=no --recursive-errors=no "$tmp"/*.service 2>&1) || {
	echo "$said"
	exit 1
}
[ -z "$said" ] || { echo "$said"; exit 1; }

# What a VM relies on is started again without an end, within the time that its guest waits (vfio-pm-guest(7)),
# but not as fast as it fails; a guest's questions can't take a whole processor.
unit=units/vfio-pm-guest@.service
value() { sed -n "s/^$1=//p" "$unit"; } # KEY
[ "$(value Restart)" = on-failure ]
[ "$(value StartLimitIntervalSec)" = 0 ] || { echo "$unit: systemd gives up after some starts"; exit 1; }
gap=$(systemd-analyze timespan "$(value RestartSec)" | sed -n 's/^.*s: //p')
[ "$gap" -ge 1000000 ] && [ "$gap" -le 3000000 ] || { echo "$unit: RestartSec is $gap us"; exit 1; }
quota=$(value CPUQuota)
[ "${quota%\%}" -lt 100 ] || { echo "$unit: CPUQuota is $quota"; exit 1; }
# And tells that it serves, on an end that mends nothing it stays ended.
[ "$(value Type)" = notify ] && [ "$(value RestartPreventExitStatus)" = "2 5" ]
