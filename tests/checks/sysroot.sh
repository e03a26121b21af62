#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=slow timeout=280
# Every verb that takes --sysroot, on hostile trees, under strace: nothing outside
# of the root is opened once the program runs, no device node or FIFO is, nothing
# hangs, crashes or takes much memory, and what is printed harms no terminal.
# Said as TAP, a line a tree.
set -euo pipefail
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# shellcheck source=tests/cli/fixture.bash
. tests/cli/fixture.bash
make -s all

# What must not be reached, as files, as a device and as a process.
mkdir -p "$tmp/out"
fixture_new "$tmp/out/r"
fx_device 0000:66:00.0 driver=vfio-pci group=66 vendor=ca7a device=1234
fx_process 666 comm=CANARY fd=/dev/vfio/66
echo CANARY >"$tmp/out/secret"

fixture_new "$tmp/r"
fx_bridge 0000:00:1c.0 status=suspended state=D3cold acpi='\_SB_.PCI0.RP05' resources=LNXPOWER:00
fx_device 0000:01:00.0 parent=0000:00:1c.0 driver=vfio-pci group=7 enable=1 acpi='\_SB_.PCI0.RP05.PXSX' \
	resources=LNXPOWER:00 cdev=yes
fx_device 0000:01:00.1 parent=0000:00:1c.0 driver=vfio-pci group=7
fx_device 0000:02:00.0 driver=nvme group=8 numvfs=2
fx_process 4711 comm=qemu uid=107 fd=/dev/vfio/7
fx_process 4712 comm=vfio-pm fd=/dev/vfio/devices/vfio0
fx_link sys/bus/pci/drivers/nvme/loop sys/bus/pci/drivers/nvme/loop
ln -s "$tmp/out/r/sys/bus/pci/devices/0000:66:00.0" "$FX/sys/bus/pci/devices/0000:66:00.0"
ln -s "../../../../../../../../../../../..$tmp/out/r/proc/666" "$FX/proc/666"
mapfile -t files < <(cd "$FX" && find . -type f)
mapfile -t links < <(cd "$FX" && find . -type l ! -path '*/bus/pci/devices/*')
cp -a "$tmp/r" "$tmp/good"

# One of nine ways to be hostile, in place of the file or the link at $1.
replace() { # PATH KIND
	local path=$FX/$1
	rm -rf "$path"
	case $2 in
	0) ln -s "$tmp/out/secret" "$path" ;;
	1) ln -s "../../../../../../../../../../../../../../../../..$tmp/out/secret" "$path" ;;
	2) ln -s "${path##*/}" "$path" ;;
	3) mkfifo "$path" ;;
	# Only root makes device nodes.
	4) mknod "$path" c 1 5 2>/dev/null || ln -s /dev/zero "$path" ;;
	5) truncate -s 1G "$path" ;;
	6) printf '\033]0;owned\a\033[2J\0\377\376%s\n\n\n%08192d' '%s%n' 7 >"$path" ;;
	7) mkdir "$path" ;;
	8) ln -s "$tmp/out/r/sys/bus/pci/devices/0000:66:00.0" "$path" ;;
	esac
}

verbs=("list -a -o all" "list -a -J -o all" "status 0000:01:00.0 0000:02:00.0" "status -J 0000:01:00.0"
	"explain --all" "explain -J 0000:01:00.0" "owner" "owner -J" "wait --state=D0 --timeout=0 0000:01:00.0"
	"policy 0000:01:00.0" "bind --dry-run --group 0000:01:00.0" "report 0000:01:00.0 -o $tmp/report.tar"
	"list 0000:66:00.0" "status group:7 8086:10d3")

try() { # WORD...: one verb; prints what is wrong
	local at=0
	timeout 60 strace -f -qq -y -s 4096 -o "$tmp/log" -e trace=open,openat,openat2,execve,connect \
		bash -c 'ulimit -v 400000; exec "$@" <&-' bash \
		build/vfio-pm --sysroot="$FX" "$@" >"$tmp/stdout" 2>"$tmp/stderr" || at=$?
	[ "$at" -le 6 ] || { echo "exit $at"; tail -n 3 "$tmp/stderr"; }
	! grep -aE 'CANARY|0x?ca7a|0000:66' "$tmp/stdout" "$tmp/stderr" | grep -av 'no such device' || echo "printed what is outside"
	if LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$tmp/stdout" "$tmp/stderr"; then
		echo "prints control characters"
	fi
	# After the program is loaded. This machine's are the libraries, the time zone and the names of
	# vendors; libpci asks for the user's home, too.
	awk -v root="$FX" -v out="$tmp/out/" -v report="$tmp/report" -v libpci="$([[ $1 == [ls][it]* ]] && echo 1)" '
		FILENAME == ARGV[1] { special[root substr($0, 2)] = 1; next }
		/execve\("[^"]*build\/vfio-pm"/ { program = 1; next }
		!program { next }
		/connect\(/ { if (!libpci || !/nscd/) print; next }
		!/open(at|at2)?\(/ || !match($0, / = [0-9]+<[^>]*>/) { next }
		{
			path = substr($0, RSTART, RLENGTH - 1)
			sub(/^ = [0-9]+</, "", path)
			if (path == root || index(path, root "/") == 1 || index(path, report) == 1) {
				if (!/O_PATH/ && (path in special)) print
				next
			}
			if (path ~ /^\/(etc\/(ld\.so|locale|localtime|timezone)|(usr\/)?lib|usr\/share\/(locale|zoneinfo|misc\/pci|hwdata|i18n)|etc\/udev\/hwdb)/)
				next
			if (libpci && path ~ /^\/etc\/(passwd|nsswitch.conf)$/) next
			print
		}' "$tmp/special" "$tmp/log"
}

n=0
code=0
for round in 0 1 2 3 4 5 6 7 8; do
	export LC_ALL=C
	[ $((round % 2)) = 0 ] || LC_ALL=C.UTF-8
	rm -rf "$tmp/r"
	cp -a "$tmp/good" "$tmp/r"
	i=$round
	for path in "${files[@]}"; do replace "$path" $((i++ % 9)); done
	# Of the links, a third in each tree: without them there would be nothing to be seen.
	for path in "${links[@]}"; do
		i=$((i + 1))
		[ $((i % 3)) != 0 ] || replace "$path" $((i / 3 % 9))
	done
	(cd "$FX" && find . -type p -o -type c -o -type s) >"$tmp/special"
	for words in "${verbs[@]}"; do
		# shellcheck disable=SC2086 # words
		wrong=$(try $words)
		n=$((n + 1))
		if [ -z "$wrong" ]; then
			echo "ok $n tree $round: $words"
		else
			echo "not ok $n tree $round: $words"
			sed 's/^/# /' <<<"$wrong" | head -n 20
			code=1
		fi
	done
done
echo "1..$n"
exit $code
