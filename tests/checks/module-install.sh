#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=soak timeout=900
# `make module` and `make module-install` leave the module where they say, and DKMS builds and installs
# it from module/ for both kernels, where it runs. All trees are private: nothing of this machine is touched.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

fail() { echo "$*" >&2; exit 1; }
version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' module/dkms.conf)
[ "$version" = "$(sed -n 's/^VERSION := //p' Makefile)" ] || fail "dkms.conf has another version: $version"

mkdir -p "$tmp/dkms" "$tmp/src" "$tmp/tree/lib/modules"
by_dkms() { # VERB [ARGUMENT]...
	local verb=$1
	shift
	dkms "$verb" -m vfio-pm-pci -v "$version" --dkmstree "$tmp/dkms" --sourcetree "$tmp/src" \
		--installtree "$tmp/tree/lib/modules" "$@"
}

is_ours() { # FILE RELEASE
	[ "$(modinfo -F vermagic "$1" | cut -d' ' -f1)" = "$2" ] || fail "$1: not for $2"
	modinfo -F depends "$1" | grep -q vfio-pci-core || fail "$1: doesn't need vfio-pci-core"
	[ -z "$(modinfo -F alias "$1")" ] || fail "$1 has an alias: udev would load it"
}

runs() { # FILE KERNEL: in the VM, whose root is this machine's
	# shellcheck disable=SC2016 # expanded there
	tests/vm/vm.sh run --quiet --kernel="$2" --keep="$tmp/vm" --timeout=300 --env=MODULE_KO="$1" \
		-- bash -c '. tests/vm/lib.bash && . tests/vm/module-lib.bash &&
			load_driver vfio-pm-pci && bind_to vfio-pm-pci "$D3COLD" && wait_state "$D3COLD" suspended D3cold &&
			account "$D3COLD" sleeps && [ "$REPLY" -ge 1 ] && unbind "$D3COLD" && unload_driver vfio-pm-pci'
}

mkdir -p "$tmp/src/vfio-pm-pci-$version"
cp module/* "$tmp/src/vfio-pm-pci-$version/"
by_dkms add >"$tmp/log" 2>&1 || { cat "$tmp/log"; fail "dkms add"; }
for kernel in 6.1 6.12; do
	kdir=$(tests/vm/kernels.sh headers "$kernel")
	release=$(tests/vm/kernels.sh release "$kernel")

	make -s --no-print-directory module-install KDIR="$kdir" DESTDIR="$tmp/installed" \
		module-dir="$tmp/build-$kernel" >"$tmp/log" 2>&1 || { cat "$tmp/log"; fail "make module-install"; }
	is_ours "$tmp/installed/lib/modules/$release/updates/vfio_pm_pci.ko" "$release"
	modprobe -d "$tmp/installed" -S "$release" -D --ignore-install vfio-pm-pci 2>/dev/null |
		grep -q 'updates/vfio_pm_pci.ko' || fail "$release: modprobe doesn't find it by its driver's name"

	mkdir -p "$tmp/tree/lib/modules/$release"
	for verb in build install; do
		by_dkms "$verb" -k "$release" --kernelsourcedir "$kdir" --no-depmod --force >"$tmp/log" 2>&1 || {
			cat "$tmp/log" "$tmp/dkms/vfio-pm-pci/$version/build/make.log" 2>/dev/null
			fail "dkms $verb for $release"
		}
	done
	by_dkms status -k "$release" 2>/dev/null | grep -q ': installed' || fail "dkms doesn't say that it is installed"
	module=$(find "$tmp/tree/lib/modules/$release" -name 'vfio_pm_pci.ko*')
	[ -n "$module" ] || fail "dkms left no module in $release"
	is_ours "$module" "$release"
	runs "$module" "$kernel" >"$tmp/log" 2>&1 || { cat "$tmp/log"; fail "$module doesn't run"; }
	by_dkms uninstall -k "$release" --no-depmod >"$tmp/log" 2>&1 || { cat "$tmp/log"; fail "dkms uninstall"; }
	[ -z "$(find "$tmp/tree/lib/modules/$release" -name 'vfio_pm_pci.ko*')" ] || fail "dkms uninstall left it"
done
