#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=slow timeout=900
# The module builds for both kernels, and the debug kernel where there is one, without a word from gcc
# with W=1, from sparse and from clang, and with each answer of the headers turned round: the paths of
# kernels that aren't here stay compilable.
set -euo pipefail
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# Debian's kernels are configured for gcc: clang doesn't know all of that compiler's switches, and objtool
# would miss what they do.
cat >"$tmp/clang" <<'SH'
#!/bin/bash
for word; do
	shift
	case $word in
	-mfunction-return=* | -fconserve-stack | -mrecord-mcount | -fno-allow-store-data-races | \
		-mindirect-branch* | -mharden-sls=* | -mpreferred-stack-boundary=* | \
		-fzero-call-used-regs=* | -falign-* | -fplugin* | -mskip-rax-setup | \
		-fsanitize=bounds-strict | -Wimplicit-fallthrough=* | \
		-fmin-function-alignment=*) continue ;;
	-ftrivial-auto-var-init=zero)
		set -- "$@" -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang ;;
	esac
	set -- "$@" "$word"
done
exec clang -DCC_USING_FENTRY "$@" -Wno-unknown-warning-option -Wno-unused-command-line-argument \
	-Wno-gnu-variable-sized-type-not-at-end -Wno-address-of-packed-member -Wno-format-zero-length \
	-Wno-ignored-attributes -Wno-duplicate-decl-specifier
SH
chmod +x "$tmp/clang"

code=0
build() { # KERNEL WHAT [MAKE-ARGUMENT]...
	local kernel=$1 what=$2 said
	shift 2
	rm -rf "$tmp/build"
	said=$(make -s --no-print-directory module KDIR="$kdir" module-dir="$tmp/build" "$@" 2>&1) || {
		echo "$kernel, $what: doesn't build"
		code=1
	}
	said=$(grep -vE '^Skipping BTF|: warning: objtool: .*(RETHUNK|RETPOLINE)|missing int3|differs from the one used|The kernel was built by|You are using' <<<"$said" || true)
	[ -z "$said" ] || { echo "$kernel, $what:"; echo "$said"; code=1; }
}

for kernel in 6.1 6.12 ${VFIO_PM_DEBUG_KERNEL:+debug}; do
	kdir=$(tests/vm/kernels.sh headers "$kernel")
	build "$kernel" "gcc W=1, sparse" MODULE_MAKE_ARGS="W=1 C=2 KCFLAGS=-Werror"
	build "$kernel" clang MODULE_CC="$tmp/clang" MODULE_MAKE_ARGS="OBJECT_FILES_NON_STANDARD=y"
	build "$kernel" "entry by the core" LP_WITH=DMABUFS
	# What was built is what the headers, or the overriding of them, asked for.
	[ "$(modinfo -F vfio_pm_zap "$tmp/build/vfio_pm_pci.ko")" = core ] || {
		echo "$kernel: LP_WITH=DMABUFS doesn't hand entry to the core"
		code=1
	}
	build "$kernel" "idle D3 by reference" LP_WITHOUT=IDLE_D3_FIELD
done
exit $code
