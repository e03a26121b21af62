#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the VM: s2idle of the whole machine with a device held in low power. QEMU has nothing that
# wakes from it, so the kernel's own test level is used: every device goes all the way down, stays a
# second, and comes back; only the idle loop itself is left out (kernel/power/suspend.c). Linux resets virtio devices on the way back and virtio-9p can't follow, so the root is lost: what
# runs from here on is in memory, says its lines on the console, and powers off by itself.

here=${BASH_SOURCE[0]%/*}
. "$here/lib.bash"
set -e

room=/run/s2idle
mkdir -p $room/{bin,proc,sys,dev,run,tmp}
cp "$(command -v busybox)" $room/bin/
cp "$here/../../build/vfio-pm" $room/bin/
while read -r library; do
	install -D "$library" "$room$library"
done < <(ldd "$here/../../build/vfio-pm" | grep -o '/[^ ]*')
for point in proc sys dev; do mount --rbind /$point $room/$point; done

cat >$room/test <<'END'
say() { echo "s2idle: $*" >/dev/ttyS0; }
state() { echo "$(cat $pci/$1/power/runtime_status) $(cat $pci/$1/power_state)"; }
check() { # WHAT ADDRESS WANTED
	now= n=0
	while now=$(state $2); [ "$now" != "$3" ] && [ $n -lt 50 ]; do sleep 0.1; n=$((n + 1)); done
	if [ "$now" = "$3" ]; then say "ok: $1: $now"; else say "not ok: $1: $now instead of $3"; fi
}
sleep_and_wake() {
	before=$(cat /sys/power/suspend_stats/success)
	echo 1 >/sys/module/suspend/parameters/pm_test_delay
	echo platform >/sys/power/pm_test
	echo freeze >/sys/power/state
	after=$(cat /sys/power/suspend_stats/success)
	if [ "$after" = $((before + 1)) ]; then say "ok: really suspended"; else say "not ok: suspended $before times, then $after"; fi
}

for mode in "" --on-wake=reenter; do
	vfio-pm enter $mode $device >/dev/ttyS0 2>&1
	check "before $mode" $device "suspended D3cold"
	sleep_and_wake
	check "after $mode" $device "suspended D3cold"
	out=$(vfio-pm exit $device 2>&1)
	case $out in
	*"awake in D0"*) say "ok: comes back $mode" ;;
	*) say "not ok: $out" ;;
	esac
	check "released $mode" $device "active D0"
done

# Woken for good by the machine's own wake: told, not hidden.
vfio-pm hold --on-wake=stay $device 2>/tmp/log &
check "stay, before" $device "suspended D3cold"
sleep_and_wake
sleep 1
now=$(state $device)
if [ "$now" = "suspended D3cold" ] || grep -q "woken; it stays awake" /tmp/log; then
	say "ok: stay: $now, $(grep -c woken /tmp/log) wakes told"
else
	say "not ok: stay: $now and no word of it: $(cat /tmp/log)"
fi
say "the end"
sleep 0.5
poweroff -f
END

load_vfio disable_idle_d3=1
bind_vfio "$D3COLD"
# Who would touch the root afterwards would hang there, and not be frozen the second time.
pkill -x systemd-udevd
pkill -x cat
exec env -i PATH=/bin device="$D3COLD" pci=$pci busybox chroot $room /bin/busybox sh -c '
	/bin/busybox --install -s /bin
	exec sh /test'
