#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 modparam="disable_idle_d3=1" group=bench timeout=1200 cost=300 mem=3072 qemu="-smp 1 -machine hpet=off"
#
# What a transition costs the guest of a stock QEMU whose ACPI calls the table, next to the same guest without
# a table, and to the bare ioctl on the host. An emulated machine in an emulated one: the guest's times are
# those of both.

load lib
load cmd
load bench
load nested
load nested-deepen

listen_log=$nested_dir.log
socket=$nested_dir.sock

setup() {
	start_case
	subjects
}

teardown() {
	[ -z "${listen:-}" ] || kill "$listen" 2>/dev/null || true
	nested_stop
	unbind_all
}

# In the guest: suspends and resumes, microseconds each, into NAME.suspend and NAME.resume, in ms.
transitions() { # NAME ROUNDS
	nested "took=/sys/module/kick/parameters/took; for i in \$(seq $2); do kick suspend 10; s=\$(cat \$took); kick resume 10; echo \$s \$(cat \$took); done" 300
	awk -v name="$nested_dir.$1" 'NF == 2 { print $1 / 1000 >(name ".suspend"); print $2 / 1000 >(name ".resume") }' <<<"$REPLY"
	[ "$(wc -l <"$nested_dir.$1.suspend")" = "$2" ]
}

@test "a transition as the guest sees it" {
	local rounds=${BENCH_ROUNDS:-50} way
	load_vfio disable_idle_d3=1
	bind_vfio "$device0"
	NESTED_ARGS=()
	nested_start "$role0:10"
	transitions without "$rounds"
	nested_stop
	"$vfio_pm" guest-table 10.0 --socket="$socket" --output="$nested_dir.aml" >"$nested_dir.args"
	"$vfio_pm" guest-listen --socket="$socket" "--device=10.0=$device0" --qmp="$nested_qmp_socket" --rate=0 --dwell=0 \
		>"$listen_log" 2>&1 3>&- 9>&- &
	listen=$!
	read -ra NESTED_ARGS <<<"$(tr '\n' ' ' <"$nested_dir.args")"
	nested_start "$role0:10"
	transitions with "$rounds"
	nested_stop
	for way in suspend resume; do
		for how in without with; do figures "guest's $way, $how table" <"$nested_dir.$how.$way"; done
	done >&3
	for way in off on; do
		answers "$way" "$listen_log" >"$nested_dir.$way"
		[ -s "$nested_dir.$way" ] || fail "$(tail -n 5 "$listen_log")"
		cut -d' ' -f1 "$nested_dir.$way" | figures "listener, $way: until it is answered"
		awk '{ print $1 - $2 }' "$nested_dir.$way" | figures "listener, $way: beyond the ioctl"
	done >&3
	"$VM_ROOT/build/tests/vm/bench_low_power" "$device0" "$rounds" | sed -n 's/^\(.*bare.*\)/# \1/p' >&3
}

@test "a listener that has nothing to do, without a guest and with one: no processor time" {
	local ticks seconds=${BENCH_SECONDS:-60} when
	load_vfio disable_idle_d3=1
	bind_vfio "$device0"
	"$vfio_pm" guest-table 10.0 --socket="$socket" --output="$nested_dir.aml" >"$nested_dir.args"
	"$vfio_pm" guest-listen --socket="$socket" "--device=10.0=$device0" >"$listen_log" 2>&1 3>&- 9>&- &
	listen=$!
	for when in without with; do
		if [ $when = with ]; then
			read -ra NESTED_ARGS <<<"$(tr '\n' ' ' <"$nested_dir.args")"
			nested_start "$role0:10"
		fi
		sleep 2
		ticks=$(idle_ticks "$listen" "$seconds")
		echo "# listener, $when a guest, idle for $seconds s: $ticks ticks of $(getconf CLK_TCK) a second" >&3
		[ $((ticks * 1000)) -le $((seconds * $(getconf CLK_TCK))) ] || fail "$when a guest: $ticks ticks, more than 0.1 %"
	done
}
