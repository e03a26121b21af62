/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the programs in this folder share: a device opened by hand, the plain
 * ioctls, sysfs, and TAP. They test a kernel driver and therefore go past
 * libvfiopm, which smooths over what is asked here.
 */
#ifndef MODULE_COMMON_H
#define MODULE_COMMON_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#ifndef VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY
#define VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY 3
#define VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP 4
#define VFIO_DEVICE_FEATURE_LOW_POWER_EXIT 5
struct vfio_device_low_power_entry_with_wakeup {
	__s32 wakeup_eventfd;
	__u32 reserved;
};
#endif

/* Device cdev and iommufd, newer than Debian 12's headers. */
struct vt_bind {
	__u32 argsz;
	__u32 flags;
	__s32 iommufd;
	__u32 out_devid;
};
#define VT_DEVICE_BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)

struct vt_dev {
	char address[32];
	const char *driver; /* name, as sysfs has it */
	bool ours; /* driver is vfio-pm-pci */
	int container, group, fd;
	uint64_t config; /* offset of config space in fd */
	struct vfio_region_info bar[6];
};

static int vt_tests, vt_failures;

__attribute__((format(printf, 1, 2))) static inline void vt_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("Bail out! ");
	vprintf(format, args);
	printf(": %s\n", strerror(errno));
	va_end(args);
	exit(2);
}

__attribute__((format(printf, 2, 3))) static inline bool vt_ok(bool good, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("%sok %d - ", good ? "" : "not ", ++vt_tests);
	vprintf(format, args);
	printf("\n");
	fflush(stdout);
	va_end(args);
	if (!good)
		vt_failures++;
	return good;
}

#define vt_is(got, want, ...) \
	({ \
		long long got_ = (got), want_ = (want); \
		if (!vt_ok(got_ == want_, __VA_ARGS__)) \
			printf("# got %lld, wanted %lld\n", got_, want_); \
		got_ == want_; \
	})

static inline int vt_done(void)
{
	printf("1..%d\n", vt_tests);
	return vt_failures || !vt_tests;
}

static inline uint64_t vt_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ull + now.tv_nsec / 1000;
}

static inline void vt_sleep_ms(unsigned int ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&time, &time) && errno == EINTR)
		;
}

/* Into BUFFER without the last newline; "" when there is no such file. */
static inline char *vt_sysfs(const char *address, const char *name, char *buffer, size_t size)
{
	char path[256];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", address, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, buffer, size - 1);
		close(fd);
	}
	buffer[n > 0 ? n : 0] = '\0';
	if (n > 0 && buffer[n - 1] == '\n')
		buffer[n - 1] = '\0';
	return buffer;
}

static inline int vt_sysfs_write(const char *address, const char *name, const char *value)
{
	char path[256];
	int fd, ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", address, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write(fd, value, strlen(value)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/*
 * A wake that isn't the user's. (To read sysfs config would wake a device in
 * D3cold only: config space can be read in D3hot.)
 */
static inline void vt_host_wake(const struct vt_dev *dev)
{
	vt_sysfs_write(dev->address, "power/control", "on");
	vt_sysfs_write(dev->address, "power/control", "auto");
}

/* A line of vfio_pm/account; -1 when the driver has none. */
static inline long long vt_account(const struct vt_dev *dev, const char *key)
{
	char text[4096], *line, *save;
	size_t len = strlen(key);

	vt_sysfs(dev->address, "vfio_pm/account", text, sizeof(text));
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!strncmp(line, key, len) && line[len] == ' ')
			return atoll(line + len + 1);
	return -1;
}

/* All wakes of the account. */
static inline long long vt_wakes(const struct vt_dev *dev)
{
	static const char *const causes[] = { "config_read", "config_write", "region", "ioctl",
					      "feature", "open", "close", "host" };
	long long sum = 0;
	unsigned int i;

	for (i = 0; i < sizeof(causes) / sizeof(*causes); i++)
		sum += vt_account(dev, causes[i]);
	return sum;
}

static inline bool vt_asleep(const struct vt_dev *dev)
{
	char text[64];

	return !strcmp(vt_sysfs(dev->address, "power/runtime_status", text, sizeof(text)),
		       "suspended");
}

static inline bool vt_wait_asleep(const struct vt_dev *dev, unsigned int ms)
{
	uint64_t end = vt_now_us() + ms * 1000ull;

	while (!vt_asleep(dev)) {
		if (vt_now_us() > end)
			return false;
		vt_sleep_ms(2);
	}
	return true;
}

static inline int vt_feature(int fd, uint32_t flags, const void *data, size_t size)
{
	char buffer[256] = "";
	struct vfio_device_feature *feature = (void *)buffer;

	feature->argsz = sizeof(*feature) + size;
	feature->flags = flags;
	if (size)
		memcpy(feature->data, data, size);
	return ioctl(fd, VFIO_DEVICE_FEATURE, feature) < 0 ? -errno : 0;
}

static inline int vt_entry(const struct vt_dev *dev)
{
	return vt_feature(dev->fd,
			  VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, NULL, 0);
}

static inline int vt_exit(const struct vt_dev *dev)
{
	return vt_feature(dev->fd, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
			  NULL, 0);
}

static inline int vt_entry_wakeup(const struct vt_dev *dev, int eventfd)
{
	struct vfio_device_low_power_entry_with_wakeup entry = { .wakeup_eventfd = eventfd };

	return vt_feature(dev->fd,
			  VFIO_DEVICE_FEATURE_SET |
				  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
			  &entry, sizeof(entry));
}

/* What the eventfd counted, 0 when nothing within MS. */
static inline uint64_t vt_signals(int eventfd, int ms)
{
	struct pollfd pfd = { .fd = eventfd, .events = POLLIN };
	uint64_t value = 0;

	if (poll(&pfd, 1, ms) == 1 && read(eventfd, &value, sizeof(value)) != sizeof(value))
		value = 0;
	return value;
}

static inline int vt_read(const struct vt_dev *dev, unsigned int pos, void *buffer, size_t size)
{
	ssize_t n = pread(dev->fd, buffer, size, dev->config + pos);

	return n < 0 ? -errno : (int)n;
}

static inline int vt_write(const struct vt_dev *dev, unsigned int pos, const void *buffer,
			   size_t size)
{
	ssize_t n = pwrite(dev->fd, buffer, size, dev->config + pos);

	return n < 0 ? -errno : (int)n;
}

static inline uint32_t vt_read32(const struct vt_dev *dev, unsigned int pos)
{
	uint32_t value = 0;

	if (vt_read(dev, pos, &value, 4) != 4)
		vt_die("config read at 0x%x", pos);
	return value;
}

static inline uint16_t vt_read16(const struct vt_dev *dev, unsigned int pos)
{
	uint16_t value = 0;

	if (vt_read(dev, pos, &value, 2) != 2)
		vt_die("config read at 0x%x", pos);
	return value;
}

static inline void vt_write16(const struct vt_dev *dev, unsigned int pos, uint16_t value)
{
	if (vt_write(dev, pos, &value, 2) != 2)
		vt_die("config write at 0x%x", pos);
}

/* Offset of a capability as the user sees the chain, 0 when there is none. */
static inline unsigned int vt_cap(const struct vt_dev *dev, uint8_t id)
{
	unsigned int pos, loops = 48;

	if (!(vt_read16(dev, PCI_STATUS) & PCI_STATUS_CAP_LIST))
		return 0;
	for (pos = vt_read16(dev, PCI_CAPABILITY_LIST) & 0xfc; pos && loops; loops--) {
		uint16_t header = vt_read16(dev, pos);

		if ((header & 0xff) == id)
			return pos;
		pos = header >> 8 & 0xfc;
	}
	return 0;
}

static inline void vt_enable_memory(const struct vt_dev *dev)
{
	vt_write16(dev, PCI_COMMAND, vt_read16(dev, PCI_COMMAND) | PCI_COMMAND_MEMORY);
}

/* The first memory BAR that can be mapped, or -1. */
static inline int vt_first_bar(const struct vt_dev *dev)
{
	int i;

	for (i = 0; i < 6; i++)
		if (dev->bar[i].size >= 4096 && (dev->bar[i].flags & VFIO_REGION_INFO_FLAG_MMAP))
			return i;
	return -1;
}

static inline int vt_regions(struct vt_dev *dev)
{
	struct vfio_region_info info = { .argsz = sizeof(info),
					 .index = VFIO_PCI_CONFIG_REGION_INDEX };
	int i;

	if (ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -errno;
	dev->config = info.offset;
	for (i = 0; i < 6; i++) {
		dev->bar[i].argsz = sizeof(dev->bar[i]);
		dev->bar[i].index = i;
		if (ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &dev->bar[i]))
			return -errno;
	}
	return 0;
}

static inline int vt_driver(struct vt_dev *dev)
{
	static char link[256];
	char path[256];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", dev->address);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return -errno;
	link[n] = '\0';
	dev->driver = strrchr(link, '/') + 1;
	dev->ours = !strcmp(dev->driver, "vfio-pm-pci");
	return 0;
}

/* By the group, container and type1v2; NAME is the address, with a token where one is needed. */
static inline int vt_try_open_as(struct vt_dev *dev, const char *address, const char *name)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[256], link[256];
	ssize_t n;
	int ret;

	memset(dev, 0, sizeof(*dev));
	snprintf(dev->address, sizeof(dev->address), "%s", address);
	ret = vt_driver(dev);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", address);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return -errno;
	link[n] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio/%.200s", strrchr(link, '/') + 1);

	dev->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (dev->container < 0)
		return -errno;
	dev->group = open(path, O_RDWR | O_CLOEXEC);
	if (dev->group < 0) {
		ret = -errno;
		goto err_container;
	}
	if (ioctl(dev->group, VFIO_GROUP_GET_STATUS, &status) ||
	    !(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		ret = -EPERM;
		goto err_group;
	}
	if (ioctl(dev->group, VFIO_GROUP_SET_CONTAINER, &dev->container) ||
	    ioctl(dev->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU)) {
		ret = -errno;
		goto err_group;
	}
	dev->fd = ioctl(dev->group, VFIO_GROUP_GET_DEVICE_FD, name);
	if (dev->fd < 0) {
		ret = -errno;
		goto err_group;
	}
	ret = vt_regions(dev);
	if (ret)
		goto err_device;
	return 0;

err_device:
	close(dev->fd);
err_group:
	close(dev->group);
err_container:
	close(dev->container);
	return ret;
}

static inline int vt_try_open(struct vt_dev *dev, const char *address)
{
	return vt_try_open_as(dev, address, address);
}

/* By the device's own node and an iommufd; dev->container is the iommufd. */
static inline int vt_try_open_cdev(struct vt_dev *dev, const char *address)
{
	struct vt_bind bind = { .argsz = sizeof(bind) };
	char path[256];
	int i, ret;

	memset(dev, 0, sizeof(*dev));
	snprintf(dev->address, sizeof(dev->address), "%s", address);
	ret = vt_driver(dev);
	if (ret)
		return ret;
	dev->group = -1;
	dev->fd = -1;
	for (i = 0; i < 64 && dev->fd < 0; i++) {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev/vfio%d", address, i);
		if (access(path, F_OK))
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/devices/vfio%d", i);
		dev->fd = open(path, O_RDWR | O_CLOEXEC);
	}
	if (dev->fd < 0)
		return -ENOENT;
	dev->container = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (dev->container < 0) {
		ret = -errno;
		goto err_device;
	}
	bind.iommufd = dev->container;
	if (ioctl(dev->fd, VT_DEVICE_BIND_IOMMUFD, &bind)) {
		ret = -errno;
		goto err_iommufd;
	}
	ret = vt_regions(dev);
	if (ret)
		goto err_iommufd;
	return 0;

err_iommufd:
	close(dev->container);
err_device:
	close(dev->fd);
	return ret;
}

/* VT_CDEV=1 in the environment chooses the way. */
static inline void vt_open(struct vt_dev *dev, const char *address)
{
	int ret = getenv("VT_CDEV") ? vt_try_open_cdev(dev, address) : vt_try_open(dev, address);

	if (ret) {
		errno = -ret;
		vt_die("cannot open %s", address);
	}
}

static inline void vt_close(struct vt_dev *dev)
{
	close(dev->fd);
	if (dev->group >= 0)
		close(dev->group);
	close(dev->container);
}

static inline volatile uint32_t *vt_map(const struct vt_dev *dev, int bar, size_t size)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, dev->fd,
			 dev->bar[bar].offset);

	return map == MAP_FAILED ? NULL : map;
}

static sigjmp_buf vt_jump;

static inline void vt_on_sigbus(int signal)
{
	siglongjmp(vt_jump, signal);
}

/* False when the touch was a SIGBUS. */
static inline bool vt_touch(const volatile uint32_t *word, uint32_t *value)
{
	struct sigaction action = { .sa_handler = vt_on_sigbus }, old;
	volatile bool good = false;

	sigaction(SIGBUS, &action, &old);
	if (!sigsetjmp(vt_jump, 1)) {
		*value = *word;
		good = true;
	}
	sigaction(SIGBUS, &old, NULL);
	return good;
}

#endif /* MODULE_COMMON_H */
