#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 modparam="disable_idle_d3=1" timeout=900 cost=90
#
# The service, with an owner that isn't QEMU.

load lib
load cmd
load guest_pm

setup() {
	mark "test $BATS_TEST_DESCRIPTION"
	[ -d /sys/module/vfio_pci ] || load_vfio disable_idle_d3=1
	vmm='' deepen=''
}

teardown() {
	deepen_stop || true
	vmm_stop
	pkill -KILL -x vfio-pm || true
	unbind_all
}

# A role whose kind has No_Soft_Reset clear and power of its own: the kinds are shuffled.
pick() { # KIND POWER: sets REPLY to a role
	local role
	for role in D3COLD D3COLD2 D3COLD_PORT SHARED0 SHARED1 D3HOT D3HOT_PORT; do
		REPLY=$role
		[ "$(dev "KIND_$role") $(dev "POWER_$role")" != "$1 $2" ] || return 0
	done
	return 1
}

# Prefers e1000e; an nvme does it with --state-loss-ok.
subject() { # sets role, address, allow
	if pick e1000e own; then allow=(); else pick nvme own; allow=("--state-loss-ok=${!REPLY}"); fi
	role=$REPLY
	address=${!REPLY}
}

@test "the owner's D3hot becomes D3cold, its own D0 wakes" {
	subject
	bind_vfio "$address"
	vmm_start "$role"
	vmm touch 0
	before=$REPLY
	deepen_start --dwell=500ms "${allow[@]}" "$address"
	wait_said "$address: watched"
	stays_state "$address" active D0 1
	vmm d3 0
	wait_state "$address" suspended D3cold
	wait_said "$address: deepened: suspended in D3cold; 'guest_pm' (pid $vmm) paused .* ms (signal)"
	stays_state "$address" suspended D3cold 2
	vmm_runs
	vmm d0 0
	[ "$REPLY" = "$before" ]
	is_state "$address" active D0 || fail "$REPLY"
	wait_said "$address: woken after"
	stays_state "$address" active D0 1
	vmm d3 0
	wait_state "$address" suspended D3cold
	deepen_stop
	said "$address: deepened 2, woken 2, refused 0"
	is_state "$address" active D0
	vmm d0 0
}

@test "an owner alone in its cgroup is stopped by the freezer" {
	subject
	bind_vfio "$address"
	cgroup_start "$role"
	deepen_start --dwell=0 "${allow[@]}" "$address"
	vmm d3 0
	wait_state "$address" suspended D3cold
	wait_said "paused .* ms (cgroup)"
	[ "$(</sys/fs/cgroup/vmm/cgroup.freeze)" = 0 ]
	vmm d0 0
}

race() { # ROUNDS START
	subject
	bind_vfio "$address"
	"$2" "$role"
	deepen_start --dwell=0 --rate=0 --retry=100ms "${allow[@]}" "$address"
	wait_said "$address: watched"
	vmm toggle 0 "$1" 50000
	VMM_PATIENCE=$(($1 / 2 + 60)) vmm join
	[ "$REPLY" = "bad 0 rounds $1" ] || fail "$REPLY"
	vmm d3 0
	wait_state "$address" suspended D3cold
	vmm d0 0
	deepen_stop || fail "$(tail -3 "$deepen_log")"
	echo "# $(tail -1 "$deepen_log")" >&3
	said "deepened [1-9]"
}

@test "the race: D3hot and D0 at random, stopped by SIGSTOP" { race "$(count 2500)" vmm_start; }

@test "the race: D3hot and D0 at random, stopped by the freezer" { race "$(count 2500)" cgroup_start; }

@test "killed at random: the owner is never left stopped, and lives" {
	subject
	bind_vfio "$address"
	vmm_start "$role"
	rounds=$(count 100)
	vmm toggle 0 $((rounds * 60)) 40000
	for ((i = 0; i < rounds; i++)); do
		deepen_start --dwell=0 --rate=0 --retry=100ms "${allow[@]}" "$address"
		sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
		kill -KILL "$deepen"
		wait "$deepen" || true
		wait_for 3 vmm_runs || fail "round $i: $(grep State "/proc/$vmm/status")"
	done
	VMM_PATIENCE=$((rounds * 5 + 60)) vmm join
	[[ $REPLY == "bad 0 "* ]] || fail "$REPLY"
	deepen=
	wait_for 5 no_guard
	echo "# $(grep -c 'deepened:' "$deepen_log") entries in $rounds lives" >&3
}

no_guard() { ! pgrep -f 'vfio-pm deepen' >/dev/null; }
