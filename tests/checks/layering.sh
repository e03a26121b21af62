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

# undefined OBJECT REGEX: symbols that it takes from elsewhere
undefined() { nm -u "$1" | awk '{ print $2 }' | sed 's/@.*//' | grep -xE "$2" || true; }

prints='(__)?v?(f|d)?printf(_chk)?|puts|fputs|putchar|putc|fputc|fwrite|perror|psignal|stdout|stderr'
# (_exit() ends a child that the library has forked.)
ends='exit|_Exit|abort|quick_exit|err|errx|verr|verrx|warn|warnx|error|argp_.*|__assert_fail'
for o in build/obj/lib/*.o; do
	src=lib/$(basename "$o" .o).c
	for s in $(undefined "$o" "$prints|syslog"); do bad "$src: the library is silent: $s"; done
	for s in $(undefined "$o" "$ends"); do
		# It ends a process that it forked itself.
		[ "$src $s" = "lib/driver.c _exit" ] || bad "$src: the library never exits: $s"
	done
done

# only OBJECT-NAME REGEX: nobody else uses it
only() {
	local o s
	for o in build/obj/lib/*.o build/obj/cmd/*.o; do
		[ "$o" != "build/obj/$1.o" ] || continue
		for s in $(undefined "$o" "$2"); do bad "${o#build/obj/}: $s belongs to $1.c"; done
	done
}
only lib/event 'udev_(monitor|enumerate|device|new|unref|ref|queue|list).*'
only cmd/names 'pci_.*|udev_hwdb.*'
only cmd/trace 'tracefs_.*|tep_.*'
# Files are opened by the library's one door; what writes has checked the root.
for o in build/obj/lib/*.o; do
	case $(basename "$o" .o) in sysfs | ctx | driver | policy) continue ;; esac
	for s in $(undefined "$o" 'open(64)?|openat(64)?|fopen(64)?|opendir'); do
		bad "lib/$(basename "$o" .o).c: sysfs.c opens files: $s"
	done
done

# A path that starts a string is one that is opened; texts may mention one.
if grep -nE '"/?(sys|proc|dev)/' cmd/*.[ch]; then
	bad "cmd/ names no system path: the library does"
fi
if grep -nE '"/(sys|proc|dev)/' lib/*.c | grep -vE '^lib/(sysfs|ctx|device)\.c:'; then
	bad "paths in the library are relative to the context's root"
fi

# .data and .bss are state; constants with relocations are in .data.rel.ro.
for o in build/obj/lib/*.o build/obj/cmd/*.o; do
	for s in $(objdump -t "$o" | awk 'NF > 4 && $(NF-2) ~ /^(\.data|\.bss|\*COM\*)$/ && $NF !~ /^\./ { print $NF }'); do
		bad "${o#build/obj/}: mutable global: $s"
	done
done

# A file is one topic. The one public header is as long as the library is wide.
while read -r f; do
	[ -f "$f" ] || continue
	n=$(wc -l <"$f")
	[ "$n" -le 600 ] || bad "$f: $n lines, more than one topic"
done < <(git ls-files -co --exclude-standard '*.c' '*.h' '*.sh' '*.bash' '*.bats' ':!lib/vfiopm.h')
exit $code
