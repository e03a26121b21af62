#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# run.sh [-l] [-v] [--seed=N] [NAME|GROUP]...
#
# Runs named checks; without a name the groups fast and vm. -l lists them, -v shows all output as it
# comes. A name may be a pattern ('vm-*-6.1'). What there is to run is found, nothing is registered:
#	unit-NAME	tests/unit/NAME.c, built into build/tests/unit/NAME, prints TAP	fast
#	cli-NAME	tests/cli/NAME.bats, on this machine				fast
#	NAME		tests/checks/NAME.sh, its exit status is the result		fast
#	bench-NAME	tests/bench/NAME.sh, prints figures				bench
#	vm-NAME-KERNEL	tests/vm/NAME.bats, in the VM on that kernel			vm, debug
#	vm-NAME-pm-KERNEL	the same cases with vfio-pm-pci, where its head names it	soak
# Groups other than these (slow, bench, soak) are named in a test's head (tests/README.md).
#
# Each TAP line counts as one test, and so do a check without TAP and a kernel log with a fault in it.
# The last line is "N passed, N failed"; the status is 0 only when something ran and nothing failed.
#
# VFIO_PM_JOBS (2): how much runs at a time. VFIO_PM_SCALE (5): percentage of the counts in VM tests;
# the group soak is the group vm at 100. VFIO_PM_RUN_WITH: a command that VMs are started through,
# such as nice.

set -uo pipefail

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$tests/.." && pwd)
cd "$root" || exit 1
# shellcheck source=tests/vm/header.bash
. "$tests/vm/header.bash"

logs=$root/build/test-logs
jobs=${VFIO_PM_JOBS:-2}
seed=${VFIO_PM_SEED:-$((RANDOM * 32768 + RANDOM))}
list=0 verbose=0
wanted=()
for word; do
	case $word in
	-l | --list) list=1 ;;
	-v) verbose=1 ;;
	--seed=*) seed=${word#*=} ;;
	-*) echo "run.sh: unknown option '$word' (see the head of tests/run.sh)" >&2; exit 2 ;;
	*) wanted+=("$word") ;;
	esac
done
[ ${#wanted[@]} -gt 0 ] || wanted=(fast vm)

# The fixture trees are thousands of small files: in memory, where there is room for them.
scratch=${TMPDIR:-/tmp}
[ -n "${TMPDIR:-}" ] || [ ! -w /dev/shm ] || (($(stat -f -c '%a * %S >> 20' /dev/shm) < 2048)) || scratch=/dev/shm

# --- what there is ------------------------------------------------------------------------------

names=()
declare -A kind_of file_of group_of timeout_of machine_of cost_of driver_of

add() { # NAME KIND FILE [DRIVER]
	names+=("$1")
	kind_of[$1]=$2
	file_of[$1]=$3
	group_of[$1]=$group
	timeout_of[$1]=$timeout
	cost_of[$1]=$cost
	driver_of[$1]=${4:-}
	# Files with the same words here can share a VM.
	machine_of[$1]="append=$append mem=$mem qemu=$qemu topology=$topology driver=${4:-}"
}

collect() {
	local file name kernel
	shopt -s nullglob
	for file in tests/unit/*.c; do
		header check "$file"
		name=${file##*/}
		group=${group:-fast}
		add "unit-${name%.c}" unit "build/tests/unit/${name%.c}"
	done
	for file in tests/cli/*.bats; do
		header check "$file"
		name=${file##*/}
		group=${group:-fast}
		add "cli-${name%.bats}" bats "$file"
	done
	for file in tests/checks/*.sh; do
		header check "$file"
		name=${file##*/}
		group=${group:-fast}
		add "${name%.sh}" script "$file"
	done
	for file in tests/bench/*.sh; do
		header check "$file"
		name=${file##*/}
		group=${group:-bench}
		add "bench-${name%.sh}" script "$file"
	done
	local own
	for file in tests/vm/*.bats; do
		header vm "$file"
		name=${file##*/}
		own=$group
		for kernel in ${kernels//,/ }; do
			group=${own:-vm}
			# What a soak or a bench is on Debian's kernels isn't run on the debug kernel.
			[ "$kernel" != debug ] || group=debug
			# Long files are run by `make check` on one kernel.
			[[ ,$soak, != *",$kernel,"* ]] || group=soak
			add "vm-${name%.bats}-$kernel" "vm-$kernel" "$file"
			[[ $drivers == *vfio-pm-pci ]] || continue
			[ "$group" != vm ] || group=soak
			add "vm-${name%.bats}-pm-$kernel" "vm-$kernel" "$file" vfio-pm-pci
		done
	done
	shopt -u nullglob
}
collect

# vm-NAME means all its kernels; the debug kernel only where there is one.
matches() { # WORD NAME
	# shellcheck disable=SC2053 # a pattern
	[ "${group_of[$2]}" = "$1" ] || [[ $2 == $1 ]] || { [ "$1" = soak ] && [ "${group_of[$2]}" = vm ]; } ||
		[[ $1 == vm-* && ($2 == "$1"-6.* || ($2 == "$1-debug" && -n ${VFIO_PM_DEBUG_KERNEL:-})) ]]
}

selected=()
soak=0
for word in "${wanted[@]}"; do
	found=0
	[ "$word" != soak ] || soak=1
	for name in "${names[@]}"; do
		matches "$word" "$name" || continue
		found=1
		[[ " ${selected[*]-} " == *" $name "* ]] || selected+=("$name")
	done
	if [ "$found" = 0 ] && [[ " fast slow vm debug soak bench " != *" $word "* ]]; then
		echo "run.sh: no check is called '$word'; tests/run.sh -l lists them" >&2
		exit 2
	fi
done
if [ "$list" = 1 ]; then
	for name in "${selected[@]}"; do printf '%-40s %s\n' "$name" "${group_of[$name]}"; done
	exit 0
fi
[ "$soak" = 0 ] || export VFIO_PM_SCALE=100
export VFIO_PM_SCALE=${VFIO_PM_SCALE:-5}

# --- results ------------------------------------------------------------------------------------

mkdir -p "$logs"
results=$(mktemp -d "${TMPDIR:-/tmp}/vfio-pm-run.XXXXXX")
# Only what this run has started, and all of that: jobs of a script don't get the terminal's ^C.
kill_tree() { # PID...
	local pid
	for pid; do
		# shellcheck disable=SC2046 # numbers
		kill_tree $(pgrep -P "$pid")
		kill "$pid" 2>/dev/null
	done
}
# shellcheck disable=SC2046 # numbers
trap 'kill_tree $(jobs -p); wait; rm -rf "$results"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Counts TAP: what was planned but never told has failed, and so has what was skipped.
tally() { # LOG STATUS: prints "PASSED FAILED"
	awk -v status="$2" '
	/^1\.\.[0-9]+/ { planned = substr($0, 4) + 0; tap = 1 }
	/^ok / { if (/# skip/) bad++; else good++ }
	/^not ok / { bad++ }
	END {
		if (!tap) { good = status == 0; bad = status != 0 }
		if (planned > good + bad) bad = planned - good
		if (status != 0 && bad == 0) bad = 1
		if (tap && good + bad == 0) bad = 1
		print good + 0, bad + 0
	}' "$1"
}

report() { # NAME LOG STATUS SECONDS
	local good bad
	read -r good bad < <(tally "$2" "$3")
	{
		if [ "$bad" = 0 ]; then
			printf '%-40s ok      %4d passed             %4d s\n' "$1" "$good" "$4"
		else
			printf '%-40s FAILED  %4d passed, %3d failed %4d s  %s\n' "$1" "$good" "$bad" "$4" "${2#"$root"/}"
			if [ "$verbose" = 0 ]; then
				# The failed cases with what they said; of a plain check the end of its output.
				awk '/^(ok|1\.\.)/ { on = 0 } /^not ok|^# (vm|not finished|machine)|# skip/ { on = 1; tap = 1 } on { print "    " $0; if (++n > 60) exit }' "$2"
				grep -q '^1\.\.' "$2" || tail -n 25 "$2" | sed 's/^/    /'
			fi
		fi
	} >"$results/text-$1"
	# One write, so that jobs side by side don't mix their lines.
	cat "$results/text-$1"
	echo "$good $bad" >"$results/count-$1"
}

# Runs a command into a log. Not through a pipe unless it is watched: what a test leaves behind would
# hold the pipe open and this run with it.
logged() { # LOG COMMAND...
	local log=$1
	shift
	if [ "$verbose" = 1 ]; then
		"$@" </dev/null 2>&1 | tee "$log"
		return "${PIPESTATUS[0]}"
	fi
	"$@" </dev/null >"$log" 2>&1
}

# --- running ------------------------------------------------------------------------------------

run_on_host() { # NAME
	local name=$1 start=$SECONDS status command
	case ${kind_of[$name]} in
	unit) command=("${file_of[$name]}") ;;
	bats) command=(env TMPDIR="$scratch" bats --tap "${file_of[$name]}") ;;
	script) command=(bash "${file_of[$name]}") ;;
	esac
	logged "$logs/$name.log" timeout -k 5 "${timeout_of[$name]}" "${command[@]}"
	status=$?
	[ "$status" != 124 ] || echo "# not finished after ${timeout_of[$name]} s" >>"$logs/$name.log"
	report "$name" "$logs/$name.log" "$status" $((SECONDS - start))
}

# Cuts one file's part out of a VM's output; prints its status, or nothing when it has no end.
part() { # LOG FILE-NAME OUT
	awk -v name="$2" -v out="$3" '
	$0 == "# file: " name { on = 1; next }
	$1 == "#" && $2 == "end:" && $3 == name { print $4; on = 0 }
	on { print >out }
	/^# vm: / && !on { print >out }' "$1"
}

# One VM for all files as long as it lives. When it dies, the file that it died in has failed, and
# another VM runs the rest.
run_in_vm() { # KERNEL SEED NAME...
	local kernel=$1 vm_seed=$2 name file status start log limit turn=0 first slower=1
	shift 2
	[ "$kernel" != debug ] || slower=4 # as in tests/vm/batch.sh
	while [ $# -gt 0 ]; do
		turn=$((turn + 1))
		log=$logs/vm-$kernel-$vm_seed-$turn.log
		local files=() options=(--kernel="$kernel" --seed="$vm_seed" --keep="$logs/vm-$kernel-$vm_seed-$turn")
		limit=60
		header vm "${file_of[$1]}"
		[ -z "$append" ] || options+=(--append="$append")
		[ -z "$mem" ] || options+=(--mem="$mem")
		[ -z "$topology" ] || options+=(--topology="$tests/vm/topology-$topology")
		for word in $qemu; do options+=(--qemu-arg="$word"); done
		[ -z "${driver_of[$1]}" ] || options+=(--env=VFIO_PM_DRIVER="${driver_of[$1]}")
		for name; do
			files+=("${file_of[$name]}")
			limit=$((limit + timeout_of[$name] * slower * (VFIO_PM_SCALE > 10 ? 20 : 1) + 90))
		done
		start=$SECONDS
		# shellcheck disable=SC2086 # words
		logged "$log" ${VFIO_PM_RUN_WITH:-} "$tests/vm/vm.sh" run "${options[@]}" --timeout=$limit "${files[@]}"
		first=1
		local rest=() since=0 ended
		for name; do
			file=${file_of[$name]##*/}
			: >"$logs/$name.log"
			status=$(part "$log" "${file%.bats}" "$logs/$name.log")
			if ! grep -q '^# file: ' "$log"; then
				# No machine at all: another attempt would end the same way.
				cp "$log" "$logs/$name.log"
			elif [ -z "$status" ] && [ "$first" = 0 ] && ! grep -qxF "# file: ${file%.bats}" "$log"; then
				rest+=("$name")
				continue
			fi
			# shellcheck disable=SC2015
			grep -F "#   ${file%.bats} " "$log" | sed 's/^/not ok kernel log: /' >>"$logs/$name.log" || true
			grep -q '^not ok kernel log' "$logs/$name.log" && status=1
			first=0
			ended=$(sed -n "s/^# time: ${file%.bats} //p" "$log")
			report "$name" "$logs/$name.log" "${status:-125}" "${ended:-$((SECONDS - start - since))}"
			since=$((since + ${ended:-0}))
		done
		set -- "${rest[@]}"
	done
}

# VM tests are packed into machines of about the same length, so that a boot is shared and the
# processors stay busy. A machine's name is its kernel and the words of the head it was made for.
batches=()
pack() {
	local name key i cost room=240
	local keys=() filled=()
	# The longest first: it is the short ones that fill the gaps.
	while read -r cost name; do
		key="${kind_of[$name]#vm-} ${machine_of[$name]}"
		for ((i = 0; i < ${#batches[@]}; i++)); do
			[ "${keys[i]}" = "$key" ] && [ $((filled[i] + cost)) -le $room ] && break
		done
		if [ "$i" = ${#batches[@]} ]; then
			batches+=("${key%% *}")
			keys+=("$key")
			filled+=(0)
		fi
		batches[i]+=" $name"
		filled[i]=$((filled[i] + cost))
	done < <(by_cost)
}

by_cost() {
	local name
	for name in "${selected[@]}"; do
		[[ ${kind_of[$name]} != vm-* ]] || echo "${cost_of[$name]} $name"
	done | sort -k1,1nr -k2
}

pack

running=0
slot() { # waits until there is room for one more
	while [ "$running" -ge "$jobs" ]; do
		wait -n
		running=$((running - 1))
	done
	running=$((running + 1))
}

for name in "${selected[@]}"; do
	[[ ${kind_of[$name]} != vm-* ]] || continue
	slot
	run_on_host "$name" &
done
if [ ${#batches[@]} -gt 0 ]; then
	echo "topology seed $seed (the same machines again: --seed=$seed), counts at $VFIO_PM_SCALE %"
	n=0
	for batch in "${batches[@]}"; do
		read -r kernel members <<<"$batch"
		slot
		# shellcheck disable=SC2086 # names
		run_in_vm "$kernel" $((seed + n)) $members &
		n=$((n + 1))
	done
fi
wait

good=0 bad=0
for name in "${selected[@]}"; do
	if read -r g b 2>/dev/null <"$results/count-$name"; then
		good=$((good + g))
		bad=$((bad + b))
	else
		echo "$name: no result"
		bad=$((bad + 1))
	fi
done
echo "$good passed, $bad failed"
[ "$bad" = 0 ] && [ "$good" -gt 0 ]
