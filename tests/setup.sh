#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# setup.sh: installs the packages of tests/packages that are missing. Says nothing, and asks nobody
# for a password, when none is.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
debug=/^debug:/d
[ -z "${VFIO_PM_DEBUG_KERNEL:-}" ] || debug=s/^debug://
mapfile -t wanted < <(sed "s/#.*//; $debug; s/[[:space:]]//g; /^\$/d" "$here/packages")

if ! command -v dpkg-query >/dev/null; then
	# Another system: the commands that tell whether somebody has done it by hand.
	missing=()
	for command in gcc make pkg-config bats jq mandoc strace qemu-system-x86_64 busybox cpio iasl modprobe; do
		command -v "$command" >/dev/null || missing+=("$command")
	done
	[ ${#missing[@]} -gt 0 ] || exit 0
	{
		echo "setup.sh: this is not a Debian system, and these commands are missing: ${missing[*]}"
		echo "setup.sh: hint: install what tests/packages lists (Debian's names) with your package manager"
	} >&2
	exit 1
fi

# dpkg-query says "not installed" of packages that were removed, and nothing at all of unknown ones.
missing() {
	local have
	have=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "${wanted[@]}" 2>/dev/null |
		sed -n 's/^[hi]i *//p') || true
	printf '%s\n' "${wanted[@]}" | grep -vxF -f <(printf '%s\n' "$have") || true
}

mapfile -t packages < <(missing)
[ ${#packages[@]} -gt 0 ] || exit 0

run=()
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null; then
		{
			echo "setup.sh: these packages are missing, and there is no sudo to install them with: ${packages[*]}"
			echo "setup.sh: hint: as root: apt-get install --no-install-recommends ${packages[*]}"
		} >&2
		exit 1
	fi
	run=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
install=("${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0
	install --no-install-recommends)
echo "setup.sh: installing ${packages[*]}" >&2
# Lists may be absent (a fresh container) or older than the archive: both end with a failed install.
if ! "${install[@]}" "${packages[@]}" >&2; then
	"${run[@]}" apt-get -q update >&2
	"${install[@]}" "${packages[@]}" >&2
fi
mapfile -t packages < <(missing)
if [ ${#packages[@]} -gt 0 ]; then
	echo "setup.sh: still missing: ${packages[*]}" >&2
	exit 1
fi
