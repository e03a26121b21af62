#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=slow timeout=120
# Completion in a real interactive bash on a pseudo-terminal, under strace: what
# it offers, that it starts no process, and what it opens of a device. Said as
# TAP. Other shells: completion-shells.
set -euo pipefail
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# shellcheck source=tests/cli/completion.bash
. tests/cli/completion.bash

cat >"$tmp/rc" <<-EOF2
	PS1=@@ready@@
	HISTFILE=
	. "$PWD/completions/vfio-pm"
	show() { printf '\n@@%s@@\n' "\$READLINE_LINE"; }
	bind -x '"\C-x\C-r": show'
	bind 'set bell-style none'
	bind 'set completion-query-items 0'
	bind 'set page-completions off'
	\${SETTINGS-}
	cd "$tmp"
	[[ -e /completion-test-starts-here ]]
	EOF2

R="--sysroot=$tmp/r"
# Keys and the line that they lead to; \e* inserts all that fit.
cases=(
	"vfio-pm ent\t" "vfio-pm enter "
	"vfio-pm li\t-a\t" "vfio-pm list -a "
	"vfio-pm $R enter 0000:01:\t" "vfio-pm $R enter 0000:01:00."
	"vfio-pm $R enter 0000:01:00.1\t" "vfio-pm $R enter 0000:01:00.1 "
	"vfio-pm $R enter \e*" "vfio-pm $R enter 0000:01:00.0 0000:01:00.1 0001:02:00.0 "
	"vfio-pm $R enter 0000:01:00.0 01\t" "vfio-pm $R enter 0000:01:00.0 01:00.1 "
	"vfio-pm $R exit 1:02\e*" "vfio-pm $R exit 1:02"
	"vfio-pm $R bind \e*" "vfio-pm $R bind 0000:02:00.0 "
	"vfio-pm $R bind 02\t" "vfio-pm $R bind 02:00.0 "
	"vfio-pm $R deepen --state-loss-ok=\e*" "vfio-pm $R deepen --state-loss-ok=0000:01:00.0 0000:01:00.1 0001:02:00.0 "
	"vfio-pm $R deepen --state-loss-ok 000\e*" "vfio-pm $R deepen --state-loss-ok 0000:01:00.0 0000:01:00.1 0001:02:00.0 "
	"vfio-pm $R list 0000:00\t" "vfio-pm $R list 0000:00:1c.0 "
	"vfio-pm $R list gr\e*" "vfio-pm $R list group:7 group:8 group:9 "
	"vfio-pm $R enter group:9\t" "vfio-pm $R enter group:9 "
	"vfio-pm $R enter 10de:\t" "vfio-pm $R enter 10de:2204 "
	"vfio-pm $R enter 8086\t" "vfio-pm $R enter 8086:10d3 "
	"vfio-pm $R bind --driver=vfio-p\t" "vfio-pm $R bind --driver=vfio-pci "
	"vfio-pm $R unbind --driver=nv\t" "vfio-pm $R unbind --driver=nvme "
	"vfio-pm $R enter --timeout=5m\t" "vfio-pm $R enter --timeout=5m"
	"vfio-pm $R enter --timeout=5\e*" "vfio-pm $R enter --timeout=5h 5m 5ms 5s "
	"vfio-pm $R enter --on-wake=re\t" "vfio-pm $R enter --on-wake=reenter "
	"vfio-pm $R enter --no-w\t01:00.0" "vfio-pm $R enter --no-wait 01:00.0"
	"vfio-pm enter --tim\t" "vfio-pm enter --timeout="
	"vfio-pm list -o drive\t" "vfio-pm list -o driver"
	"vfio-pm list -o address,drive\t" "vfio-pm list -o address,driver"
	"vfio-pm list -o +address,drive\t" "vfio-pm list -o +address,driver"
	"vfio-pm list -o driver,drive\t" "vfio-pm list -o driver,drive"
	"vfio-pm list --output=address,drive\t" "vfio-pm list --output=address,driver"
	"vfio-pm list -o al\t" "vfio-pm list -o all"
	"vfio-pm list --sort=al\t" "vfio-pm list --sort=al"
	"vfio-pm $R guest-listen --device=02.0=\e*" "vfio-pm $R guest-listen --device=02.0=0000:01:00.0 0000:01:00.1 0001:02:00.0 "
	"vfio-pm $R guest-listen --device=02.0=0001:\t" "vfio-pm $R guest-listen --device=02.0=0001:02:00.0 "
	"vfio-pm $R guest-listen --device 1a.0/00.0=0001:\t" "vfio-pm $R guest-listen --device 1a.0/00.0=0001:02:00.0 "
	"vfio-pm $R guest-listen --device=02\t" "vfio-pm $R guest-listen --device=02"
	"vfio-pm list --owner=\e*" "vfio-pm list --owner=any none "
	"vfio-pm status --owner n\t" "vfio-pm status --owner none "
	"vfio-pm wait --state=D3c\t" "vfio-pm wait --state=D3cold "
	"vfio-pm wait --state=s\t" "vfio-pm wait --state=suspended "
	"vfio-pm $R wait 01:00.0 --state \e*" "vfio-pm $R wait 01:00.0 --state D0 D3cold D3hot active suspended "
	"vfio-pm explain --state=\e*" "vfio-pm explain --state=D3cold D3hot "
	"vfio-pm help ente\t" "vfio-pm help enter "
	"vfio-pm nonsense 0000\t" "vfio-pm nonsense 0000"
	"vfio-pm --sysroot=$tmp/r\t" "vfio-pm --sysroot=$tmp/r/"
	"vfio-pm --sysroot $tmp/r enter 0001\t" "vfio-pm --sysroot $tmp/r enter 0001:02:00.0 "
)
keys() {
	local i
	for ((i = 0; i < ${#cases[@]}; i += 2)); do printf '%s\n' "${cases[i]}"; done
}

run() { # NAME SETTINGS: type all cases into a bash with these settings
	local i log=$tmp/$1.strace
	SETTINGS=$2 strace -f -qq -o "$log" -e trace=process,%file \
		"$tmp/pty" bash --noprofile --rcfile "$tmp/rc" -i <<<"$(keys)" >"$tmp/out" 2>"$tmp/err" || true
	mapfile -t got <"$tmp/out"
	for ((i = 0; i < ${#cases[@]}; i += 2)); do
		if [ "${got[i / 2]-}" = "${cases[i + 1]}" ]; then
			result 0 "$1: ${cases[i]}"
		else
			result 1 "$1: ${cases[i]}"
			echo "# got      '${got[i / 2]-}'"
			echo "# expected '${cases[i + 1]}'"
		fi
	done
	sed 's/^/# /' "$tmp/err"
	harmless "$1" "$log"
}

run plain ''
run set-u 'set -u'
run bash-completion '. /usr/share/bash-completion/bash_completion'
# Those who double-click addresses take the colon out.
run no-colon 'eval COMP_WORDBREAKS=${COMP_WORDBREAKS//:}'

finish
