// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runtime PM at a test's word, in the nested guest: insmod kick.ko, then
 *
 *	echo DEVICE >/sys/module/kick/parameters/suspend
 *	echo DEVICE >/sys/module/kick/parameters/resume
 *	echo DEVICE OFFSET ROUNDS MAX_MS >/sys/module/kick/parameters/storm
 *	cat /sys/module/kick/parameters/took	microseconds of the last suspend or resume
 *
 * DEVICE is a PCI address, 0000:01:00.0. e1000e drops its reference only
 * for a device that signals PME, which VFIO hides; nvme never does. So the
 * reference of the driver's probe is dropped here: from there on it is the
 * driver's own callbacks and the PCI core that write D3hot and D0. A storm does
 * that at random times, until it has done its rounds or its writer gets a signal,
 * reads OFFSET of BAR 0 right after each D0, and reads as "rounds N bad N failed N"
 * afterwards.
 */
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/random.h>
#include <linux/sched/signal.h>

static DECLARE_BITMAP(dropped, 1 << 16);
static struct {
	unsigned int rounds, bad, failed;
} result;

static int suspend(struct pci_dev *pdev)
{
	int r;

	if (!test_and_set_bit(pci_dev_id(pdev), dropped)) {
		pm_runtime_allow(&pdev->dev);
		pm_runtime_put_noidle(&pdev->dev);
	}
	r = pm_runtime_suspend(&pdev->dev);
	return r < 0 ? r : 0;
}

/* The reference is taken back: the driver keeps it until it is removed. */
static int resume(struct pci_dev *pdev)
{
	int r = 0;

	if (test_and_clear_bit(pci_dev_id(pdev), dropped))
		r = pm_runtime_get_sync(&pdev->dev);
	return r < 0 ? r : 0;
}

static unsigned int took;
module_param(took, uint, 0400);

static int storm(struct pci_dev *pdev, unsigned int offset, unsigned int rounds,
		 unsigned int max_ms)
{
	void __iomem *bar = pci_iomap(pdev, 0, 0);
	u32 expected;

	if (!bar)
		return -ENOMEM;
	memset(&result, 0, sizeof(result));
	expected = readl(bar + offset);
	while (result.rounds < rounds && !signal_pending(current)) {
		unsigned int us = get_random_u32() % (max_ms * 1000 + 1);

		if (suspend(pdev) < 0)
			result.failed++;
		usleep_range(us, us + 100);
		if (resume(pdev) < 0)
			result.failed++;
		if (readl(bar + offset) != expected)
			result.bad++;
		result.rounds++;
		us = get_random_u32() % (max_ms * 500 + 1);
		usleep_range(us, us + 100);
	}
	pci_iounmap(pdev, bar);
	return 0;
}

static int obey(const char *val, const struct kernel_param *kp)
{
	unsigned int domain, bus, slot, function, offset, rounds, max_ms;
	const char *what = kp->arg;
	struct pci_dev *pdev;
	ktime_t start;
	int n, r;

	n = sscanf(val, "%x:%x:%x.%x %x %u %u", &domain, &bus, &slot, &function, &offset,
		   &rounds, &max_ms);
	if (n < 4 || (what[0] == 'x' && n != 7))
		return -EINVAL;
	pdev = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, function));
	if (!pdev)
		return -ENODEV;
	start = ktime_get();
	r = what[0] == 's' ? suspend(pdev) :
	    what[0] == 'r' ? resume(pdev) : storm(pdev, offset, rounds, max_ms);
	took = ktime_us_delta(ktime_get(), start);
	pci_dev_put(pdev);
	return r;
}

static int tell(char *buffer, const struct kernel_param *kp)
{
	return sprintf(buffer, "rounds %u bad %u failed %u\n", result.rounds, result.bad,
		       result.failed);
}

static const struct kernel_param_ops order = { .set = obey };
static const struct kernel_param_ops storm_ops = { .set = obey, .get = tell };

module_param_cb(suspend, &order, "s", 0200);
module_param_cb(resume, &order, "r", 0200);
module_param_cb(storm, &storm_ops, "x", 0600);

static int __init kick_init(void)
{
	return 0;
}
module_init(kick_init);

static void __exit kick_exit(void)
{
}
module_exit(kick_exit);

MODULE_DESCRIPTION("Runtime PM at a test's word");
MODULE_LICENSE("GPL");
