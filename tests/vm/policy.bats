#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12 cost=60 soak=6.12
#
# policy: what is written, what it leads to, and what udev makes of it at the next bind.

load lib

vfio_pm=$VM_ROOT/build/vfio-pm
rules=/etc/udev/rules.d/90-vfio-pm.rules

setup() {
	start_case
	load_vfio disable_idle_d3=0
	bind_vfio "$D3COLD"
	wait_state "$D3COLD" suspended D3cold
}

teardown() {
	"$vfio_pm" policy "$D3COLD" --forget >/dev/null || true
	# udevd looks for changed rules every three seconds only: the next bind would be under the old ones.
	udevadm control --reload
	udevadm settle
	echo 1 >"$pci/$D3COLD/d3cold_allowed"
	unbind_all
}

shown() { # KEY VALUE
	"$vfio_pm" policy -J "$D3COLD" | jq -e ".devices[0].$1 == $2" >/dev/null
}

attribute() { local value; get value "$pci/$D3COLD/$1"; [ "$value" = "$2" ]; }

@test "showing wakes nothing" {
	rpm_trace_start "$D3COLD"
	run "$vfio_pm" policy "$D3COLD"
	echo "$output"
	[ "$status" = 0 ]
	[[ ${lines[1]} =~ ^$D3COLD\ +auto\ +allow\ +suspended\ +D3cold ]]
	shown control '"auto"'
	shown persisted null
	rpm_trace_stop
	[ "$(rpm_count "$D3COLD")" = 0 ]
}

@test "a cap at D3hot, and back; the wake is said, and the state afterwards" {
	run "$vfio_pm" policy "$D3COLD" --cap=D3hot
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *"$D3COLD: d3cold_allowed: 1 -> 0, which wakes it"* ]]
	[[ $output == *"$D3COLD: suspended D3cold -> suspended D3hot"* ]]
	is_state "$D3COLD" suspended D3hot
	run "$vfio_pm" policy "$D3COLD" --cap=D3cold
	[[ $output == *"suspended D3hot -> suspended D3cold"* ]]
	is_state "$D3COLD" suspended D3cold
}

@test "a cap at D0 keeps it awake" {
	run "$vfio_pm" policy "$D3COLD" --cap=D0
	[[ $output == *"$D3COLD: power/control: auto -> on"* ]]
	is_state "$D3COLD" active D0
	"$vfio_pm" policy "$D3COLD" --control=auto
	wait_state "$D3COLD" suspended D3cold
}

@test "--dry-run writes nothing, changes nothing, wakes nothing" {
	rpm_trace_start "$D3COLD"
	run "$vfio_pm" policy "$D3COLD" --cap=D3hot --control=on --persist --dry-run
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *"(not written)"* && $output == *"would be written"* ]]
	rpm_trace_stop
	[ "$(rpm_count "$D3COLD")" = 0 ]
	attribute d3cold_allowed 1
	[ ! -e "$rules" ]
}

@test "persisted: survives the bind, where the kernel itself would undo it; drift is shown; forgotten" {
	"$vfio_pm" policy "$D3COLD" --control=on --d3cold=deny --persist
	cat "$rules"
	udevadm control --reload
	# The kernel allows runtime PM when the driver registers with VFIO.
	bind_vfio "$D3COLD"
	wait_for "$VM_PATIENCE" attribute power/control on
	attribute d3cold_allowed 0
	is_state "$D3COLD" active D0
	shown drift '[]'
	echo auto >"$pci/$D3COLD/power/control"
	shown drift '["control"]'
	shown persisted '{"control": "on", "d3cold_allowed": false}'
	run "$vfio_pm" policy "$D3COLD" --forget
	[[ $output == *"rule removed"* ]]
	[ ! -e "$rules" ]
	run "$vfio_pm" policy "$D3COLD" --forget
	[ "$status" = 0 ]
	[[ $output == *"nothing was persisted"* ]]
}

@test "a rule matches vendor and device, too: another device at that address isn't touched" {
	"$vfio_pm" policy "$D3COLD" --control=on --persist
	grep -q "KERNEL==\"$D3COLD\", ATTR{vendor}==\"0x....\", ATTR{device}==\"0x....\"" "$rules"
	sed -i 's/ATTR{device}=="0x..../ATTR{device}=="0xdead/' "$rules"
	udevadm control --reload
	"$vfio_pm" policy "$D3COLD" --control=auto
	bind_vfio "$D3COLD"
	udevadm settle
	attribute power/control auto
	# It can be forgotten all the same, as can the rule for a device that has gone.
	"$vfio_pm" policy "$D3COLD" --persist
	[ "$(grep -c "KERNEL==\"$D3COLD\"" "$rules")" = 2 ]
	echo "# mine" >>"$rules"
	run "$vfio_pm" policy "$D3COLD" --forget
	[[ $output == "$D3COLD: rules removed" ]]
	[ "$(grep -c KERNEL "$rules")" = 0 ]
	grep -qx "# mine" "$rules"
	echo >>"$rules" 'ACTION=="bind", SUBSYSTEM=="pci", KERNEL=="0000:7f:00.0", ATTR{vendor}=="0x8086", ATTR{device}=="0x10d3", ATTR{power/control}="on"'
	run "$vfio_pm" policy 7f:00.0 --forget --dry-run
	[ "$status" = 0 ] && [[ $output == "0000:7f:00.0: rule would be removed" ]]
	run "$vfio_pm" policy 7f:00.0 "$D3COLD" --forget
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *"0000:7f:00.0: rule removed"*"$D3COLD: nothing was persisted"* ]]
	run "$vfio_pm" policy 7f:00.0 --forget
	[ "$status" = 3 ]
	rm "$rules"
}

@test "the whole group, the whole slot" {
	bind_vfio "$PAIR0" "$PAIR1"
	"$vfio_pm" policy "$PAIR0" --group --control=on
	get value "$pci/$PAIR1/power/control"; [ "$value" = on ]
	"$vfio_pm" policy "$PAIR1" --slot --control=auto
	get value "$pci/$PAIR0/power/control"; [ "$value" = auto ]
}

@test "an armed wakeup mode ends with the write, and that is said" {
	unbind_all
	load_vfio disable_idle_d3=1
	bind_vfio "$D3COLD"
	# A rule of udev's that is applied late wakes it, too.
	udevadm settle
	"$vfio_pm" enter "$D3COLD" --on-wake=stay
	is_state "$D3COLD" suspended D3cold || fail "$REPLY"
	attribute d3cold_allowed 1
	run "$vfio_pm" policy "$D3COLD" --d3cold=deny
	echo "$output"
	[ "$status" = 6 ]
	[[ $output == *"warning: '$D3COLD' woke and doesn't sleep again: a low power that was entered with wakeup has ended"* ]]
	"$vfio_pm" exit "$D3COLD"
}

@test "an ordinary user may look, and is refused to write" {
	as_user() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
	as_user "$vfio_pm" policy "$D3COLD"
	run as_user "$vfio_pm" policy "$D3COLD" --control=on
	[ "$status" = 1 ]
	[[ $output == *"cannot set power/control of '$D3COLD': Permission denied"* ]]
	attribute power/control auto
	run as_user "$vfio_pm" policy "$D3COLD" --persist
	[ "$status" = 1 ]
}
