// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What tells whether a device came back from a sleep: its raw configuration
 * space, its error counters, the kernel's log. The one file that reads
 * `config`, which resumes the device.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

ssize_t vfiopm_device_read_config(const struct vfiopm_device *dev, void *buf, size_t size)
{
	char path[SYSFS_PATH_MAX];
	size_t len = 0;
	ssize_t n = 0;
	int fd;

	device_path(dev, "config", path, sizeof(path));
	fd = sysfs_open_node(dev->ctx, path, O_RDONLY);
	if (fd < 0)
		return fd == -ENOENT ? -ENODEV : fd;
	while (len < size) {
		n = pread(fd, (char *)buf + len, size - len, (off_t)len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (!len)
		n = n < 0 ? -errno : -EIO;
	else
		n = (ssize_t)len;
	close(fd);
	return n;
}

/* The line "TOTAL_ERR_COR 3" of a file (drivers/pci/pcie/aer.c, aer_stats_dev_attrs). */
static void add_total(const struct vfiopm_device *dev, int dir, const char *name,
		      const char *total, uint64_t *sum)
{
	char buf[SYSFS_VALUE_MAX];
	const char *at;

	if (sysfs_read_at(dev->ctx, dir, name, buf, sizeof(buf)) <= 0)
		return;
	at = strstr(buf, total);
	if (at)
		*sum += strtoull(at + strlen(total), NULL, 10);
}

int vfiopm_device_get_errors(const struct vfiopm_device *dev, uint64_t *ret)
{
	uint64_t sum = 0;
	int dir;

	dir = device_open_dir(dev);
	if (dir < 0)
		return dir;
	if (!sysfs_exists_at(dir, "aer_dev_correctable")) {
		close(dir);
		return -ENODATA;
	}
	add_total(dev, dir, "aer_dev_correctable", "TOTAL_ERR_COR", &sum);
	add_total(dev, dir, "aer_dev_nonfatal", "TOTAL_ERR_NONFATAL", &sum);
	add_total(dev, dir, "aer_dev_fatal", "TOTAL_ERR_FATAL", &sum);
	close(dir);
	*ret = sum;
	return 0;
}

struct vfiopm_klog {
	int fd;
};

int vfiopm_klog_new(struct vfiopm_ctx *ctx, struct vfiopm_klog **ret)
{
	struct vfiopm_klog *klog;
	int fd;

	fd = sysfs_open_node(ctx, "dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return fd;
	klog = calloc(1, sizeof(*klog));
	if (!klog) {
		close(fd);
		return -ENOMEM;
	}
	klog->fd = fd;
	/* Only what comes from now on. */
	lseek(fd, 0, SEEK_END);
	*ret = klog;
	return 0;
}

void vfiopm_klog_free(struct vfiopm_klog *klog)
{
	if (!klog)
		return;
	close(klog->fd);
	free(klog);
}

/* A record is "6,339,5140900,-;text\n KEY=value\n" (Documentation/ABI/testing/dev-kmsg). */
int vfiopm_klog_next(struct vfiopm_klog *klog, char *buf, size_t size)
{
	char record[8192], *text, *end;
	ssize_t n;

	for (;;) {
		n = read(klog->fd, record, sizeof(record) - 1);
		/* EPIPE: records were overwritten before they were read; the next one is there. */
		if (n < 0 && (errno == EINTR || errno == EPIPE))
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (n == 0)
			return 0;
		record[n] = '\0';
		text = strchr(record, ';');
		if (!text)
			continue;
		text++;
		end = strchr(text, '\n');
		if (end)
			*end = '\0';
		snprintf(buf, size, "%s", text);
		return 1;
	}
}
