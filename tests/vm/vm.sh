#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vm.sh run [OPTION]... FILE.bats...	run bats files in the test VM, TAP on stdout as it comes
# vm.sh run [OPTION]... -- COMMAND...	run a command in it
# vm.sh shell [OPTION]...		a shell in it, on this terminal
#
# --kernel=6.1|6.12|debug	(6.12)
# --seed=N		of the topology (random, printed on stderr)
# --topology=FILE	its devices (tests/vm/topology)
# --accel=tcg|kvm	(tcg, or $VFIO_PM_ACCEL)
# --timeout=S		for the whole run (900), the boots included
# --mem=MIB		(2048)
# --append=ARGS		to the kernel's command line; repeatable, as are the next three
# --modparam='MODULE NAME=VALUE'	(a bats file has its own, in its head)
# --env=NAME=VALUE	for the command in the VM
# --qemu-arg=ARG	for QEMU
# --keep=FOLDER		where logs go (build/vm/KERNEL-SEED-PID)
# --quiet		no word of the VM itself on stderr unless it fails
#
# The exit status is the command's; 124 at the time limit, 125 when the VM failed, 126 when the
# kernel reported a fault (oops, WARN, KASAN, lockdep ...) that the test didn't announce.

set -euo pipefail
# depmod and modprobe aren't in an ordinary user's path.
PATH=$PATH:/usr/sbin:/sbin

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

die() { echo "vm.sh: $*" >&2; exit 125; }

kernel=6.12 seed= accel=${VFIO_PM_ACCEL:-tcg} timeout=900 mem=2048 keep= quiet=0
append=() modparam=() qemu_args=() environment=()
[ $# -ge 1 ] || die "usage: vm.sh run|shell [OPTION]... [FILE.bats... | -- COMMAND...] (see the head of $0)"
verb=$1
shift
while [ $# -gt 0 ]; do
	case $1 in
	--kernel=*) kernel=${1#*=} ;;
	--seed=*) seed=${1#*=} ;;
	--topology=*) export VFIO_PM_TOPOLOGY=${1#*=} ;;
	--accel=*) accel=${1#*=} ;;
	--timeout=*) timeout=${1#*=} ;;
	--mem=*) mem=${1#*=} ;;
	--append=*) append+=("${1#*=}") ;;
	--modparam=*) modparam+=("${1#*=}") ;;
	--env=*) environment+=("${1#*=}") ;;
	--qemu-arg=*) qemu_args+=("${1#*=}") ;;
	--keep=*) keep=${1#*=} ;;
	--quiet) quiet=1 ;;
	--) shift; break ;;
	-*) die "unknown option '$1'" ;;
	*) break ;;
	esac
	shift
done

case $verb in
run) [ $# -gt 0 ] || die "nothing to run" ;;
shell) ;;
*) die "unknown verb '$verb'" ;;
esac

command=("$@")
if [ "$verb" = run ] && [[ $1 == *.bats ]]; then
	command=("$here/batch.sh")
	for file; do command+=("$(realpath "$file")"); done
fi

seed=${seed:-${VFIO_PM_SEED:-$((RANDOM * 32768 + RANDOM))}}
folder=$("$here/kernels.sh" get "$kernel")
release=$(cat "$folder/release")
keep=${keep:-$root/build/vm/$kernel-$seed-$$}
mkdir -p "$keep"
keep=$(cd "$keep" && pwd)
# A unix socket's path is short.
work=$(mktemp -d "${TMPDIR:-/tmp}/vfio-pm-vm.XXXXXX")
qemu_pid= tail_pid=
cleanup() {
	[ -z "$qemu_pid" ] || kill -9 "$qemu_pid" 2>/dev/null || true
	[ -z "$tail_pid" ] || kill "$tail_pid" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

say() { [ "$quiet" = 1 ] || echo "# vm: $*" >&2; }

# Debian's kernels have ACPI hotplug, which takes a second; the debug kernel knows only pciehp.
if [ "$kernel" = debug ]; then
	qemu_args+=(-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off)
	"$here/topology.sh" "$seed" "$work" native
else
	"$here/topology.sh" "$seed" "$work"
fi
mkdir -p "$work/out"

# The archive that all runs on this kernel share, and this run's own behind it.
base=$folder/initramfs-$(cat "$here/init" "$here/initramfs.sh" | cksum | cut -d' ' -f1).cpio
[ -e "$base" ] || "$here/initramfs.sh" "$folder" "$base"
mkdir -p "$work/extra/vm"
{
	printf 'VM_DIR=%q\nVM_CWD=%q\nVM_ROOT=%q\n' "$here" "$PWD" "$root"
	printf 'VM_KERNEL=%q\nVM_RELEASE=%q\nVM_MODULES=%q\n' "$kernel" "$release" "$(readlink -f "$folder/modules")"
	printf 'VM_SHELL=%q\nVM_TERM=%q\n' "$([ "$verb" = shell ] && echo 1 || echo 0)" "${TERM:-dumb}"
	printf "VM_MODPARAM='%s'\n" "$(printf '%s\n' "${modparam[@]:-}")"
} >"$work/extra/vm/env"
cp "$work/topology.env" "$work/extra/vm/"
{
	for assignment in "VFIO_PM_SCALE=${VFIO_PM_SCALE:-5}" "VM_KERNEL=$kernel" "${environment[@]}"; do
		printf 'export %s=%q\n' "${assignment%%=*}" "${assignment#*=}"
	done
	[ "${#command[@]}" = 0 ] || printf '%q ' exec "${command[@]}"
	echo
} >"$work/extra/vm/command"
(cd "$work/extra" && find . -print0 | cpio --quiet -0 -o -H newc -R 0:0) >"$work/extra.cpio"
cat "$base" "$work/extra.cpio" >"$work/initrd"

case $accel in
tcg) accelerator=(-accel tcg,thread=single -cpu max) ;;
kvm) accelerator=(-accel kvm -cpu host) ;;
*) die "unknown accelerator '$accel'" ;;
esac
mapfile -t topology <"$work/qemu.args"
# pcie_port_pm=force because SeaBIOS dates itself 2014. mitigations=off and no5lvl save a tenth of the
# time. The rest is for a host that is short of time itself: the boot panics when a timer tick is late
# ("timer doesn't work through Interrupt-remapped IO-APIC"), and a starved processor looks stalled.
cmdline="console=ttyS0 quiet panic=-1 intel_iommu=on log_buf_len=4M mitigations=off no5lvl"
cmdline+=" no_timer_check rcupdate.rcu_cpu_stall_timeout=180 watchdog_thresh=60"
# A test that appends that parameter has it alone: without a value it is as if it weren't there.
[[ " ${append[*]-}" == *" pcie_port_pm="* ]] || cmdline+=" pcie_port_pm=force"
[ "${#append[@]}" = 0 ] || cmdline+=" ${append[*]}"

console=(-chardev "file,id=console,path=$keep/console.log")
[ "$verb" = run ] || console=(-chardev stdio,id=console,signal=off)

# QEMU's monitor and the guest's second UART are the two ends of one socket: the guest talks QMP.
start=(qemu-system-x86_64
	-machine q35,kernel-irqchip=split "${accelerator[@]}" -smp 2 -m "$mem"
	-display none -monitor none -no-reboot -nodefaults -no-user-config
	-kernel "$folder/vmlinuz" -initrd "$work/initrd" -append "$cmdline"
	"${console[@]}" -device isa-serial,chardev=console
	-chardev "socket,id=qmp,path=$work/qmp,server=on,wait=off" -mon chardev=qmp,mode=control
	-chardev "socket,id=relay,path=$work/qmp" -device isa-serial,chardev=relay
	-device intel-iommu,intremap=on,caching-mode=on
	-fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap
	-device virtio-9p-pci,fsdev=host,mount_tag=host,bus=pcie.0,addr=0x1
	-fsdev "local,id=out,path=$work/out,security_model=none"
	-device virtio-9p-pci,fsdev=out,mount_tag=out,bus=pcie.0,addr=0x1e
	"${topology[@]}" "${qemu_args[@]}")

collect() { # the log in the form of dmesg
	[ ! -e "$work/out/kmsg" ] || awk '/^[0-9]+,[0-9]+,[0-9]+,/ {
		text = substr($0, index($0, ";") + 1)
		split($0, field, ",")
		gsub(/\\x0a/, "\n", text)
		printf "[%5d.%06d] %s\n", int(field[3] / 1000000), field[3] % 1000000, text
	}' "$work/out/kmsg" >"$keep/dmesg"
	cp -r "$work/out/." "$keep/" 2>/dev/null || true
}

deadline=$((SECONDS + timeout))
for attempt in 1 2 3; do
	rm -rf "$work/out"
	mkdir "$work/out"
	: >"$work/out/output"
	say "Linux $release, $accel, seed $seed, logs in ${keep#"$PWD"/}"
	if [ "$verb" = shell ]; then
		"${start[@]}"
		exit 0
	fi
	"${start[@]}" </dev/null >"$keep/qemu.log" 2>&1 &
	qemu_pid=$!
	tail -n +1 -s 0.2 -f "$work/out/output" --pid="$qemu_pid" 2>/dev/null &
	tail_pid=$!
	outcome=
	while kill -0 "$qemu_pid" 2>/dev/null; do
		if [ "$SECONDS" -ge "$deadline" ]; then
			outcome=timeout
			kill -9 "$qemu_pid"
			break
		fi
		sleep 0.2
	done
	wait "$qemu_pid" 2>/dev/null || true
	qemu_pid=
	wait "$tail_pid" 2>/dev/null || true
	tail_pid=
	status=$(cat "$work/out/status" 2>/dev/null || true)
	collect
	# A VM that dies on its way up tells nothing about what is tested: TCG loses a race against
	# the kernel that patches its own code now and then.
	[ -z "$status" ] && [ -z "$outcome" ] || break
	say "the VM died before the test began (attempt $attempt of 3)"
	cp "$keep/console.log" "$keep/console-$attempt.log" 2>/dev/null || true
done

if [ "$outcome" = timeout ]; then
	echo "# vm: not finished after $timeout s (status: ${status:-not started}); console and dmesg in $keep" >&2
	exit 124
fi
found=
[ ! -e "$keep/dmesg" ] || found=$(awk -f "$here/faults.awk" "$here/known-faults" "$keep/dmesg")
if [ -n "$found" ]; then
	{
		echo "# vm: the kernel reported a fault, see $keep/dmesg:"
		sed 's/^/#   /' <<<"$found"
	} >&2
fi
case $status in
"exit "*) status=${status#exit } ;;
*)
	echo "# vm: the VM died (status: ${status:-not started}); last words:" >&2
	tail -n 15 "$keep/console.log" "$keep/qemu.log" 2>/dev/null | tr -d '\r' | sed 's/^/#   /' >&2
	exit 125
	;;
esac
[ "$status" != 0 ] || [ -z "$found" ] || exit 126
exit "$status"
