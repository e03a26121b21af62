// SPDX-License-Identifier: GPL-2.0-only
/*
 * The group vfio_pm/ of a bound device; ABI-sysfs-vfio_pm documents it. To
 * read it never wakes the device.
 */
#include <linux/pm_runtime.h>
#include <linux/sysfs.h>

#include "compat.h"
#include "vfio_pm_pci.h"

static const char * const lp_cause_names[LP_CAUSES] = {
	[LP_CONFIG_READ]	= "config_read",
	[LP_CONFIG_WRITE]	= "config_write",
	[LP_REGION]		= "region",
	[LP_IOCTL]		= "ioctl",
	[LP_FEATURE]		= "feature",
	[LP_OPEN]		= "open",
	[LP_CLOSE]		= "close",
	[LP_HOST]		= "host",
};

static ssize_t engaged_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "%d\n", lp_engaged(lp_from_dev(dev)));
}
static DEVICE_ATTR_RO(engaged);

static ssize_t account_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	struct lp_account *account = &lp_from_dev(dev)->account;
	u64 asleep_ns;
	int i, len;

	spin_lock(&account->lock);
	asleep_ns = account->asleep_ns;
	if (account->asleep && account->asleep_engaged)
		asleep_ns += lp_pm_suspended_ns(dev) - account->asleep_since_ns;
	len = sysfs_emit(buf, "entries %llu\nexits %llu\nsleeps %llu\n",
			 account->entries, account->exits, account->sleeps);
	for (i = 0; i < LP_CAUSES; i++)
		len += sysfs_emit_at(buf, len, "%s %llu\n", lp_cause_names[i],
				     account->wakes[i]);
	len += sysfs_emit_at(buf, len, "quiet_reads %llu\nrefused %llu\nasleep_us %llu\n",
			     account->quiet_reads, account->refused,
			     div_u64(asleep_ns, NSEC_PER_USEC));
	len += sysfs_emit_at(buf, len, "rate_limited %llu\n",
			     account->rate_limited);
	spin_unlock(&account->lock);
	return len;
}
static DEVICE_ATTR_RO(account);

static ssize_t last_wake_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	struct lp_account *account = &lp_from_dev(dev)->account;
	struct timespec64 time;
	struct lp_wake last;
	int len;

	spin_lock(&account->lock);
	last = account->last;
	spin_unlock(&account->lock);

	/* Nothing has woken the device since it was bound */
	if (!last.time)
		return 0;

	time = ktime_to_timespec64(last.time);
	len = sysfs_emit(buf, "cause %s\n", lp_cause_names[last.cause]);
	switch (last.cause) {
	case LP_CONFIG_READ:
	case LP_CONFIG_WRITE:
	case LP_REGION:
		len += sysfs_emit_at(buf, len, "region %llu\noffset 0x%llx\n",
				     VFIO_PCI_OFFSET_TO_INDEX(last.detail),
				     last.detail & VFIO_PCI_OFFSET_MASK);
		break;
	case LP_IOCTL:
		len += sysfs_emit_at(buf, len, "command 0x%llx\n", last.detail);
		break;
	case LP_FEATURE:
		len += sysfs_emit_at(buf, len, "feature %llu\n", last.detail);
		break;
	default:
		break;
	}
	len += sysfs_emit_at(buf, len, "pid %d\ncomm %s\ntime %lld.%06ld\n",
			     last.tgid, last.comm, (s64)time.tv_sec,
			     time.tv_nsec / NSEC_PER_USEC);
	return len;
}
static DEVICE_ATTR_ADMIN_RO(last_wake);

static ssize_t deepen_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(lp_from_dev(dev)->deepen));
}

static ssize_t deepen_store(struct device *dev, struct device_attribute *attr,
			    const char *buf, size_t len)
{
	struct lp_device *lp = lp_from_dev(dev);
	bool value;
	int ret;

	ret = kstrtobool(buf, &value);
	if (ret)
		return ret;
	/* The core's entry ioctl is all there is on such a kernel */
	if (value && LP_CORE_ENTRY)
		return -EOPNOTSUPP;

	WRITE_ONCE(lp->deepen, value);
	/* The user may have written D3hot before */
	ret = value ? lp_deepen_now(lp) : 0;
	return ret ?: len;
}
static DEVICE_ATTR_RW(deepen);

static ssize_t deepen_state_loss_ok_show(struct device *dev,
					 struct device_attribute *attr,
					 char *buf)
{
	return sysfs_emit(buf, "%d\n",
			  READ_ONCE(lp_from_dev(dev)->state_loss_ok));
}

static ssize_t deepen_state_loss_ok_store(struct device *dev,
					  struct device_attribute *attr,
					  const char *buf, size_t len)
{
	bool value;
	int ret;

	ret = kstrtobool(buf, &value);
	if (ret)
		return ret;

	WRITE_ONCE(lp_from_dev(dev)->state_loss_ok, value);
	return len;
}
static DEVICE_ATTR_RW(deepen_state_loss_ok);

static ssize_t deepen_rate_show(struct device *dev,
				struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n",
			  READ_ONCE(lp_from_dev(dev)->deepen_rate));
}

static ssize_t deepen_rate_store(struct device *dev,
				 struct device_attribute *attr,
				 const char *buf, size_t len)
{
	unsigned int value;
	int ret;

	ret = kstrtouint(buf, 0, &value);
	if (ret)
		return ret;

	WRITE_ONCE(lp_from_dev(dev)->deepen_rate, value);
	/* What was put off may be due now; without anything to do it is ignored */
	pm_request_autosuspend(dev);
	return len;
}
static DEVICE_ATTR_RW(deepen_rate);

static struct attribute *lp_attrs[] = {
	&dev_attr_engaged.attr,
	&dev_attr_account.attr,
	&dev_attr_last_wake.attr,
	&dev_attr_deepen.attr,
	&dev_attr_deepen_state_loss_ok.attr,
	&dev_attr_deepen_rate.attr,
	NULL
};

static const struct attribute_group lp_group = {
	.name = "vfio_pm",
	.attrs = lp_attrs,
};

const struct attribute_group *lp_groups[] = {
	&lp_group,
	NULL
};
