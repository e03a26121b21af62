# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The head of a test says how it wants to be run, in one comment:
#	# vm: kernels=6.1,6.12,debug modparam="disable_idle_d3=1" group=vm timeout=300
#	# check: group=fast timeout=60

header() { # vm|check FILE: sets kernels soak drivers modparam group timeout append mem qemu topology cost
	local line= word words
	# shellcheck disable=SC2034 # for the caller
	kernels=6.1,6.12 soak= drivers=vfio-pci modparam= group= timeout=300 append= mem= qemu= topology= cost=30
	while IFS= read -r line; do
		[[ $line == "# $1: "* ]] && break
		[[ $line == "#"* || -z $line ]] || { line=; break; }
	done <"$2"
	[[ $line == "# $1: "* ]] || return 0
	# The words are quoted as in the shell, and come from this repository.
	eval "words=(${line#"# $1: "})"
	for word in "${words[@]}"; do
		case ${word%%=*} in
		kernels | soak | drivers | modparam | group | timeout | append | mem | qemu | topology | cost) printf -v "${word%%=*}" %s "${word#*=}" ;;
		*) echo "$2: unknown word '$word' in its head" >&2; return 1 ;;
		esac
	done
	# One module is meant so often that its name may be left out.
	[[ -z $modparam || $modparam == *" "* ]] || modparam="vfio-pci $modparam"
}
