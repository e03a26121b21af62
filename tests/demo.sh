#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# demo.sh: boots the test VM and plays tests/vm/demo.sh in it, on the terminal as it goes.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
start=$EPOCHREALTIME
cd "$here/.."
"$here/vm/kernels.sh" get 6.12 >/dev/null
status=0
"$here/vm/vm.sh" run --quiet --kernel=6.12 --keep=build/vm/demo --timeout=900 \
	--modparam='vfio-pci disable_idle_d3=1' -- bash "$here/vm/demo.sh" || status=$?
micro=$((${EPOCHREALTIME/[.,]/} - ${start/[.,]/}))
echo
if [ "$status" = 0 ]; then
	printf 'Wall time: %d.%d s, the boot of the virtual machine included.\n' $((micro / 1000000)) $((micro / 100000 % 10))
	cat <<-END

		With vfio-pci's default, disable_idle_d3=0, a bound device sleeps by itself until somebody opens it;
		then low power is what lets it sleep again, and after \`exit' it falls back asleep.
	END
else
	printf 'The demo failed (%d) after %d s; logs are in build/vm/demo.\n' "$status" $((micro / 1000000)) >&2
fi
exit "$status"
