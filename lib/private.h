/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the library share, grouped by the file that owns it. */
#ifndef VFIOPM_PRIVATE_H
#define VFIOPM_PRIVATE_H

#include <linux/vfio.h>
#include <syslog.h>

#include "vfiopm.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* ---- ctx.c ---- */

struct vfiopm_ctx {
	unsigned int refs;
	int root_fd;		/* O_PATH; every path is opened below it */
	bool foreign;		/* another root than "/": hostile */
	char *root;		/* a foreign root's path, as the kernel names it */
	vfiopm_log_fn log_fn;
	void *log_data;
	int log_max;
};

void log_ctx(const struct vfiopm_ctx *ctx, int priority, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
#define log_debug(ctx, ...) log_ctx((ctx), LOG_DEBUG, __VA_ARGS__)
#define log_info(ctx, ...) log_ctx((ctx), LOG_INFO, __VA_ARGS__)

/* ---- sysfs.c: the only door to /sys, /proc and /dev ---- */

/* An attribute is a page at the most (fs/sysfs/file.c); its longest line here is shorter. */
#define SYSFS_VALUE_MAX 4096
/* Path of a device below the root: PCI trees nest a few levels only. */
#define SYSFS_PATH_MAX 1024

/*
 * All paths are relative to the context's root and have no leading slash
 * ("sys/bus/pci/devices"), or relative to @dirfd from sysfs_dir().
 * Return a descriptor or a negative errno; -EINVAL for a file type other than asked.
 */
int sysfs_dir(const struct vfiopm_ctx *ctx, const char *path);
/* Whatever is there, links followed, as an O_PATH descriptor: to see whether something is. */
int sysfs_path(const struct vfiopm_ctx *ctx, const char *path);
int sysfs_dir_at(const struct vfiopm_ctx *ctx, int dirfd, const char *name);
/* Open a file to be read again and again, by sysfs_reread(). */
int sysfs_open_at(const struct vfiopm_ctx *ctx, int dirfd, const char *name);
ssize_t sysfs_reread(int fd, char *buf, size_t size);
/* Read a small file; @buf is terminated, trailing newlines are cut. Return its length. */
ssize_t sysfs_read(const struct vfiopm_ctx *ctx, const char *path, char *buf, size_t size);
ssize_t sysfs_read_at(const struct vfiopm_ctx *ctx, int dirfd, const char *name, char *buf,
		      size_t size);
/* The whole of a larger file, -EFBIG beyond @max; @ret is the caller's. */
int sysfs_read_all(const struct vfiopm_ctx *ctx, const char *path, size_t max, char **ret);
/* The same, as a number: decimal, or hexadecimal with 0x. -EINVAL: something else stands there. */
int sysfs_read_int_at(const struct vfiopm_ctx *ctx, int dirfd, const char *name, int64_t *ret);
/* The same, as a string of the caller's; NULL when it can't be read or is empty. */
char *sysfs_read_str_at(const struct vfiopm_ctx *ctx, int dirfd, const char *name);
/* Last component of the link's target. Return its length. */
ssize_t sysfs_link_at(int dirfd, const char *name, char *buf, size_t size);
/* The link's whole target; -ENAMETOOLONG when @buf can't hold it. Return its length. */
ssize_t sysfs_readlink_at(int dirfd, const char *name, char *buf, size_t size);
bool sysfs_exists_at(int dirfd, const char *name);
/* Open for writing, without writing. -EROFS below a foreign root. */
int sysfs_open_write_at(const struct vfiopm_ctx *ctx, int dirfd, const char *name);
/* Write @value whole. -EROFS below a foreign root. */
int sysfs_write_at(const struct vfiopm_ctx *ctx, int dirfd, const char *name, const char *value);
int sysfs_write(const struct vfiopm_ctx *ctx, const char *path, const char *value);
/* The real path of an open directory, without the root: "/sys/devices/…". */
int sysfs_real_path(const struct vfiopm_ctx *ctx, int fd, char *buf, size_t size);
/*
 * Call @fn for each entry of a directory but dot files; a return other than 0 ends the walk and is
 * handed back.
 */
int sysfs_foreach(const struct vfiopm_ctx *ctx, const char *path,
		  int (*fn)(const char *name, void *data), void *data);
int sysfs_foreach_at(const struct vfiopm_ctx *ctx, int dirfd, const char *name,
		     int (*fn)(const char *name, void *data), void *data);
bool sysfs_node_exists(const struct vfiopm_ctx *ctx, const char *path);
/* Number of a block device's node. -ENOTBLK; -EROFS below a foreign root, which has no nodes. */
int sysfs_block_number(const struct vfiopm_ctx *ctx, const char *path, dev_t *ret);
/*
 * Call @fn for each line of a file that may be longer than an attribute; up to SYSFS_LINES_MAX
 * bytes are read, what is in a line past SYSFS_PATH_MAX is dropped. As sysfs_foreach() otherwise.
 */
#define SYSFS_LINES_MAX (64u << 20)
int sysfs_foreach_line_at(const struct vfiopm_ctx *ctx, int dirfd, const char *name,
			  int (*fn)(const char *line, void *data), void *data);
/* Open a device node "dev/vfio/12" of the running system. -EROFS below a foreign root. */
int sysfs_open_node(const struct vfiopm_ctx *ctx, const char *path, int flags);

/* ---- address.c ---- */

/* Two hexadecimal numbers, "8086:10d3"; the whole string. */
int parse_id_pair(const char *text, unsigned int *vendor, unsigned int *device);

/* ---- device.c ---- */

/*
 * What a snapshot holds from the start is what may change: existence, driver,
 * group. The rest doesn't change while the device is there and bound, and is
 * read when a getter is first asked for it: a list of ten thousand devices
 * opens only the files that its columns show.
 */
struct vfiopm_device {
	unsigned int refs;
	struct vfiopm_ctx *ctx;
	struct vfiopm_addr addr;
	char name[VFIOPM_ADDR_LEN];
	bool vfio;
	int group;
	char *syspath;
	char *driver;
	struct device_more {	/* by the getters only */
		unsigned int have;
		bool noiommu, bridge;
		uint16_t vendor, device, subvendor, subdevice;
		uint32_t class;
		int numvfs;
		char *group_node;
		char *cdev_node;
		char *physfn;
	} more;
};

/* Directory of the device, opened anew: -ENODEV when it has gone. */
int device_open_dir(const struct vfiopm_device *dev);
/* "sys/bus/pci/devices/NAME/TAIL" */
void device_path(const struct vfiopm_device *dev, const char *tail, char *buf, size_t size);
/* "sys/devices/…/NAME" in @buf, which is returned: no links, as sys/bus goes through. */
const char *device_attr(const struct vfiopm_device *dev, const char *name, char *buf, size_t size);

/* ---- power.c ---- */

/* As `power/runtime_status` has it. */
enum vfiopm_status status_parse(const char *text);

/* ---- list.c ---- */

struct vfiopm_list {
	size_t count;
	struct vfiopm_device **dev;
};

/* ---- event.c ---- */

/* Wait until udev has worked off what has happened so far. 0 also where none runs; -ETIMEDOUT. */
int udev_settle(int64_t timeout_ms);

/* ---- in_use.c, in_use_block.c, in_use_net.c, routes.c: what a device is used for ---- */

/* From the device's disk to a filesystem, or from its port to a route: a few steps. */
#define USES_DEPTH_MAX 16

/* Remember a use; one that is known already is passed over. */
int uses_add(struct vfiopm_uses *uses, enum vfiopm_use kind, const char *path, const char *what);
/* A set of names: 1 new, 0 known already, -ENOMEM. An empty one is a NULL. */
int names_add(void **set, const char *name);
bool names_have(void *const *set, const char *name);
void names_free(void **set);
/* "A > B" of @path and @name in @buf. */
void uses_join(char *buf, size_t size, const char *path, const char *name);
/* Does the link "CLASS_DIR/NAME" lead to something below @dev? */
bool device_has_below(const struct vfiopm_device *dev, const char *class_dir, const char *name);
/* vfiopm_uses_new(); with @peek nothing in /dev is opened, and what only that shows isn't seen. */
int uses_new(const struct vfiopm_device *dev, const char *session, bool peek,
	     struct vfiopm_uses **ret);
int in_use_block(const struct vfiopm_device *dev, bool peek, struct vfiopm_uses *uses);
int in_use_net(const struct vfiopm_device *dev, const char *session, struct vfiopm_uses *uses);
/* Add the interfaces that default routes of the running system go through, of each table. */
int routes_default(void **names);

/* ---- owner.c ---- */

enum target {
	TARGET_GROUP,	/* id: number of the group */
	TARGET_CDEV,	/* id: number of vfioN */
	TARGET_DEVICE,	/* path: /sys/devices/… */
	TARGET_UNNAMED,	/* a device, but not which */
};

/* One process and one thing that it has open. */
struct vfiopm_owner {
	pid_t pid;
	uid_t uid;
	int64_t start_time;
	char comm[64];
	enum vfiopm_via via;
	enum target target;
	bool noiommu;
	bool gone;	/* the node it was opened by has been removed */
	int64_t id;
	char *path;
};

struct vfiopm_owners {
	struct vfiopm_ctx *ctx;
	struct vfiopm_owner **owner;	/* each apart: callers keep pointers while more are found */
	size_t count;
	bool partial;
	bool mappings;	/* looked at already */
};

/* Milliseconds since boot; 0: it can't be told. @proc: the process's folder. */
int64_t process_start_time(const struct vfiopm_ctx *ctx, int proc);
/* Path of the device behind descriptor @fd by fdinfo; NULL on kernels that don't tell. */
char *owner_fd_syspath(const struct vfiopm_ctx *ctx, int proc, const char *fd);

/* ---- handle.c, group.c, cdev.c: the two ways to open a device ---- */

/* As vfiopm_handle_wrap(), for what surely is a device: it isn't asked, which would wake it. */
int handle_wrap(struct vfiopm_ctx *ctx, int fd, const char *name, struct vfiopm_handle **ret);

/* What devices of one IOMMU group share: container and group, or iommufd. */
struct backing {
	unsigned int refs;
	enum vfiopm_backend backend;
	int group;
	int container_fd;	/* or the iommufd */
	int group_fd;		/* -1 for cdev */
};

/* Once asked for: every ioctl wakes the device (vfio_device_fops_unl_ioctl()). */
struct region {
	bool known;
	uint64_t offset, size;
};

struct vfiopm_handle {
	struct vfiopm_ctx *ctx;
	struct backing *backing;	/* NULL: wrapped */
	enum vfiopm_backend backend;
	int fd;
	char name[VFIOPM_ADDR_LEN];	/* for the log */
	struct region region[VFIO_PCI_NUM_REGIONS];
};

void backing_unref(struct backing *b);
/* Does a group's node, "dev/vfio/7" or NULL, refuse to be opened, or couldn't that be tried? */
bool group_node_is_taken(const struct vfiopm_ctx *ctx, const char *node);
/*
 * Has somebody the device open through VFIO? vfio-pci-core enables a device for as long as it is
 * open; a former driver may have left it so, which the group's node tells.
 */
bool device_is_open(const struct vfiopm_device *dev);
/* May this member's driver stay while the group is opened? */
bool group_driver_is_harmless(const struct vfiopm_device *dev);
/* Open container and group; the group is attached. */
int group_backing_new(const struct vfiopm_device *dev, struct backing **ret);
/* Return a device descriptor. */
int group_open_device(const struct backing *backing, const struct vfiopm_device *dev);
/* Open the iommufd; nothing is attached yet. */
int cdev_backing_new(const struct vfiopm_device *dev, struct backing **ret);
int cdev_open_device(const struct backing *backing, const struct vfiopm_device *dev);
bool cdev_available(const struct vfiopm_device *dev);

/* ---- low_power.c ---- */

/*
 * Does something remain of the wakeup mode after the wake that has ended it? Kernels
 * that export dma-bufs of device memory restore them on an exit only. Wakes the device.
 */
bool low_power_outlives_wake(struct vfiopm_handle *handle);

/* ---- borrow.c ---- */

/* Which node in /dev a file is of. */
struct node {
	dev_t fs, number;
	ino_t inode;
};

struct vfiopm_borrow {
	struct vfiopm_device *dev;
	pid_t pid;
	int64_t start_time;	/* of the owner */
	char comm[64];
	int pidfd;
	int group_fd;		/* duplicate of the owner's, -1: none was needed */
	int *pins;		/* duplicates of all its device files */
	size_t n_pins;
	int fd;			/* the device */
	struct vfiopm_handle *handle;
	int64_t suspend_us;	/* by vfiopm_borrow_enter() */
	int64_t entry_us;	/* by vfiopm_borrow_enter_agreed() */
	unsigned int pm_cap;	/* where the PM capability is; 0: not looked for yet */
	uint16_t pm_ctrl;	/* as the owner had it before the last entry */
	bool needs_exit;	/* after the wake that ends it */
	/* What finds the same again: the owner's own numbers of these descriptors. */
	int *pin_numbers;	/* as many as pins */
	int group_number, device_number;	/* -1: none */
	struct node group_node, cdev_node;	/* of these two, where they have one */
	struct region config;	/* of the config space, once asked for */
	int *groups;
	size_t n_groups;
	int *enable_fds;	/* `enable` of each device in its groups */
	size_t n_enable;
	int own_enable_fd;	/* one of these */
	int control_fd;		/* `power/control` */
};

/* Duplicate descriptor @number of the process behind @pidfd; a negative errno. */
int borrow_getfd(int pidfd, int number);
int node_of(int fd, struct node *ret);
/* Is @fd of process @pid one of the @n files @at? 1, 0, a negative errno. */
int borrow_is_among(const int *at, size_t n, pid_t pid, int fd);

/* Note the reason and return -ECANCELED. */
int refuse(enum vfiopm_refusal *why, enum vfiopm_refusal refusal);

/* ---- host_pm.c ---- */

struct host_pm {
	const struct vfiopm_device *dev;
	int fd;			/* `config`; -1: not readable */
	unsigned int cap;
	uint16_t pmc;
};

/* @cap: of the PM capability, 0: not known. The device must be active. */
int host_pm_open(const struct vfiopm_device *dev, unsigned int cap, struct host_pm *ret);
void host_pm_close(struct host_pm *h);
/* Is it armed to signal PME, which would be lost in D3cold? */
bool host_pm_wakes_in_vain(const struct host_pm *h);

/* ---- in_kernel.c ---- */

/* The attribute, opened for writing. */
int in_kernel_open(const struct vfiopm_device *dev, enum vfiopm_in_kernel what);

/* ---- clock.c ---- */

int64_t now_us(void);
int64_t now_ms(void);

#endif /* VFIOPM_PRIVATE_H */
