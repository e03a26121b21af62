#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=fast timeout=600
#
# explain on trees that can't be read, or were made to confuse; and on very large ones.

load fixture
load explain

@test "files that are missing, unreadable, empty, too long or binary are not guessed" {
	cold_port
	cold_device status=active state=D0
	fx_path $dev
	for file in power/runtime_status power/control power_state d3cold_allowed; do
		cp "$FX/$FX_RET/$file" "$BATS_TEST_TMPDIR/saved"
		for way in missing empty long binary fifo loop folder other; do
			rm -rf "${FX:?}/$FX_RET/$file"
			case $way in
			missing) reason='no such file' ;;
			empty) : > "$FX/$FX_RET/$file"; reason='the file is empty' ;;
			long) head -c 100000 /dev/zero | tr '\0' a > "$FX/$FX_RET/$file"; reason='the file is too long' ;;
			binary) printf 'au\001to\n' > "$FX/$FX_RET/$file"; reason='not a text' ;;
			fifo) mkfifo "$FX/$FX_RET/$file"; reason='no regular file' ;;
			loop) ln -s "${file##*/}" "$FX/$FX_RET/$file"; reason='a loop of links' ;;
			folder) mkdir "$FX/$FX_RET/$file"; reason='no regular file' ;;
			other) echo 'perhaps' > "$FX/$FX_RET/$file"; reason='no value that this attribute can have' ;;
			esac
			explain $dev
			[ "$file" = power_state ] || { [ "$code" = 1 ]; says "$reason"; }
			[ "$code" -le 6 ]
		done
		rm -rf "${FX:?}/$FX_RET/$file"
		cp "$BATS_TEST_TMPDIR/saved" "$FX/$FX_RET/$file"
	done
	explain $dev
	expect 0 ""
}

@test "a tree of loops, traps and lies ends" {
	cold_port
	cold_device status=active state=D0
	fx_path $dev
	rm -r "$FX/$FX_RET/driver" "$FX/$FX_RET/firmware_node" 2>/dev/null || true
	ln -s driver "$FX/$FX_RET/driver"
	ln -s firmware_node "$FX/$FX_RET/firmware_node"
	ln -s / "$FX/$FX_RET/iommu_group2"
	ln -s . "$FX/$FX_RET/0000:05:00.0"
	ln -s ../.. "$FX/sys/bus/pci/devices/0000:09:00.0"
	fx_file sys/bus/pci/slots/x/address "$(printf '%0500d' 1)"
	mkfifo "$FX/proc/sys/kernel/fifo"
	rm "$FX/proc/cmdline"; mkfifo "$FX/proc/cmdline"
	explain -v $dev
	[ "$code" -le 6 ]
	explain -v 09:00.0
	[ "$code" -le 6 ]
	explain --all
	[ "$code" -le 6 ]
	explain --state=D3cold $dev
	[ "$code" -le 6 ]
}

# CPU time of explain --all on a tree of COUNT devices, in ms: the best of three, in REPLY.
time_all() { # FOLDER COUNT STATE
	local i ms
	REPLY=1000000
	TIMEFORMAT='%U %S'
	for i in 1 2 3; do
		{ time "$vfio_pm" --sysroot="$1" explain --all --state="$3" >"$BATS_TEST_TMPDIR/out" || true; } \
			2>"$BATS_TEST_TMPDIR/time"
		tail -n 1 "$BATS_TEST_TMPDIR/out" | grep -q "^$2 devices on a VFIO driver, $2 kept"
		ms=$(awk '{ printf "%d", ($1 + $2) * 1000 }' "$BATS_TEST_TMPDIR/time")
		[ "$ms" -ge "$REPLY" ] || REPLY=$ms
	done
}

# Ten thousand in a soak: they take a minute to be made.
@test "--all is linear: two seconds for ten thousand devices that are all kept awake" {
	local count=$((${VFIO_PM_SCALE:-5} >= 100 ? 10000 : 1000)) n few large
	# In memory where that is possible: it is some 30 files a device.
	large=$(mktemp -d -p "$([ -w /dev/shm ] && [ $count = 1000 ] && echo /dev/shm || echo "$BATS_TEST_TMPDIR")")
	cc -O1 -o "$BATS_TEST_TMPDIR/mktree" "$BATS_TEST_DIRNAME/mktree.c"
	for n in $((count / 4)) $count; do
		"$BATS_TEST_TMPDIR/mktree" "$large/$n" "$n" awake
	done
	for state in D3hot D3cold; do
		time_all "$large/$((count / 4))" $((count / 4)) $state
		few=$REPLY
		time_all "$large/$count" "$count" $state
		echo "$state: $few ms for $((count / 4)) devices, $REPLY ms for $count"
		[ $((REPLY * 10000 / count)) -lt 2000 ]
		[ "$REPLY" -lt $((few * 6 + 50)) ]
	done
	rm -rf "$large"
}
