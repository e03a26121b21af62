#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vfio-pm status on mocked systems.

load fixture
load systems
load cli

setup_file() { system_build workstation; }
setup() { system_copy; }

@test "status: several devices, byte for byte" {
	vp status 01:00.0 02:00.0 00:10.0 00:11.0 00:11.1 00:12.0 00:1f.6
	expect_code 0
	expect_golden status.txt
	[ "$err" = "" ]
}

@test "status -J: one object a device, the keys of list" {
	vp status -J 01:00.0 00:12.0
	expect_code 0
	expect_golden status.json
	jq -e '.devices | length == 2' <<<"$out" >/dev/null
	local keys
	keys=$(jq -c '.devices[0]|keys' <<<"$out")
	vp list -J -o all 01:00.0
	[ "$(jq -c '.devices[0]|keys' <<<"$out")" = "$keys" ]
}

@test "status -o: the same as list prints" {
	vp status -rn -o address,state 01:00.0 01:00.1
	expect_out "0000:01:00.0 D3cold" "0000:01:00.1 D3cold"
}

@test "asleep is suspended and D3hot or D3cold; each other case is told as what it is" {
	told() { # STATUS STATE WORDS
		fx_set 0000:00:12.0 power/runtime_status "$1"
		fx_set 0000:00:12.0 power_state "$2"
		vp status 00:12.0
		expect_code 0
		expect_in "$out" "asleep      $3"
	}
	told suspended D3cold 'yes: suspended, in D3cold'
	told suspended D3hot 'yes: suspended, in D3hot'
	told suspended D0 'no: suspended by runtime PM, but in D0: no PM capability'
	told active D3hot 'no: its user put it into D3hot by PCI_PM_CTRL, runtime PM is active'
	told active D0 'no: active, in D0'
	told resuming D3cold 'no: resuming, in D3cold'
	told suspending D0 'no: suspending, in D0'
	told error D0 'no: error, in D0'
	told unsupported D0 'no: unsupported, in D0'
	told - - 'unknown: neither runtime status nor power state can be read'
}

@test "a VF has no power management of its own" {
	vp status 00:11.1
	expect_in "$out" "a VF has no power management of its own, see 0000:00:11.0" "a VF of 0000:00:11.0"
	vp status 00:11.0
	expect_in "$out" "a PF with 1 VF enabled"
}

@test "the account that vfio-pm-pci keeps: text, JSON, columns" {
	export TZ=UTC0
	fx_account 0000:00:12.0 entries=3 exits=2 sleeps=15 config_read=12 host=2 quiet_reads=40 \
		refused=1 rate_limited=4 asleep_us=3723004567 \
		wake=$'cause config_read\nregion 7\noffset 0x6\npid 4711\ncomm qemu system-x86\ntime 1700000000.123456'
	vp status 00:12.0
	expect_code 0
	expect_in "$out" "  Account of its driver" \
		"    low power   engaged; entered 3 times, left 2 times" \
		"    slept       15 times; 1 h 2 min while low power was engaged" \
		"    woken       14: config_read 12, host 2" \
		"    last wake   config_read, region 7, offset 0x6, by qemu system-x86, process 4711, on 2023-11-14 22:13:20" \
		"    quiet reads 40: config space read without a wake" \
		"    refused     1: touches of a BAR that were a SIGBUS" \
		"    limited     4: sleeps put off by vfio_pm/deepen_rate"
	vp status -J 00:12.0
	expect_code 0
	jq -e '.devices[0].account == {"engaged":true,"entries":3,"exits":2,"sleeps":15,"quiet_reads":40,
		"refused":1,"rate_limited":4,"asleep_time":3723004,"wakes":{"config_read":12,"config_write":0,"region":0,
		"ioctl":0,"feature":0,"open":0,"close":0,"host":2}}' <<<"$out"
	jq -e '.devices[0].last_wake == {"cause":"config_read","region":7,"offset":6,"command":null,
		"feature":null,"pid":4711,"comm":"qemu system-x86","time":1700000000.123456}' <<<"$out"
	vp status -rn -o account,last_wake 00:12.0
	expect_in "$out" "15\\x20sleeps,\\x2040\\x20quiet\\x20reads"
}

@test "an account without a wake, one of another driver, one that is broken" {
	fx_account 0000:00:12.0
	vp status 00:12.0
	expect_in "$out" "low power   not engaged; entered 0 times, left 0 times" "woken       0"$'\n'
	[[ $out != *"last wake"* ]]
	vp status -J 00:12.0 00:10.0
	jq -e '.devices[0].last_wake == null and .devices[0].account.sleeps == 0' <<<"$out"
	jq -e '.devices[1] | has("account") and .account == null and .last_wake == null' <<<"$out"
	vp status 00:10.0
	[[ $out != *"Account"* ]]
	fx_set 0000:00:12.0 vfio_pm/account $'entries\nsleeps many\nexits 99999999999999999999\nhost 7'
	fx_set 0000:00:12.0 vfio_pm/last_wake $'\ncause\npid x'
	vp status -J 00:12.0
	expect_code 0
	jq -e '.devices[0].account | .sleeps == null and .entries == null and .wakes.host == 7' <<<"$out"
}

@test "only root may see who woke it" {
	local public=() dir
	[ "$(id -u)" != 0 ] || public=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	fx_account 0000:00:12.0 sleeps=1 host=1 wake=$'cause host\npid 1\ncomm init\ntime 1.000000'
	fx_path 0000:00:12.0
	# Not below bats' own folder, which others can't enter.
	dir=$(mktemp -d)
	cp -r "$FX/." "$dir"
	chmod 755 "$dir"
	chmod 400 "$dir/$FX_RET/vfio_pm/last_wake"
	[ "$(id -u)" = 0 ] || chmod 0 "$dir/$FX_RET/vfio_pm/last_wake"
	out=$("${public[@]}" "$vfio_pm" --sysroot="$dir" status 00:12.0 2>&1) || true
	rm -rf "$dir"
	expect_in "$out" "woken       1: host 1" "last wake   only root may know"
}

@test "what keeps an unopened device awake" {
	vp status 00:11.0
	expect_in "$out" "unopened    kept in D0 (disable_idle_d3)"
	vp status 00:10.0
	expect_in "$out" "unopened    may sleep (idle runtime PM)" "D3cold      not allowed: d3cold_allowed is 0"
	# A kernel without CONFIG_PM_ADVANCED_DEBUG.
	fx_set 0000:00:11.0 power/runtime_usage -
	vp status 00:11.0
	expect_in "$out" "unopened    not known: this kernel shows no runtime_usage"
	fx_set 0000:00:10.0 power/runtime_usage -
	vp status 00:10.0
	expect_in "$out" "unopened    may sleep (idle runtime PM)"
}

@test "power/control on, runtime PM disabled" {
	fx_set 0000:00:12.0 power/control on
	fx_set 0000:00:12.0 power/runtime_enabled forbidden
	vp status 00:12.0
	expect_in "$out" "control     on: runtime PM may not suspend it" "runtime PM  forbidden"
}

@test "platform: the ACPI node, its real state, and its power resources" {
	vp status 01:00.0
	expect_in "$out" 'ACPI        \_SB_.PCI0.PEG0.PEGP' 'resources   LNXPOWER:00: can be cut for D3cold'
	fx_file sys/devices/LNXSYSTM:00/LNXSYBUS:00/PNP0A08:00/device:01/real_power_state D0
	vp status 01:00.0
	expect_in "$out" "state       D3cold, but really D0"
	vp status 02:00.0
	expect_in "$out" "no node: only an upstream port can take it to D3cold"
}

@test "the member that keeps a group from being viable" {
	vp status 00:12.0
	expect_in "$out" "group       16, not viable: 0000:00:12.1 is on snd_hda_intel"
}

@test "an unbind that waits for the owner" {
	# What sysfs shows then: no driver, no vfio-dev, still enabled, still in its group.
	fx_path 0000:01:00.0
	rm -r "$FX/$FX_RET/driver" "$FX/$FX_RET/vfio-dev"
	fx_set 0000:01:00.0 driver_override vfio-pci
	vp status 01:00.0
	expect_in "$out" "driver      none: its unbind waits until its owner closes it" \
		"open        by qemu-system-x86, process 4711"
	# Shown under the device's lock, which that unbind holds.
	vp status -J 01:00.0
	[ "$(jq -c '.devices[0]|[.override,.owner[0].pid]' <<<"$out")" = '[null,4711]' ]
}

@test "selection: asleep, awake, driver, owner, all, with a name or without" {
	selected() { "$vfio_pm" --sysroot="$FX" status "$@" -rn -o address | tr '\n' ' '; }
	for words in --asleep --awake "--driver=none" "--owner=any" -a "--awake group:1" "--asleep 8086:10d3"; do
		# shellcheck disable=SC2086 # words
		[ "$(selected $words)" = "$("$vfio_pm" --sysroot="$FX" list $words -rn -o address | tr '\n' ' ')" ] ||
			fail "$words: $(selected $words)"
	done
	[ -n "$(selected --asleep)" ]
	[ "$(selected --asleep)" != "$(selected --awake)" ]
	vp status --asleep
	expect_code 0
	[ "$(grep -c '^[0-9]' <<<"$out")" = "$(selected --asleep | wc -w)" ]
	! grep -q 'asleep      no' <<<"$out"
}

@test "no device, none such, malformed" {
	vp status
	expect_code 2
	expect_in "$err" "which device?"
	vp status 77:00.0
	expect_code 3
	vp status zz:00.0
	expect_code 2
	vp status 01:00.0 77:00.0 zz
	expect_code 3
	expect_in "$out" "0000:01:00.0"
	expect_in "$err" "'77:00.0'" "'zz'"
}

@test "nothing that wakes a device is opened" {
	never_wakes --sysroot="$FX" status 01:00.0 02:00.0 00:11.0 00:11.1 00:1c.0
	never_wakes --sysroot="$FX" status -J 01:00.0 00:11.0
	fx_account 0000:00:12.0
	never_wakes --sysroot="$FX" status 00:12.0
	local first
	first=$("$vfio_pm" list -a -rn -o address | head -n 1)
	if [ -n "$first" ]; then
		never_wakes status "$first"
	fi
}

@test "an output that can't be written is a failure" {
	code=0
	"$vfio_pm" --sysroot="$FX" status 01:00.0 >/dev/full 2>"$BATS_TEST_TMPDIR/err" || code=$?
	[ "$code" = 1 ]
	expect_in "$(<"$BATS_TEST_TMPDIR/err")" "cannot write to standard output"
}

@test "a hostile tree: loops, FIFOs, device nodes, binary, endless" {
	fx_path 0000:02:00.0
	local dir=$FX/$FX_RET
	rm "$dir/power_state" && ln -s power_state "$dir/power_state"
	rm -f "$dir/vendor" && mkfifo "$dir/vendor"
	head -c 1000000 /dev/urandom >"$dir/reset_method"
	rm -f "$dir/enable" && ln -s /etc/passwd "$dir/enable"
	rm -rf "$FX/sys/devices/LNXSYSTM:00/LNXSYBUS:00/PNP0A08:00/device:00"
	ln -s ../../../../../../../../../../etc "$FX/sys/devices/LNXSYSTM:00/LNXSYBUS:00/PNP0A08:00/device:00"
	vp status 02:00.0
	expect_code 0
	vp status -J 02:00.0 00:01.0
	expect_code 0
	jq -e '.devices[0] | .state == null and .enable == null' <<<"$out"
}
