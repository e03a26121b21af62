#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=slow
# One source: what the binary says of itself (--describe) against help, man
# pages, completions and README: verbs, options, columns, exit codes. What is
# generated is generated again and compared; what is written by hand may name
# no option that doesn't exist, and must name each that does.
set -euo pipefail
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
code=0
bad() { echo "$*"; code=1; }

make -s all
build/vfio-pm --describe >"$tmp/json"
mapfile -t verbs < <(jq -r '.verbs[].name' "$tmp/json")

completions/generate.sh "$tmp"
for f in vfio-pm _vfio-pm vfio-pm.fish; do
	diff -u --label "completions/$f" "completions/$f" --label "from --describe" "$tmp/$f" || code=1
done
man/generate.sh --check || code=1
[ $code = 0 ] || echo "'make generate' writes it"

options_of() { # VERB, or nothing for those before the verb
	jq -r --arg verb "$1" '(if $verb == "" then .options else .verbs[] | select(.name == $verb) | .options end)
		| .[].name | select(. != null)' "$tmp/json" | sort -u
}
common='help|usage|version'

# Long options in text: as written for mdoc, and as rendered.
named() { sed -e 's/\\&//g; s/\\//g' | grep -oE '(--|Fl -)[a-z][a-z0-9-]*' | sed -E 's/^(--|Fl -)//' | sort -u; }

# The pages that tell about a verb: those that have it for a name, else vfio-pm.8.
pages_of() { # VERB
	grep -lE "^\.Nm vfio-pm-$1( ,)?\$" man/vfio-pm-*.8 || echo man/vfio-pm.8
}

# Of a page what is about the verb: the part with its name, or all of it.
source_of() { # VERB PAGE
	if grep -qx "\.Ss $1" "$2"; then
		awk -v verb="$1" '/^\.S[sh] /{ on = $0 == ".Ss " verb } on' "$2"
	elif [ "$2" != man/vfio-pm.8 ]; then
		cat "$2"
	fi
}

for verb in "${verbs[@]}"; do
	build/vfio-pm "$verb" --help >"$tmp/help" || bad "vfio-pm $verb --help fails"
	# argp leaves its own three options out of what another command prints.
	plain() { sed -E -e '/^ +(-\?, |-V, |    )--(help|usage|version) /d' -e 's/ \[OPTION\.\.\.\]//' -e '/^ *$/d' "$@"; }
	cmp -s <(plain "$tmp/help") <(build/vfio-pm help "$verb" | plain) ||
		bad "vfio-pm help $verb says something else than vfio-pm $verb --help"
	options_of "$verb" | grep -vxE "$common" >"$tmp/have" || true
	named <"$tmp/help" | grep -vxE "$common" >"$tmp/told" || true
	comm -23 "$tmp/have" "$tmp/told" | sed "s/^/vfio-pm $verb --help doesn't name --/" >"$tmp/bad"
	for page in $(pages_of "$verb"); do
		source_of "$verb" "$page" >"$tmp/man"
		[ -s "$tmp/man" ] || { bad "no page and no part of vfio-pm.8 tells about '$verb'"; continue; }
		# What it explains are the options of this verb, and all of them.
		grep '^\.It .*Fl' "$tmp/man" | named | grep -vxE "$common" >"$tmp/told" || true
		comm -23 "$tmp/have" "$tmp/told" | sed "s,^,$page doesn't explain $verb --," >>"$tmp/bad"
		comm -13 "$tmp/have" "$tmp/told" | sed "s,.*,$page explains $verb --&\, which isn't there," >>"$tmp/bad"
	done
	[ ! -s "$tmp/bad" ] || { cat "$tmp/bad"; code=1; }
done

# Nothing written by hand names an option or a verb that isn't there.
jq -r '[.options[], .verbs[].options[]] | .[].name | select(. != null)' "$tmp/json" | sort -u >"$tmp/have"
# Those of other programs, where they are shown.
printf '%s\n' enable now disable user unit pkg-config cflags libs write property >>"$tmp/have"
sort -u -o "$tmp/have" "$tmp/have"
for f in man/vfio-pm*.8 README.md; do
	named <"$f" | comm -13 "$tmp/have" - | sed "s,^,$f names an unknown option --," >"$tmp/bad"
	[ ! -s "$tmp/bad" ] || { cat "$tmp/bad"; code=1; }
	sed -nE 's/^(\.Dl )?[#$] (sudo )?vfio-pm ([a-z][a-z-]*).*/\3/p' "$f" | sort -u |
		comm -23 - <(printf '%s\n' "${verbs[@]}" | sort) | sed "s,^,$f shows an unknown verb: ," >"$tmp/bad"
	[ ! -s "$tmp/bad" ] || { cat "$tmp/bad"; code=1; }
done

# Each page of a verb says how it ends, by codes that there are, or sends the reader to vfio-pm(8).
jq -r '.exit_codes[].code' "$tmp/json" | sort -u >"$tmp/have"
for f in man/vfio-pm*.8; do
	awk '/^\.S[sh] /{ on = $0 == ".Sh EXIT STATUS" } on' "$f" >"$tmp/man"
	[ -s "$tmp/man" ] || bad "$f has no EXIT STATUS"
	# The status of another program, which vfio-pm-run hands on, has three digits.
	grep -v '^\.Xr' "$tmp/man" | grep -oE '\b[0-9]{1,2}\b' | sort -u >"$tmp/told" || true
	[ -s "$tmp/told" ] || grep -qE '^\.Xr vfio-pm 8|^128|12[567]:' "$tmp/man" || bad "$f: EXIT STATUS names no code"
	comm -13 "$tmp/have" "$tmp/told" | sed "s,^,$f names an exit code that isn't there: ," >"$tmp/bad"
	[ ! -s "$tmp/bad" ] || { cat "$tmp/bad"; code=1; }
done

# Each function of the library has its place in libvfiopm(3), and no other has.
grep -oE '\bvfiopm_[a-z0-9_]+;' lib/libvfiopm.sym | tr -d ';' | sort -u >"$tmp/have"
grep -oE '\bvfiopm_[a-z0-9_]+' man/libvfiopm.3 | grep -vxE 'vfiopm_(ctx|device|list|power|owners?|handle|log_fn|state|status|via|backend|addr|list_foreach)' |
	sort -u >"$tmp/told"
comm -23 "$tmp/have" "$tmp/told" | sed "s/^/libvfiopm.3 doesn't name /" >"$tmp/bad"
# Types and macros of the header may be named, too.
{
	grep -hE '(struct|enum|typedef|define) ' lib/vfiopm/*.h | grep -oE '\bvfiopm_[a-z0-9_]+'
	sed -nE 's/.*\b(vfiopm_[a-z0-9_]+)\).*/\1/p' lib/vfiopm/*.h
} | sort -u >"$tmp/others"
comm -13 "$tmp/have" "$tmp/told" | comm -23 - "$tmp/others" |
	sed "s/.*/libvfiopm.3 names &, which isn't there/" >>"$tmp/bad"
[ ! -s "$tmp/bad" ] || { cat "$tmp/bad"; code=1; }
exit $code
