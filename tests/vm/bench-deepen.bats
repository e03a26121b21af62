#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 modparam="disable_idle_d3=1" group=bench timeout=900 cost=240
#
# For how long an owner stands still, and how much of that is the device's own suspend; what the idle
# service costs; how much of an owner's D3hot the device is in D3cold. Times are those of an emulation.

load lib
load cmd
load bench
load module-lib
load guest_pm

setup() { start_case; }

teardown() {
	deepen_stop || true
	vmm_stop
	unbind_all
	if [ -d /sys/module/vfio_pm_pci ]; then rmmod vfio_pm_pci; fi
}

@test "the pause of an owner, a deepening" {
	[ -d /sys/module/vfio_pci ] || load_vfio disable_idle_d3=1
	bind_vfio "$D3COLD"
	vmm_start D3COLD
	deepen_start --dwell=0 --rate=0 --json-lines "--state-loss-ok=$D3COLD" "$D3COLD"
	# The service looks once a second. Meanwhile nothing else runs here, as on a host whose guests are idle.
	for ((i = 0; i < ${BENCH_ROUNDS:-100}; i++)); do
		vmm d3 0
		rest 1.5
		wait_state "$D3COLD" suspended D3cold
		vmm d0 0
		rest 0.3
	done
	deepen_stop >/dev/null
	for key in pause suspend beyond; do
		jq -r --arg key $key 'select(.event == "deepened" and .pause)
			| if $key == "beyond" then .pause - .suspend else .[$key] end' "$deepen_log" | figures $key
	done | tee "$BATS_TEST_TMPDIR/figures" >&3
	[[ $(<"$BATS_TEST_TMPDIR/figures") =~ beyond.*median\ ([0-9]+) ]]
	[ "${BASH_REMATCH[1]}" -lt 5 ] || fail "the median beyond the device's own suspend is 5 ms or more"
}

@test "the idle service: processor time over 60 seconds" {
	[ -d /sys/module/vfio_pci ] || load_vfio disable_idle_d3=1
	bind_vfio "$D3COLD" "$D3COLD2"
	vmm_start D3COLD D3COLD2
	deepen_start "$D3COLD" "$D3COLD2"
	wait_said "$D3COLD2: watched"
	sleep 3
	ticks=$(idle_ticks "$deepen" "${BENCH_SECONDS:-60}")
	echo "# two devices, ${BENCH_SECONDS:-60} s: $ticks ticks of $(getconf CLK_TCK) a second" >&3
	[ $((ticks * 1000)) -lt $((${BENCH_SECONDS:-60} * $(getconf CLK_TCK))) ] || fail "0.1 % or more"
}

# At least 95 % without a dwell; with the default one, of D3hot that lasts 3 s, it is what the page says: nothing.
@test "share of D3cold in an owner's D3hot, suspending every few seconds: both drivers, --dwell=0 and 5s" {
	for run in vfio-pci,0 vfio-pm-pci,0 vfio-pci,5s; do
		driver=${run%,*} dwell=${run#*,}
		load_driver $driver disable_idle_d3=1
		bind_to $driver "$D3COLD"
		vmm_start D3COLD
		deepen_start "--dwell=$dwell" --rate=0 "--state-loss-ok=$D3COLD" "$D3COLD"
		wait_said "$D3COLD: watched"
		hot=0
		get before "$pci/$D3COLD/power/runtime_suspended_time"
		for ((i = 0; i < ${BENCH_ROUNDS:-100} / 10; i++)); do
			vmm d3 0
			start=${EPOCHREALTIME/./}
			sleep 3
			hot=$((hot + ${EPOCHREALTIME/./} - start))
			vmm d0 0
			sleep 1
		done
		get after "$pci/$D3COLD/power/runtime_suspended_time"
		cold=$((after - before))
		echo "# $driver, --dwell=$dwell: $(awk -v c=$cold -v h=$hot 'BEGIN { printf "%.1f", c * 100000 / h }') % of $((hot / 1000)) ms in D3hot were spent in D3cold" >&3
		[ "$dwell" != 0 ] || [ $((cold * 100000)) -ge $((hot * 95)) ] || fail "less than 95 %"
		deepen_stop
		vmm_stop
		unbind "$D3COLD"
	done
}

# The drivers take turns in one machine. vfio-pci has put the device no deeper than the guest did.
@test "an owner's write of D0: from vfio-pci's D3hot, and from the module's D3cold" {
	writes=$BATS_TEST_TMPDIR/d0
	load_driver vfio-pci disable_idle_d3=1
	load_driver vfio-pm-pci disable_idle_d3=1 deepen_rate=0
	for ((turn = 0; turn < 4; turn++)); do
		for driver in vfio-pci vfio-pm-pci; do
			bind_to $driver "$D3COLD"
			if [ $driver = vfio-pm-pci ]; then
				echo 1 >"$pci/$D3COLD/vfio_pm/deepen_state_loss_ok"
				echo 1 >"$pci/$D3COLD/vfio_pm/deepen"
			fi
			"$programs/d0write" "$D3COLD" $((${BENCH_ROUNDS:-100} / 4)) >>"$writes.$driver"
			unbind "$D3COLD"
		done
	done
	[ "$(cut -d' ' -f1 "$writes.vfio-pci" | sort -u)" = D3hot ]
	[ "$(cut -d' ' -f1 "$writes.vfio-pm-pci" | sort -u)" = D3cold ]
	for driver in vfio-pci vfio-pm-pci; do
		cut -d' ' -f2 "$writes.$driver" | figures "write of D0, $driver"
	done >&3
}
