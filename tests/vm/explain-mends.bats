#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 timeout=900 cost=60 soak=6.1
#
# explain: several causes at once, mended as printed; --fix, --watch; a report that explains the same
# elsewhere; and nothing is woken.

load lib
load module-lib
load cmd
load explain

setup_file() { put_back; }

setup() {
	start_case
	idle_d3 0
}

teardown() {
	[ -z "${busy:-}" ] || kill "$busy" 2>/dev/null || true
	end_user
	put_back
	unload_driver vfio-pm-pci
}

@test "two causes at once, mended as printed" {
	bind_vfio "$D3COLD" "$PF"
	echo 0 >"$pci/$D3COLD/d3cold_allowed"
	echo on >"$pci/$D3COLD/power/control"
	expect_and_mend "$D3COLD" D3cold control d3cold-allowed
	echo 1 >"$pci/$PF/sriov_numvfs"
	wait_for "$VM_PATIENCE" [ -e "$pci/$PF/virtfn0" ]
	echo on >"$pci/$PF/power/control"
	expect_and_mend "$PF" D3hot sriov control
	echo 1 >"$pci/$PAIRCOLD0_UP/d3cold_allowed"
	bind_vfio "$PAIRCOLD0"
	echo on >"$pci/$PAIRCOLD0/power/control"
	expect_and_mend "$PAIRCOLD0" D3cold control sibling
}

@test "three causes at once, mended as printed" {
	bind_vfio "$PAIRCOLD0"
	echo 0 >"$pci/$PAIRCOLD0/d3cold_allowed"
	expect_and_mend "$PAIRCOLD0" D3cold d3cold-allowed sibling bridge-d3cold
	unbind "$PAIRCOLD0"
	idle_d3 1
	bind_vfio "$D3COLD"
	echo 0 >"$pci/$D3COLD/d3cold_allowed"
	echo on >"$pci/$D3COLD/power/control"
	expect_and_mend "$D3COLD" D3cold control idle d3cold-allowed
}

@test "a host that reads config space all the time" {
	bind_vfio "$D3COLD"
	wait_state "$D3COLD" suspended D3cold
	vp explain --watch=1 "$D3COLD"
	expect_code 0
	"${vfio_pm%/*}/tests/vm/waker" "$D3COLD" 1000000 >/dev/null 3>&- &
	busy=$!
	explain --watch=2 "$D3COLD"
	expect_blocked busy
	[ "$(mends)" = "vfio-pm monitor $D3COLD" ] || fail "$output"
}

@test "a user that reads config space all the time, and a second cause" {
	bind_vfio "$D3COLD"
	echo 0 >"$pci/$D3COLD/d3cold_allowed"
	start_user "$D3COLD" busy
	explain --watch=2 --state=D3cold "$D3COLD"
	expect_blocked busy d3cold-allowed
	# The last one says where to look, and goes on until it is told to end.
	mends >"$BATS_TEST_TMPDIR/mends"
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/mends")" = "vfio-pm monitor $D3COLD" ]
	sh -ex <(head -n -1 "$BATS_TEST_TMPDIR/mends")
	timeout -s INT 2 "$vfio_pm" monitor "$D3COLD" >"$BATS_TEST_TMPDIR/monitor" || true
	grep -q "user" "$BATS_TEST_TMPDIR/monitor" || fail "$(cat "$BATS_TEST_TMPDIR/monitor")"
	end_user
	wait_state "$D3COLD" suspended D3cold
	vp explain --watch=1 "$D3COLD"
	expect_code 0
}

@test "the module's account: which access it was, and who" {
	load_driver vfio-pm-pci
	bind_to vfio-pm-pci "$D3COLD"
	wait_state "$D3COLD" suspended D3cold
	start_user "$D3COLD" busy
	# Within the autosuspend delay no access is a wake: the one before them all is named.
	vp explain --watch=2 "$D3COLD"
	expect_code 6
	# The first access may still be a wake.
	[[ $output =~ last\ (woken\ )?by\ user\ \(pid\ $user_pid\) ]] || fail "$output"
	# A single use keeps it awake for that long, so nothing can be said of less.
	echo 10000 >"$pci/$D3COLD/power/autosuspend_delay_ms"
	vp explain --watch=1 "$D3COLD"
	expect_code 1
	[[ $output == *"it was watched for less than its autosuspend delay"* ]] || fail "$output"
	echo 0 >"$pci/$D3COLD/power/autosuspend_delay_ms"
	vp explain --watch=2 "$D3COLD"
	expect_code 6
	[[ $output =~ [1-9][0-9]*\ by\ config_read.*,\ last\ by\ user\ \(pid\ $user_pid\) ]] || fail "$output"
	end_user
	wait_state "$D3COLD" suspended D3cold
	"$programs/account" "$D3COLD" 100000 >/dev/null 3>&- &
	busy=$!
	wait_for 20 grep -q '^region [1-9]' "$pci/$D3COLD/vfio_pm/account"
	vp explain --watch=3 "$D3COLD"
	expect_code 6
	for cause in config_read config_write region feature; do
		[[ $output =~ [1-9][0-9]*\ by\ $cause ]] || fail "no $cause: $output"
	done
	[[ $output == *"vfio_pm/account: "* ]] || fail "$output"
}

@test "a negative autosuspend delay" {
	load_driver vfio-pm-pci
	bind_to vfio-pm-pci "$D3COLD"
	wait_state "$D3COLD" suspended D3cold
	echo -1 >"$pci/$D3COLD/power/autosuspend_delay_ms"
	wait_state "$D3COLD" active D0
	expect_and_mend "$D3COLD" D3cold autosuspend
}

@test "--fix turns the knobs, says how to undo it, and looks again" {
	bind_vfio "$PAIRCOLD0"
	echo 0 >"$pci/$PAIRCOLD0/d3cold_allowed"
	echo on >"$pci/$PAIRCOLD0/power/control"
	vp explain --fix --dry-run "$PAIRCOLD0"
	expect_code 6
	[[ $output == *"Would be written:"* ]]
	is_state "$PAIRCOLD0" active D0
	vp explain --fix "$PAIRCOLD0"
	expect_code 0
	[[ $output == *"Afterwards: $PAIRCOLD0 is in D3cold."* ]] || fail "$output"
	is_state "$PAIRCOLD0" suspended D3cold
	sed -n '/^To undo it:$/,/^[^ ]/ s/^  //p' <<<"$output" >"$BATS_TEST_TMPDIR/undo.sh"
	sh -ex "$BATS_TEST_TMPDIR/undo.sh"
	grep -qx on "$pci/$PAIRCOLD0/power/control"
	grep -qx on "$pci/$PAIRCOLD1/power/control"
	grep -qx 0 "$pci/$PAIRCOLD0/d3cold_allowed"
	grep -qx 0 "$pci/$PAIRCOLD0_UP/d3cold_allowed"
}

@test "a report explains the same elsewhere, and tells no names" {
	local devices=("$D3COLD" "$D3COLD_VIA" "$PAIRCOLD0" "$PAIR0" "$SHARED0" "$PF" "$NOPM" "$EJECT" "$HOTCOLD" "$D3HOT")
	hostname secret-host-4711
	bind_vfio "${devices[@]}" "$SHARED1"
	echo on >"$pci/$SHARED1/power/control"
	echo 0 >"$pci/$EJECT/d3cold_allowed"
	start_user "$D3HOT"
	wait_state "$D3COLD" suspended D3cold
	wait_state "$SHARED1" active D0
	sleep 1
	"$vfio_pm" report "${devices[@]}" -o "$BATS_TEST_TMPDIR/report.tar"
	for state in D3hot D3cold; do
		"$vfio_pm" explain -J --state=$state "${devices[@]}" >"$BATS_TEST_TMPDIR/here-$state" || true
	done
	end_user
	put_back
	hostname localhost
	mkdir "$BATS_TEST_TMPDIR/away"
	tar -C "$BATS_TEST_TMPDIR/away" -xf "$BATS_TEST_TMPDIR/report.tar"
	for state in D3hot D3cold; do
		"$vfio_pm" --sysroot="$BATS_TEST_TMPDIR/away/vfio-pm-report" explain -J --state=$state "${devices[@]}" \
			>"$BATS_TEST_TMPDIR/there-$state" || true
		[ "$(jq '.devices | length' "$BATS_TEST_TMPDIR/here-$state")" = ${#devices[@]} ]
		diff "$BATS_TEST_TMPDIR/here-$state" "$BATS_TEST_TMPDIR/there-$state"
	done
	[ -s "$BATS_TEST_TMPDIR/away/vfio-pm-report/explanation.txt" ]
	[ "$(tr ' ' '\n' <"$BATS_TEST_TMPDIR/away/vfio-pm-report/proc/cmdline" | grep -vc '^\(pci\|acpi\|.*iommu\)')" = 0 ]
	cat /etc/machine-id /sys/class/dmi/id/product_uuid /sys/class/dmi/id/product_serial \
		/proc/sys/kernel/random/boot_id 2>/dev/null | grep . >"$BATS_TEST_TMPDIR/secrets"
	echo secret-host-4711 >>"$BATS_TEST_TMPDIR/secrets"
	! grep -rFf "$BATS_TEST_TMPDIR/secrets" "$BATS_TEST_TMPDIR/away" || fail "a secret is told"
}

@test "what the host uses is found out without opening it" {
	modprobe nvme
	bind_to nvme "$NVME"
	disk=
	has_disk() { disk=$(compgen -G "$pci/$NVME/nvme/nvme*/nvme*n1") && [ -b "/dev/${disk##*/}" ]; }
	wait_for "$VM_PATIENCE" has_disk
	explain --state=D3hot "$NVME"
	expect_code 6
	[[ $output == *"vfio-pm bind $NVME"* ]]
	mkswap "/dev/${disk##*/}"
	swapon "/dev/${disk##*/}"
	strace -f -o "$BATS_TEST_TMPDIR/calls" -e trace=open,openat,openat2 "$vfio_pm" explain --state=D3hot "$NVME" |
		tee "$BATS_TEST_TMPDIR/said" || true
	swapoff "/dev/${disk##*/}"
	# What is watched for does show: files of sysfs were opened.
	grep -q swaps "$BATS_TEST_TMPDIR/calls"
	! grep -E '"/?dev/' "$BATS_TEST_TMPDIR/calls" | grep -v '/dev/\(null\|tty\)' || fail "a node was opened"
	grep -q "^  # end the use of $NVME (nvme) by the host" "$BATS_TEST_TMPDIR/said"
	! grep -q "^  vfio-pm bind" "$BATS_TEST_TMPDIR/said" || fail "it would be taken from the host"
}

@test "looking wakes nothing" {
	bind_vfio "$D3COLD" "$D3COLD_VIA" "$PAIR0" "$PAIR1" "$SHARED0" "$SHARED1"
	echo 1 >"$pci/$D3COLD_VIA_UP/d3cold_allowed"
	wait_state "$D3COLD_VIA" suspended D3cold
	wait_state "$D3COLD" suspended D3cold
	watched=("$D3COLD" "$D3COLD_VIA" "$D3COLD_VIA_UP" "$PAIR0" "$PAIR1" "$PAIR0_UP" "$SHARED0")
	sleep 1
	rpm_trace_start "${watched[@]}"
	repeat "$(count 600)" "$vfio_pm" explain "$D3COLD" "$D3COLD_VIA" "$PAIR0" "$SHARED0" >/dev/null
	repeat "$(count 100)" "$vfio_pm" explain -J --state=D3cold "$D3COLD_VIA" >/dev/null
	repeat "$(count 100)" "$vfio_pm" explain --all >/dev/null
	repeat "$(count 60)" "$vfio_pm" report "$D3COLD" "$D3COLD_VIA" -o /dev/null >/dev/null
	"$vfio_pm" explain --watch=1 "$D3COLD" >/dev/null
	for address in "${watched[@]}"; do
		[ "$(rpm_count "$address")" = 0 ] || fail "$address: $(rpm_transitions)"
	done
	# The trace does see a wake.
	cfg_read "$D3COLD" 0.L >/dev/null
	[ "$(rpm_count "$D3COLD" resume)" = 1 ]
	rpm_trace_stop
}
