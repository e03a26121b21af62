#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 modparam="disable_idle_d3=1" timeout=400 soak=6.1 cost=60
#
# Each failure of enter, exit and hold: its exit code, a message that names device, cause and mend,
# and a device that is as it was.

load lib
load cmd

setup() {
	start_case
	vfio_loaded || load_vfio disable_idle_d3=1
	other=$BATS_FILE_TMPDIR/other-vmm
	[ -e "$other" ] || cp "$vfio_pm" "$other"
}

teardown() {
	umount "$pci/$D3COLD/power/runtime_status" 2>/dev/null || true
	pkill -KILL -x vfio-pm || true
	pkill -KILL -x other-vmm || true
	unbind_all
}

# The message and its hint, as printed.
expect() { # CODE MESSAGE HINT
	expect_code "$1"
	[[ $output == "vfio-pm: $2"* ]] || fail "message: $output"
	[[ $output == *"vfio-pm: hint: $3"* ]] || fail "hint: $output"
}

# A program that isn't our executable, and has the device asleep.
other_has() { # ADDRESS [COMMAND...]
	local address=$1
	shift
	"$@" "$other" hold "$address" 2>"$BATS_TEST_TMPDIR/other" &
	wait_for 20 grep -q asleep "$BATS_TEST_TMPDIR/other" || fail "$(<"$BATS_TEST_TMPDIR/other")"
}

@test "malformed address: 2" {
	for verb in enter exit hold; do
		vp $verb 00:zz.0
		expect 2 "'00:zz.0' is no PCI address" "an address looks like"
	done
}

@test "no such device: 3, and the others are done" {
	bind_vfio "$D3COLD"
	vp enter 0000:7f:1f.7 "$D3COLD"
	expect 3 "no such device: '0000:7f:1f.7'" "vfio-pm list -a"
	[[ $output == *"$D3COLD: asleep in D3cold"* ]] || fail "$output"
	vp exit "$D3COLD"
	expect_code 0
}

@test "not bound, bound to another driver, a bridge: 4" {
	unbind "$D3HOT"
	vp enter "$D3HOT"
	expect 4 "cannot enter low power on '$D3HOT': bound to no driver" "vfio-pm bind $D3HOT"
	modprobe e1000
	bind_to e1000 "$CONV0"
	vp enter "$CONV0"
	expect 4 "cannot enter low power on '$CONV0': bound to 'e1000', not to a VFIO driver" \
		"vfio-pm bind $CONV0"
	driver_of "$CONV0"
	[ "$REPLY" = e1000 ]
	port=$(upstream_ports "$D3HOT_PORT" | head -n 1)
	vp enter "$port"
	expect 4 "cannot enter low power on '$port': bound to 'pcieport'" "a bridge sleeps by itself"
}

@test "group not viable: 4, names the device in the way" {
	modprobe e1000e
	bind_vfio "$PAIR0"
	bind_to e1000e "$PAIR1"
	group_of "$PAIR0"
	vp enter "$PAIR0"
	expect 4 "cannot enter low power on '$PAIR0': IOMMU group $REPLY is not viable: '$PAIR1' is bound to 'e1000e'" \
		"vfio-pm bind $PAIR1"
	vp hold "$PAIR0"
	expect_code 4
}

@test "owned by another process: 5, names it, and it goes on" {
	bind_vfio "$D3COLD"
	other_has "$D3COLD"
	pid=$(pgrep -x other-vmm)
	while read -r verb what; do
		vp "$verb" "$D3COLD"
		expect 5 "cannot $what '$D3COLD': in use by 'other-vmm' (pid $pid, user 0)" \
			"the device is released when that process closes it"
	done <<-END
		enter enter low power on
		exit leave low power on
		hold hold
	END
	is_state "$D3COLD" suspended D3cold || fail "$REPLY"
	kill -0 "$pid"
}

@test "owner not visible: 5, and says so" {
	bind_vfio "$D3COLD"
	# Another network namespace hides its socket, another PID namespace its process.
	other_has "$D3COLD" unshare --net
	code=0
	output=$(timeout 60 unshare --pid --fork --mount-proc "$vfio_pm" enter "$D3COLD" 2>&1) || code=$?
	expect 5 "cannot enter low power on '$D3COLD': in use, owner not visible from here" "look as root"
	code=0
	output=$(timeout 60 unshare --pid --fork --mount-proc "$vfio_pm" exit "$D3COLD" 2>&1) || code=$?
	expect 5 "cannot leave low power on '$D3COLD': in use, owner not visible from here" "look as root"
}

@test "no permission: 1; with the node given away an ordinary user can do it all" {
	bind_vfio "$D3COLD"
	group_of "$D3COLD"
	as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	code=0
	output=$(timeout 60 "${as_nobody[@]}" "$vfio_pm" enter "$D3COLD" 2>&1) || code=$?
	expect 1 "cannot enter low power on '$D3COLD': no permission on '/dev/vfio/$REPLY'" \
		"be root, or let root give you the node"
	chown 65534 "/dev/vfio/$REPLY"
	chmod 666 /dev/vfio/vfio
	for verb in enter exit; do
		code=0
		output=$(timeout 60 "${as_nobody[@]}" "$vfio_pm" $verb "$D3COLD" 2>&1) || code=$?
		expect_code 0
	done
	is_state "$D3COLD" active D0
}

@test "installed anew while an ordinary user's holder runs: it is still that user's" {
	bind_vfio "$D3COLD"
	group_of "$D3COLD"
	chown 65534 "/dev/vfio/$REPLY"
	chmod 666 /dev/vfio/vfio
	as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	mkdir -p /opt/anew
	for verb in enter exit; do
		# The file that runs is unlinked first.
		install "$vfio_pm" /opt/anew/vfio-pm
		code=0
		output=$(timeout 60 "${as_nobody[@]}" /opt/anew/vfio-pm $verb "$D3COLD" 2>&1) || code=$?
		expect_code 0
	done
	[[ $output == *"$D3COLD: released"* ]] || fail "$output"
	wait_for 5 no_holder
}

@test "somebody else's holder is no holder of ours: root is told who" {
	bind_vfio "$D3COLD"
	group_of "$D3COLD"
	chown 65534 "/dev/vfio/$REPLY"
	chmod 666 /dev/vfio/vfio
	setpriv --reuid=65534 --regid=65534 --clear-groups "$vfio_pm" enter "$D3COLD"
	vp exit "$D3COLD"
	expect_code 5
	[[ $output == *"in use by 'vfio-pm'"*"user 65534"* ]] || fail "$output"
	is_state "$D3COLD" suspended D3cold
}

# An ordinary user's process that has the name of a socket in the abstract namespace; sets squatter.
take_name() { # NAME "listen"|"mute"
	setpriv --reuid=65534 --regid=65534 --clear-groups python3 - "$@" >"$BATS_TEST_TMPDIR/taken" 3>&- <<-'PY' &
		import signal, socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		s.bind("\0" + sys.argv[1])
		if sys.argv[2] == "listen":
		    s.listen()
		print("taken", flush=True)
		signal.pause()
	PY
	squatter=$!
	wait_for "$VM_PATIENCE" grep -q taken "$BATS_TEST_TMPDIR/taken"
}

@test "the name of the holder's socket is taken: by whom is told, and that isn't the device's owner" {
	bind_vfio "$D3COLD"
	group_of "$D3COLD"
	name=vfio-pm/0/group/$REPLY
	take_name "$name" listen
	while read -r verb what; do
		vp "$verb" "$D3COLD"
		expect 5 "cannot $what '$D3COLD': the name of its holder's socket is taken by 'python3' (pid $squatter, user 65534)" \
			"that is no holder of yours; the name is free when it ends: kill $squatter"
	done <<-END
		enter enter low power on
		exit leave low power on
		hold hold
	END
	eval "${output##*: }"
	wait $squatter || true
	# One that doesn't even listen.
	take_name "$name" mute
	while read -r verb what; do
		vp "$verb" "$D3COLD"
		expect 1 "cannot $what '$D3COLD': no holder can be reached: Connection refused" \
			"who has the name of its socket: ss -xap | grep $name"
	done <<-END
		enter enter low power on
		hold hold
	END
	kill $squatter
	wait $squatter || true
	is_state "$D3COLD" active D0 || fail "$REPLY"
	vp enter "$D3COLD"
	expect_code 0
	vp exit "$D3COLD"
	expect_code 0
}

@test "a driver without the features: 4" {
	bind_vfio "$D3COLD"
	# Which ioctl asks for features tells a first run; the second gets ENOTTY there.
	strace -o "$BATS_TEST_TMPDIR/calls" -e trace=ioctl "$vfio_pm" hold "$D3COLD" 2>/dev/null &
	wait_state "$D3COLD" suspended D3cold 30
	pkill -TERM -x vfio-pm
	wait
	first=$(grep -n VFIO_DEVICE_FEATURE "$BATS_TEST_TMPDIR/calls" | head -n 1)
	code=0
	output=$(strace -o /dev/null -e trace=ioctl \
		-e inject=ioctl:error=ENOTTY:when="${first%%:*}..$((${first%%:*} + 2))" \
		"$vfio_pm" hold "$D3COLD" 2>&1) || code=$?
	expect 4 "cannot hold '$D3COLD': driver 'vfio-pci' has no low-power features" \
		"vfio-pci has them since Linux 6.1"
	is_state "$D3COLD" active D0 || fail "$REPLY"
}

@test "hold: a device that does not come back, or reports an error: 1" {
	bind_vfio "$D3COLD"
	held() { # COMMAND...: runs hold below it, sets holder
		"$@" "$vfio_pm" hold "$D3COLD" 2>"$BATS_TEST_TMPDIR/log" &
		holder=$!
		wait_for "$((VM_PATIENCE * 2))" grep -q asleep "$BATS_TEST_TMPDIR/log"
	}
	ends() { # STATUS WORDS
		status=0
		wait $holder || status=$?
		[ $status = "$1" ] && grep -q "$2" "$BATS_TEST_TMPDIR/log" ||
			fail "exit $status" "$(<"$BATS_TEST_TMPDIR/log")"
	}
	# The last call of this kind is the one that leaves low power; in the second run it fails.
	held strace -o "$BATS_TEST_TMPDIR/calls" -e trace=ioctl
	pkill -TERM -x vfio-pm
	ends 0 "released: Terminated"
	last=$(grep -n VFIO_DEVICE_FEATURE "$BATS_TEST_TMPDIR/calls" | tail -n 1)
	held strace -o /dev/null -e trace=ioctl -e inject=ioctl:error=EIO:when="${last%%:*}"
	pkill -TERM -x vfio-pm
	ends 1 "it does not come back: Input/output error"
	# The device's error interrupt, triggered by the interface's own loopback.
	held env
	python3 - $holder <<-'PY'
		import ctypes, fcntl, os, struct, sys
		pid = int(sys.argv[1])
		process = os.pidfd_open(pid)
		def target(name):
		    try:
		        return os.readlink(f"/proc/{pid}/fd/{name}")
		    except FileNotFoundError:  # it looks at sysfs now and then
		        return ""
		for name in os.listdir(f"/proc/{pid}/fd"):
		    if "vfio-device" in target(name):
		        fd = ctypes.CDLL(None).syscall(438, process, int(name), 0)  # pidfd_getfd
		        # VFIO_DEVICE_SET_IRQS: DATA_NONE, ACTION_TRIGGER of VFIO_PCI_ERR_IRQ_INDEX
		        fcntl.ioctl(fd, 0x3b6e, struct.pack("5I", 20, 1 << 0 | 1 << 5, 3, 0, 1))
	PY
	ends 1 "released: the device reported an error"
	is_state "$D3COLD" active D0 || fail "$REPLY"
}

@test "a holder of another version: 1, and how to end it" {
	bind_vfio "$D3COLD"
	vp enter "$D3COLD"
	expect_code 0
	# To the holder, a request that begins with another number is of another version.
	code=0
	output=$(strace -o /dev/null -e trace=sendto -e inject=sendto:poke_enter=@arg2=ffffffff \
		"$vfio_pm" exit "$D3COLD" 2>&1) || code=$?
	expect 1 "cannot leave low power on '$D3COLD': its holder is another version of this program" \
		"end it, which releases its group's devices: kill $(pgrep -x vfio-pm)"
	eval "${output##*: }"
	wait_for 5 no_holder
	is_state "$D3COLD" active D0 || fail "$REPLY"
}

@test "stuck between two states: 4, and it isn't opened" {
	bind_vfio "$D3COLD"
	echo resuming >"$BATS_TEST_TMPDIR/status"
	mount --bind "$BATS_TEST_TMPDIR/status" "$pci/$D3COLD/power/runtime_status"
	vp enter "$D3COLD"
	expect 4 "cannot enter low power on '$D3COLD': stuck: its runtime status stays 'resuming'" \
		"the kernel's log tells more"
	no_holder
	umount "$pci/$D3COLD/power/runtime_status"
}

@test "the kernel does not answer: told after a while, nothing hangs" {
	bind_vfio "$D3COLD"
	vp enter "$D3COLD"
	expect_code 0
	# A stopped holder is as silent as one that is blocked in the kernel.
	pkill -STOP -x vfio-pm
	code=0
	output=$(timeout 60 "$vfio_pm" exit "$D3COLD" 2>&1) || code=$?
	pkill -CONT -x vfio-pm
	expect 1 "cannot leave low power on '$D3COLD': the kernel has not answered for 30 s" "the request goes on"
}

@test "output that can't be written: 1" {
	bind_vfio "$D3COLD"
	code=0
	output=$("$vfio_pm" enter "$D3COLD" 2>&1 >/dev/full) || code=$?
	expect_code 1
	[[ $output == *"cannot write to standard output: No space left on device"* ]] || fail "$output"
	# What was done is done: the device is held.
	is_state "$D3COLD" suspended D3cold
	vp exit "$D3COLD"
	expect_code 0
}
