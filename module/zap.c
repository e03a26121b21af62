// SPDX-License-Identifier: GPL-2.0-only
/*
 * BAR mappings: how they are taken away when low power is entered, and how
 * touches that come later are seen.
 */
#include <linux/fs.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "compat.h"
#include "vfio_pm_pci.h"

static struct lp_device *lp_from_vma(struct vm_area_struct *vma)
{
	return container_of((struct vfio_pci_core_device *)vma->vm_private_data,
			    struct lp_device, core);
}

#if defined(LP_HAVE_VMA_LIST) && !LP_CORE_ENTRY
/*
 * An entry of core.vma_list. The core defines it in its own source file
 * (struct vfio_pci_mmap_vma in vfio_pci_core.c); it allocates them by
 * kmalloc() and takes a VMA that is listed for mapped.
 *
 * The core lists a VMA when it fills it in a fault. Pages also come with
 * fork(), which copies them after it has called .open (dup_mmap()), and with
 * mremap(), which moves them after that (move_vma()): the core zaps in .open,
 * too early, and never lists those. They are in lp->opened, of the same form.
 */
struct lp_core_vma {
	struct vm_area_struct *vma;
	struct list_head vma_next;
};

static void lp_vm_open(struct vm_area_struct *vma)
{
	struct lp_device *lp = lp_from_vma(vma);
	struct lp_core_vma *entry;
	unsigned long pfn;

	/*
	 * The core zaps here. With pages yet to come, VM_PAT is set already and
	 * untrack_pfn() would warn that it finds none.
	 */
	if (lp->core_vm_ops->open && !follow_pfn(vma, vma->vm_start, &pfn))
		lp->core_vm_ops->open(vma);

	/* Nobody to report a failure to, and a few bytes only */
	entry = kmalloc(sizeof(*entry), GFP_KERNEL_ACCOUNT | __GFP_NOFAIL);
	entry->vma = vma;
	mutex_lock(&lp->core.vma_lock);
	list_add(&entry->vma_next, &lp->opened);
	mutex_unlock(&lp->core.vma_lock);
}

static void lp_vm_close(struct vm_area_struct *vma)
{
	struct lp_device *lp = lp_from_vma(vma);
	struct lp_core_vma *entry;

	if (lp->core_vm_ops->close)
		lp->core_vm_ops->close(vma);

	mutex_lock(&lp->core.vma_lock);
	list_for_each_entry(entry, &lp->opened, vma_next) {
		if (entry->vma == vma) {
			list_del(&entry->vma_next);
			kfree(entry);
			break;
		}
	}
	mutex_unlock(&lp->core.vma_lock);
}

static void lp_wrap_vm_open(struct vm_operations_struct *ops)
{
	ops->open = lp_vm_open;
	ops->close = lp_vm_close;
}

/* The first mm on the list that isn't being torn down, with a reference. */
static struct mm_struct *lp_first_mm(struct list_head *list)
{
	struct lp_core_vma *entry, *next;

	list_for_each_entry_safe(entry, next, list, vma_next) {
		if (mmget_not_zero(entry->vma->vm_mm))
			return entry->vma->vm_mm;
		list_del(&entry->vma_next);
		kfree(entry);
	}
	return NULL;
}

static void lp_zap_mm(struct list_head *list, struct mm_struct *mm)
{
	struct lp_core_vma *entry, *next;

	list_for_each_entry_safe(entry, next, list, vma_next) {
		struct vm_area_struct *vma = entry->vma;

		if (vma->vm_mm != mm)
			continue;
		list_del(&entry->vma_next);
		kfree(entry);
		zap_vma_ptes(vma, vma->vm_start, vma->vm_end - vma->vm_start);
	}
}

/*
 * The lock order is mmap_lock, vma_lock, memory_lock: the fault handler takes
 * them so. To get at the mm of a listed VMA vma_lock is needed first, hence
 * the loop: pick an mm, lock it in order, empty its VMAs, look again.
 *
 * mmap_lock is taken for writing. A reader shares it with the second half of
 * munmap(), which runs with the lock downgraded: both then tear down the same
 * page tables, and untrack_pfn() warns about a range that is no longer there.
 */
void lp_zap_and_lock(struct lp_device *lp)
{
	struct vfio_pci_core_device *core = &lp->core;
	struct mm_struct *mm;

	for (;;) {
		mutex_lock(&core->vma_lock);
		mm = lp_first_mm(&core->vma_list);
		if (!mm)
			mm = lp_first_mm(&lp->opened);
		if (!mm)
			break;
		mutex_unlock(&core->vma_lock);

		mmap_write_lock(mm);
		mutex_lock(&core->vma_lock);
		lp_zap_mm(&core->vma_list, mm);
		lp_zap_mm(&lp->opened, mm);
		mutex_unlock(&core->vma_lock);
		mmap_write_unlock(mm);
		mmput(mm);
	}

	/* Empty, and stays so until a fault gets past memory_lock */
	down_write(&core->memory_lock);
	mutex_unlock(&core->vma_lock);
}
#else
static void lp_wrap_vm_open(struct vm_operations_struct *ops)
{
}

/**
 * lp_zap_and_lock() - takes memory_lock for writing with no BAR page mapped
 * @lp: the device
 *
 * A touch then waits in the fault handler until the lock is released, and
 * finds out whether low power is engaged.
 */
void lp_zap_and_lock(struct lp_device *lp)
{
	loff_t start = VFIO_PCI_INDEX_TO_OFFSET(VFIO_PCI_BAR0_REGION_INDEX);
	loff_t end = VFIO_PCI_INDEX_TO_OFFSET(VFIO_PCI_ROM_REGION_INDEX);
	struct address_space *mapping;

	down_write(&lp->core.memory_lock);
	/*
	 * Only now: lp_mmap() may run at the same time, and a fault that was
	 * let in before us has seen the mapping set. Never mapped, nothing to
	 * take away.
	 */
	mapping = READ_ONCE(lp->mapping);
	if (mapping)
		unmap_mapping_range(mapping, start, end - start, true);
}
#endif

static vm_fault_t lp_fault(struct vm_fault *vmf)
{
	struct lp_device *lp = lp_from_vma(vmf->vma);
	vm_fault_t ret;

	ret = lp->core_vm_ops->fault(vmf);
	if (unlikely(ret & VM_FAULT_SIGBUS) && lp_engaged(lp))
		lp_count_refused(lp, vmf->pgoff);
	return ret;
}

#ifdef LP_HAVE_HUGE_FAULT_ORDER
static vm_fault_t lp_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct lp_device *lp = lp_from_vma(vmf->vma);
	vm_fault_t ret;

	ret = lp->core_vm_ops->huge_fault(vmf, order);
	if (unlikely(ret & VM_FAULT_SIGBUS) && lp_engaged(lp))
		lp_count_refused(lp, vmf->pgoff);
	return ret;
}
#endif

/**
 * lp_mmap() - maps a BAR
 * @core_vdev: the device
 * @vma: the mapping
 *
 * Return: 0 or a negative errno, as vfio_pci_core_mmap().
 */
int lp_mmap(struct vfio_device *core_vdev, struct vm_area_struct *vma)
{
	struct lp_device *lp = lp_from_core(core_vdev);
	int ret;

	/* Before the first fault can take memory_lock: lp_zap_and_lock() */
	WRITE_ONCE(lp->mapping, vma->vm_file->f_mapping);

	ret = vfio_pci_core_mmap(core_vdev, vma);
	if (ret)
		return ret;

	mutex_lock(&lp->vm_lock);
	if (!lp->core_vm_ops && vma->vm_ops && vma->vm_ops->fault &&
	    vma->vm_private_data == &lp->core) {
		lp->vm_ops = *vma->vm_ops;
		lp->vm_ops.fault = lp_fault;
#ifdef LP_HAVE_HUGE_FAULT_ORDER
		if (lp->vm_ops.huge_fault)
			lp->vm_ops.huge_fault = lp_huge_fault;
#endif
		lp_wrap_vm_open(&lp->vm_ops);
		lp->core_vm_ops = vma->vm_ops;
	}
	if (vma->vm_ops == lp->core_vm_ops)
		vma->vm_ops = &lp->vm_ops;
	mutex_unlock(&lp->vm_lock);

	return 0;
}
