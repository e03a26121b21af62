#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 modparam="disable_idle_d3=0" timeout=600 cost=90 soak=6.1
#
# Every example of the man pages and of the README runs as printed, and prints what is printed there,
# but for addresses and numbers (tests/vm/examples.awk).

load lib
load bind-lib
load installed

setup() { start_case; install_here; cd "$BATS_TEST_TMPDIR" || return; }
teardown() {
	umount /mnt 2>/dev/null || true
	if [ -n "${disk:-}" ]; then
		vgremove --quiet --force store
		wipefs --quiet --all "/dev/${disk}p1" "/dev/$disk"
	fi
	unbind_all
}

# The addresses of the pages become those of this machine; in two steps, as one may be the other.
declare -gA at
as_here() {
	local address
	for address in "${!at[@]}"; do line=${line//$address/@$address@}; done
	for address in "${!at[@]}"; do line=${line//@$address@/${at[$address]}}; done
}

# What may differ from what is printed; the names of list's last column go by the kind of the device.
masked() {
	sed -E "s/[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]/ADDRESS/g; s/reads [0-9a-f]{4}:[0-9a-f]{4}/reads ID/g
		s/\<0x[0-9a-f]+/HEX/g; s/[0-9]+([.:][0-9]+)*/N/g; s/[[:blank:]]+/ /g; s/ \$//
		s/\<after N (s|min N s|ms)\>/after TIME/; s/^ ?(ADDRESS N vfio-pci( [^ ]+){6}) .*/\1 NAME/" "$1"
}

run_example() { # FILE-WITHOUT-ENDING
	local line expected=0
	line=$(<"$1.command")
	[ ! -e "$1.with" ] || line=$(sed -E "$(<"$1.with")" <<<"$line")
	as_here
	[ ! -e "$1.exit" ] || expected=$(<"$1.exit")
	code=0
	if [ -e "$1.meanwhile" ]; then
		# In the foreground: else the whole group is signalled after it, a second time.
		timeout --foreground --preserve-status -s INT 5 bash -c "exec $line" </dev/null >out 2>&1 3>&- 4>&- &
		sleep 3
		line=$(<"$1.meanwhile")
		as_here
		bash -c "$line" >/dev/null
		wait $! || code=$?
	else
		timeout 120 bash -c "$line" </dev/null >out 2>&1 || code=$?
	fi
	[ "$code" = "$expected" ] || fail "exit $code: $line" "$(<out)" || return
	[ -e "$1.output" ] && [ ! -e "$1.loose" ] || return 0
	diff <(masked "$1.output") <(masked out) || fail "another output: $line" "$(<out)"
}

page() { # PAGE EXAMPLES-THAT-IT-HAS
	local i examples
	examples=$BATS_TEST_TMPDIR/$1
	mkdir -p "$examples"
	awk -v out="$examples" -f "$VM_DIR/examples.awk" "$VM_ROOT/man/$1"
	for ((i = 1; i <= $2; i++)); do run_example "$examples/$i" || return; done
	[ ! -e "$examples/$i.command" ] || fail "$1 has more than $2 examples"
}

@test "the man pages' examples: list, status, enter, exit, cycle, run, monitor, wait, policy, report, deepen, guest-table" {
	bind_vfio "$D3COLD" "$D3HOT"
	at=([0000:01:00.0]=$D3COLD [0000:02:00.0]=$D3HOT)
	wait_state "$D3COLD" suspended D3cold
	page vfio-pm.8 8
	page vfio-pm-cycle.8 2
	page vfio-pm-run.8 1
	page vfio-pm-monitor.8 2
	page vfio-pm-policy.8 3
	[ ! -s /etc/udev/rules.d/90-vfio-pm.rules ] || fail "policy --forget left $(</etc/udev/rules.d/90-vfio-pm.rules)"
	page vfio-pm-report.8 3
	page vfio-pm-deepen.8 1
	page vfio-pm-guest.7 3
	page vfio-pm-guest-table.8 1
}

@test "the man page's examples of explain" {
	bind_vfio "$D3COLD" "$D3COLD_VIA" "$D3COLD2"
	# The third is what explain --all finds.
	echo on >"$pci/$D3COLD2/power/control"
	wait_state "$D3COLD_VIA" suspended D3hot
	at=([0000:01:00.0]=$D3COLD [0000:03:00.0]=$D3COLD_VIA [0000:00:05.0]=$D3COLD_VIA_UP)
	page vfio-pm-explain.8 7
}

@test "the man page's examples of bind and unbind" {
	load_host_drivers
	disks=("$pci/$NVME"/nvme/nvme*/nvme*n*)
	disk=${disks[0]##*/}
	printf ',40M\n' | sfdisk --quiet "/dev/$disk"
	wait_for "$VM_PATIENCE" test -b "/dev/${disk}p1"
	mount_volume "/dev/${disk}p1"
	group_of "$PAIR0"
	at=([0000:01:00.0]=$PAIR0 [0000:01:00.1]=$PAIR1 [0000:02:00.0]=$NVME [group:7]=group:$REPLY)
	page vfio-pm-bind.8 4
}

@test "the library page's example" {
	bind_vfio "$D3COLD"
	awk '/^\.Sh / { on = $2 == "EXAMPLES" } /^\.Ed/ { on = 0 } on && !/^\./ && !/:$/ { gsub(/\\e/, "\\"); print }' \
		"$VM_ROOT/man/libvfiopm.3" | sed "s/0000:01:00\.0/$D3COLD/" >example.c
	# shellcheck disable=SC2046 # words
	gcc -Wall -Werror -o example example.c $(pkg-config --cflags --libs libvfiopm)
	[ "$(./example)" = asleep ]
}

@test "the README's demo" {
	load_vfio disable_idle_d3=1
	bind_vfio "$D3COLD" "$D3HOT" "$NOPM"
	mapfile -t addresses < <(sed -n 's/^\$ vfio-pm enter //p' "$VM_ROOT/README.md")
	[ "${#addresses[@]}" = 3 ]
	at=([${addresses[0]}]=$D3COLD [${addresses[1]}]=$D3HOT [${addresses[2]}]=$NOPM)
	n=0
	mapfile -t lines < <(sed -n '/<!-- begin demo -->/,/<!-- end demo -->/p' "$VM_ROOT/README.md")
	for ((i = 0; i < ${#lines[@]}; i++)); do
		[[ ${lines[i]} == '$ '* ]] || continue
		line=${lines[i]#'$ '}
		expected=0 shown=()
		for ((j = i + 1; j < ${#lines[@]}; j++)); do
			case ${lines[j]} in
			'$ '* | '') break ;;
			"(exit status "*) expected=${lines[j]//[^0-9]/} ;;
			"Transitions that the kernel saw"*) ;; # told by the demo itself
			*) shown+=("${lines[j]}") ;;
			esac
		done
		# A thousand are for `make demo`.
		line=${line//1000/5}
		as_here
		code=0
		bash -c "$line" >out 2>&1 || code=$?
		[ "$code" = "$expected" ] || fail "exit $code: $line" "$(<out)"
		printf '%s\n' "${shown[@]}" >shown
		# Devices are in the order of their addresses.
		diff <(masked shown | sort) <(masked out | sort) || fail "another output: $line" "$(<out)"
		n=$((n + 1))
	done
	[ "$n" = 8 ] || fail "$n commands"
	# The last to leave.
	wait_for "$VM_PATIENCE" no_holder || fail "a holder was left"
}

no_holder() { ! pgrep -x vfio-pm >/dev/null; }
