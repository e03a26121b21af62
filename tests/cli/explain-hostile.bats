#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=slow timeout=600
#
# explain on trees that can't be read, or were made to confuse; and on very large ones.

load fixture
load explain

# Puts something in the place of a file: REPLY is how explain is to say what is wrong with it.
spoil() { # FILE WAY
	rm -rf "$1"
	case $2 in
	missing) REPLY='no such file' ;;
	unreadable) ln -s error:EACCES "$1"; REPLY='permission denied' ;;
	empty) : > "$1"; REPLY='the file is empty' ;;
	long) head -c 100000 /dev/zero | tr '\0' a > "$1"; REPLY='the file is too long' ;;
	binary) printf 'au\001to\n' > "$1"; REPLY='not a text' ;;
	fifo) mkfifo "$1"; REPLY='no regular file' ;;
	loop) ln -s "${1##*/}" "$1"; REPLY='a loop of links' ;;
	folder) mkdir "$1"; REPLY='no regular file' ;;
	other) echo 'perhaps' > "$1"; REPLY='no value that this attribute can have' ;;
	esac
}
ways="missing unreadable empty long binary fifo loop folder other"

@test "files that are missing, unreadable, empty, too long or binary are not guessed" {
	cold_port
	cold_device status=active state=D0
	fx_path $dev
	for file in power/runtime_status power/control power_state d3cold_allowed; do
		cp "$FX/$FX_RET/$file" "$BATS_TEST_TMPDIR/saved"
		for way in $ways; do
			spoil "$FX/$FX_RET/$file" $way
			explain $dev
			[ "$file" = power_state ] || { [ "$code" = 1 ]; says "could not be measured: $REPLY"; }
			[ "$code" -le 6 ]
		done
		rm -rf "${FX:?}/$FX_RET/$file"
		cp "$BATS_TEST_TMPDIR/saved" "$FX/$FX_RET/$file"
	done
	explain $dev
	expect 0 ""
}

# Sets REPLY to the files of a report of $dev that decide: with one of them unreadable the answer is
# unknown. $1: the code without that.
deciding() { # CODE
	local file tree=$BATS_TEST_TMPDIR/vfio-pm-report
	rm -rf "$tree"
	"$vfio_pm" --sysroot="$FX" report $dev -o - | tar -C "$BATS_TEST_TMPDIR" -xf -
	FX=$tree REPLY=
	explain $dev
	[ "$code" = "$1" ] || { echo "exit $code: $output"; return 1; }
	while read -r file; do
		mv "$tree/$file" "$tree/saved"
		ln -s error:EACCES "$tree/$file"
		explain $dev
		case $code in
		0) ;;
		1) REPLY+="${file##*/pci0000:00/$port/} "; says 'permission denied' || return ;;
		*) echo "$file: exit $code: $output"; return 1 ;;
		esac
		rm "$tree/$file"
		mv "$tree/saved" "$tree/$file"
	done < <(cd "$tree" && find sys proc -type f | LC_ALL=C sort)
}

@test "each single file that a report holds: unreadable, it decides, or it is on no way to the answer" {
	cold_port kids=1
	cold_device status=active state=D0 acpi='\_SB_.PCI0.RP05.S00_'
	fx_device 0000:01:00.1 parent=$port driver=vfio-pci group=7
	fx_acpi_bus $port $dev
	fx_file sys/bus/pci/slots/5/address 0000:09:00
	deciding 0
	[ "$REPLY" = "$(printf '%s ' $dev/{d3cold_allowed,enable,power/{control,runtime_status,runtime_usage,wakeup}} \
		0000:01:00.1/{d3cold_allowed,power/{runtime_status,wakeup}} \
		d3cold_allowed power/{autosuspend_delay_ms,control,runtime_status})" ] || { echo "$REPLY"; false; }
	# Asleep: what is measured beats every rule, so what is measured decides.
	fixture_new "$BATS_TEST_TMPDIR/asleep"
	cold_port status=suspended state=D3cold acpi_state=D3cold acpi_real=D3cold
	cold_device state=D3cold
	deciding 0
	[ "${REPLY#*/device:00/}" = "real_power_state $dev/power/runtime_status $dev/power_state " ] ||
		{ echo "$REPLY"; false; }
}

@test "nothing at all can be read: no crash, no hang, nothing guessed" {
	cold_port
	cold_device status=active state=D0 acpi='\_SB_.PCI0.RP05.S00_' resources=LNXPOWER:01
	fx_device 0000:01:00.1 parent=$port driver=vfio-pci group=7
	mapfile -t files < <(find "$FX/sys" "$FX/proc" \( -type f -o -name autosuspend_delay_ms \) ! -name vendor ! -name device ! -name class)
	for way in $ways; do
		for file in "${files[@]}"; do spoil "$file" $way; done
		explain -v $dev
		[ "$code" = 1 ] || { echo "$way: exit $code: $output"; false; }
		says "could not be measured: $REPLY"
		explain --all
		[ "$code" = 1 ] || { echo "$way: exit $code: $output"; false; }
	done
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

# Ten thousand in a soak: they take a minute to be made. In between, beside virtual machines that compete for
# the processors' caches, a system call may take twice as long.
check_linear() { # KIND MS: of mktree, and for ten thousand
	local count=$((${VFIO_PM_SCALE:-5} >= 100 ? 10000 : 1000)) n few large
	local limit=${VFIO_PM_TEST_MS:-$(($2 * (count == 1000 ? 2 : 1)))}
	# In memory where that is possible: it is some 30 files a device.
	large=$(mktemp -d -p "$([ -w /dev/shm ] && [ $count = 1000 ] && echo /dev/shm || echo "$BATS_TEST_TMPDIR")")
	cc -O1 -o "$BATS_TEST_TMPDIR/mktree" "$BATS_TEST_DIRNAME/mktree.c"
	for n in $((count / 4)) $count; do
		"$BATS_TEST_TMPDIR/mktree" "$large/$n" "$n" "$1"
	done
	for state in D3hot D3cold; do
		time_all "$large/$((count / 4))" $((count / 4)) $state
		few=$REPLY
		time_all "$large/$count" "$count" $state
		echo "$1, $state: $few ms for $((count / 4)) devices, $REPLY ms for $count"
		[ $((REPLY * 10000 / count)) -lt "$limit" ]
		[ "$REPLY" -lt $((few * 6 + 50)) ]
	done
	rm -rf "$large"
}

@test "--all is linear: two seconds for ten thousand devices that are all kept awake" {
	check_linear awake 2000
}

@test "--all is as fast, and linear, with ACPI nodes and power resources" {
	check_linear acpi 2000
}
