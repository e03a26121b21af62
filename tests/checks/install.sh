#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=fast
# What `make install` puts is complete and usable, and `make uninstall` takes
# all of it away again.
set -euo pipefail
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "$*"; exit 1; }

make -s all
make -s install DESTDIR="$tmp" PREFIX=/opt/v >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
rm "$tmp/log"
[ "$(ls "$tmp")" = opt ] || fail "installed outside of the prefix: $(ls "$tmp")"

for f in examples/hooks/*; do
	[ -x "$tmp/opt/v/share/doc/vfio-pm/hooks/${f##*/}" ] || fail "$f isn't installed"
done

cd "$tmp/opt/v"
bin/vfio-pm --version >/dev/null
for page in $(cd - >/dev/null && cd man && echo *.[1-9]); do
	[ -f "share/man/man${page##*.}/$page" ] || fail "$page isn't installed"
done
for f in share/bash-completion/completions/vfio-pm share/zsh/site-functions/_vfio-pm \
	share/fish/vendor_completions.d/vfio-pm.fish; do
	[ -f "$f" ] || fail "$f isn't installed"
done
# A unit runs the binary that was installed with it.
for unit in lib/systemd/system/*; do
	[ -f "$unit" ] || continue
	grep -q '^ExecStart=/opt/v/bin/vfio-pm ' "$unit" || fail "$unit doesn't run /opt/v/bin/vfio-pm"
	if grep -n '@[a-z]*@' "$unit"; then fail "$unit has an unfilled place"; fi
done
# Its guard must outlive it: with any other mode systemd kills both (systemd.kill(5)).
grep -qx 'KillMode=process' lib/systemd/system/vfio-pm-deepen.service ||
	fail "vfio-pm-deepen.service lets systemd kill the guard"
if grep -rnI "$tmp" .; then fail "an installed file names the staging directory"; fi
cd - >/dev/null

# The examples build as a user's programs do.
export PKG_CONFIG_PATH=$tmp/opt/v/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$tmp
make -s -C examples OUT="$tmp/examples" CFLAGS='-O1 -Wall -Wextra -Werror'
for p in "$tmp"/examples/*; do
	LD_LIBRARY_PATH=$tmp/opt/v/lib "$p" --help >/dev/null || fail "$p --help"
done
rm -r "$tmp/examples"

make -s uninstall DESTDIR="$tmp" PREFIX=/opt/v
# Folders that others use, too, may stay; ours bear the name.
left=$(find "$tmp" ! -type d -o -path '*vfio-pm*')
[ -z "$left" ] || fail "left behind: $left"

# What others put among ours stays.
make -s install DESTDIR="$tmp" prefix=/opt/w >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
rm "$tmp/log"
[ -x "$tmp/opt/w/bin/vfio-pm" ] || fail "prefix= is not heeded"
[ ! -e "$tmp/usr" ] || fail "installed outside of prefix="
touch "$tmp/opt/w/share/doc/vfio-pm/local"
make -s uninstall DESTDIR="$tmp" prefix=/opt/w
left=$(find "$tmp" ! -type d)
[ "$left" = "$tmp/opt/w/share/doc/vfio-pm/local" ] || fail "left behind: $left"
