#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# initrd.sh KERNEL OUT: what the nested guest boots (tests/vm/nested.bash): busybox, ./init, the
# modules of e1000e and nvme, kick.ko built for that kernel.

set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$("$here/../kernels.sh" get "$1")
headers=$("$here/../kernels.sh" headers "$1")
release=$(cat "$folder/release")
out=$2
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

mkdir -p "$tree/kick" "$tree/root"/{bin,mod,proc,sys,dev,tmp}
cp "$here/Kbuild" "$here/kick.c" "$tree/kick/"
make -s -C "$headers" M="$tree/kick" modules 2>&1 | grep -v '^Skipping BTF' >&2 || true
cp "$(command -v busybox)" "$tree/root/bin/busybox"
install -m 755 "$here/init" "$tree/root/init"

n=100
while read -r verb file _; do
	[ "$verb" = insmod ] || continue
	name=$(basename "$file")
	name=${name%%.ko*}
	compgen -G "$tree/root/mod/*-$name.ko" >/dev/null && continue
	case $file in
	*.xz)  xz -dc "$file" ;;
	*.zst) zstd -qdc "$file" ;;
	*)     cat "$file" ;;
	esac >"$tree/root/mod/$n-$name.ko"
	n=$((n + 1))
done < <(for module in e1000e nvme; do
		modprobe -d "$folder" -S "$release" --show-depends "$module" 2>/dev/null || true
	done)
cp "$tree/kick/kick.ko" "$tree/root/mod/900-kick.ko"

mkdir -p "$(dirname "$out")"
(cd "$tree/root" && find . -print0 | sort -z | cpio --quiet -0 -o -H newc -R 0:0) >"$out.$$"
mv -f "$out.$$" "$out"
