# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# An owner that knows nothing of low power (tests/vm/guest_pm.c), and the service that watches it: `load guest_pm`
# after `load lib` and `load cmd`.

vmm_program=$VM_ROOT/build/tests/vm/guest_pm

vmm_start() { # ROLE...: its process is $vmm
	local role bar offset value args=()
	for role; do
		read -r bar offset value <<<"$(dev "REG_$role")"
		args+=("${!role},$bar,$offset,$value")
	done
	# Descriptors of its own: bats closes a coproc's in the next case.
	rm -f "$BATS_TEST_TMPDIR"/vmm.{in,out}
	mkfifo "$BATS_TEST_TMPDIR"/vmm.{in,out}
	"$vmm_program" "${args[@]}" <"$BATS_TEST_TMPDIR/vmm.in" >"$BATS_TEST_TMPDIR/vmm.out" 2>&1 3>&- &
	exec {vmm_in}>"$BATS_TEST_TMPDIR/vmm.in" {vmm_out}<"$BATS_TEST_TMPDIR/vmm.out"
	vmm_answer
	[[ $REPLY == "ready "* ]] || fail "vmm: $REPLY" || return
	vmm=${REPLY#ready }
}

vmm_answer() { # sets REPLY
	REPLY=
	IFS= read -r -t "${VMM_PATIENCE:-$((VM_PATIENCE * 6))}" -u "$vmm_out" REPLY ||
		fail "vmm: no answer (it is $(sed -n 's/^State:\t*//p' "/proc/$vmm/status" 2>/dev/null || echo dead))"
}

vmm() { # ORDER...: sets REPLY
	echo "$*" >&"$vmm_in" || fail "vmm: dead" || return
	vmm_answer
	[[ $REPLY != SIGBUS && $REPLY != cannot* ]] || fail "vmm $*: $REPLY"
}

vmm_stop() {
	[ -n "${vmm:-}" ] || return 0
	kill -CONT "$vmm" 2>/dev/null || true
	exec {vmm_in}>&- || true
	kill -KILL "$vmm" 2>/dev/null || true
	wait "$vmm" 2>/dev/null || true
	exec {vmm_out}<&- || true
	vmm=
}

vmm_runs() { # not stopped, not dead
	local stat
	# Without a fork: it may run for moments only.
	get stat "/proc/$vmm/stat" && [[ $stat == *") "[SRD]" "* ]]
}

# What suspends in 15 ms takes ten times as long when the host of this machine is busy.
deepen_start() { # ARGUMENT...: its process is $deepen, its words are in $deepen_log; run by DEEPEN_WITH
	deepen_log=$BATS_TEST_TMPDIR/deepen.log
	"${DEEPEN_WITH[@]}" "$vfio_pm" deepen --suspend-timeout=500ms "$@" >>"$deepen_log" 2>&1 3>&- &
	deepen=$!
}

deepen_stop() {
	[ -n "${deepen:-}" ] || return 0
	# Shown when the case fails.
	tail -n 20 "$deepen_log"
	kill "$deepen" 2>/dev/null
	wait "$deepen"
	local status=$?
	deepen=
	return $status
}

said() { grep -q -- "$1" "$deepen_log"; } # REGEX

wait_said() { # REGEX [SECONDS]
	wait_for "${2:-$VM_PATIENCE}" said "$1" || fail "not said: $1; but: $(<"$deepen_log")"
}

cgroup_start() { # ROLE...: as vmm_start, alone in a cgroup
	[ -e /sys/fs/cgroup/cgroup.procs ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup
	mkdir -p /sys/fs/cgroup/vmm
	vmm_start "$@"
	echo "$vmm" >/sys/fs/cgroup/vmm/cgroup.procs
}
