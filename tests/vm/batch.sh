#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# batch.sh FILE.bats...: in the VM, runs one bats file after the other: a boot is dearer than cleaning
# up. Each file's TAP is framed by "# file: NAME" and "# end: NAME STATUS". Stops after a file that
# left the machine in a state that can't be mended: the host boots another one for the rest.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/header.bash"
. "$here/lib.bash"

result=0
for file; do
	name=${file##*/}
	name=${name%.bats}
	header vm "$file" || exit 2
	echo "# file: $name"
	mark "file $name"
	rm -f /etc/modprobe.d/vfio-pm-test.conf
	[ -z "$modparam" ] || echo "options $modparam" >/etc/modprobe.d/vfio-pm-test.conf
	[ "${VFIO_PM_SCALE:-5}" -le 10 ] || timeout=$((timeout * 20))
	# KASAN and lockdep make all of it slower.
	[ "$VM_KERNEL" != debug ] || timeout=$((timeout * 4))
	start=$SECONDS
	timeout -k 5 "$timeout" bats --tap "$file"
	status=$?
	[ "$status" != 124 ] || echo "# not finished after $timeout s"
	[ "$status" = 0 ] || result=1
	echo "# time: $name $((SECONDS - start))"
	echo "# end: $name $status"
	[ "$file" != "${*: -1}" ] || break
	timeout -k 5 90 bash -c ". '$here/lib.bash'; restore_machine" || {
		echo "# machine not restored after $name"
		exit 1
	}
done
exit "$result"
