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
