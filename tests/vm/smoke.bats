#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: kernels=6.1,6.12,debug
#
# The VM is what the topology says it is: every other VM test builds on this.

load lib

setup() { start_case; }

@test "every role is there, and in a group" {
	for role in $ROLES; do
		[ -n "${!role}" ] && [ -d "$pci/${!role}" ] || fail "$role: '${!role}' isn't there"
		[ -d "$pci/${!role}/iommu_group/devices/${!role}" ] || fail "$role: no group"
	done
}

@test "groups: a pair shares one, all behind the conventional bridge share one, others are alone" {
	group_of "$PAIR0"; pair=$REPLY
	group_of "$PAIR1"; [ "$REPLY" = "$pair" ]
	group_of "$CONV0"; conventional=$REPLY
	group_of "$CONV1"; [ "$REPLY" = "$conventional" ]
	group_of "$CONV_BRIDGE"; [ "$REPLY" = "$conventional" ]
	[ "$pair" != "$conventional" ]
	for role in $ROLES; do
		case $role in PAIR* | CONV*) continue ;; esac
		members=("$pci/${!role}"/iommu_group/devices/*)
		[ ${#members[@]} = 1 ] || fail "$role: group of ${#members[@]}"
	done
}

@test "ACPI power resources are where they are meant to be" {
	for role in $ROLES; do
		node=$pci/${!role}/firmware_node/power_resources_D3hot
		case $(dev "POWER_$role") in
		own | shared) [ -d "$node" ] || fail "$role: no power resource" ;;
		none) [ ! -d "$node" ] || fail "$role: has a power resource" ;;
		port)
			[ ! -d "$node" ] || fail "$role: has a power resource"
			up=${role}_UP
			[ -d "$pci/${!up}/firmware_node/power_resources_D3hot" ] || fail "$role: no power resource on its port"
			;;
		esac
	done
}

@test "bound with disable_idle_d3=0, what has a PM capability sleeps as deep as it can" {
	load_vfio disable_idle_d3=0
	for role in D3COLD D3COLD2 D3COLD_PORT SHARED0 SHARED1 D3HOT D3HOT_PORT NVME PF PAIR0 PAIR1 HOTPLUG NOPM NOPM2 HUGEBAR; do
		bind_vfio "${!role}"
	done
	for role in D3COLD D3COLD2 D3COLD_PORT SHARED0 SHARED1; do
		wait_state "${!role}" suspended D3cold || fail "$role"
	done
	for role in D3HOT D3HOT_PORT NVME PF PAIR0 PAIR1 HOTPLUG; do
		wait_state "${!role}" suspended D3hot || fail "$role"
	done
	for role in NOPM NOPM2 HUGEBAR; do
		wait_state "${!role}" suspended D0 || fail "$role"
	done
}

@test "a whole group is bound, conventional bridge in it" {
	bind_vfio "$CONV0" "$CONV1"
	group_of "$CONV0"
	[ -c "/dev/vfio/$REPLY" ]
}

@test "a wake and the sleep after it are counted as one each" {
	bind_vfio "$D3COLD" "$D3HOT"
	wait_state "$D3COLD" suspended D3cold
	rpm_trace_start "$D3COLD" "$D3HOT"
	for ((i = 0; i < 3; i++)); do
		cfg_read "$D3COLD" 0x0.L >/dev/null
		wait_state "$D3COLD" suspended D3cold
	done
	rpm_trace_stop
	rpm_transitions
	[ "$(rpm_count "$D3COLD" resume)" = 3 ]
	[ "$(rpm_count "$D3COLD" suspend)" = 3 ]
	[ "$(rpm_count "$D3HOT")" = 0 ]
}

@test "with disable_idle_d3=1 a bound device stays awake, and its register reads as known" {
	unbind_all
	load_vfio disable_idle_d3=1
	for role in D3COLD D3HOT NVME NOPM; do
		bind_vfio "${!role}"
		is_state "${!role}" active D0 || fail "$role: $REPLY"
	done
	for role in D3COLD D3COLD2 D3HOT NVME NOPM; do
		unbind "${!role}"
		cfg_write "${!role}" COMMAND 0x2
		read -r bar offset value <<<"$(dev "REG_$role")"
		[ "$(bar_read "${!role}" "$bar" "$offset")" = "$value" ] || fail "$role"
	done
}
