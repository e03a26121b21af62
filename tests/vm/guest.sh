#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Process 1 of the test VM after `init`: brings up what a test may expect of a machine, runs the one
# command, carries out its status, powers off. A fork costs 60 ms here, so there are few.
#
# /run/vm/env, topology.env, command	from the host
# /run/vm/out				a folder of the host's: output, status, kmsg

. /run/vm/env
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb


# The log goes out as it grows: it is there even if the kernel dies on the way.
cat /dev/kmsg >/run/vm/out/kmsg 2>/dev/null &

# driverctl, which is here for a benchmark, has a rule that runs a shell script for each VFIO node: two
# thirds of the time that a bind takes on this slow machine. An empty file of the same name masks it.
mkdir -p /etc/udev/rules.d
: >/etc/udev/rules.d/89-vfio-uio.rules

# Without a trigger for what is there already: no driver binds at boot, a test loads what it wants.
for udevd in /lib/systemd/systemd-udevd /usr/lib/systemd/systemd-udevd; do
	if [ -x "$udevd" ]; then
		SYSTEMD_LOG_LEVEL=err "$udevd" --daemon
		break
	fi
done

# Roles become addresses: the bus number behind a bridge is the firmware's choice.
. /run/vm/topology.env
{
	mapfile -t lines </run/vm/topology.env
	printf '%s\n' "${lines[@]}"
	for line in "${lines[@]}"; do
		name=${line%%=*}
		[[ ${!name} == 0000:* ]] || continue
		# shellcheck disable=SC2231 # a pattern
		for path in /sys/bus/pci/devices/${!name}; do
			printf '%s=%s\n' "$name" "${path##*/}"
		done
	done
} >/run/vm/topology

cd "$VM_CWD" || cd /
echo started >/run/vm/out/status
if [ "$VM_SHELL" = 1 ]; then
	export TERM=$VM_TERM
	setsid --ctty bash -i </dev/ttyS0 >/dev/ttyS0 2>&1
	status=$?
else
	bash /run/vm/command </dev/null >>/run/vm/out/output 2>&1
	status=$?
fi
echo "exit $status" >/run/vm/out/status
# The last messages of the kernel are still on their way through cat.
printf '<6>vfio-pm-test: end\n' >/dev/kmsg
for ((i = 0; i < 50; i++)); do
	grep -q 'vfio-pm-test: end' /run/vm/out/kmsg && break
	sleep 0.1
done
busybox poweroff -f
