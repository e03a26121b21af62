#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kernels.sh get 6.1|6.12|debug	print the folder of that kernel, fetching it when it isn't there
# kernels.sh headers 6.1|6.12|debug	print a build tree (KDIR) for modules of that very kernel
# kernels.sh checkpatch		print the path of the kernel's checkpatch.pl
# kernels.sh release 6.1|6.12|debug	print its release (uname -r)
#
# The folder holds `vmlinuz`, `config`, `release`, and `lib/modules/RELEASE` with `modules` as its
# short name; it serves as `modprobe --dirname`.
# Debian's packages are unpacked into the cache folder, nothing is installed: a test kernel has no
# business in /boot, and postinst scripts would build an initramfs and call a boot loader.

set -euo pipefail
# depmod and modprobe aren't in an ordinary user's path.
PATH=$PATH:/usr/sbin:/sbin

cache=${VFIO_PM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vfio-pm}
mirror_deb=http://deb.debian.org/debian
mirror_security=http://deb.debian.org/debian-security

die() { echo "kernels.sh: $*" >&2; exit 1; }

# A private apt tree would cost a download of all lists; the system's own lists are used, and are
# refreshed once when they don't know the package (a fresh container has none at all).
as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

names() { # SERIES: the package names of that series, oldest first
	local pattern
	case $1 in
	6.1)  pattern='^linux-image-6\.1\.0-[0-9]+-amd64$' ;;
	6.12) pattern='^linux-image-6\.12\.[0-9]+\+deb12-amd64$' ;;
	*)    die "unknown kernel '$1': 6.1, 6.12 or debug" ;;
	esac
	apt-cache pkgnames linux-image-6. | grep -E "$pattern" | sort -V
}

newest() { # SERIES: prints the release, linux-image- stripped
	local name
	name=$(names "$1" | tail -n 1)
	if [ -z "$name" ]; then
		as_root apt-get -q update >&2
		name=$(names "$1" | tail -n 1)
	fi
	[ -n "$name" ] || die "apt knows no kernel $1: Debian 12 with bookworm-security is needed ($mirror_deb, $mirror_security)"
	echo "${name#linux-image-}"
}

# The cache wins over a newer package: a check must not start to download in the middle of a day's
# work. `kernels.sh update` (or an empty cache) takes the newest.
release_of() {
	local link=$cache/kernel-$1
	if [ -e "$link/release" ]; then
		cat "$link/release"
	else
		newest "$1"
	fi
}

fetch() { # FOLDER PACKAGE...: download and unpack below FOLDER
	local folder=$1 package
	shift
	mkdir -p "$folder/deb" "$folder/root"
	# apt drops its privileges to _apt for a download, which can't write into a private folder.
	if ! (cd "$folder/deb" && apt-get -q -o APT::Sandbox::User=root download "$@") >&2; then
		# Lists that are older than the archive name files that are gone.
		as_root apt-get -q update >&2
		(cd "$folder/deb" && apt-get -q -o APT::Sandbox::User=root download "$@") >&2
	fi
	for package in "$folder"/deb/*.deb; do
		dpkg-deb -x "$package" "$folder/root"
	done
	rm -r "$folder/deb"
}

get_debian() { # SERIES
	local series=$1 release tmp target
	local link=$cache/kernel-$series
	if [ -e "$link/release" ]; then
		readlink -f "$link"
		return
	fi
	release=$(newest "$series")
	target=$cache/linux-$release
	if [ ! -e "$target/release" ]; then
		echo "kernels.sh: fetching Linux $release into $cache" >&2
		tmp=$(mktemp -d "$cache/tmp.XXXXXX")
		# shellcheck disable=SC2064 # the name as it is now
		trap "rm -rf '$tmp'" EXIT
		fetch "$tmp" "linux-image-$release"
		depmod -b "$tmp/root" "$release"
		mkdir "$tmp/out"
		mv "$tmp/root/boot/vmlinuz-$release" "$tmp/out/vmlinuz"
		mv "$tmp/root/boot/config-$release" "$tmp/out/config"
		mkdir -p "$tmp/out/lib/modules"
		mv "$tmp/root/lib/modules/$release" "$tmp/out/lib/modules/"
		ln -s "lib/modules/$release" "$tmp/out/modules"
		echo "$release" >"$tmp/out/release"
		chmod -R a+rX "$tmp/out"
		rm -rf "$target"
		mv -T "$tmp/out" "$target"
		rm -rf "$tmp"
		trap - EXIT
	fi
	ln -sfn "linux-$release" "$link.$$"
	mv -T "$link.$$" "$link"
	echo "$target"
}

get_headers() { # SERIES: the tree that /lib/modules/RELEASE/build would point to
	local series=$1 release kbuild tmp target
	get_debian "$series" >/dev/null
	release=$(release_of "$series")
	target=$cache/headers-$release
	if [ ! -e "$target/complete" ]; then
		echo "kernels.sh: fetching the headers of Linux $release into $cache" >&2
		tmp=$(mktemp -d "$cache/tmp.XXXXXX")
		# shellcheck disable=SC2064 # the name as it is now
		trap "rm -rf '$tmp'" EXIT
		kbuild=$(apt-cache show "linux-headers-$release" |
			sed -n 's/^Depends:.*\(linux-kbuild-[^ ,]*\).*/\1/p' | head -n 1)
		fetch "$tmp" "linux-headers-$release" "linux-headers-${release%-amd64}-common" "$kbuild"
		# Debian's header packages name each other by absolute path in two places only: the
		# Makefile that includes the common tree, and the symlinks to the kbuild tools.
		local src=$tmp/root/usr/src link to
		sed -i "s,/usr/src/,$target/usr/src/,g" "$src/linux-headers-$release/Makefile"
		while IFS= read -r link; do
			to=$(readlink "$link")
			case $to in
			/usr/*) ln -sfn "$target$to" "$link" ;;
			esac
		done < <(find "$src" -type l)
		mkdir -p "$tmp/root/usr/lib"
		touch "$tmp/root/complete"
		chmod -R a+rX "$tmp/root"
		rm -rf "$target"
		mv -T "$tmp/root" "$target"
		rm -rf "$tmp"
		trap - EXIT
	fi
	echo "$target/usr/src/linux-headers-$release"
}

# The debug kernel is a folder of the developer's: bzImage, modules/*.ko (flat). It is brought into
# the same form in the cache, keyed by the time of its bzImage.
get_debug() {
	local source=${VFIO_PM_DEBUG_KERNEL:-} release tmp target key
	[ -n "$source" ] || die "no debug kernel: set VFIO_PM_DEBUG_KERNEL to a folder with bzImage and modules/*.ko (tests/README.md)"
	[ -r "$source/bzImage" ] || die "'$source' has no bzImage"
	key=$(stat -c %Y-%s "$source/bzImage" | cksum | cut -d' ' -f1)
	target=$cache/debug-$key
	if [ ! -e "$target/release" ]; then
		tmp=$(mktemp -d "$cache/tmp.XXXXXX")
		# shellcheck disable=SC2064 # the name as it is now
		trap "rm -rf '$tmp'" EXIT
		release=$(modinfo -F vermagic "$(find "$source/modules" -name '*.ko' | head -n 1)" | cut -d' ' -f1)
		mkdir -p "$tmp/out/lib/modules/$release/kernel"
		cp "$source"/modules/*.ko "$tmp/out/lib/modules/$release/kernel/"
		depmod -b "$tmp/out" "$release" 2>/dev/null
		ln -s "lib/modules/$release" "$tmp/out/modules"
		cp "$source/bzImage" "$tmp/out/vmlinuz"
		[ ! -e "$source/config" ] || cp "$source/config" "$tmp/out/config"
		echo "$release" >"$tmp/out/release"
		chmod -R u+w,a+rX "$tmp/out"
		rm -rf "$target"
		mv -T "$tmp/out" "$target"
		rm -rf "$tmp"
		trap - EXIT
	fi
	echo "$target"
}

# The folder of the debug kernel brings a script that makes a build tree from the kernel's sources.
get_debug_headers() {
	local source=${VFIO_PM_DEBUG_KERNEL:-} target
	target=$(get_debug)/build
	if [ ! -e "$target/complete" ]; then
		[ -x "$source/prepare" ] || die "'$source' has no script 'prepare' that makes a build tree"
		echo "kernels.sh: making a build tree for the debug kernel, a minute or two" >&2
		rm -rf "$target"
		"$source/prepare" "$target" >&2
		touch "$target/complete"
	fi
	echo "$target"
}

# No package but the whole source has it: 140 MB, of which three files are kept.
get_checkpatch() {
	local target=$cache/checkpatch tmp
	if [ ! -e "$target/checkpatch.pl" ]; then
		echo "kernels.sh: fetching the kernel's source for its checkpatch.pl" >&2
		tmp=$(mktemp -d "$cache/tmp.XXXXXX")
		# shellcheck disable=SC2064 # the name as it is now
		trap "rm -rf '$tmp'" EXIT
		fetch "$tmp" linux-source-6.12
		mkdir "$tmp/out"
		tar -C "$tmp/out" --strip-components=2 --wildcards -xf "$tmp/root/usr/src/linux-source-6.12.tar.xz" \
			'*/scripts/checkpatch.pl' '*/scripts/spelling.txt' '*/scripts/const_structs.checkpatch'
		mv -T "$tmp/out" "$target"
		rm -rf "$tmp"
		trap - EXIT
	fi
	echo "$target/checkpatch.pl"
}

[ $# -ge 1 ] || die "usage: kernels.sh get|headers|release|update [6.1|6.12|debug]"
mkdir -p "$cache"
# Two checks that start at the same time must not both download.
exec 8>"$cache/lock"
flock 8
case $1 in
get)
	case ${2:-} in
	debug) get_debug ;;
	*) get_debian "${2:-6.12}" ;;
	esac
	;;
headers)
	case ${2:-} in
	debug) get_debug_headers ;;
	*) get_headers "${2:-6.12}" ;;
	esac
	;;
checkpatch) get_checkpatch ;;
release)
	case ${2:-} in
	debug) cat "$(get_debug)/release" ;;
	*) release_of "${2:-6.12}" ;;
	esac
	;;
update)
	rm -f "$cache/kernel-6.1" "$cache/kernel-6.12"
	get_debian 6.1
	get_debian 6.12
	;;
*) die "unknown verb '$1'" ;;
esac
