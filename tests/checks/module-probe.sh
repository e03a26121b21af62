#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=slow
# Kbuild's questions to a kernel's headers, on headers of kernels that are and that aren't here: which
# path takes BAR mappings away, and who has entry and exit. A kernel that exports dma-bufs of device
# memory can't run in the test VM; that it would choose the core's path is shown here, that this path
# compiles by module-build.
set -euo pipefail
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
code=0

include=$tmp/include/linux
mkdir -p "$include"
for header in eventfd mm pm_runtime vfio vfio_pci_core; do : >"$include/$header.h"; done

flags() { # [LP_WITH=...]...: as the kernel's build would pass them on
	make -s --no-print-directory -f - none srctree="$tmp" "$@" <<-'MAKE'
		include module/Kbuild
		none: ; @echo $(ccflags-y)
	MAKE
}

path() { # FLAG...
	cpp -dM -nostdinc -I"$tmp/include" "$@" module/compat.h | sed -n 's/^#define LP_ZAP_PATH "\(.*\)"/\1/p'
}

# chooses PATH MEMBER... [-- MAKE-ARGUMENT...]: a core device with these members
chooses() {
	local wanted=$1 got members=()
	shift
	while [ $# -gt 0 ] && [ "$1" != -- ]; do members+=("$1"); shift; done
	[ $# = 0 ] || shift
	printf '%s\n' 'struct vfio_pci_core_device {' "${members[@]/#/	}" '};' >"$include/vfio_pci_core.h"
	# shellcheck disable=SC2046 # words
	got=$(path $(flags "$@"))
	[ "$got" = "$wanted" ] || { echo "'${members[*]}' $*: '$got', not '$wanted'"; code=1; }
}

has() { # NAME HEADER TEXT: HEADER with TEXT, and no other, sets LP_HAVE_NAME
	local with without
	: >"$include/$2"
	without=$(flags)
	printf '%s\n' "$3" >"$include/$2"
	with=$(flags)
	: >"$include/$2"
	[[ " $with " == *" -DLP_HAVE_$1 "* && " $without " != *" -DLP_HAVE_$1 "* ]] || {
		echo "$2: '$3' doesn't decide about $1: '$with', '$without'"
		code=1
	}
}

# 6.1 and 6.12 as they are; a kernel with dma-bufs; one that had both.
chooses vma_list 'struct mutex		vma_lock;' 'struct list_head	vma_list;' 'struct rw_semaphore	memory_lock;'
chooses mapping 'struct list_head	ioeventfds_list;' 'struct rw_semaphore	memory_lock;'
chooses core 'struct rw_semaphore	memory_lock;' 'struct list_head	dmabufs;'
chooses core 'struct list_head	vma_list;' 'struct list_head dmabufs;'
chooses core 'struct list_head	vma_list;' -- LP_WITH=DMABUFS
chooses mapping 'struct list_head	dmabufs;' -- LP_WITHOUT=DMABUFS
# A name that only looks like it.
chooses mapping 'struct list_head	dmabufs_other;' 'struct mutex dmabufs;'

has IDLE_D3_FIELD vfio_pci_core.h '	bool			disable_idle_d3:1;'
has EVENTFD_SIGNAL_ONE_ARG eventfd.h 'void eventfd_signal(struct eventfd_ctx *ctx)'
has IOMMUFD_OPS vfio.h '	int	(*bind_iommufd)(struct vfio_device *vdev,'
has IOMMUFD_DETACH vfio.h '	void	(*detach_ioas)(struct vfio_device *vdev);'
has IOMMUFD_PASID vfio.h '	int	(*pasid_attach_ioas)(struct vfio_device *vdev, u32 pasid,'
has CORE_REGION_INFO vfio_pci_core.h 'int vfio_pci_ioctl_get_region_info(struct vfio_device *core_vdev,'
has CORE_TOKEN_UUID vfio_pci_core.h 'int vfio_pci_core_match_token_uuid(struct vfio_device *core_vdev,'
has CORE_DMABUF_PHYS vfio_pci_core.h 'int vfio_pci_core_get_dmabuf_phys(struct vfio_pci_core_device *vdev,'
has HUGE_FAULT_ORDER mm.h '	vm_fault_t (*huge_fault)(struct vm_fault *vmf, unsigned int order);'
exit $code
