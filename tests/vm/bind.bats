#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 timeout=900 soak=6.1 cost=150
#
# bind and unbind: every kind of device, and what goes wrong on the way.

load lib
load bind-lib

setup_file() { load_vfio disable_idle_d3=0; load_host_drivers; }
setup() { start_case; RANDOM=$VM_SEED; }
teardown() { close_device; }

all_given_back() {
	local role kind control
	for role in $ROLES; do
		kind=KIND_$role
		expect_on "${!role}" "${host_driver[${!kind}]:-}" || return
		override_of "${!role}"
		[ -z "$REPLY" ] || fail "$role has override '$REPLY'" || return
		get control "$pci/${!role}/power/control"
		[ "$control" = on ] || fail "$role has control '$control'" || return
	done
}

all_bound() {
	local role
	for role in $ROLES; do
		expect_on "${!role}" vfio-pci || return
		override_of "${!role}"
		[ "$REPLY" = vfio-pci ] || fail "$role has override '$REPLY'" || return
		[ -c "/dev/vfio/${group[${!role}]}" ] || fail "$role: no node" || return
	done
}

# Three alone, three by their groups, the others with one command.
give_to_vfio_and_back() {
	local role rest=()
	# shellcheck disable=SC2086 # words
	shuffled $ROLES
	for role in "${shuffled[@]:6}"; do rest+=("${!role}"); done
	for role in "${shuffled[@]:0:6}"; do
		if [ "$role" = "${shuffled[0]}" ] || [ $((RANDOM % 2)) = 0 ]; then
			vp bind --group "${!role}"
		else
			vp bind "${!role}"
		fi
		expect 0 "${!role}" vfio-pci || return
	done
	vp bind "${rest[@]}"
	expect 0 "${rest[@]}" || return
	all_bound || return
	shuffled "${shuffled[@]}"
	rest=()
	for role in "${shuffled[@]:4}"; do rest+=("${!role}"); done
	for role in "${shuffled[@]:0:4}"; do
		if [ $((RANDOM % 2)) = 0 ]; then
			vp unbind "group:${group[${!role}]}"
		else
			vp unbind "${!role}"
		fi
		expect 0 "${!role}" || return
	done
	vp unbind "${rest[@]}"
	expect 0 "${rest[@]}" || return
	all_given_back
}

@test "every device goes to VFIO and back, shuffled, single, by group and several at once" {
	declare -A group=()
	for role in $ROLES; do
		group_of "${!role}"
		group[${!role}]=$REPLY
	done
	# More than forty probes a round: the quick check makes do with one in five.
	rounds=$(count 100)
	[ "$rounds" -ge 100 ] || rounds=$(((rounds + 4) / 5))
	repeat "$rounds" give_to_vfio_and_back
}

@test "bind says what was, the node and the host's settings; a second bind finds it done" {
	vp -v bind "$D3HOT"
	expect 0 "vfio-pm: $D3HOT: to driver 'vfio-pci', by driver_override and drivers_probe" \
		"vfio-pm: $D3HOT: done; it was on driver '${host_driver[$KIND_D3HOT]}', driver_override ''"
	group_of "$D3HOT"
	expect 0 "$D3HOT: ${host_driver[$KIND_D3HOT]} -> vfio-pci, /dev/vfio/$REPLY, control auto, d3cold_allowed 1"
	snapshot; before=$REPLY
	vp bind "$D3HOT"
	expect 0 "$D3HOT: stays on vfio-pci"
	unchanged "$before"
	echo on >"$pci/$D3HOT/power/control"
	vp bind "$D3HOT"
	expect 0 "$D3HOT: stays on vfio-pci" "control on" \
		"vfio-pm: warning: '$D3HOT': power/control is 'on', the host keeps it awake" \
		"vfio-pm: hint: vfio-pm policy --control=auto $D3HOT"
	vp unbind "$D3HOT"
	expect 0 "$D3HOT: vfio-pci -> ${host_driver[$KIND_D3HOT]}, control on"
}

@test "an ordinary user is told that only root may, and nothing changes" {
	as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	snapshot; before=$REPLY
	vp_with "${as_user[@]}" -- bind "$D3HOT"
	expect 1 "vfio-pm: cannot bind '$D3HOT': only root may change its driver" \
		"vfio-pm: hint: sudo vfio-pm bind $D3HOT"
	unchanged "$before"
	vp bind "$D3HOT"
	snapshot; before=$REPLY
	vp_with "${as_user[@]}" -- unbind "$D3HOT"
	expect 1 "vfio-pm: cannot unbind '$D3HOT': only root may change its driver" \
		"vfio-pm: hint: sudo vfio-pm unbind $D3HOT"
	unchanged "$before"
	vp unbind "$D3HOT"
	expect 0 "$D3HOT: vfio-pci -> "
}

@test "unbind --control=auto, --driver=NAME; a device that VFIO doesn't have is left alone" {
	vp bind "$D3COLD"
	vp unbind --control=auto "$D3COLD"
	expect 0 "$D3COLD: vfio-pci -> ${host_driver[$KIND_D3COLD]}, control auto"
	get control "$pci/$D3COLD/power/control"
	[ "$control" = auto ]
	echo on >"$pci/$D3COLD/power/control"

	modprobe pci-stub
	vp bind "$D3COLD"
	vp unbind --driver=pci-stub "$D3COLD"
	expect 0 "$D3COLD: vfio-pci -> pci-stub"
	override_of "$D3COLD"
	[ -z "$REPLY" ]
	snapshot; before=$REPLY
	vp unbind "$D3COLD"
	expect 0 "$D3COLD: stays on pci-stub"
	unchanged "$before"
	vp unbind --driver="${host_driver[$KIND_D3COLD]}" "$D3COLD"
	expect 4 "it is on 'pci-stub', which is no VFIO driver"
	unchanged "$before"
	vp bind --driver="${host_driver[$KIND_D3COLD]}" "$D3COLD"
	expect 0 "pci-stub -> ${host_driver[$KIND_D3COLD]}"
	# The override is cleared, the driver is right already.
	vp unbind "$D3COLD"
	expect 0 "stays on ${host_driver[$KIND_D3COLD]}"
	all_given_back
}

@test "modules are loaded when needed: the VFIO driver's by bind, the host's by unbind" {
	modprobe -r vfio-pci
	vp bind "$NVME" "$CONV1"
	expect 0 "vfio-pci: module loaded" "$NVME: nvme -> vfio-pci"
	modprobe -r 8139cp
	# 8139too claims the same IDs, looks at the revision and leaves the device to 8139cp.
	vp unbind "$CONV1"
	expect 0 "$CONV1: vfio-pci -> 8139cp"
	vp unbind "$NVME"
	expect 0
	vp bind --driver=no-such-driver "$NVME"
	expect 4 "driver 'no-such-driver' is not loaded, and no module brings it" "hint: "
	vp bind --driver=a/b "$NVME"
	expect 2
	all_given_back
}

@test "a group that is bound in part is told; --dry-run changes nothing" {
	snapshot; before=$REPLY
	vp bind --group --dry-run "$PAIR0"
	expect 0 "$PAIR0: would go from e1000e to vfio-pci" "$PAIR1: would go from e1000e to vfio-pci"
	unchanged "$before"
	vp bind "$PAIR1"
	expect 0 "warning: '$PAIR1': its group" "'$PAIR0' is on 'e1000e'"
	vp bind --group "$PAIR1"
	expect 0 "$PAIR0: e1000e -> vfio-pci" "$PAIR1: stays on vfio-pci"
	vp unbind --group "$PAIR0"
	expect 0 "$PAIR0: vfio-pci -> " "$PAIR1: vfio-pci -> "
	all_given_back
}

@test "a driver that refuses the device: the former driver and override are back" {
	# Runtime PM's control too, which vfio-pci changes on the way.
	echo auto >"$pci/$D3COLD/power/control"
	snapshot; before=$REPLY
	# virtio-pci looks at the device ID and says ENODEV.
	for role in D3COLD NVME CONV0 NOPM; do
		vp bind --driver=virtio-pci "${!role}"
		expect 1 "driver 'virtio-pci' did not take it" "hint: " || fail "$role"
		unchanged "$before"
	done
	# The same from VFIO, an override in place.
	vp bind "$D3COLD"
	echo on >"$pci/$D3COLD/power/control"
	snapshot; bound=$REPLY
	vp bind --driver=virtio-pci "$D3COLD"
	expect 1 "all is as before: back on vfio-pci"
	expect_on "$D3COLD" vfio-pci
	override_of "$D3COLD"; [ "$REPLY" = vfio-pci ]
	vp unbind --driver=virtio-pci "$D3COLD"
	expect 1 "all is as before: back on vfio-pci"
	unchanged "$bound"
	vp unbind --control=auto "$D3COLD"
	vp bind --group "$CONV_BRIDGE"
	expect 4 "cannot bind '$CONV_BRIDGE': it is a bridge" "hint: VFIO takes the devices below it"
	unchanged "$before"
	echo on >"$pci/$D3COLD/power/control"
}

@test "a VFIO driver that has the device's ID takes it back: told, with the ID" {
	vp bind "$D3COLD"
	get vendor "$pci/$D3COLD/vendor"
	get device "$pci/$D3COLD/device"
	id="${vendor#0x} ${device#0x}"
	# It has a driver, as have the others of its kind: nothing is probed by this. Of two drivers that
	# match the one that was loaded first would have it.
	echo "$id" >/sys/bus/pci/drivers/vfio-pci/new_id
	modprobe -r "${host_driver[$KIND_D3COLD]}"
	vp unbind "$D3COLD"
	expect 6 "$D3COLD: stays on vfio-pci" \
		"cannot unbind '$D3COLD': 'vfio-pci' has taken it back, by a dynamic ID: ${id/ /:}" "hint: "
	eval "${output##*unbind again: }"
	vp unbind "$D3COLD"
	expect 0 "$D3COLD: vfio-pci -> ${host_driver[$KIND_D3COLD]}"
	[[ $output != *"taken it back"* ]] || fail "$output"
	load_host_drivers
	all_given_back
}

@test "a group whose second device can't be had: the first is back on its driver" {
	echo auto >"$pci/$PAIR0/power/control"
	snapshot; before=$REPLY
	exec {lock}>"$pci/$PAIR1/remove"
	flock "$lock"
	vp bind --group --timeout=500ms "$PAIR0"
	exec {lock}>&-
	expect 5 "cannot bind '$PAIR1': another process is changing its driver" "$PAIR0: restored to e1000e"
	unchanged "$before"
	echo on >"$pci/$PAIR0/power/control"
}

vanish_during_bind() { # ROLE
	local role=$1 address=${!1} kind=KIND_$1 pid
	timeout 60 "$vfio_pm" bind "$address" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- 4>&- &
	pid=$!
	sleep "0.$((RANDOM % 200 + 100))"
	echo 1 >"$pci/$address/remove"
	code=0
	wait "$pid" || code=$?
	output=$(<"$BATS_TEST_TMPDIR/out")
	codes+=" $code"
	# Let go of by its removal right after the driver had it, and given back before it was gone.
	[[ $code = [03] ]] || [[ $code = 1 && $output == *"did not take it; all is as before"* ]] ||
		fail "exit $code: $output" || return
	[ "$code" != 3 ] || [[ $output == *"has gone"* || $output == *"no such device"* ]] ||
		fail "exit 3: $output" || return
	[ -e "$pci/$address" ] || echo 1 >/sys/bus/pci/rescan
	wait_for "$VM_PATIENCE" is_on "$address" "${host_driver[${!kind}]:-}" ||
		expect_on "$address" "${host_driver[${!kind}]:-}"
}

@test "a device that vanishes in the middle: said, no hang, and it comes back as it was" {
	roles=(D3HOT NVME NOPM2 CONV0 D3COLD)
	codes=
	for ((i = 0; i < $(count 80); i++)); do
		vanish_during_bind "${roles[i % ${#roles[@]}]}"
	done
	# A removal that always comes too late shows nothing; with few rounds it may.
	[ "$(count 80)" -lt 80 ] || [[ $codes == *3* ]] || fail "it never vanished in the middle:$codes"
	all_given_back
}

@test "the kernel takes its time: said at the limit, and done all the same" {
	# A slow answer to the writes: strace holds each of them.
	vp_with strace -f -qq -o /dev/null -e trace=write -P "$pci/$D3HOT/driver_override" \
		-e inject=write:delay_enter=2000000 -- bind --timeout=100ms "$D3HOT"
	expect 1 "cannot bind '$D3HOT': the kernel has not answered for 100 ms" "goes on in the background"
	wait_for "$VM_PATIENCE" is_on "$D3HOT" vfio-pci || expect_on "$D3HOT" vfio-pci
	vp unbind "$D3HOT"
	all_given_back
}

moved() { # COUNTERS BEFORE
	[ "$(<"$1")" != "$2" ]
}

@test "busy drivers let go: a disk that is read, an interface that sends" {
	disk=("$pci/$NVME"/nvme/nvme*/nvme*n*)
	(while dd if="/dev/${disk[0]##*/}" of=/dev/null bs=64k iflag=direct 2>/dev/null; do :; done) 3>&- 4>&- &
	reader=$!
	interface=("$pci/$PAIR0"/net/*)
	ip link set "${interface[0]##*/}" up
	python3 - "${interface[0]##*/}" 3>&- 4>&- <<-'PY' &
	import socket, sys
	s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
	s.bind((sys.argv[1], 0))
	while True:
	    try:
	        s.send(b"\xff" * 6 + b"\x02\0\0\0\0\1" + b"\x88\xb5" + b"x" * 1000)
	    except OSError as error:
	        if error.errno not in (100, 105):
	            break
	PY
	sender=$!
	# Both are at it, and still are right before.
	local what old
	for what in "/sys/class/block/${disk[0]##*/}/stat" "${interface[0]}/statistics/tx_packets"; do
		old=$(<"$what")
		wait_for "$VM_PATIENCE" moved "$what" "$old" || fail "$what stays $old"
		old=$(<"$what")
		sleep 0.5
		moved "$what" "$old" || fail "$what stays $old"
	done
	kill -0 "$reader" "$sender"
	vp bind "$NVME" "$PAIR0" "$PAIR1"
	expect 0 "$NVME: nvme -> vfio-pci" "$PAIR0: e1000e -> vfio-pci"
	kill "$reader" "$sender" 2>/dev/null || true
	wait "$reader" "$sender" 2>/dev/null || true
	vp unbind "$NVME" "$PAIR0" "$PAIR1"
	expect 0
	all_given_back
}

at_once() { # COMMAND-LINE COMMAND-LINE: both of vfio-pm; sets codes
	local first=0 second=0 pid
	# shellcheck disable=SC2086 # words
	timeout 60 "$vfio_pm" $1 >"$BATS_TEST_TMPDIR/one" 2>&1 3>&- 4>&- &
	pid=$!
	# shellcheck disable=SC2086
	timeout 60 "$vfio_pm" $2 >"$BATS_TEST_TMPDIR/two" 2>&1 || second=$?
	wait "$pid" || first=$?
	[ "$first$second" = 00 ] || fail "$1: $first; $2: $second" "$(cat "$BATS_TEST_TMPDIR"/{one,two})"
}

race() {
	at_once "bind $D3COLD" "bind $D3COLD" || return
	expect_on "$D3COLD" vfio-pci || return
	at_once "bind --driver=pci-stub $D3COLD" "unbind $D3COLD" || return
	at_once "bind $D3COLD" "bind --driver=pci-stub $D3COLD" || return
	override_of "$D3COLD"
	expect_on "$D3COLD" "$REPLY" || return
	at_once "bind $D3COLD" "unbind $D3COLD" || return
	vp bind "$D3COLD"
	expect 0 || return
	at_once "unbind $D3COLD" "unbind $D3COLD" || return
	expect_on "$D3COLD" "${host_driver[$KIND_D3COLD]}"
}

@test "two at once on one device: one after the other, and the end is one of the two" {
	modprobe pci-stub
	repeat "$(count 40)" race
}

@test "open through VFIO: exit 5 before any write, --force or not, and the owner is named" {
	vp bind "$D3COLD"
	expect 0
	open_device "$D3COLD"
	snapshot; before=$REPLY
	for arguments in "bind --driver=pci-stub" "bind --driver=pci-stub --force" unbind \
		"unbind --driver=pci-stub"; do
		# shellcheck disable=SC2086 # words
		vp $arguments "$D3COLD"
		expect 5 "'$D3COLD': it is open through VFIO by 'python3' (pid $opener)" "hint: "
		unchanged "$before"
	done
	# Already where it is wanted: nothing to refuse.
	vp bind "$D3COLD"
	expect 0 "stays on vfio-pci"
	# Nobody to be seen.
	vp_with unshare --pid --fork --mount-proc -- unbind "$D3COLD"
	expect 5 "it is open through VFIO, owner not visible from here" "hint: "
	unchanged "$before"
	close_device
	vp unbind "$D3COLD"
	expect 0 "vfio-pci -> "
}

@test "a device that a former driver left enabled has no owner: it moves, and is still refused when open" {
	vp unbind "$D3COLD"
	driver_of "$D3COLD"
	[ -z "$REPLY" ] || echo "$D3COLD" >"$pci/$D3COLD/driver/unbind"
	echo 1 >"$pci/$D3COLD/enable"
	vp bind "$D3COLD"
	expect 0 " -> vfio-pci"
	[ "$(<"$pci/$D3COLD/enable")" = 1 ]
	vp status "$D3COLD"
	expect 0 "unless a former driver left it enabled"
	open_device "$D3COLD"
	[ "$(<"$pci/$D3COLD/enable")" = 2 ]
	vp unbind "$D3COLD"
	expect 5 "'$D3COLD': it is open through VFIO by 'python3' (pid $opener)"
	vp_with unshare --pid --fork --mount-proc -- unbind "$D3COLD"
	expect 5 "it is open through VFIO, owner not visible from here"
	close_device
	vp bind --driver=pci-stub "$D3COLD"
	expect 0 "vfio-pci -> pci-stub"
	vp bind "$D3COLD"
	expect 0 "pci-stub -> vfio-pci"
	vp unbind "$D3COLD"
	expect 0 "vfio-pci -> "
	driver_of "$D3COLD"
	[ -z "$REPLY" ] || echo "$D3COLD" >"$pci/$D3COLD/driver/unbind"
	echo 0 >"$pci/$D3COLD/enable"
	[ "$(<"$pci/$D3COLD/enable")" = 0 ]
}

@test "a group that is open: its other device stays, too" {
	vp bind --group "$PAIR0"
	open_device "$PAIR0"
	vp unbind "$PAIR1"
	expect 5 "'$PAIR1': it is open through VFIO by 'python3'"
	close_device
	open_device "$PAIR0" --group
	vp unbind "$PAIR1"
	expect 5 "'$PAIR1': it is open through VFIO by 'python3'"
	close_device
	vp unbind "$PAIR0" "$PAIR1"
	expect 0
}

@test "an unbind that waits in the kernel: nobody else hangs with it" {
	vp bind "$D3COLD"
	open_device "$D3COLD"
	# The kernel's own unbind: nothing in it asks who has the device open.
	echo "$D3COLD" >"$pci/$D3COLD/driver/unbind" 3>&- 4>&- &
	blocked=$!
	sleep 1
	start=$SECONDS
	vp list
	expect 0
	for arguments in bind unbind; do
		vp "$arguments" "$D3COLD"
		expect 5 "open through VFIO by 'python3'"
	done
	[ $((SECONDS - start)) -lt 10 ] || fail "took $((SECONDS - start)) s"
	close_device
	wait "$blocked"
	vp bind "$D3COLD"
	expect 0
	vp unbind "$D3COLD"
	all_given_back
}
