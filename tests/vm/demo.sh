#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What `make demo` plays, inside the test VM: disable_idle_d3=1, nothing bound yet.

. "${BASH_SOURCE[0]%/*}/lib.bash"
PATH=${BASH_SOURCE[0]%/*}/../../build:$PATH
set -e

bold= dim= plain=
if [ -n "${DEMO_COLOUR:-}" ]; then
	bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
fi

say() { printf '\n%s# %s%s\n' "$dim" "$*" "$plain"; }

run() { # COMMAND...: as a user would type it
	printf '%s$ %s%s\n' "$bold" "$*" "$plain"
	"$@"
}

printf 'Linux %s on an emulated machine with an IOMMU and ACPI power resources.\n' "$(uname -r)"

bind_vfio "$D3COLD" "$D3HOT" "$NOPM"
read -r bar offset value <<<"$REG_D3COLD"

say "Who is there? Three devices on vfio-pci, all awake: vfio-pci was loaded with disable_idle_d3=1."
run vfio-pm list

say "Put the first to sleep."
run vfio-pm enter "$D3COLD"
run vfio-pm list "$D3COLD"

say "A thousand looks at it. Looking must not wake: the kernel's trace of runtime PM is the witness."
rpm_trace_start "$D3COLD"
printf '%s$ for _ in {1..1000}; do vfio-pm list -n -o status,state,owner %s; done | sort | uniq -c%s\n' \
	"$bold" "$D3COLD" "$plain"
for _ in {1..1000}; do vfio-pm list -n -o status,state,owner "$D3COLD"; done | sort | uniq -c
rpm_trace_stop
printf 'Transitions that the kernel saw meanwhile: %s\n' "$(rpm_count "$D3COLD")"

say "Wake it. It is verified while still open: its config space, and a register that must read $value."
run vfio-pm exit --read="$bar:$offset" "$D3COLD"

say "A device without power resources goes as deep as it can: D3hot. One without PM capability can't sleep."
run vfio-pm enter "$D3HOT"
run vfio-pm enter "$NOPM" || printf '(exit status %d)\n' $?
run vfio-pm exit "$D3HOT" "$NOPM"
