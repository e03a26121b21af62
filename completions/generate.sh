#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# generate.sh [DIR]: writes the completions for bash, zsh and fish into DIR (this
# folder), from what `build/vfio-pm --describe` says of itself and the code in
# *.in. Verbs, options and columns are said in one place only.
set -euo pipefail
cd "$(dirname "$0")"
out=${1:-.}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# What a value is called in the help says what it is; for some the option does.
../build/vfio-pm --describe | jq '
	walk(if type == "object" and has("arg") and .arg != null then
		if .name == "driver" then .arg = "DRIVER"
		elif .arg | test("LIST") then .arg = "LIST"
		else . end
	else . end)
	| .columns as $columns
	| .verbs[] |= (.args = ((.args // "") | split("\n")[0])
		| .columns = if any(.options[]; .arg == "LIST" or .arg == "COLUMN")
			then $columns else null end)' >"$tmp/json"

fill() { # TEMPLATE FILE: the template with @DATA@ replaced by standard input
	cat >"$tmp/data"
	sed -e "/^@DATA@\$/{
		r $tmp/data
		d
	}" "$1" >"$2"
}

header='# The following is made by completions/generate.sh from `vfio-pm --describe`.'

jq -r --arg header "$header" '
	def word: if .arg == null then "--\(.name)"
		elif .optional then "--\(.name)[=\(.arg)]"
		else "--\(.name)=\(.arg)" end;
	def words: [ .[] |
		(if .name then word else empty end),
		(if .short then (if .arg == null or .optional then "-\(.short)" else "-\(.short) \(.arg)" end)
			else empty end) ] | map(@sh) | join(" ");
	"\($header)",
	"# Sets $verbs, $options, $args and $columns for a verb; without one: for vfio-pm itself.",
	"_vfio_pm_data() {",
	"\tverbs=(\([ .verbs[].name ] | join(" ")))",
	"\tcolumns=()",
	"\tcase $1 in",
	"\t\u0027\u0027) options=(\(.options | words)) ;;",
	(.verbs[] | "\t\(.name))",
		"\t\toptions=(\(.options | words))",
		"\t\targs=\(.args // "" | @sh)",
		(if .columns then "\t\tcolumns=(\([ .columns[].name ] | join(" ")))" else empty end),
		"\t\t;;"),
	"\tesac",
	"}",
	""' "$tmp/json" | fill bash.in "$out/vfio-pm"

# zsh: _arguments specifications; the action of a value is a function of its name. A blank in front
# of it: without it compadd's options come before the function's own argument.
jq -r --arg header "$header" '
	def clean: gsub("\\s+"; " ") | gsub("(?<c>[\\[\\]:\\\\])"; "\\\(.c)");
	def action: if .arg | test("\\|") then "(\(.arg | gsub("\\|"; " ")))"
		else " _vfio_pm_value \(.arg | gsub("[^A-Za-z_]"; "" ))" end;
	def value: if .arg == null then "" else "\(if .optional then "::" else ":" end)\(.arg | gsub("[|:]"; " ")):\(action)" end;
	def specs: .[] | . as $o |
		(if .name then "--\(.name)\(if .arg == null then "" elif .optional then "=-" else "=" end)[\(.help // "" | clean)]\(value)" else empty end),
		(if .short then "-\(.short)\(if .arg == null or .optional then "" else "+" end)[\(.help // "" | clean)]\(if .optional then "" else value end)" else empty end)
		| @sh;
	"\($header)",
	"_vfio_pm_verbs=(",
	(.verbs[] | "\t\("\(.name):\(.summary | clean)" | @sh)"),
	")",
	"_vfio_pm_options=(",
	(.options | specs | "\t" + .),
	")",
	"_vfio_pm_data() {",
	"\tcolumns=()",
	"\tcase $1 in",
	(.verbs[] | "\t\(.name))",
		(if .columns then "\t\tcolumns=(\([ .columns[].name ] | join(" ")))" else empty end),
		"\t\tspecs=(", (.options | specs | "\t\t\t" + .),
		(if (.args // "") == "" then empty else
			(if .args | test("\\.\\.\\.") then "\t\t\t\u0027*:" else "\t\t\t\u0027:" end) +
			"\(.args | split(" ")[0] | gsub("[^A-Z]"; "") | ascii_downcase): _vfio_pm_value \(.args | split(" ")[0] | gsub("[^A-Z]"; ""))\u0027" end),
		"\t\t)",
		"\t\t;;"),
	"\tesac",
	"}",
	""' "$tmp/json" | fill zsh.in "$out/_vfio-pm"

jq -r --arg header "$header" '
	def q: "\u0027" + (gsub("\\s+"; " ") | gsub("\\\\"; "\\\\") | gsub("\u0027"; "\\\u0027")) + "\u0027";
	def value: if .arg == null then ""
		else "\(if .optional then "" else " -r" end) -f -a \u0027(__vfio_pm_value \(.arg | gsub("\\|"; " ") | if test(" ") then "choice " + . else . end))\u0027" end;
	def flags: "\(if .name then " -l " + .name else "" end)\(if .short then " -s " + (.short | q) else "" end) -d \(.help // "" | q)\(value)";
	"\($header)",
	"set -g __vfio_pm_verbs \([ .verbs[].name ] | join(" "))",
	"set -g __vfio_pm_columns \([ .verbs[].columns // [] | .[].name ] | unique | join(" "))",
	"complete -c vfio-pm -f",
	(.options[] | "complete -c vfio-pm -n __fish_use_subcommand\(flags)"),
	(.verbs[] | . as $v |
		"complete -c vfio-pm -n __fish_use_subcommand -a \(.name) -d \(.summary | q)",
		(.options[] | "complete -c vfio-pm -n \u0027__fish_seen_subcommand_from \($v.name)\u0027\(flags)"),
		(if (.args // "") == "" then empty else
			"complete -c vfio-pm -n \u0027__fish_seen_subcommand_from \(.name)\u0027 -a \u0027(__vfio_pm_value \(.args | split(" ")[0] | gsub("[^A-Z]"; "")))\u0027" end)),
	""' "$tmp/json" | fill fish.in "$out/vfio-pm.fish"
