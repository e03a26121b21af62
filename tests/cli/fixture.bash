# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A builder of mocked systems, read by the real binary with --sysroot. Sourced.
#
#	fixture_new "$BATS_TEST_TMPDIR/root"
#	fx_bridge 0000:00:1c.0 status=suspended state=D3cold acpi='\_SB_.PCI0.RP05'
#	fx_device 0000:01:00.0 parent=0000:00:1c.0 driver=vfio-pci group=7 \
#		status=suspended state=D3cold enable=1
#	fx_process 4711 comm=qemu-system-x86 uid=107 fd=/dev/vfio/7
#	vfio-pm --sysroot="$FX" list
#
# The layout is the kernel's: a folder below sys/devices/pci*/, relative links
# from bus, driver and group to it and back, an ACPI node apart, processes in
# proc. A value of "-" leaves an attribute out; each key has a default that
# fits an idle device on the root bus which no driver has.

# A system is hundreds of folders and links, and a process for each would take longer than the tests.
for fx_builtin in mkdir ln rm; do
	enable -f "/usr/lib/bash/$fx_builtin" "$fx_builtin" 2>/dev/null || true
done

# bats traces every command of a test, and a device is hundreds: what builds one lets go of that
# (functrace) for what it calls.

# fixture_new DIR: start a system with no device in it; sets FX.
fixture_new() {
	local -
	set +T
	FX=$1
	declare -gA FX_PATH=()
	FX_VFIO=0 FX_NODE=0
	mkdir -p "$FX"/proc/self "$FX"/dev/vfio \
		"$FX"/sys/bus/pci/{devices,drivers,slots} "$FX"/sys/kernel/iommu_groups \
		"$FX"/sys/devices/LNXSYSTM:00/LNXSYBUS:00/PNP0A08:00 \
		"$FX"/sys/devices/virtual/dmi/id "$FX"/sys/class/dmi "$FX"/sys/module
	ln -s ../../devices/virtual/dmi/id "$FX/sys/class/dmi/id"
	fx_file sys/devices/virtual/dmi/id/bios_date 06/18/2021
	fx_file proc/cmdline 'BOOT_IMAGE=/boot/vmlinuz root=/dev/sda1 ro intel_iommu=on'
	fx_file proc/uptime '90061.25 180000.00'
	fx_file proc/sys/kernel/osrelease 6.12.57
}

# fx_file PATH VALUE: write VALUE and a newline to a file below the root.
fx_file() {
	[[ ! -L $FX/$1 ]] || rm "$FX/$1"
	[[ -d $FX/${1%/*} ]] || mkdir -p "$FX/${1%/*}"
	printf '%s\n' "$2" > "$FX/$1"
}

# fx_symlink TARGET PATH: in the place of whatever link or file is at PATH. (bash's ln has no -n.)
fx_symlink() {
	[[ ! -L $2 && ! -f $2 ]] || rm -f "$2"
	ln -s "$1" "$2"
}

# fx_link PATH TO: a relative link at PATH to TO; both are paths below the root.
fx_link() {
	local up='' rest=$1

	while [[ $rest == */* ]]; do
		up+=../
		rest=${rest#*/}
	done
	[[ -d $FX/${1%/*} ]] || mkdir -p "$FX/${1%/*}"
	fx_symlink "$up$2" "$FX/$1"
}

# fx_path ADDR: set FX_RET to the device's folder below the root.
fx_path() {
	FX_RET=${FX_PATH[$1]:?"fixture: no device $1"}
}

# fx_set ADDR FILE VALUE: change one attribute, e.g. fx_set 0000:01:00.0 power/control on.
# VALUE "-" takes it away.
fx_set() {
	fx_path "$1"
	if [[ $3 == - ]]; then
		rm -f "$FX/$FX_RET/$2"
	else
		fx_file "$FX_RET/$2" "$3"
	fi
}

# Parse KEY=VALUE words into the caller's associative array `k`; an unknown key is a typing error.
fx_keys() {
	local word

	for word; do
		if [[ ! -v k[${word%%=*}] ]]; then
			echo "fixture: unknown key '${word%%=*}'" >&2
			return 1
		fi
		k[${word%%=*}]=${word#*=}
	done
}

# Write the attribute of the folder $FX/$dir unless its value is "-".
fx_attr() {
	[[ $2 == - ]] || printf '%s\n' "$2" > "$FX/$dir/$1"
}

# fx_device ADDR [KEY=VALUE...]
#   parent=ADDR     the bridge above it; default: the root bus
#   driver=NAME     default "-", none; vfio=yes|no overrules which drivers count as VFIO ones
#   group=N         IOMMU group; noiommu=yes: VFIO's own kind of group
#   cdev=yes        the kernel has the VFIO device cdev
#   vendor= device= subvendor= subdevice= class=   hexadecimal without 0x
#   status= state= control= active= suspended= usage= kids= enabled= autosuspend= wakeup=
#   d3cold_allowed= enable= reset= override=       the attributes of these names
#   numvfs= totalvfs=   an SR-IOV PF; physfn=ADDR: a VF of it
#   acpi=PATH       full name of its ACPI node; acpi_state= acpi_real= its states;
#                   resources=LNXPOWER:00,…  power resources of D3hot ("" for an empty folder)
fx_device() {
	local -
	set +T
	local addr=$1 dir domain node n r
	local -A k=(
		[parent]=- [driver]=- [vfio]=- [group]=- [noiommu]=no [cdev]=no
		[vendor]=8086 [device]=10d3 [subvendor]=8086 [subdevice]=0000 [class]=020000
		[status]=suspended [state]=D3hot [control]=auto [active]=61250 [suspended]=3538750
		[usage]=0 [kids]=0 [enabled]=enabled [autosuspend]=- [wakeup]=disabled
		[d3cold_allowed]=1 [enable]=0 [reset]='flr bus' [override]='(null)'
		[numvfs]=- [totalvfs]=7 [physfn]=-
		[acpi]=- [acpi_state]=D0 [acpi_real]=D0 [resources]=-
		[bus]=-
	)
	fx_keys "${@:2}" || return

	domain=${addr%:*:*}
	if [[ ${k[parent]} == - ]]; then
		dir=sys/devices/pci$domain:00/$addr
	else
		dir=${FX_PATH[${k[parent]}]:?"fixture: no bridge ${k[parent]}"}/$addr
	fi
	FX_PATH[$addr]=$dir
	mkdir -p "$FX/$dir/power"
	fx_link "sys/bus/pci/devices/$addr" "$dir"

	fx_attr vendor "0x${k[vendor]}"
	fx_attr device "0x${k[device]}"
	fx_attr subsystem_vendor "0x${k[subvendor]}"
	fx_attr subsystem_device "0x${k[subdevice]}"
	fx_attr class "0x${k[class]}"
	fx_attr revision 0x00
	fx_attr modalias "pci:v0000${k[vendor]^^}d0000${k[device]^^}"
	fx_attr driver_override "${k[override]}"
	fx_attr enable "${k[enable]}"
	fx_attr d3cold_allowed "${k[d3cold_allowed]}"
	fx_attr power_state "${k[state]}"
	fx_attr reset_method "${k[reset]}"
	fx_attr numa_node -1
	fx_attr power/runtime_status "${k[status]}"
	fx_attr power/control "${k[control]}"
	fx_attr power/runtime_active_time "${k[active]}"
	fx_attr power/runtime_suspended_time "${k[suspended]}"
	fx_attr power/runtime_usage "${k[usage]}"
	fx_attr power/runtime_active_kids "${k[kids]}"
	fx_attr power/runtime_enabled "${k[enabled]}"
	fx_attr power/wakeup "${k[wakeup]}"
	fx_attr power/autosuspend_delay_ms "${k[autosuspend]}"
	# Not in use: the kernel answers EIO, which a report of another machine keeps like this.
	[[ ${k[autosuspend]} != - ]] || fx_symlink error:EIO "$FX/$dir/power/autosuspend_delay_ms"
	# Files that resume the device or its port: there, so that a read of them can be seen.
	fx_attr config trap
	fx_attr vpd trap
	for n in current max; do
		fx_attr ${n}_link_speed 'trap PCIe'
		fx_attr ${n}_link_width trap
	done

	if [[ ${k[driver]} != - ]]; then
		fx_link "sys/bus/pci/drivers/${k[driver]}/$addr" "$dir"
		fx_link "$dir/driver" "sys/bus/pci/drivers/${k[driver]}"
	fi
	[[ ${k[vfio]} != - || ${k[driver]} != *vfio* ]] || k[vfio]=yes
	if [[ ${k[vfio]} == yes ]]; then
		mkdir -p "$FX/$dir/vfio-dev/vfio$FX_VFIO"
		if [[ ${k[cdev]} == yes ]]; then
			fx_attr "vfio-dev/vfio$FX_VFIO/dev" "511:$FX_VFIO"
		fi
		FX_VFIO=$((FX_VFIO + 1))
	fi
	if [[ ${k[group]} != - ]]; then
		r=sys/kernel/iommu_groups/${k[group]}
		fx_link "$r/devices/$addr" "$dir"
		fx_link "$dir/iommu_group" "$r"
		if [[ ${k[noiommu]} == yes ]]; then
			fx_file "$r/name" vfio-noiommu
		else
			fx_file "$r/type" DMA-FQ
		fi
	fi
	if [[ ${k[numvfs]} != - ]]; then
		fx_attr sriov_numvfs "${k[numvfs]}"
		fx_attr sriov_totalvfs "${k[totalvfs]}"
	fi
	if [[ ${k[physfn]} != - ]]; then
		fx_link "$dir/physfn" "${FX_PATH[${k[physfn]}]}"
		n=0
		while [[ -L $FX/${FX_PATH[${k[physfn]}]}/virtfn$n ]]; do
			n=$((n + 1))
		done
		fx_link "${FX_PATH[${k[physfn]}]}/virtfn$n" "$dir"
	fi
	if [[ ${k[acpi]} != - ]]; then
		printf -v node 'sys/devices/LNXSYSTM:00/LNXSYBUS:00/PNP0A08:00/device:%02x' "$FX_NODE"
		FX_NODE=$((FX_NODE + 1))
		mkdir -p "$FX/$node"
		fx_link "$dir/firmware_node" "$node"
		fx_file "$node/path" "${k[acpi]}"
		fx_file "$node/status" 15
		[[ ${k[acpi_state]} == - ]] || fx_file "$node/power_state" "${k[acpi_state]}"
		[[ ${k[acpi_real]} == - ]] || fx_file "$node/real_power_state" "${k[acpi_real]}"
		if [[ ${k[resources]} != - ]]; then
			mkdir -p "$FX/$node/power_resources_D0" "$FX/$node/power_resources_D3hot"
			for r in ${k[resources]//,/ }; do
				mkdir -p "$FX/sys/devices/LNXSYSTM:00/$r"
				fx_link "$node/power_resources_D0/$r" "sys/devices/LNXSYSTM:00/$r"
				fx_link "$node/power_resources_D3hot/$r" "sys/devices/LNXSYSTM:00/$r"
			done
		fi
	fi
	if [[ ${k[bus]} != - ]]; then
		fx_attr secondary_bus_number "$((16#${k[bus]}))"
		fx_attr subordinate_bus_number "$((16#${k[bus]}))"
	fi
}

# fx_consumer ADDR CONSUMER [RUNTIME_PM]: the kernel's link from a device to one that depends on it.
fx_consumer() {
	local link="sys/devices/virtual/devlink/pci:$1--pci:$2"

	fx_file "$link/runtime_pm" "${3:-1}"
	fx_path "$1"
	fx_link "$FX_RET/consumer:pci:$2" "$link"
}

# fx_acpi_bus ADDR...: the ACPI bus knows the nodes of these devices, and they their devices.
fx_acpi_bus() {
	local addr node

	for addr; do
		fx_path "$addr"
		node=$(readlink "$FX/$FX_RET/firmware_node")
		node=${node##*../}
		fx_link "sys/bus/acpi/devices/${node##*/}" "$node"
		fx_link "$node/physical_node" "$FX_RET"
	done
}

# fx_account ADDR [KEY=VALUE...]: the account that the driver vfio-pm-pci keeps; a number not given is
# 0, wake= is the text of last_wake.
fx_account() {
	local dir=${FX_PATH[$1]} key text=
	local keys=(entries exits sleeps config_read config_write region ioctl feature open close host
		quiet_reads refused asleep_us rate_limited)
	local -A k=([wake]='')

	for key in "${keys[@]}"; do k[$key]=0; done
	fx_keys "${@:2}" || return
	for key in "${keys[@]}"; do text+="${text:+$'\n'}$key ${k[$key]}"; done
	mkdir -p "$FX/$dir/vfio_pm"
	fx_attr vfio_pm/account "$text"
	fx_attr vfio_pm/engaged "$((k[entries] > k[exits]))"
	printf '%s' "${k[wake]:+${k[wake]}$'\n'}" >"$FX/$dir/vfio_pm/last_wake"
}

# fx_block ADDR PATH MAJOR:MINOR: a block device at PATH below the device, or below "virtual".
fx_block() {
	local dir=sys/devices/virtual/block
	[ "$1" = virtual ] || { fx_path "$1"; dir=$FX_RET; }
	mkdir -p "$FX/$dir/$2/holders"
	fx_file "$dir/$2/dev" "$3"
	fx_link "sys/class/block/${2##*/}" "$dir/$2"
}

# fx_net ADDR NAME [FLAGS]: an interface of a device, or of "virtual".
fx_net() {
	local dir=sys/devices/virtual/net
	[ "$1" = virtual ] || { fx_path "$1"; dir=$FX_RET/net; }
	fx_file "$dir/$2/flags" "${3:-0x1003}"
	fx_link "sys/class/net/$2" "$dir/$2"
}

# fx_bridge ADDR [KEY=VALUE...]: a PCI Express port, active; the keys of fx_device and bus=NN, its
# secondary bus.
fx_bridge() {
	fx_device "$1" driver=pcieport class=060400 vendor=8086 device=a110 status=active \
		state=D0 reset=pm enable=1 autosuspend=100 "${@:2}"
}

# fx_process PID [KEY=VALUE...] [fd=TARGET...] [map=PATH...]
#   comm= uid= start=   start in clock ticks since boot; exe= target of the link
#   fd=/dev/vfio/7      a descriptor; fd=anon_inode:[vfio-device],SYSPATH: a device descriptor with
#                       its fdinfo line of Linux 6.18
#   map=/dev/vfio/7     a mapped file; hidden=yes: its descriptors can't be seen
fx_process() {
	local -
	set +T
	local pid=$1 word n=3 dir
	local -A k=([comm]=qemu-system-x86 [uid]=0 [start]=100000 [exe]=/usr/bin/qemu-system-x86_64
		    [hidden]=no)
	local -a rest=()

	dir=proc/$pid
	mkdir -p "$FX/$dir/fd" "$FX/$dir/fdinfo"
	fx_symlink /dev/null "$FX/$dir/fd/0"
	fx_symlink 'socket:[31337]' "$FX/$dir/fd/1"
	fx_symlink 'anon_inode:[eventfd]' "$FX/$dir/fd/2"
	printf '55d0c0000000-55d0c0001000 r-xp 00000000 08:01 1234    /usr/bin/true\n' \
		> "$FX/$dir/maps"
	for word in "${@:2}"; do
		case $word in
		fd=*,*)
			word=${word#fd=}
			fx_symlink "${word%%,*}" "$FX/$dir/fd/$n"
			printf 'pos:\t0\nflags:\t02\nvfio-device-syspath: %s\n' "${word#*,}" \
				> "$FX/$dir/fdinfo/$n"
			n=$((n + 1)) ;;
		fd=*)
			fx_symlink "${word#fd=}" "$FX/$dir/fd/$n"
			printf 'pos:\t0\nflags:\t02\n' > "$FX/$dir/fdinfo/$n"
			n=$((n + 1)) ;;
		map=*)
			printf '7f%010x-7f%010x rw-s 00000000 00:0f 99    %s\n' \
				$((n * 0x10000)) $((n * 0x10000 + 0x1000)) "${word#map=}" \
				>> "$FX/$dir/maps"
			n=$((n + 1)) ;;
		*)
			rest+=("$word") ;;
		esac
	done
	fx_keys "${rest[@]}" || return
	fx_attr comm "${k[comm]}"
	printf 'Name:\t%s\nState:\tS (sleeping)\nPid:\t%d\nUid:\t%d\t%d\t%d\t%d\n' "${k[comm]}" \
		"$pid" "${k[uid]}" "${k[uid]}" "${k[uid]}" "${k[uid]}" > "$FX/$dir/status"
	printf '%d (%s) S 1 %d %d 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0 %d 1000000 100\n' "$pid" \
		"${k[comm]}" "$pid" "$pid" "${k[start]}" > "$FX/$dir/stat"
	fx_symlink "${k[exe]}" "$FX/$dir/exe"
	# A folder that can't be opened, whoever the caller is: a file in its place.
	if [[ ${k[hidden]} == yes ]]; then
		rm -rf "$FX/$dir/fd"
		: > "$FX/$dir/fd"
	fi
}

# strace, also of a command built with sanitizers: LeakSanitizer can't run under
# ptrace, and ends the command with an error of its own.
traced() { # STRACE-ARGUMENT... COMMAND...
	ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 strace "$@"
}

# fx_module NAME [PARAMETER=VALUE...]: a loaded module.
fx_module() {
	local word

	mkdir -p "$FX/sys/module/$1"
	for word in "${@:2}"; do
		fx_file "sys/module/$1/parameters/${word%%=*}" "${word#*=}"
	done
}
