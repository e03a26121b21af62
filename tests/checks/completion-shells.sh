#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=slow timeout=120
# The completions of zsh (typed at, on a pseudo-terminal) and of fish (asked by
# `complete -C`), under strace: what they offer, that they start no process, and
# what they open of a device. Said as TAP. bash has a check of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# shellcheck source=tests/cli/completion.bash
. tests/cli/completion.bash

mkdir "$tmp/zsh"
cat >"$tmp/zsh/.zshrc" <<-END
	PROMPT='@@ready@@'
	unset zle_bracketed_paste
	fpath=("$PWD/completions" \$fpath)
	autoload -Uz compinit
	compinit -C -d "$tmp/zsh/dump"
	bindkey -e
	setopt no_auto_menu no_beep no_list_ambiguous no_prompt_sp no_always_last_prompt
	LISTMAX=1000
	# Without \`zle -I': that gives the terminal back for a moment, which would eat keys.
	show() { print -r; print -rn -- "@@\$BUFFER@@"; print }
	stty -iexten
	zle -N show
	bindkey '^X^R' show
	all() { _main_complete; compstate[insert]=all; compstate[list]= }
	zle -C all complete-word all
	bindkey '^[*' all
	[[ -e /completion-test-starts-here ]]
	END
cat >"$tmp/ask.fish" <<-END
	source completions/vfio-pm.fish
	set -l lines (cat "$tmp/lines")
	test -e /completion-test-starts-here
	for line in \$lines
	    set -l found (complete -C \$line | string replace -r '\t.*' '')
	    echo \$found
	end
	END

R="--sysroot=$tmp/r"
# What stands before the cursor, and all that fits there.
cases=(
	"ent" "enter"
	"$R enter 0000:01:00.1" "0000:01:00.1"
	"$R enter " "0000:01:00.0 0000:01:00.1 0001:02:00.0"
	"$R enter 0000:01:00.0 01" "01:00.1"
	"$R exit 1:02" ""
	"$R bind " "0000:02:00.0"
	"$R bind 02" "02:00.0"
	"$R deepen --state-loss-ok=" "--state-loss-ok=0000:01:00.0 --state-loss-ok=0000:01:00.1 --state-loss-ok=0001:02:00.0"
	"$R list 0000:00" "0000:00:1c.0"
	"$R list gr" "group:7 group:8 group:9"
	"$R enter group:9" "group:9"
	"$R enter 10de" "10de:2204"
	"$R bind --driver=" "--driver=vfio-pci"
	"$R unbind --driver=" "--driver=nvme --driver=pcieport"
	"--sysroot $tmp/r enter 0001" "0001:02:00.0"
	"wait --state=" "--state=D0 --state=D3cold --state=D3hot --state=active --state=suspended"
	"enter --timeout=5" "--timeout=5h --timeout=5m --timeout=5ms --timeout=5s"
	"enter --on-wake=re" "--on-wake=reenter"
	"enter --no-w" "--no-wait"
	"list -o drive" "driver"
	"list -o address,drive" "address,driver"
	"list -o +drive" "+driver"
	"list -o al" "all"
	"list -o +al" "+all"
	"list --sort=drive" "--sort=driver"
	"$R guest-listen --device=02.0=0001:" "--device=02.0=0001:02:00.0"
	"list --owner=" "--owner=any --owner=none"
	"help ente" "enter"
)

same() { # GOT EXPECTED: the same words
	local got expected
	# shellcheck disable=SC2086 # words
	got=$(printf '%s\n' $1 | sort)
	# shellcheck disable=SC2086
	expected=$(printf '%s\n' $2 | sort)
	[ "$got" = "$expected" ]
}

# zsh inserts all that fits; of a list with commas more may follow.
offered() { # LINE TYPED
	local head="vfio-pm $2"
	case $1 in
	*' ' | *,) REPLY=${1#"${head% *} "} REPLY=${REPLY%[ ,]} ;;
	*) REPLY= ;;
	esac
}

run() { # SHELL COMMAND...: standard output is a line a case
	local shell=$1 i got
	shift
	timeout 100 strace -f -qq -o "$tmp/log" -e trace=process,%file "$@" >"$tmp/out" 2>"$tmp/err" || true
	mapfile -t got <"$tmp/out"
	for ((i = 0; i < ${#cases[@]}; i += 2)); do
		REPLY=${got[i / 2]-none}
		[ "$shell" != zsh ] || offered "$REPLY" "${cases[i]}"
		same "$REPLY" "${cases[i + 1]}" && r=0 || r=1
		result "$r" "$shell: ${cases[i]}"
		[ "$r" = 0 ] || printf '# got      %s (%s)\n# expected %s\n' "$REPLY" "${got[i / 2]-none}" "${cases[i + 1]}"
	done
	[ ! -s "$tmp/err" ] && r=0 || r=1
	result "$r" "$shell: says nothing"
	sed 's/^/# /' "$tmp/err" | head -n 20
	harmless "$shell" "$tmp/log"
}

for ((i = 0; i < ${#cases[@]}; i += 2)); do printf 'vfio-pm %s\n' "${cases[i]}"; done >"$tmp/lines"
run fish fish --no-config "$tmp/ask.fish"

sed 's/$/\\e*/' "$tmp/lines" >"$tmp/keys"
# Under strace the thousand files that compinit reads take too long.
zsh -f -c 'fpath=("$1" $fpath); autoload -Uz compinit; compinit -u -d "$2"' zsh "$PWD/completions" "$tmp/zsh/dump"
# shellcheck disable=SC2016 # the inner shell's
ZDOTDIR=$tmp/zsh run zsh bash -c '"$0/pty" zsh -i <"$0/keys"' "$tmp"
finish
