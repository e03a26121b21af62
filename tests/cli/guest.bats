#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
#
# guest-table: its text, what it refuses. guest-listen: what it refuses before it does anything.

load fixture
load cli
load guest

@test "the table's text" {
	table --asl 03.0 02.4/00.0 02.4/00.1
	expect_code 0
	expect_golden guest-table.asl
	# QEMU's ports are hot-plugged by ACPI: who says nothing of them is told.
	expect_in "$err" "vfio-pm: hint: QEMU's ports are hot-plugged by ACPI unless told otherwise" "--ports=off"
	for known in --ports=off --ports=native; do
		table --asl "$known" 03.0 02.4/00.0
		[ -z "$err" ] || fail "$err"
	done
	table --asl 03.0
	[ -z "$err" ] || fail "$err"
	table --asl --iobase=0x2e8 03.0
	expect_in "$out" 'OperationRegion (VPIO, SystemIO, 0x02E8, 8)'
}

@test "the options of QEMU, and libvirt's XML" {
	table -o t.aml --socket=/run/vfio-pm/win.sock --qmp=/run/vfio-pm/win.qmp 03.0
	expect_code 0
	[ "$out" = "-acpitable file=$PWD/t.aml
-chardev socket,id=vfio-pm,path=/run/vfio-pm/win.sock,server=on,wait=off
-device isa-serial,chardev=vfio-pm,iobase=0xb00,irq=7,index=3
-qmp unix:/run/vfio-pm/win.qmp,server=on,wait=off" ] || fail "$out"
	table -o t.aml --libvirt --iobase=0x2e8 03.0
	expect_in "$out" "<qemu:commandline>" "  <qemu:arg value='-acpitable'/>
  <qemu:arg value='file=$PWD/t.aml'/>" "  <qemu:arg value='isa-serial,chardev=vfio-pm,iobase=0x2e8,irq=7,index=3'/>" \
		"</qemu:commandline>"
	# QEMU takes them.
	table -o t.aml --socket="$PWD/s" 03.0
	read -ra words <<<"${out//$'\n'/ }"
	echo quit | timeout 30 qemu-system-x86_64 -machine q35 -accel tcg -display none -nodefaults -S -monitor stdio "${words[@]}" >qemu.log 2>&1 ||
		fail "$(<qemu.log)"
}

@test "what can't work is refused with the reason" {
	table -o t.aml --machine=pc 03.0
	expect_code 4
	expect_in "$err" "cannot make a table for the machine 'pc'" "have _EJ0" "vfio-pm: hint: a q35 machine"
	table -o t.aml --machine=microvm 03.0
	expect_code 4
	expect_in "$err" "no node for each slot"
	table -o t.aml --ports=acpi 02.4/00.0
	expect_code 4
	expect_in "$err" "_EJ0" "hotplug=off"
	table -o t.aml --ports=acpi 03.0
	expect_code 0
	table -o t.aml 03.0 03.0
	expect_code 2
	for bad in 01:00.0 3.0 03.8 20.0 03.0/ 0000:00:03.0 02.0/00.0/00.0; do
		table -o t.aml "$bad"
		expect_code 2
		expect_in "$err" "'$bad' is no device of a guest"
	done
	table -o t.aml 01.0 02.0 03.0 04.0 05.0 06.0 07.0 08.0 09.0
	expect_code 2
	table 03.0
	expect_code 2
	table -o t.aml --asl 03.0
	expect_code 2
	table -o "$PWD/no/t.aml" 03.0
	expect_code 1
	expect_in "$err" "cannot write '$PWD/no/t.aml'"
	# A table that a VM uses stays as it is when the new one can't be written; one that is written is
	# readable by others.
	umask 022
	echo old >t.aml
	(ulimit -f 0; trap '' XFSZ; table -o t.aml 03.0; exit "$code") && fail "written without room"
	[ "$(<t.aml)" = old ] || fail "the old table is gone"
	rm -f t.aml.*
	table -o t.aml 03.0
	expect_code 0
	[ "$(stat -c %a t.aml)" = 644 ] && [ -z "$(ls t.aml.* 2>/dev/null)" ] || fail "$(ls -l)"
	ln -s t.aml link.aml
	table -o link.aml 03.0
	expect_code 0
	[ -L link.aml ]
	mkdir a:b
	table -o a:b/t.aml 03.0
	expect_code 4
	expect_in "$err" "cannot tell QEMU of '$PWD/a:b/t.aml': -acpitable ends a file's path at a colon" "hint:"
	[ -z "$out" ] || fail "$out"
	# What the compiler has to say is shown, and no more than that.
	mkdir talks
	printf '#!/bin/sh\n%s "$@"\necho "Warning  3079 - ^ something"\n' "$(command -v iasl)" >talks/iasl
	chmod +x talks/iasl
	rm t.aml
	PATH=$PWD/talks:$PATH table -o t.aml 03.0
	expect_code 0
	expect_in "$err" "iasl has doubts about the table" "Warning  3079 - ^ something"
	[ -s t.aml ]
	mkdir bin
	PATH=$PWD/bin table -o t.aml 03.0
	expect_code 1
	expect_in "$err" "'iasl', the ACPI compiler: it is not installed" "hint: apt install acpica-tools"
}

@test "guest-listen refuses what it can't serve" {
	listen() {
		code=0
		timeout 20 "$vfio_pm" guest-listen "$@" >out 2>err || code=$?
		err=$(<err)
	}
	listen --device=03.0=0000:00:00.0
	expect_code 2
	expect_in "$err" "which VM?"
	listen --socket=s
	expect_code 2
	expect_in "$err" "which device?"
	listen --socket=s --device=03.0
	expect_code 2
	expect_in "$err" "'03.0' isn't GUESTDEVICE=DEVICE"
	listen --socket=s --device=01:03.0=0000:00:00.0
	expect_code 2
	listen --socket=s --device=03.0=ffff:ff:1f.7
	expect_code 3
	expect_in "$err" "ffff:ff:1f.7"
	listen --socket="$(printf '%0108d' 0)" --device=03.0=ffff:ff:1f.7
	expect_code 2
	expect_in "$err" "is no path of a socket: that has 1 to 107 bytes"
	listen --socket=s --device=03.0=ffff:ff:1f.7 --rate=121
	expect_code 2
	vp guest-listen --socket=s --device=03.0=ffff:ff:1f.7
	expect_code 3
}

# A VM that has no device at all, and what its guest is told; its lines are "SEND HEX", "WANT HEX", "WAIT SECONDS".
peer() { # SCRIPT
	timeout 60 python3 - "$1" <<-'PYTHON'
	import socket, sys, time
	server = socket.socket(socket.AF_UNIX)
	server.bind("s")
	server.listen(1)
	server.settimeout(20)
	wire = server.accept()[0]
	wire.settimeout(10)
	# A monitor that serves somebody else.
	monitor = socket.socket(socket.AF_UNIX)
	monitor.bind("q")
	monitor.listen(1)
	for line in sys.argv[1].split("\n"):
	    what, data = line.split()
	    if what == "WAIT":
	        time.sleep(int(data))
	        continue
	    data = bytes.fromhex(data)
	    if what == "SEND":
	        wire.sendall(data)
	        continue
	    got = b""
	    while len(got) < len(data):
	        more = wire.recv(len(data) - len(got))
	        assert more, "closed"
	        got += more
	    assert got == data, got.hex()
	PYTHON
}

teardown() { # what a case that failed has left, which has the device's name
	[ -z "${listener:-}" ] || kill -KILL "$listener" 2>/dev/null || true
}

@test "guest-listen and a VM that it can do nothing for: told so, whatever else is on the wire" {
	local addresses=(/sys/bus/pci/devices/*) address
	address=${addresses[0]##*/}
	[ -e "${addresses[0]}" ] || address=ffff:ff:1f.7
	"$vfio_pm" guest-listen --socket=s --device=02.4/00.0="$address" --qmp=q --json-lines >log 2>err 3>&- &
	listener=$!
	if [ ! -e "${addresses[0]}" ]; then
		wait $listener || code=$?
		expect_code 3
		return
	fi
	# OFF is refused, ON is done: nothing is engaged. An OFF that another question follows was given up.
	# The monitor is somebody else's, for longer than its queue lasts. Half a frame, a console, version 2, a device that
	# isn't ours, an answer, which is no question.
	peer "SEND f5fa111400072c87
	WANT f5fa1e14000739bb
	SEND 6c6f67696e3a200d0af5fa1114f5fa12140008
	SEND 2e8c
	WANT f5fa1d14000839b8
	SEND f5fa211400073cc7f5fa111401072d89f5fa1d14000738b7
	SEND f5fa111400092e89
	WANT f5fa1e1400093bbd
	SEND f5fa1114000a2f8af5fa1114010b318d
	WAIT 5
	SEND f5fa1114000c318c
	WANT f5fa1e14000c3ec0"
	for ((i = 0; i < 100; i++)); do
		! grep -q '"lost"' log || break
		sleep 0.1
	done
	code=0
	timeout 20 "$vfio_pm" guest-listen --socket=other --device=02.4/00.0="$address" >out 2>err || code=$?
	expect_code 5
	expect_in "$(<err)" "process $listener does so already"
	code=0
	timeout 20 "$vfio_pm" guest-listen --socket=s --device=02.4/00.0="$address" >out 2>err || code=$?
	expect_code 5
	# A start that is refused has no totals.
	[ ! -s out ] || fail "$(<out)"
	other=${addresses[1]##*/}
	code=0
	timeout 20 "$vfio_pm" guest-listen --socket=two --device=03.0="$other" --device=04.0="$other" >out 2>err || code=$?
	expect_code 2
	expect_in "$(<err)" "cannot serve '$other': it is there twice"
	[ ! -s out ] || fail "$(<out)"
	# The same socket by another path, before the VM has made it again; another of that name is another.
	rm s
	mkdir folder
	ln -s . here
	code=0
	timeout 20 "$vfio_pm" guest-listen --socket=here/s --device=03.0="$other" >out 2>err || code=$?
	expect_code 5
	expect_in "$(<err)" "cannot serve 'here/s': process $listener does so already"
	code=0
	timeout 2 "$vfio_pm" guest-listen --socket=folder/s --device=03.0="$other" >out 2>err || code=$?
	expect_code 124
	"$vfio_pm" status "$address" >out
	grep -q "driven by   none now: process $listener waits for the VM" out
	# One that doesn't answer is told of all the same.
	kill -STOP $listener
	"$vfio_pm" status "$address" >out
	kill -CONT $listener
	grep -q "driven by   not known: its listener does not answer" out || fail "$(<out)"
	kill $listener
	wait $listener
	[ "$(jq -r .event log | sort -u | tr '\n' ' ')" = "connected lost noise refused total unknown-device unknown-version " ] ||
		fail "$(<log)"
	# Each of them once; of refusals each reason: on a busy machine the first question may come late.
	[ -z "$(jq -r '.event + (.reason // "")' log | grep -v total | sort | uniq -d)" ] || fail "$(<log)"
	[ "$(jq -c 'select(.event == "total" and has("frames")) | [.frames, .garbage, .unknown, .strangers]' log)" = "[8,13,1,2]" ] || fail "$(<log)"
	[ "$(jq -c 'select(.event == "total" and has("off")) | [.off, .on, .refused]' log)" = "[0,0,3]" ] || fail "$(<log)"
}

@test "guest-listen, stopped for a while, takes no question for a fresh one that the guest has given up" {
	local addresses=(/sys/bus/pci/devices/*)
	[ -e "${addresses[0]}" ] || return 0
	cat >vm.py <<-'PYTHON'
	import signal, socket, subprocess, sys, time

	def frame(kind, seq):
	    a, b, body = 0, 0, [0x10 | kind, 0xff, 0x18, seq]
	    for byte in body:
	        a = (a + byte) % 256
	        b = (b + a) % 256
	    return bytes([0xf5, 0xfa, *body, a, b])

	vm = socket.socket(socket.AF_UNIX)
	vm.bind("s")
	vm.listen(1)
	vm.settimeout(20)
	listener = subprocess.Popen(sys.argv[1:], stdout=open("log", "w"))
	wire = vm.accept()[0]
	wire.settimeout(20)
	try:
	    # Answered at once, so that the next question may wait for two seconds.
	    for seq in range(10, 15):
	        wire.sendall(frame(2, seq))
	        assert wire.recv(8) == frame(0xd, seq)
	        time.sleep(0.1)
	    listener.send_signal(signal.SIGSTOP)
	    wire.sendall(frame(1, 2))
	    time.sleep(2)
	    listener.send_signal(signal.SIGCONT)
	    assert wire.recv(8) == frame(0xe, 2)
	    wire.sendall(frame(2, 3))
	    assert wire.recv(8) == frame(0xd, 3)
	finally:
	    listener.terminate()
	    listener.wait(20)
	PYTHON
	timeout 60 python3 vm.py "$vfio_pm" guest-listen --socket=s --device=03.0="${addresses[0]##*/}" --dwell=0 --json-lines || fail "$(<log)"
	[ "$(jq -r 'select(.event == "refused") | .reason' log | tr '\n' ' ')" = "late " ] || fail "$(<log)"
}

# The service manager and the monitor of a VM that are both no more than sockets.
@test "guest-listen tells the service manager how it stands, and of the monitor's events ten a minute" {
	local addresses=(/sys/bus/pci/devices/*) address
	address=${addresses[0]##*/}
	[ -e "${addresses[0]}" ] || address=ffff:ff:1f.7
	cat >vm.py <<-'PYTHON'
	import json, os, re, signal, socket, subprocess, sys, time

	def bound(kind, path):
	    s = socket.socket(socket.AF_UNIX, kind)
	    s.bind(path)
	    s.settimeout(20)
	    return s

	manager = bound(socket.SOCK_DGRAM, "notify")
	def told(what):
	    got = manager.recv(4096).decode()
	    assert re.fullmatch(what, got), (what, got)

	listener = subprocess.Popen(sys.argv[1:], stdout=open("log", "w"), stderr=open("err", "w"),
	                            env=dict(os.environ, NOTIFY_SOCKET=os.path.abspath("notify")))
	if not os.listdir("/sys/bus/pci/devices"):
	    sys.exit(0 if listener.wait(20) == 3 else 1)
	try:
	    # Ready before there is a VM: libvirt starts it after the service.
	    told("READY=1\nSTATUS=waiting for the VM")
	    monitor = bound(socket.SOCK_STREAM, "q")
	    monitor.listen(1)
	    vm = bound(socket.SOCK_STREAM, "s")
	    vm.listen(1)
	    wire = vm.accept()[0]
	    qmp = monitor.accept()[0]
	    qmp.sendall(b'{"QMP": {}}\n')
	    asked = json.loads(qmp.makefile().readline())
	    qmp.sendall(json.dumps({"return": {}, "id": asked["id"]}).encode() + b"\n")
	    told(f"STATUS=serving 'python3[^']*', process {os.getpid()}")
	    for name in ["SUSPEND", "WAKEUP", "STOP", "RESUME", "NIC_RX_FILTER_CHANGED"] + 30 * ["RESET"] + ["SHUTDOWN"]:
	        qmp.sendall(json.dumps({"timestamp": {}, "event": name, "data": {}}).encode() + b"\n")
	    time.sleep(1)
	    wire.close()
	    told("STATUS=waiting for the VM")
	    listener.send_signal(signal.SIGTERM)
	    told("STOPPING=1")
	    assert listener.wait(20) == 0
	finally:
	    listener.kill()
	PYTHON
	timeout 60 python3 vm.py "$vfio_pm" guest-listen --socket=s --device=03.0="$address" --qmp=q --json-lines || fail "$(cat log err)"
	[ -e "${addresses[0]}" ] || return 0
	[ "$(jq -r 'select(.event == "vm") | .text' log | tr '\n' ' ')" = "suspend wakeup stop resume reset reset reset reset reset reset " ] ||
		fail "$(<log)"
}
