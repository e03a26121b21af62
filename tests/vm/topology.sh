#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# topology.sh SEED FOLDER [native]: turns `topology` into what one VM needs, in FOLDER:
#	qemu.args	arguments for QEMU, one a line
#	topology.env	shell assignments for the guest (roles as sysfs paths, resolved there)
#	*.aml		one ACPI table a power resource; a table that names a node which isn't there is
#			lost as a whole, so they don't share one
#	disk.img	the disk of the nvme, sparse
#
# The same seed gives the same VM. "native": bridges are hot-plugged by pciehp, and QEMU's tables then
# say nothing of what is below them, so that ours have to.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
seed=$1
out=$2
native=${3:-}
list=${VFIO_PM_TOPOLOGY:-$here/topology}
RANDOM=$seed

shuffle() { # ARRAY-NAME: Fisher-Yates, in place
	local -n array=$1
	local i j tmp
	for ((i = ${#array[@]} - 1; i > 0; i--)); do
		j=$((RANDOM % (i + 1)))
		tmp=${array[i]}
		array[i]=${array[j]}
		array[j]=$tmp
	done
}

args=() env=()
qemu() { args+=("$@"); }
device() { qemu -device "$1"; }
guest() { env+=("$1=$2"); }

mapfile -t rows < <(sed 's/#.*//; /^[[:space:]]*$/d' "$list")

# Slot 0 is the host bridge, 1f the chipset; 1e and 1 are left to the VM's own virtio devices.
slots=()
for ((i = 2; i < 30; i++)); do slots+=("$i"); done
shuffle slots

# As many of one kind as of the other, in random order.
kinds=()
for row in "${rows[@]}"; do
	read -r _ kind _ <<<"$row"
	[ "$kind" != any ] || kinds+=("$([ $((${#kinds[@]} % 2)) = 0 ] && echo e1000e || echo nvme)")
done
# Of the first three, the ones with power of their own, there is one of each kind at least: some tests
# want a driver that knows runtime PM, or a device with No_Soft_Reset.
while
	shuffle kinds
	[ ${#kinds[@]} -gt 3 ] && [ "${kinds[0]}" = "${kinds[1]}" ] && [ "${kinds[0]}" = "${kinds[2]}" ]
do :; done

# A register with a value that never changes, to read after a wake: REG_role="BAR OFFSET VALUE".
declare -A register=(
	[e1000e]="0 0x38 0x00008100"	# VET, the VLAN Ether type, after reset
	[nvme]="0 0x8 0x00010400"	# VS, the version
	[edu]="0 0x0 0x010000ed"	# identification
)

acpi_power() { # NAME NODE...: a power resource that these nodes need
	local name=$1 node
	shift
	{
		echo "DefinitionBlock (\"\", \"SSDT\", 2, \"VFIOPM\", \"$name\", 1) {"
		for node; do
			if [ "$native" = native ] && [[ $node == *.S00 ]]; then
				echo "External (\\_SB.PCI0.${node%.S00}, DeviceObj)"
				echo "Scope (\\_SB.PCI0.${node%.S00}) { Device (S00) { Name (_ADR, Zero) } }"
			else
				echo "External (\\_SB.PCI0.$node, DeviceObj)"
			fi
		done
		# Linux turns every resource on once at boot; _STA must tell what _OFF and _ON did, or
		# the kernel believes that a power down failed. PCI_INTERRUPT_LINE is a byte that nothing
		# uses here: with 0xee in that of the first device _ON fails, with 0xef _OFF.
		cat <<-ASL
		Scope (\\_SB.PCI0.$1) {
			OperationRegion (VPCF, PCI_Config, 0x3C, One)
			Field (VPCF, ByteAcc, NoLock, Preserve) { VPIL, 8 }
		}
		Scope (\\_SB) {
			Name (S$name, One)
			Method (F$name, 1) {
				Local0 = Zero
				If (\\_SB.PCI0.$1.VPIL == Arg0) { Local0 = One / Local0 }
			}
			PowerResource (P$name, 0, 0) {
				Method (_STA) { Return (S$name) }
				Method (_ON)  { F$name (0xEE) S$name = One }
				Method (_OFF) { F$name (0xEF) S$name = Zero }
			}
		}
		ASL
		for node; do
			cat <<-ASL
			Scope (\\_SB.PCI0.$node) {
				Name (_PR0, Package () { \\_SB.P$name })
				Name (_PR3, Package () { \\_SB.P$name })
			}
			ASL
		done
		echo "}"
	} >"$out/$name.asl"
	iasl -vs "$out/$name.asl" >"$out/$name.log" 2>&1 || { cat "$out/$name.log" >&2; exit 1; }
	qemu -acpitable "file=$out/$name.aml"
}

declare -A slot path bus_of
shared=()
bridge_slot= conventional=0 switch_port= branches=0 chassis=0 resource=0
roles=()

for row in "${rows[@]}"; do
	read -r role kind place power <<<"$row"
	if [ "$kind" = any ]; then
		kind=${kinds[0]}
		kinds=("${kinds[@]:1}")
	fi

	bus=pcie.0 function= node= port= of=
	case $place in
	rc | port | hotport)
		slot[$role]=${slots[0]}
		slots=("${slots[@]:1}")
		function=$(printf '%02x' "${slot[$role]}")
		;;
	with:*)
		slot[$role]=${slot[${place#with:}]}
		function=$(printf '%02x' "${slot[$role]}")
		;;
	esac

	case $place in
	rc)
		addr=0x$function.0
		path[$role]=0000:00:$function.0
		node=$(printf 'S%02X' $((slot[$role] << 3)))
		;;
	with:*)
		of=${place#with:}
		path[$role]=${path[$of]%.0}.1
		bus=${bus_of[$of]}
		addr=0x$function.1
		[ "$bus" = pcie.0 ] || addr=0x0.1
		;;
	port | hotport)
		chassis=$((chassis + 1))
		port=0000:00:$function.0
		hotplug=off
		[ "$place" = port ] || hotplug=on
		# VFs come as if they were plugged, which without ACPI's hotplug is the port's to allow.
		[ "$native$kind" != nativenvme-pf ] || hotplug=on
		# A port faster than 5 GT/s is waited for until it reports its link when it comes back from
		# D3cold. One without hotplug never does, and the kernel gives up what is below.
		speed=
		[ "$power" != port ] || speed=,x-speed=5
		device "pcie-root-port,id=rp$chassis,bus=pcie.0,addr=0x$function,chassis=$chassis,hotplug=$hotplug$speed"
		guest "${role}_UP" "$port"
		[ "$place" != hotport ] || guest "${role}_BUS" "rp$chassis"
		bus=rp$chassis addr=0x0
		path[$role]="$port/0000:*:00.0"
		node=$(printf 'S%02X' $((slot[$role] << 3)))
		[ "$power" = port ] || node=$node.S00
		;;
	bridge)
		if [ -z "$bridge_slot" ]; then
			bridge_slot=$(printf '%02x' "${slots[0]}")
			slots=("${slots[@]:1}")
			device "pcie-pci-bridge,id=conv,bus=pcie.0,addr=0x$bridge_slot"
			guest CONV_BRIDGE "0000:00:$bridge_slot.0"
		fi
		conventional=$((conventional + 1))
		bus=conv
		addr=$(printf '0x%x' $conventional)
		path[$role]=$(printf '0000:00:%s.0/0000:*:%02x.0' "$bridge_slot" $conventional)
		;;
	switch)
		if [ -z "$switch_port" ]; then
			switch_slot=${slots[0]}
			slots=("${slots[@]:1}")
			chassis=$((chassis + 1))
			function=$(printf '%02x' "$switch_slot")
			switch_port=0000:00:$function.0
			device "pcie-root-port,id=rp$chassis,bus=pcie.0,addr=0x$function,chassis=$chassis,hotplug=off,x-speed=5"
			device "x3130-upstream,id=switch,bus=rp$chassis"
			guest SWITCH_UP "$switch_port"
			guest SWITCH "$switch_port/0000:*:00.0"
		fi
		branches=$((branches + 1)) chassis=$((chassis + 1))
		function=$(printf '%02x' $branches)
		device "xio3130-downstream,id=branch$branches,bus=switch,addr=0x$function,chassis=$chassis,hotplug=off"
		port="$switch_port/0000:*:00.0/0000:*:$function.0"
		guest "${role}_UP" "$port"
		bus=branch$branches addr=0x0
		path[$role]="$port/0000:*:00.0"
		node=$(printf 'S%02X' $((switch_slot << 3)))
		;;
	*) echo "topology: $role: unknown place '$place'" >&2; exit 1 ;;
	esac

	bus_of[$role]=$bus

	case $power in
	none) ;;
	own | port)
		resource=$((resource + 1))
		acpi_power "$(printf 'R%02d' $resource)" "$node"
		;;
	shared) shared+=("$node") ;;
	*) echo "topology: $role: unknown power '$power'" >&2; exit 1 ;;
	esac

	id=$(tr 'A-Z_' 'a-z-' <<<"dev-$role")
	where="id=$id,bus=$bus,addr=$addr"
	case $kind in
	-) continue ;;
	# The option ROM would be run by the firmware: seconds, for nothing.
	e1000e | e1000 | rtl8139)
		many=
		grep -q "with:$role\$" <<<"$(printf '%s\n' "${rows[@]}" | awk '{ print $3 }')" && many=,multifunction=on
		device "$kind,$where$many,romfile="
		;;
	nvme) device "nvme,$where,serial=$role" ;;
	nvme-disk)
		kind=nvme
		truncate -s 64M "$out/disk.img"
		qemu -drive "file=$out/disk.img,if=none,id=disk,format=raw,discard=unmap"
		device "nvme,$where,serial=$role,drive=disk"
		;;
	nvme-pf)
		kind=nvme
		device "nvme-subsys,id=subsys,nqn=vfio-pm"
		device "nvme,$where,serial=$role,subsys=subsys,sriov_max_vfs=4,sriov_vq_flexible=8,sriov_vi_flexible=4"
		# Shared in its subsystem: the kernel makes a multipath disk of it.
		qemu -drive "driver=null-co,size=16M,read-zeroes=on,if=none,id=paths"
		device "nvme-ns,drive=paths,bus=$id,nsid=1"
		;;
	edu | pci-testdev) device "$kind,$where" ;;
	ivshmem)
		qemu -object "memory-backend-ram,id=hugebar,size=64M,share=on"
		device "ivshmem-plain,$where,memdev=hugebar"
		;;
	*) echo "topology: $role: unknown kind '$kind'" >&2; exit 1 ;;
	esac
	roles+=("$role")
	guest "$role" "${path[$role]}"
	guest "ID_$role" "$id"
	guest "KIND_$role" "$kind"
	guest "POWER_$role" "$power"
	guest "REG_$role" "${register[$kind]:-}"
done
[ ${#shared[@]} = 0 ] || acpi_power SHR "${shared[@]}"

printf '%s\n' "${args[@]}" >"$out/qemu.args"
{
	for line in "${env[@]}"; do printf '%s=%q\n' "${line%%=*}" "${line#*=}"; done
	printf 'ROLES=%q\n' "${roles[*]}"
	echo "VM_SEED=$seed"
} >"$out/topology.env"
