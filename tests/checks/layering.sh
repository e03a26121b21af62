#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=fast
# cmd -> lib -> kernel, and each outside library has one user. Told by the
# objects' symbols, which no macro or wrapper can hide.
set -euo pipefail
cd "$(dirname "$0")/../.."
make -s all

code=0
bad() { echo "$*"; code=1; }

tmp=$(mktemp)
trap 'rm -f "$tmp"' EXIT
# "lib/sysfs openat": what each object takes from elsewhere.
nm -uA build/obj/lib/*.o build/obj/cmd/*.o |
	sed -E 's,^build/obj/([a-z]+/[^.]+)\.o:.* U ([^@]+).*,\1 \2,' >"$tmp"

# takes OBJECTS SYMBOLS TEXT: nobody of these takes one of those; both are
# regular expressions.
takes() {
	local found
	found=$(grep -E "^($1) ($2)\$" "$tmp") || return 0
	while read -r object symbol; do bad "$object.c: $3: $symbol"; done <<<"$found"
}

prints='(__)?v?(f|d)?printf(_chk)?|puts|fputs|putchar|putc|fputc|fwrite|perror|psignal|stdout|stderr'
# (_exit() ends a child that the library has forked.)
ends='exit|_Exit|abort|quick_exit|err|errx|verr|verrx|warn|warnx|error|argp_.*|__assert_fail'
takes 'lib/.*' "$prints|syslog" "the library is silent"
takes 'lib/.*' "$ends" "the library never exits"

# only OBJECT SYMBOLS: nobody else takes them.
only() {
	local found
	found=$(grep -E " ($2)\$" "$tmp" | grep -vE "^($1) ") || return 0
	while read -r object symbol; do bad "$object.c: $symbol belongs to $1.c"; done <<<"$found"
}
# Files are opened by the library's one door; what writes has checked the root.
only 'lib/(sysfs|ctx)|cmd/.*' '(f?open|opendir)(64)?'
only lib/event 'udev_(monitor|enumerate|device|queue|list).*'
only cmd/names 'pci_.*|udev_hwdb.*'
only cmd/trace 'tracefs_.*|tep_.*'

# A path that starts a string is one that is opened; texts may mention one. What isn't the kernel's
# stands here, with its reason.
allowed='guest_table\.c:.*"/run/vfio-pm/guest\.sock[")]'	# the socket that QEMU is told to make
allowed+='|guest_iasl\.c:.*"/tmp"'			# TMPDIR's default, for iasl
allowed+='|module\.c:.*"/sbin/modprobe"'		# where PATH lacks it
if grep -nE '"/?(sys|proc|dev)/|"/(bin|boot|etc|home|lib|media|mnt|opt|root|run|sbin|srv|tmp|usr|var)[/"]' \
	cmd/*.[ch] | grep -vE "^cmd/($allowed)"; then
	bad "cmd/ names no system path: the library does"
fi
if grep -nE '"/(sys|proc|dev|etc|run|tmp|var|lib|usr|boot)/' lib/*.c | grep -vE '^lib/(sysfs|ctx|device)\.c:'; then
	bad "paths in the library are relative to the context's root"
fi

# .data and .bss are state; constants with relocations are in .data.rel.ro.
while read -r symbol; do bad "mutable global: $symbol"; done < <(
	objdump -t build/obj/lib/*.o build/obj/cmd/*.o | awk '
		/file format/ { file = $1; sub(/^build\/obj\//, "", file) }
		NF > 4 && $(NF-2) ~ /^(\.data|\.bss|\*COM\*)$/ && $NF !~ /^\./ { print file " " $NF }')

# A file is one topic.
while read -r n f; do
	[ "$f" = total ] || [ "$n" -le 600 ] || bad "$f: $n lines, more than one topic"
done < <(git ls-files -z -co --exclude-standard '*.c' '*.h' '*.sh' '*.bash' '*.bats' |
	xargs -0 wc -l 2>/dev/null)
exit $code
