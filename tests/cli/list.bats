#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vfio-pm list on mocked systems: what the user sees, byte for byte.

load fixture
load systems
load cli

setup_file() { system_build workstation; }
setup() { system_copy; }

@test "list: devices on a VFIO driver, as a table" {
	vp list
	expect_code 0
	expect_golden list.txt
	[ "$err" = "" ]
}

@test "list -a: all devices" {
	vp list -a
	expect_code 0
	expect_golden list-all.txt
}

@test "list -J: JSON that jq reads, and byte for byte" {
	vp list -a -J
	expect_code 0
	expect_golden list-all.json
	jq -e '.devices | length == 11' <<<"$out" >/dev/null
	[ "$(jq -r '.devices[0] | keys_unsorted | join(",")' <<<"$out")" = \
		address,group,driver,state,status,control,d3cold,residency,owner,name ]
}

@test "list -J -o all: every column, each of the type that is documented" {
	vp list -a -J -o all
	expect_code 0
	expect_golden list-columns.json
	"$vfio_pm" --describe >"$BATS_TEST_TMPDIR/describe"
	# shellcheck disable=SC2016
	jq -e --slurpfile d "$BATS_TEST_TMPDIR/describe" '
		($d[0].columns | map({(.name): .type}) | add) as $types |
		[.devices[] | to_entries[] | select(.value != null) |
		 select(($types[.key] | sub(" of.*"; "")) != (.value | type)) | .key] == []' <<<"$out"
	# shellcheck disable=SC2016
	jq -e --slurpfile d "$BATS_TEST_TMPDIR/describe" '
		(.devices[0] | keys_unsorted) == ($d[0].columns | map(.name))' <<<"$out"
}

@test "null is not measured, [] is none" {
	vp list -J -o owner,reset_method,resources,wakeup,group,autosuspend 0000:00:10.0 0000:00:11.1
	expect_code 0
	[ "$(jq -c '.devices[0]' <<<"$out")" = \
		'{"owner":[],"reset_method":null,"resources":[],"wakeup":"disabled","group":13,"autosuspend":null}' ]
	[ "$(jq -c '.devices[1].wakeup' <<<"$out")" = null ]
}

@test "a number without its file, or with something else in it, is null" {
	fx_set 0000:00:10.0 power/runtime_active_time -
	fx_set 0000:00:10.0 power/runtime_usage 'many'
	fx_set 0000:00:10.0 power_state 'D7'
	fx_set 0000:00:10.0 power/runtime_status 'dreaming'
	vp list -J -o active_time,usage,state,status,residency,asleep 0000:00:10.0
	expect_code 0
	[ "$(jq -c '.devices[0]' <<<"$out")" = \
		'{"active_time":null,"usage":null,"state":null,"status":null,"residency":null,"asleep":false}' ]
}

@test "-o LIST, +LIST, all, any case; an unknown column is a mistake" {
	vp list -n -o address,STATE 01:00.0
	expect_out "0000:01:00.0 D3cold"
	vp list -J -o +asleep,id 01:00.0
	[ "$(jq -r '.devices[0] | keys_unsorted[-2:] | join(" ")' <<<"$out")" = "asleep id" ]
	vp list -o address,colour
	expect_code 2
	expect_in "$err" "there is no column 'colour'"
	[ "$out" = "" ]
	vp list -o ""
	expect_code 2
	vp list -o address,
	expect_code 2
}

@test "-r, -P and -n" {
	vp list -r -o address,driver,owner 01:00.0 00:11.1
	expect_out "ADDRESS DRIVER OWNER" \
		"0000:01:00.0 vfio-pci qemu-system-x86[4711]" \
		"0000:00:11.1 - -"
	vp list -P -o address,group,owner 02:00.0
	expect_out 'ADDRESS="0000:02:00.0" GROUP="12" OWNER="a (b) c[4712]"'
	vp list -rn -o address 01:00.0
	expect_out "0000:01:00.0"
}

@test "--sort: numbers as numbers, what isn't measured last" {
	fx_set 0000:00:10.0 power/runtime_suspended_time -
	vp list -rn -o address,residency --sort residency
	expect_out "0000:00:11.0 0.0%" "0000:02:00.0 10.0%" "0000:00:12.0 98.3%" \
		"0000:01:00.0 98.3%" "0000:01:00.1 98.3%" "0000:00:10.0 -"
	vp list -rn -o group --sort group
	expect_out 1 1 12 13 14 16
	vp list --sort weight
	expect_code 2
}

@test "selection: by IDs, group, driver, owner, asleep and awake" {
	vp list -rn -o address 10de:2204
	expect_out "0000:01:00.0"
	vp list -rn -o address group:1
	expect_out "0000:01:00.0" "0000:01:00.1"
	vp list -rn -o address --driver=e1000e
	expect_out "0000:00:1f.6"
	vp list -rn -o address --driver=none
	expect_out "0000:00:11.1"
	vp list -rn -o address --owner=4711
	expect_out "0000:01:00.0"
	vp list -rn -o address --owner="a (b) c"
	expect_out "0000:02:00.0"
	vp list -rn -o address --owner=any
	expect_out "0000:01:00.0" "0000:02:00.0"
	vp list -rn -o address --owner=none --asleep
	expect_out "0000:01:00.1"
	vp list -rn -o address --awake
	expect_out "0000:00:10.0" "0000:00:11.0" "0000:00:12.0" "0000:02:00.0"
	vp list --asleep --awake
	expect_code 2
}

@test "a DEVICE that is malformed or isn't there; the others are shown" {
	vp list -rn -o address 01:00.0 77:00.0
	expect_code 3
	expect_out "0000:01:00.0"
	expect_in "$err" "no such device: '77:00.0'" "hint: vfio-pm list -a"
	vp list 1:0.0
	expect_code 2
	expect_in "$err" "'1:0.0' is no PCI address"
	vp list beef:cafe
	expect_code 3
	vp list group:99
	expect_code 3
}

@test "a system without devices: nothing to say, no mistake" {
	fixture_new "$BATS_TEST_TMPDIR/empty"
	vp list -a
	expect_code 0
	expect_out
	vp list -a -J
	expect_code 0
	jq -e '.devices == []' <<<"$out"
}

@test "owners: of the open members of a group; not visible is null; its descriptor's own name" {
	fx_device 0000:03:00.0 driver=vfio-pci group=21 enable=1
	vp list -J -o owner 03:00.0
	[ "$(jq -c '.devices[0].owner' <<<"$out")" = null ]
	vp list -rn -o owner 03:00.0
	expect_out "?"
	# Only 01:00.0 of group 1 is open.
	vp list -rn -o address,owner group:1
	expect_out "0000:01:00.0 qemu-system-x86[4711]" "0000:01:00.1 -"
	# The group of one is its owner's, open or not.
	fx_set 0000:03:00.0 enable 0
	fx_process 5000 comm=holder fd=/dev/vfio/21
	vp list -rn -o owner 03:00.0
	expect_out "holder[5000]"
	# Linux 6.18 says which device a descriptor is for, so the group's other members aren't its.
	fx_device 0000:04:00.0 driver=vfio-pci group=22 enable=1
	fx_device 0000:04:00.1 driver=vfio-pci group=22 enable=1
	fx_process 5001 comm=vmm fd=/dev/vfio/22 \
		fd='anon_inode:[vfio-device],/sys/devices/pci0000:00/0000:04:00.1'
	vp list -rn -o address,owner group:22
	expect_out "0000:04:00.0 ?" "0000:04:00.1 vmm[5001]"
	# --group: the same by one of them, for each verb.
	vp list -rn -o address --group 04:00.1
	expect_out 0000:04:00.1 0000:04:00.0
	vp owner -J --group 04:00.0
	[ "$(jq -c '[.devices[].address]' <<<"$out")" = '["0000:04:00.0","0000:04:00.1"]' ]
	for verb in status explain policy; do
		vp "$verb" --group 04:00.0
		expect_in "$out" 0000:04:00.0 0000:04:00.1
	done
	vp wait --state=active --timeout=0 --group 04:00.0
	expect_code 6
	expect_in "$err" "wait for '0000:04:00.0'" "wait for '0000:04:00.1'"
	vp list --group
	expect_code 2
	expect_in "$err" "--group goes with a DEVICE"
	run "$vfio_pm" deepen --all --group
	[ "$status" = 2 ]
	expect_in "$output" "--group goes with a DEVICE"
	fx_device 0000:05:00.0 driver=vfio-pci group=3 noiommu=yes enable=1
	fx_process 5002 comm=dpdk fd=/dev/vfio/noiommu-3
	vp list -rn -o owner,node 05:00.0
	expect_out "dpdk[5002] /dev/vfio/noiommu-3"
	fx_device 0000:06:00.0 driver=vfio-pci group=31 enable=1 cdev=yes
	fx_process 5003 comm=mapper map="/dev/vfio/devices/vfio$((FX_VFIO - 1))"
	vp list -J -o owner,cdev 06:00.0
	[ "$(jq -c '.devices[0].owner' <<<"$out")" = '[{"pid":5003,"comm":"mapper","uid":0,"start_time":1000000,"via":"map"}]' ]
}

@test "a process that can't be looked into is nobody's owner" {
	fx_process 4711 hidden=yes
	vp list -rn -o address,owner group:1
	expect_out "0000:01:00.0 ?" "0000:01:00.1 -"
}

@test "a name that is no UTF-8 leaves the JSON one" {
	fx_process 4711 comm=$'a\xffb"\\' fd=/dev/vfio/1
	vp list -J -o owner 01:00.0
	[ "$(jq -r '.devices[0].owner[0].comm' <<<"$out")" = "a?b\"\\" ]
}

@test "a name beyond ASCII: as it is where the locale has it, escaped elsewhere" {
	fx_process 4711 comm=qemü fd=/dev/vfio/1
	LC_ALL=C.UTF-8 vp list -n -o owner,address 01:00.0
	[[ $out =~ ^qemü\[4711\]\ +0000:01:00.0 ]]
	LC_ALL=C vp list -n -o owner,address 01:00.0
	expect_out 'qem\xc3\xbc[4711] 0000:01:00.0'
	LC_ALL=C.UTF-8 vp list -J -o owner 01:00.0
	[ "$(jq -r '.devices[0].owner[0].comm' <<<"$out")" = "qemü" ]
}

@test "nothing that wakes a device is opened, whatever is shown" {
	never_wakes --sysroot="$FX" list -a
	never_wakes --sysroot="$FX" list -a -J -o all
	never_wakes list -a -J -o +siblings,bridges,members,resources
}

@test "only what the columns need is read" {
	traced -f -e trace=openat,openat2 \
		-o "$BATS_TEST_TMPDIR/strace" "$vfio_pm" --sysroot="$FX" list -o address,driver,group >/dev/null
	if grep -E 'power|vendor|"proc"|enable' "$BATS_TEST_TMPDIR/strace"; then
		fail "more was read"
	fi
}

@test "--list-columns names each column, its type and unit" {
	vp list --list-columns
	expect_code 0
	expect_in "$out" "residency" "%" "array of objects"
	vp list --list-columns -J
	[ "$(jq '.columns|length' <<<"$out")" = "$("$vfio_pm" --describe | jq '.columns|length')" ]
}

@test "an output that can't be written is a failure" {
	for args in "list -a" "list -a -J" "list --list-columns" "list -P"; do
		code=0
		# shellcheck disable=SC2086
		"$vfio_pm" --sysroot="$FX" $args >/dev/full 2>"$BATS_TEST_TMPDIR/err" || code=$?
		[ "$code" = 1 ] || fail "$args: $code"
		expect_in "$(<"$BATS_TEST_TMPDIR/err")" "cannot write to standard output"
	done
}

@test "two thousand devices: all there, at most 2 KiB of memory a device" {
	# In memory where that is possible: it is some 60,000 files.
	local large
	large=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "$BATS_TEST_TMPDIR")")
	cc -O1 -o "$BATS_TEST_TMPDIR/mktree" "$BATS_TEST_DIRNAME/mktree.c"
	"$BATS_TEST_TMPDIR/mktree" "$large" 2000
	/usr/bin/time -f %M -o "$BATS_TEST_TMPDIR/rss" "$vfio_pm" --sysroot="$large" list \
		>"$BATS_TEST_TMPDIR/out"
	/usr/bin/time -f %M -o "$BATS_TEST_TMPDIR/rss-none" "$vfio_pm" --sysroot="$FX" list >/dev/null
	"$vfio_pm" --sysroot="$large" list -J >"$BATS_TEST_TMPDIR/json"
	rm -rf "$large"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/out")" = 2001 ]
	jq -e '.devices | length == 2000' "$BATS_TEST_TMPDIR/json"
	[ $(($(<"$BATS_TEST_TMPDIR/rss") - $(<"$BATS_TEST_TMPDIR/rss-none"))) -lt "${VFIO_PM_TEST_KIB:-4000}" ]
}
