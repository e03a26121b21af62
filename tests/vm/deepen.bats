#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 modparam="disable_idle_d3=1" timeout=1200 cost=150 soak=6.12
#
# The service, with an owner that isn't QEMU.

load lib
load cmd
load module-lib
load guest_pm
load deepen

@test "the owner's D3hot becomes D3cold, its own D0 wakes" {
	subject
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
	# As the guest has it, and as it was found.
	is_state "$address" active D3hot || fail "$REPLY"
	vmm_runs
	vmm d0 0
	[ "$REPLY" = "$before" ]
	wait_for 5 no_guard
}

@test "the end of the service finds an owner that it can't stop: asleep until its next access" {
	subject
	vmm_start "$role"
	deepen_start --dwell=0 "${allow[@]}" "$address"
	vmm d3 0
	wait_state "$address" suspended D3cold
	kill -STOP "$vmm"
	deepen_stop
	said "$address: left asleep after .*, until its owner's next access: somebody else has stopped the owner"
	is_state "$address" suspended D3cold || fail "$REPLY"
	if vmm_runs; then fail "it was let run"; fi
	kill -CONT "$vmm"
	vmm d0 0
	is_state "$address" active D0 || fail "$REPLY"
}

@test "a live owner closes the device: it isn't asleep by our doing any more" {
	subject
	unbind "$address"
	load_vfio disable_idle_d3=0
	bind_vfio "$address"
	vmm_start "$role"
	deepen_start --dwell=0 "${allow[@]}" "$address"
	vmm d3 0
	wait_state "$address" suspended D3cold
	wait_said "deepened: suspended"
	vmm close 0
	wait_said "$address: its owner let go of it"
	vmm_runs
	vmm open 0
	vmm d3 0
	wait_state "$address" suspended D3cold
	vmm d0 0
	vmm_stop
	unbind "$address"
	load_vfio disable_idle_d3=1
}

@test "an owner alone in its cgroup is stopped by the freezer" {
	subject
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
	deepened_share "$1"
}

deepened_share() { # ROUNDS: one in ten was long enough, and the service was there
	local deepened
	deepened=$(sed -n "s/^$address: deepened \([0-9]*\), .*/\1/p" "$deepen_log" | tail -1)
	[ $((deepened * 10)) -ge "$1" ] || fail "$deepened of $1 were deepened"
}

@test "the race: D3hot and D0 at random, stopped by SIGSTOP" { race "$(count 2500)" vmm_start; }

@test "the race: D3hot and D0 at random, stopped by the freezer" { race "$(count 2500)" cgroup_start; }

@test "killed at random: the owner is never left stopped, and lives" {
	subject
	vmm_start "$role"
	rounds=$(count 100)
	vmm toggle 0 1000000 40000
	deepen_log=$BATS_TEST_TMPDIR/deepen.log
	: >"$deepen_log"
	for ((i = 0; i < rounds; i++)); do
		entries=$(entered)
		deepen_start --dwell=0 --rate=0 --retry=100ms "${allow[@]}" "$address"
		# Every other life ends in what it does at first, the rest in what follows its first entry.
		[ $((i % 2)) = 0 ] || wait_for "$VM_PATIENCE" has_more "$entries" || fail "round $i: no entry"
		sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
		kill -KILL "$deepen"
		wait "$deepen" || true
		wait_for 3 vmm_runs || fail "round $i: $(grep State "/proc/$vmm/status")"
	done
	vmm enough
	[[ $REPLY == "bad 0 "* ]] || fail "$REPLY"
	deepen=
	wait_for 5 no_guard
	echo "# $(entered) entries in $rounds lives" >&3
}

entered() { grep -c 'deepened:' "$deepen_log" || true; }

has_more() { [ "$(entered)" -gt "$1" ]; } # N

@test "with no more than the unit grants" {
	subject
	cgroup_start "$role"
	unit=$VM_ROOT/units/vfio-pm-deepen.service
	capabilities=-all
	for capability in $(sed -n 's/^CapabilityBoundingSet=//p' "$unit"); do
		capability=${capability,,}
		capabilities+=",+${capability#cap_}"
	done
	[[ $capabilities == *,+sys_ptrace* ]]
	grep -q '^ProtectSystem=strict$' "$unit"
	grep -q '^ReadWritePaths=/sys$' "$unit"
	# shellcheck disable=SC2016 # the inner shell's
	confined='mount -o remount,bind,ro / && ! touch /etc/here 2>/dev/null &&
		exec setpriv --bounding-set="$1" --inh-caps="$1" --no-new-privs "${@:2}"'
	for how in cgroup signal; do
		deepen_log=$BATS_TEST_TMPDIR/deepen.log
		unshare --mount --propagation=private bash -c "$confined" - "$capabilities" \
			"$vfio_pm" deepen --dwell=0 "${allow[@]}" "$address" >"$deepen_log" 2>&1 3>&- &
		deepen=$!
		wait_said "$address: watched" $((VM_PATIENCE * 3))
		vmm d3 0
		wait_said "$address: deepened: .* ($how)"
		vmm d0 0
		vmm d3 0
		wait_state "$address" suspended D3cold
		deepen_stop
		is_state "$address" active D3hot || fail "$REPLY"
		vmm d0 0
		echo "$vmm" >/sys/fs/cgroup/cgroup.procs
	done
}

@test "vfio-pm-pci: killed at random while its owner toggles: the owner lives, nothing stays turned on" {
	subject vfio-pm-pci
	vmm_start "$role"
	rounds=$(count 100)
	account "$address" entries
	before=$REPLY
	vmm toggle 0 $((rounds * 60)) 40000
	for ((i = 0; i < rounds; i++)); do
		deepen_start --dwell=0 --rate=0 "${allow[@]}" "$address"
		sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
		kill -KILL "$deepen"
		wait "$deepen" || true
	done
	VMM_PATIENCE=$((rounds * 5 + 60)) vmm join
	[[ $REPLY == "bad 0 "* ]] || fail "$REPLY"
	deepen=
	wait_for 5 put_back
	account "$address" entries
	echo "# $((REPLY - before)) entries in $rounds lives" >&3
	[ $((REPLY - before)) -ge "$rounds" ]
}

goes_away() { # unbind|remove DRIVER
	subject "$2"
	vmm_start "$role"
	deepen_start --dwell=0 "${allow[@]}" "$address"
	wait_said "$address: watched"
	vmm d3 0
	wait_said "$address: deepened"
	if [ "$1" = unbind ]; then
		echo "$address" >"$pci/$address/driver/unbind" 3>&- &
	else
		echo 1 >"$pci/$address/remove" 3>&- &
	fi
	going=$!
	wait_state "$address" active D0
	sleep 1
	# It waits for the owner, which runs.
	kill -0 "$going"
	vmm_runs
	vmm close 0
	wait "$going"
	wait_said "$address: no longer watched"
	vmm_runs
	deepen_stop
	said "$address: deepened 1, "
	[ ! -e "$pci/$address/vfio_pm" ]
	[ "$1" = unbind ] || echo 1 >/sys/bus/pci/rescan
}

@test "unbound in deep sleep, vfio-pci" { goes_away unbind vfio-pci; }
@test "removed in deep sleep, vfio-pci" { goes_away remove vfio-pci; }
@test "unbound in deep sleep, vfio-pm-pci" { goes_away unbind vfio-pm-pci; }
@test "removed in deep sleep, vfio-pm-pci" { goes_away remove vfio-pm-pci; }

no_guard() { ! pgrep -f 'vfio-pm deepen' >/dev/null; }
