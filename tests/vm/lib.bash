# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a bats file in the VM works with: `load lib`. Roles of the topology (D3COLD, NVME, PAIR0 ...)
# are shell variables with addresses; KIND_role, POWER_role, ID_role (for QEMU) and REG_role ("BAR
# OFFSET VALUE", a register that never changes) go with them.

. /run/vm/topology
. /run/vm/env

pci=/sys/bus/pci/devices
tracing=/sys/kernel/tracing
# All waits and time limits: an emulated machine is slow, and slower when two run on one host.
if [ "$VM_KERNEL" = debug ]; then : "${VM_PATIENCE:=40}"; else : "${VM_PATIENCE:=10}"; fi

# --- small change -----------------------------------------------------------------------------

dev() { printf '%s\n' "${!1}"; } # ROLE: its address

fail() { printf '%s\n' "$@" >&2; return 1; }

get() { # VARIABLE FILE: its first line, without a fork
	local line=
	{ IFS= read -r line <"$2"; } 2>/dev/null || [ -n "$line" ] || { printf -v "$1" ''; return 1; }
	printf -v "$1" '%s' "$line"
}

# The first command of each setup(). Bats notes every command by a DEBUG trap, which takes milliseconds of each
# here. It stays for the case and for what its own file defines, whose lines a failure names; not for what these
# call. Bats takes the trap away in two functions of its own, which must be those that have it.
start_case() {
	local own
	mark "test $BATS_TEST_DESCRIPTION"
	set +o functrace
	declare -ft bats_error_trap bats_check_status_from_trap
	mapfile -t own < <(grep -oE '^[a-z_0-9]+\(\)' "$BATS_TEST_FILENAME")
	[ ${#own[@]} = 0 ] || declare -ft "${own[@]%()}"
}

setup() { start_case; }

# VFIO_PM_SCALE is a percentage: 100 for `make soak`, a few for `make check`.
count() { # N: prints N scaled, at least 1
	local n=$(($1 * ${VFIO_PM_SCALE:-5} / 100))
	echo $((n > 0 ? n : 1))
}

repeat() { # N COMMAND...: stops at the first failure and says at which
	local n=$1 i
	shift
	for ((i = 1; i <= n; i++)); do
		"$@" || fail "round $i of $n failed: $*" || return 1
	done
}

# Tries again until COMMAND succeeds or SECONDS (may be a fraction) are over.
wait_for() { # SECONDS COMMAND...
	local end now=${EPOCHREALTIME/[.,]/}
	local micro
	printf -v micro '%.6f' "$1"
	end=$((now + 10#${micro/[.,]/}))
	shift
	until "$@"; do
		now=${EPOCHREALTIME/[.,]/}
		[ "$now" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# A pause without a process: to start one takes the processors from what is looked at.
rest() { # SECONDS
	local never
	[ -p "$BATS_TEST_TMPDIR/never" ] || mkfifo "$BATS_TEST_TMPDIR/never"
	exec {never}<>"$BATS_TEST_TMPDIR/never"
	read -r -t "$1" -u "$never" || true
	exec {never}>&-
}

# For what is over in moments: without a pause, and without the trace of start_case().
catch() { # PID COMMAND...: until COMMAND succeeds; fails when the process has ended
	local pid=$1
	shift
	while kill -0 "$pid" 2>/dev/null; do
		if "$@"; then return 0; fi
	done
	return 1
}

# --- drivers ----------------------------------------------------------------------------------

# Of a file whose head names both, tests/run.sh makes two checks and says here which one runs.
vfio_driver=${VFIO_PM_DRIVER:-vfio-pci}

vfio_loaded() { [ -d "/sys/module/${vfio_driver//-/_}" ]; }

# The driver with the parameter as asked for; a module that is loaded has it latched per device, so it
# is loaded anew.
load_vfio() { # [disable_idle_d3=0|1]
	if [ "$vfio_driver" != vfio-pci ]; then
		! vfio_loaded || rmmod "$vfio_driver" || return
		modprobe -a vfio-pci-core vfio_iommu_type1 || return
		insmod "$VM_ROOT/build/module/$VM_RELEASE/${vfio_driver//-/_}.ko" "$@"
		return
	fi
	if vfio_loaded; then
		modprobe -r vfio-pci || return
	fi
	modprobe vfio-pci "$@"
}

driver_of() { # ADDRESS: sets REPLY to the driver's name, or nothing
	REPLY=
	[ -e "$pci/$1/driver" ] || return 0
	REPLY=$(readlink "$pci/$1/driver")
	REPLY=${REPLY##*/}
}

bind_to() { # DRIVER ADDRESS...
	local driver=$1 address
	shift
	for address; do
		echo "$driver" >"$pci/$address/driver_override" || return
		[ ! -e "$pci/$address/driver" ] || echo "$address" >"$pci/$address/driver/unbind" || return
		echo "$address" >/sys/bus/pci/drivers_probe || return
		driver_of "$address"
		[ "$REPLY" = "$driver" ] || fail "$address: bound to '$REPLY', not to $driver" || return
	done
	# udevd may still be at what came before: an unbind makes it load the device's own driver, and of
	# an interface that was there for a moment it reads the device's config space, which wakes it.
	udevadm settle --timeout=30 || true
}

bind_vfio() { # ADDRESS...
	vfio_loaded || load_vfio || return
	bind_to "$vfio_driver" "$@"
}

unbind() { # ADDRESS...: back to no driver, no override, runtime PM as the kernel starts with
	local address
	for address; do
		[ ! -e "$pci/$address/driver" ] || echo "$address" >"$pci/$address/driver/unbind"
		echo >"$pci/$address/driver_override"
		echo on >"$pci/$address/power/control"
	done
}

unbind_all() { # every role, for a teardown
	local role
	# A device that came back makes udev load its driver, which takes every device of the kind.
	udevadm settle --timeout=30 || true
	for role in $ROLES; do
		[ ! -e "$pci/${!role}" ] || unbind "${!role}"
	done
}

# --- groups, power ----------------------------------------------------------------------------

group_of() { # ADDRESS: sets REPLY
	REPLY=$(readlink "$pci/$1/iommu_group")
	REPLY=${REPLY##*/}
}

upstream_ports() { # ADDRESS: the bridges above it, nearest first, one a line
	local path
	path=$(readlink -f "$pci/$1")
	path=${path%/*}
	while [[ ${path##*/} == ????:??:??.? ]]; do
		echo "${path##*/}"
		path=${path%/*}
	done
}

state_of() { # ADDRESS: sets REPLY to "runtime_status power_state"
	local status= state=
	get status "$pci/$1/power/runtime_status"
	get state "$pci/$1/power_state"
	REPLY="$status $state"
}

is_state() { state_of "$1" && [ "$REPLY" = "$2 $3" ]; }

is_closed() { # ADDRESS: on a VFIO driver, which enables a device for as long as somebody has it open
	local enable
	get enable "$pci/$1/enable" && [ "$enable" = 0 ]
}

wait_state() { # ADDRESS STATUS STATE [SECONDS]
	wait_for "${4:-$VM_PATIENCE}" is_state "$1" "$2" "$3" ||
		fail "$1: wanted $2 $3, is $REPLY"
}

# Stays true for SECONDS: for "does not wake", "does not sleep".
stays_state() { # ADDRESS STATUS STATE SECONDS
	local end=$((${EPOCHREALTIME/[.,]/} + $4 * 1000000))
	while [ "${EPOCHREALTIME/[.,]/}" -lt "$end" ]; do
		is_state "$1" "$2" "$3" || fail "$1: was to stay $2 $3, is $REPLY" || return
		sleep 0.1
	done
}

# --- config space and BARs (each access wakes the device unless it is awake) -------------------

cfg_read() { setpci -s "$1" "$2"; }      # ADDRESS REGISTER[.B|.W|.L], as setpci names them
cfg_write() { setpci -s "$1" "$2=$3"; }  # ADDRESS REGISTER VALUE

# A 32-bit read from a BAR through sysfs, of a device that no one has open; memory decoding must be on.
bar_read() { # ADDRESS BAR OFFSET
	python3 - "$pci/$1/resource$2" "$3" <<-'PY' 2>/dev/null || fail "$1: BAR $2 can't be read"
	import mmap, os, struct, sys
	fd = os.open(sys.argv[1], os.O_RDWR | os.O_SYNC)
	offset = int(sys.argv[2], 0)
	with mmap.mmap(fd, 4096, offset=offset & ~4095) as m:
	    view = memoryview(m).cast("I")
	    print("0x%08x" % view[(offset & 4095) // 4])
	    view.release()
	PY
}

# --- what the kernel counted --------------------------------------------------------------------

# Real transitions of runtime PM, from the kernel's own trace events, in a trace instance of their
# own. 6.10 and later trace each change of the status (rpm_status). Before, an attempt is traced by
# rpm_suspend or rpm_resume, and its result by rpm_return_int of the same task: 0 is a transition
# unless the attempt was asynchronous (flags & 1: then 0 means "queued"); 1 is "was so already".
rpm_trace_start() { # ADDRESS...
	local instance=$tracing/instances/vfio-pm-test address filter=
	mkdir -p "$instance"
	echo 0 >"$instance/tracing_on"
	echo 8192 >"$instance/buffer_size_kb"
	for address; do filter+="${filter:+ || }name == \"$address\""; done
	if [ -d "$instance/events/rpm/rpm_status" ]; then
		echo "$filter" >"$instance/events/rpm/rpm_status/filter"
		echo 1 >"$instance/events/rpm/rpm_status/enable"
	else
		local event
		for event in rpm_suspend rpm_resume rpm_idle rpm_return_int; do
			echo "$filter" >"$instance/events/rpm/$event/filter"
			echo 1 >"$instance/events/rpm/$event/enable"
		done
	fi
	: >"$instance/trace"
	echo 1 >"$instance/tracing_on"
}

rpm_trace_stop() {
	local instance=$tracing/instances/vfio-pm-test
	echo 0 >"$instance/tracing_on"
	cp "$instance/trace" "${BATS_TEST_TMPDIR:-/run/tmp}/rpm-trace"
	rmdir "$instance"
}

rpm_trace() { # the trace as it is now, or as it was at the stop
	cat "$tracing/instances/vfio-pm-test/trace" 2>/dev/null ||
		cat "${BATS_TEST_TMPDIR:-/run/tmp}/rpm-trace"
}

# Lost events would make a count a lie.
rpm_trace_complete() {
	! rpm_trace | grep -q 'LOST.*EVENTS'
}

rpm_transitions() { # [ADDRESS]: lines "ADDRESS suspend|resume" in order
	rpm_trace | awk -v only="${1:-}" '
	/: rpm_(status|suspend|resume|idle|return_int): / {
		task = $1
		match($0, /rpm_[a-z_]+: /)
		event = substr($0, RSTART, RLENGTH - 2)
		name = $0
		sub(/.*rpm_[a-z_]+: /, "", name)
		rest = name
		sub(/ .*/, "", name)
		# rpm_return_int puts the place in the code before the name.
		sub(/^[a-z_]+\+0x[0-9a-f]+\/0x[0-9a-f]+:/, "", name)
		if (event == "rpm_status") {
			if (rest ~ /RPM_SUSPENDED/) what = "suspend"
			else if (rest ~ /RPM_ACTIVE/) what = "resume"
			else next
		} else if (event != "rpm_return_int") {
			# rpm_suspend: 0000:00:05.0 flags-1 cnt-0  dep-0  auto-1 ...
			match(rest, /flags-[0-9a-f]+/)
			async = substr(rest, RSTART + RLENGTH - 1, 1) ~ /[13579bdf]/
			n = ++depth[task]
			kind[task, n] = event (async ? "-async" : "")
			of[task, n] = name
			next
		} else {
			n = depth[task]
			if (n > 0) depth[task]--
			if (n < 1 || rest !~ /ret=0$/) next
			if (kind[task, n] == "rpm_suspend") what = "suspend"
			else if (kind[task, n] == "rpm_resume") what = "resume"
			else next
		}
		if (only == "" || name == only) print name, what
	}'
}

rpm_count() { # ADDRESS [suspend|resume]: number of transitions
	rpm_trace_complete || fail "trace events were lost" || return
	rpm_transitions "$1" | grep -c "${2:-}\$" || true
}

# --- the kernel's log ---------------------------------------------------------------------------

mark() { printf '<6>vfio-pm-test: %s\n' "$*" >/dev/kmsg; }

# A fault in the log (oops, WARN ...) fails the whole VM run unless it was announced.
allow_kernel_report() { mark "allow $1"; } # EXTENDED-REGEX that the line of the report matches
disallow_kernel_report() { mark disallow; }

# --- QEMU: plug and unplug ------------------------------------------------------------------------

# The second UART leads to QEMU's monitor. One answer a call; events in between are skipped.
# A tty echoes until it is told not to: what QEMU said first (its greeting) came back to it as input.
# The byte FF makes its parser forget, and the negotiation is tried until it was understood.
qmp() { # JSON of a command; sets REPLY to the answer, fails when it is an error
	local fd try
	exec {fd}<>/dev/ttyS1
	if [ ! -e /run/vm/qmp-ready ]; then
		stty -F /dev/ttyS1 raw -echo -echoe -echok -echoctl
		for try in 1 2 3 4 5; do
			if qmp_call "$fd" 1 '{"execute":"qmp_capabilities"}' || [[ $REPLY == *"already complete"* ]]; then
				: >/run/vm/qmp-ready
				break
			fi
		done
	fi
	try=0
	qmp_call "$fd" 20 "$1" || try=$?
	exec {fd}>&-
	[ "$try" = 0 ] || fail "qmp: $1: ${REPLY:-no answer}"
}

qmp_call() { # FD SECONDS JSON
	local line id=$BASHPID-$RANDOM$RANDOM
	REPLY=
	printf '\xff%s\n' "${3%\}},\"id\":\"$id\"}" >&"$1"
	while IFS= read -r -t "$2" -u "$1" line; do
		[[ $line == *"\"id\": \"$id\""* ]] || continue
		REPLY=${line%$'\r'}
		[[ $REPLY != *'"error": {'* ]]
		return
	done
	return 1
}

device_add() { # DRIVER ID BUS [NAME=VALUE]...: by QEMU's names; a free bus is $HOTPLUG_FREE_BUS
	local json="\"driver\":\"$1\",\"id\":\"$2\",\"bus\":\"$3\"" property
	shift 3
	for property; do json+=",\"${property%%=*}\":\"${property#*=}\""; done
	qmp "{\"execute\":\"device_add\",\"arguments\":{$json}}"
}

# Only asks the guest to let go: wait for the device to vanish from sysfs.
device_del() { # ID
	qmp "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"$1\"}}"
}

gone() { [ ! -e "$pci/$1" ]; }
there() { [ -e "$pci/$1/iommu_group" ]; }

# --- between two files in one VM ----------------------------------------------------------------

# Leaves the machine as it was at boot: no holder, no VFIO driver, every device in its place.
restore_machine() {
	local module
	pkill -KILL -x vfio-pm
	[ ! -e "$pci/$PF/sriov_numvfs" ] || echo 0 >"$pci/$PF/sriov_numvfs" 2>/dev/null
	unbind_all 2>/dev/null
	# Not by modprobe: it wasn't loaded from the kernel's folder.
	[ ! -d /sys/module/vfio_pm_pci ] || rmmod vfio_pm_pci || return
	for module in vfio_pci nvme e1000e e1000 8139cp 8139too; do
		[ ! -d "/sys/module/$module" ] || modprobe -r "$module" || return
	done
	if gone "$HOTPLUG"; then
		device_add "$KIND_HOTPLUG" "$ID_HOTPLUG" "$HOTPLUG_BUS" \
			"$([ "$KIND_HOTPLUG" = nvme ] && echo serial=HOTPLUG || echo romfile=)" || return
		wait_for "$((VM_PATIENCE * 3))" there "$HOTPLUG" || return
	fi
}
