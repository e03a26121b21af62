# SPDX-License-Identifier: GPL-2.0-or-later
"""A QMP socket that isn't QEMU's own: qmp-between.py SOCKET [QEMU-SOCKET [N COMMAND]]

Without QEMU-SOCKET it speaks for a guest that sleeps, and has no devices; a SIGUSR1 is a reset of the
guest, or the event that SOCKET.event names. With it, it hands on what
it gets, as a manager would, and gives COMMAND just before the Nth query-status of each client; N 0: it
loses each client's first COMMAND.
What the sysfs files in $FILES (between spaces) read at a client's cont or system_wakeup goes to
SOCKET.seen.
"""
import json
import os
import signal
import socket
import sys
import threading

path, qemu_path, nth, command = (sys.argv[1:] + [None] * 3)[:4]


def fake(client):
    def say(what):
        client.sendall(json.dumps(what).encode() + b"\n")

    def event(*_):
        name = "RESET"
        if os.path.exists(path + ".event"):
            with open(path + ".event") as file:
                name = file.read().strip()
        say({"event": name, "data": {"guest": True}, "timestamp": {}})

    signal.signal(signal.SIGUSR1, event)
    say({"QMP": {}})
    for line in client.makefile():
        ask = json.loads(line)
        say({"return": {"status": "suspended"} if ask["execute"] == "query-status" else {}, "id": ask["id"]})


def copy(source, target):
    while data := source.recv(65536):
        target.sendall(data)


def note():
    with open(path + ".seen", "w") as seen:
        for name in os.environ.get("FILES", "").split():
            with open(name) as file:
                seen.write(file.read())


def between(client):
    asked, lose = 0, nth == "0"
    with socket.socket(socket.AF_UNIX) as qemu:
        qemu.connect(qemu_path)
        threading.Thread(target=copy, args=(qemu, client), daemon=True).start()
        for line in client.makefile("rb"):
            verb = json.loads(line)["execute"]
            asked += verb == "query-status"
            if lose and verb == command:
                lose = False
                continue
            if verb == "query-status" and nth and asked == int(nth):
                qemu.sendall(json.dumps({"execute": command}).encode() + b"\n")
            if verb in ("cont", "system_wakeup"):
                note()
            qemu.sendall(line)
        qemu.shutdown(socket.SHUT_RDWR)


server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen()
while True:
    connection, _ = server.accept()
    with connection:
        (between if qemu_path else fake)(connection)
