#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12,debug timeout=400 cost=75 soak=6.1
#
# The account against known sequences and against the kernel's own trace of runtime PM.

load lib
load module-lib

setup_file() { load_driver vfio-pm-pci; }
setup() { start_case; }
teardown_file() { module_teardown; }

wakes() { # ADDRESS: sets REPLY to the sum over all causes
	REPLY=$(awk '/^(config_read|config_write|region|ioctl|feature|open|close|host) / { n += $2 } END { print n }' \
		"$pci/$1/vfio_pm/account")
}

# The account's sleeps and wakes are those that the kernel traced meanwhile.
accounted() { # ROLE ROUNDS [port]
	local address=${!1} sleeps resumes
	bind_to vfio-pm-pci "$address"
	wait_for 5 grep -qx suspended "$pci/$address/power/runtime_status"
	account "$address" sleeps
	sleeps=$REPLY
	wakes "$address"
	resumes=$REPLY
	rpm_trace_start "$address"
	PROGRAM_TIMEOUT=$((120 + $2 * 2)) program account "$address" "${@:2}"
	wait_for 5 grep -qx suspended "$pci/$address/power/runtime_status"
	rpm_trace_stop
	account "$address" sleeps
	sleeps=$((REPLY - sleeps))
	wakes "$address"
	resumes=$((REPLY - resumes))
	echo "account: $sleeps sleeps, $resumes wakes"
	[ "$(rpm_count "$address" resume)" = "$resumes" ]
	# It slept before and sleeps now: as many of these. (6.1 traces no suspend that can be told from
	# the start of the autosuspend timer.)
	[ "$sleeps" = "$resumes" ]
	[ ! -d "$tracing/events/rpm/rpm_status" ] || [ "$(rpm_count "$address" suspend)" = "$sleeps" ]
}

@test "every cause, D3cold" { accounted D3COLD "$(count 40)"; }
@test "every cause, D3cold by the port's power" { accounted D3COLD_VIA "$(count 200)" port; }
@test "every cause, D3hot" { accounted NVME "$(count 40)"; }
@test "every cause, no PM capability" { accounted NOPM "$(count 40)"; }

@test "every cause, while another device is bound and unbound all the time" {
	bind_to vfio-pm-pci "$D3HOT"
	echo vfio-pm-pci >"$pci/$D3COLD2/driver_override"
	(
		trap 'exit 0' TERM
		while :; do
			echo "$D3COLD2" >/sys/bus/pci/drivers/vfio-pm-pci/bind
			echo "$D3COLD2" >/sys/bus/pci/drivers/vfio-pm-pci/unbind
		done
	) 3>&- &
	accounted D3HOT "$(count 100)"
	kill $!
	wait
}

@test "wakes by open, close and the host" {
	bind_to vfio-pm-pci "$D3COLD"
	wait_state "$D3COLD" suspended D3cold
	account "$D3COLD" open; opens=$REPLY
	account "$D3COLD" host; hosts=$REPLY
	cfg_read "$D3COLD" STATUS
	wait_state "$D3COLD" suspended D3cold
	account "$D3COLD" host
	[ "$REPLY" = $((hosts + 1)) ]
	grep -qx "comm setpci" "$pci/$D3COLD/vfio_pm/last_wake"
	program hold "$D3COLD" none 0
	account "$D3COLD" open
	[ "$REPLY" = $((opens + 1)) ]
}

@test "only root sees who it was, and to look wakes nothing" {
	wait_state "$D3COLD" suspended D3cold
	rpm_trace_start "$D3COLD"
	[ "$(stat -c %a "$pci/$D3COLD/vfio_pm/last_wake")" = 400 ]
	[ "$(stat -c %a "$pci/$D3COLD/vfio_pm/account")" = 444 ]
	cat "$pci/$D3COLD"/vfio_pm/*
	rpm_trace_stop
	[ "$(rpm_count "$D3COLD")" = 0 ]
}

@test "trace events tell entry, sleep, wake, refused touch and exit" {
	echo 1 >"$tracing/events/vfio_pm/enable"
	: >"$tracing/trace"
	program mapping "$D3COLD"
	echo 0 >"$tracing/events/vfio_pm/enable"
	trace=$(cat "$tracing/trace")
	for wanted in "vfio_pm_entry: $D3COLD reason=user wakeup=0" "vfio_pm_sleep: $D3COLD engaged=1" \
		"vfio_pm_wake: $D3COLD cause=feature detail=0x5" "comm=mapping" \
		"vfio_pm_refused: $D3COLD pgoff=" "vfio_pm_exit: $D3COLD reason=user why=asked left=1"; do
		[[ $trace == *"$wanted"* ]] || fail "not traced: $wanted" "$trace"
	done
}

@test "read while it changes: each look is of one moment" {
	unbind_all
	load_driver vfio-pm-pci autosuspend_ms=0
	bind_to vfio-pm-pci "$NVME"
	program readers "$NVME" $(($(count 60) + 5))
}
