// SPDX-License-Identifier: GPL-2.0-only
/*
 * Binding, opening and closing: everything the PCI core and the VFIO core ask
 * of a driver that isn't about power.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/pm_domain.h>
#include <linux/pm_runtime.h>

#include "compat.h"
#include "vfio_pm_pci.h"

/* All but enable_sriov are latched per device when it is bound: vfio-pm-pci(4) */
static bool disable_idle_d3;
module_param(disable_idle_d3, bool, 0644);
MODULE_PARM_DESC(disable_idle_d3, "Keep devices that nobody has open in D0");

static int autosuspend_ms = 100;
module_param(autosuspend_ms, int, 0644);
MODULE_PARM_DESC(autosuspend_ms, "Time awake after an access while engaged (ms, default 100)");

static unsigned int quiet_reads = LP_QUIET_ON;
module_param(quiet_reads, uint, 0644);
MODULE_PARM_DESC(quiet_reads, "Read constant config space asleep: 0 no, 1 yes, 2 wakeup mode too");

static bool deepen;
module_param(deepen, bool, 0644);
MODULE_PARM_DESC(deepen, "Take the user's write of D3hot as permission for low power");

static unsigned int deepen_rate = 12;
module_param(deepen_rate, uint, 0644);
MODULE_PARM_DESC(deepen_rate, "Most sleeps a minute by deepen (12; 0: no limit)");

static bool enable_sriov;
#ifdef CONFIG_PCI_IOV
module_param(enable_sriov, bool, 0644);
MODULE_PARM_DESC(enable_sriov, "Enable support for SR-IOV configuration, as in vfio-pci");
#endif

/*
 * Functions with errata that let an untrusted user reach the host; vfio-pci
 * refuses the same ones unless told otherwise (drivers/vfio/pci/vfio_pci.c).
 * There is no parameter to override that here: vfio-pci has one.
 */
static const struct pci_device_id lp_denylist[] = {
	{ PCI_VDEVICE(INTEL, 0x19e2) },	/* QAT C3XXX */
	{ PCI_VDEVICE(INTEL, 0x19e3) },
	{ PCI_VDEVICE(INTEL, 0x37c8) },	/* QAT C62X */
	{ PCI_VDEVICE(INTEL, 0x37c9) },
	{ PCI_VDEVICE(INTEL, 0x0435) },	/* QAT DH895XCC */
	{ PCI_VDEVICE(INTEL, 0x0443) },
	{ PCI_VDEVICE(INTEL, 0x0b25) },	/* DSA of Sapphire Rapids */
	{ PCI_VDEVICE(INTEL, 0x0cfe) },	/* IAX of Sapphire Rapids */
	{ }
};

static int lp_open_device(struct vfio_device *core_vdev)
{
	struct lp_device *lp = lp_from_core(core_vdev);
	struct lp_access access;
	int ret;

	lp_access_begin(lp, &access, LP_OPEN, 0);
	ret = vfio_pci_core_enable(&lp->core);
	lp_access_end(lp, &access);
	if (ret)
		return ret;

	/* core_enable() took a reference of its own: idle ends here */
	if (lp_idle_d3_needs_ref(lp->disable_idle_d3))
		pm_runtime_put(core_vdev->dev);

	lp_config_snapshot(lp);
	down_write(&lp->core.memory_lock);
	lp->closing = false;
	up_write(&lp->core.memory_lock);
	vfio_pci_core_finish_enable(&lp->core);

	return 0;
}

static void lp_close_device(struct vfio_device *core_vdev)
{
	struct lp_device *lp = lp_from_core(core_vdev);
	struct device *dev = core_vdev->dev;
	struct lp_access access;

	/*
	 * As the core does it: first leave, without a signal, then wake. No
	 * mapping is left that could reach the device in between.
	 */
	down_write(&lp->core.memory_lock);
	lp->closing = true;
	up_write(&lp->core.memory_lock);
	lp_disengage(lp, LP_USER | LP_DEEPEN, LP_EXIT_CLOSE);
	lp_config_drop(lp);

	/* A device that doesn't come back is for the core to report. */
	lp_access_begin(lp, &access, LP_CLOSE, 0);
	pm_runtime_get_sync(dev);
	lp_access_end(lp, &access);

	if (lp_idle_d3_needs_ref(lp->disable_idle_d3))
		pm_runtime_get_noresume(dev);

	vfio_pci_core_close_device(core_vdev);
	lp_deepen_fini(lp);
	lp->mapping = NULL;

	/* Idle needs no delay: nobody is left who might come back soon. */
	lp_pm_forget_last_busy(dev);
	pm_runtime_put(dev);
}

static int lp_init_dev(struct vfio_device *core_vdev)
{
	struct lp_device *lp = lp_from_core(core_vdev);
	int ret;

	ret = vfio_pci_core_init_dev(core_vdev);
	if (ret)
		return ret;

	mutex_init(&lp->vm_lock);
	INIT_LIST_HEAD(&lp->opened);
	lp_set_pci_ops(&lp->core);
	lp->closing = true;
	lp->disable_idle_d3 = READ_ONCE(disable_idle_d3);
	lp_set_disable_idle_d3(&lp->core, lp->disable_idle_d3);
	lp->quiet_reads = READ_ONCE(quiet_reads);
	/* As deepen_store() */
	lp->deepen = !LP_CORE_ENTRY && READ_ONCE(deepen);
	lp_deepen_init(lp, READ_ONCE(deepen_rate));

	return 0;
}

static void lp_release_dev(struct vfio_device *core_vdev)
{
	struct lp_device *lp = lp_from_core(core_vdev);

	mutex_destroy(&lp->pm_ctrl_lock);
	mutex_destroy(&lp->vm_lock);
	vfio_pci_core_release_dev(core_vdev);
}

static const struct vfio_device_ops lp_ops = {
	.name		= LP_DRIVER_NAME,
	.init		= lp_init_dev,
	.release	= lp_release_dev,
	.open_device	= lp_open_device,
	.close_device	= lp_close_device,
	.ioctl		= lp_ioctl,
	.device_feature	= lp_device_feature,
	.read		= lp_read,
	.write		= lp_write,
	.mmap		= lp_mmap,
	.request	= vfio_pci_core_request,
	.match		= vfio_pci_core_match,
	LP_OPS_COMPAT
};

static int lp_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct lp_device *lp;
	int ret;

	if (pci_match_id(lp_denylist, pdev)) {
		pci_warn(pdev, "%04x:%04x is in vfio-pci's denylist, refused\n",
			 pdev->vendor, pdev->device);
		return -EINVAL;
	}

	lp = vfio_alloc_device(lp_device, core.vdev, dev, &lp_ops);
	if (IS_ERR(lp))
		return PTR_ERR(lp);

	dev_set_drvdata(dev, &lp->core);
	ret = lp_account_init(lp);
	if (ret)
		goto err_put;

	pm_runtime_set_autosuspend_delay(dev, READ_ONCE(autosuspend_ms));
	pm_runtime_use_autosuspend(dev);

	if (lp_idle_d3_needs_ref(lp->disable_idle_d3))
		pm_runtime_get_noresume(dev);

	ret = vfio_pci_core_register_device(&lp->core);
	if (ret)
		goto err_pm;

	return 0;

err_pm:
	if (lp_idle_d3_needs_ref(lp->disable_idle_d3))
		pm_runtime_put_noidle(dev);
	pm_runtime_set_autosuspend_delay(dev, 0);
	pm_runtime_dont_use_autosuspend(dev);
	lp_account_fini(lp);
err_put:
	vfio_put_device(&lp->core.vdev);
	return ret;
}

static void lp_remove(struct pci_dev *pdev)
{
	struct device *dev = &pdev->dev;
	struct lp_device *lp = lp_from_dev(dev);

	/* Waits for the user to close: the device may be gone for long by then */
	WRITE_ONCE(lp->removing, true);
	vfio_pci_core_unregister_device(&lp->core);
	lp_deepen_fini(lp);

	/*
	 * The PCI core holds the device active around remove, so that none of
	 * the callbacks of the domain is running or will be called.
	 */
	if (lp_idle_d3_needs_ref(lp->disable_idle_d3))
		pm_runtime_put_noidle(dev);
	pm_runtime_set_autosuspend_delay(dev, 0);
	pm_runtime_dont_use_autosuspend(dev);
	lp_account_fini(lp);
	vfio_put_device(&lp->core.vdev);
}

static int lp_sriov_configure(struct pci_dev *pdev, int nr_virtfn)
{
	struct lp_device *lp = lp_from_dev(&pdev->dev);

	if (!enable_sriov)
		return -ENOENT;

	return vfio_pci_core_sriov_configure(&lp->core, nr_virtfn);
}

static pci_ers_result_t lp_error_detected(struct pci_dev *pdev,
					  pci_channel_state_t state)
{
	struct lp_device *lp = lp_from_dev(&pdev->dev);

	lp_config_drop(lp);
	lp_deepen_reset(lp);
	return vfio_pci_core_aer_err_detected(pdev, state);
}

/* Called for every reset of the function, whoever asked for it. */
static void lp_reset_prepare(struct pci_dev *pdev)
{
	struct lp_device *lp = lp_from_dev(&pdev->dev);

	lp_config_drop(lp);
	lp_deepen_reset(lp);
}

static const struct pci_error_handlers lp_err_handlers = {
	.error_detected	= lp_error_detected,
	.reset_prepare	= lp_reset_prepare,
};

/*
 * No MODULE_DEVICE_TABLE: its alias would be as good a match for every device
 * as that of vfio-pci, and tools that look for the best VFIO driver of a
 * device in modules.alias would find two. driver_override needs only the table.
 */
static const struct pci_device_id lp_table[] = {
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_ANY_ID, PCI_ANY_ID) },
	{ }
};

static struct pci_driver lp_driver = {
	.name			= LP_DRIVER_NAME,
	.id_table		= lp_table,
	.probe			= lp_probe,
	.remove			= lp_remove,
	.sriov_configure	= lp_sriov_configure,
	.err_handler		= &lp_err_handlers,
	.dev_groups		= lp_groups,
	.driver_managed_dma	= true,
};
module_pci_driver(lp_driver);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-pm authors");
MODULE_DESCRIPTION("VFIO PCI driver with low power that lasts and is accounted for");
MODULE_INFO(vfio_pm_zap, LP_ZAP_PATH);
