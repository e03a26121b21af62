#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 modparam="disable_idle_d3=1" timeout=600 cost=60 soak=6.1
#
# The service and two functions of a slot, whose power only the port can cut: a graphics card and its sound.

load lib
load cmd
load module-lib
load guest_pm
load deepen

pair() { # DRIVER: both are the same owner's, and watched
	if [ "$1" = vfio-pci ]; then load_vfio disable_idle_d3=1; else load_driver "$1" disable_idle_d3=1; fi
	bind_to "$1" "$PAIRCOLD0" "$PAIRCOLD1"
	# QEMU's port has no PM capability: the kernel leaves the decision to its administrator.
	echo 1 >"$pci/$PAIRCOLD0_UP/d3cold_allowed"
	# A driver of the host that was there before has armed them, and QEMU's e1000e can't signal PME from D3cold.
	echo disabled | tee "$pci/$PAIRCOLD0/power/wakeup" "$pci/$PAIRCOLD1/power/wakeup" >/dev/null
	vmm_start PAIRCOLD0 PAIRCOLD1
	vmm touch 0
	before=$REPLY
	deepen_start --dwell=0 --rate=0 --retry=300ms "$PAIRCOLD0" "$PAIRCOLD1"
	wait_said "$PAIRCOLD1: watched"
}

asleep() {
	wait_state "$PAIRCOLD0" suspended D3cold
	wait_state "$PAIRCOLD1" suspended D3cold
	vmm_runs
}

used() { # I: its owner uses a function
	vmm d0 "$1"
	[ "$REPLY" = "$before" ] || fail "function $1: $REPLY instead of $before"
}

end() {
	deepen_stop
	echo 0 >"$pci/$PAIRCOLD0_UP/d3cold_allowed"
}

@test "one alone has nothing to gain; when the other follows both go to D3cold, in either order" {
	pair vfio-pci
	for order in "0 1" "1 0"; do
		read -r first second <<<"$order"
		vmm d3 "$first"
		wait_said "refused: D3hot is the deepest it reaches"
		vmm d3 "$second"
		asleep
		used "$first"
		used "$second"
		: >"$deepen_log"
	done
	end
}

@test "one is used: the port wakes both, and the other stays awake, since nothing tells that its owner doesn't use it" {
	pair vfio-pci
	vmm d3 0
	vmm d3 1
	asleep
	used 0
	wait_said "$PAIRCOLD1: woken after"
	stays_state "$PAIRCOLD1" active D0 1
	vmm d3 0
	wait_said "$PAIRCOLD0: refused: D3hot is the deepest it reaches"
	is_state "$PAIRCOLD0" active D3hot || fail "$REPLY"
	vmm d0 1
	vmm d3 1
	asleep
	used 1
	used 0
	end
}

@test "one is used, vfio-pm-pci: the other sleeps again, and both go to D3cold when it does, too" {
	pair vfio-pm-pci
	vmm d3 0
	vmm d3 1
	asleep
	for _ in 1 2 3; do
		used 0
		wait_state "$PAIRCOLD1" suspended D3hot
		vmm d3 0
		asleep
	done
	used 1
	used 0
	end
}

hot_reset() { # DRIVER: as the owner of both wants one reset
	pair "$1"
	for ((i = 0; i < 3; i++)); do
		vmm d3 0
		vmm d3 1
		asleep
		vmm hot $((i % 2))
		is_state "$PAIRCOLD0" active D0 || fail "$REPLY"
		is_state "$PAIRCOLD1" active D0 || fail "$REPLY"
		# What its owner has reset is none that sleeps.
		stays_state "$PAIRCOLD0" active D0 1
		used 0
		used 1
		vmm_runs
	done
	end
	said "$PAIRCOLD0: deepened 3, woken 3, refused" || fail "$(<"$deepen_log")"
}

@test "a hot reset of the slot in deep sleep, vfio-pci" { hot_reset vfio-pci; }

@test "a hot reset of the slot in deep sleep, vfio-pm-pci" { hot_reset vfio-pm-pci; }
