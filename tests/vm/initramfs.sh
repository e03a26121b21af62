#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# initramfs.sh KERNEL-FOLDER OUT: the smallest initramfs that mounts the host's root over 9p.
#
# Static busybox, tests/vm/init and the modules on the way to 9p and overlay, in the order in which
# they have to be loaded. Whatever a VM run adds comes as a second archive behind this one.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kernel=$1
out=$2
release=$(cat "$kernel/release")
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

mkdir -p "$tree"/{bin,mod,proc,sys,dev,run,host,rw,root}
cp "$(command -v busybox)" "$tree/bin/busybox"
cp "$here/init" "$tree/init"
chmod 755 "$tree/init"

# What is built in, or unknown because it is built in, is not named by an insmod line.
n=100
while read -r verb file _; do
	[ "$verb" = insmod ] || continue
	name=$(basename "$file")
	name=${name%%.ko*}
	# modprobe names a module again for each of its users.
	compgen -G "$tree/mod/*-$name.ko" >/dev/null && continue
	case $file in
	*.xz)  xz -dc "$file" ;;
	*.zst) zstd -qdc "$file" ;;
	*)     cat "$file" ;;
	esac >"$tree/mod/$n-$name.ko"
	n=$((n + 1))
done < <(for module in virtio_pci 9pnet_virtio 9p overlay; do
		modprobe -d "$kernel" -S "$release" --show-depends "$module" 2>/dev/null || true
	done)

(cd "$tree" && find . -print0 | sort -z | cpio --quiet -0 -o -H newc -R 0:0) >"$out.$$"
mv -f "$out.$$" "$out"
