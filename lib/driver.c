// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which driver a device has: bind, unbind and restore by driver_override and
 * drivers_probe. Never by new_id, which makes a driver take every device with
 * those IDs, now and later (Documentation/ABI/testing/sysfs-bus-pci).
 *
 * A change is one transaction in a process of its own. An unbind waits in the
 * kernel, unkillably and with the device lock held, until the driver lets go
 * (drivers/vfio/vfio_main.c, vfio_unregister_group_dev()); the caller must be
 * able to give up waiting, and what was begun must still be brought to its end,
 * or back, when the kernel answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "private.h"

/* MODULE_NAME_LEN is 56; a driver's name may differ from its module's. */
#define DRIVER_NAME_MAX 64
/* Longer than any name of a driver; the kernel takes less than a page. */
#define OVERRIDE_MAX 256
/* "auto" or "on". */
#define CONTROL_MAX 8
/* How much longer than the transaction's own limit its result is waited for. */
#define GRACE_MS 500

struct vfiopm_binding {
	struct vfiopm_device *dev;
	char *driver, *override;
	char control[CONTROL_MAX];
};

/* What a transaction is after. */
enum goal {
	GOAL_DRIVER,		/* this driver */
	GOAL_NONE,		/* none */
	GOAL_FREE,		/* off VFIO, then as the kernel likes */
};

struct rebind {
	const struct vfiopm_ctx *ctx;
	const struct vfiopm_device *dev;
	const char *name;	/* of the device */
	int dir;		/* its directory in sysfs */
	int64_t timeout_ms;	/* for the lock */
	enum goal goal;
	const char *driver;	/* GOAL_DRIVER */
	const char *override;	/* what it is to be in the end; NULL: not set */
	const char *control;	/* power/control in the end; NULL: as the driver leaves it */
	bool lenient;		/* on the driver already: whatever the override is */
};

/* What the transaction found and did, as it comes through the pipe. */
struct outcome {
	int r;			/* 1 changed, 0 was so already, or a negative errno */
	char driver[DRIVER_NAME_MAX];	/* before; "": none */
	char override[OVERRIDE_MAX];
	char control[CONTROL_MAX];	/* "": not known */
};

static bool name_is_valid(const char *name)
{
	return name[0] && name[0] != '.' && strlen(name) < DRIVER_NAME_MAX &&
	       !strpbrk(name, "/\n ");
}

/* ---- the transaction: runs in a fork of perhaps a threaded process, so async-signal-safe ---- */

/*
 * Two at once would undo each other's override. The lock is on `remove`, which
 * only root may open, so that no user can stand in the way; a VF has no such
 * file (drivers/pci/pci-sysfs.c, pci_dev_hp_attrs_are_visible()).
 * Return a descriptor; -EAGAIN at the time limit.
 */
static int lock_device(const struct rebind *t)
{
	const struct timespec pause = { .tv_nsec = 5 * 1000000 };
	int64_t start = now_ms();
	int fd;

	fd = sysfs_open_write_at(t->ctx, t->dir, "remove");
	if (fd == -ENOENT)
		fd = sysfs_open_write_at(t->ctx, t->dir, "driver_override");
	if (fd < 0)
		return fd == -ENOENT ? -ENODEV : fd;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EINTR && (errno != EWOULDBLOCK ||
				       (t->timeout_ms >= 0 && now_ms() - start >= t->timeout_ms))) {
			int r = errno == EWOULDBLOCK ? -EAGAIN : -errno;

			close(fd);
			return r;
		}
		nanosleep(&pause, NULL);
	}
	return fd;
}

/*
 * A device on its way out loses its driver first and its place on the bus next,
 * and only then its folder (drivers/pci/remove.c, pci_stop_dev(), and
 * drivers/base/bus.c, bus_remove_device()).
 */
static bool is_on_bus(const struct rebind *t)
{
	char path[SYSFS_PATH_MAX];

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", t->name);
	return sysfs_node_exists(t->ctx, path);
}

/* The driver as the link has it; "": none. -ENODEV when the device has gone. */
static int read_driver(const struct rebind *t, char *buf, size_t size)
{
	ssize_t n;

	n = sysfs_link_at(t->dir, "driver", buf, size);
	if (n == -ENOENT) {
		buf[0] = '\0';
		return is_on_bus(t) ? 0 : -ENODEV;
	}
	return n < 0 ? (int)n : 0;
}

static int read_override(const struct rebind *t, char *buf, size_t size)
{
	ssize_t n;

	n = sysfs_read_at(t->ctx, t->dir, "driver_override", buf, size);
	if (n < 0)
		return n == -ENOENT ? -ENODEV : (int)n;
	if (!strcmp(buf, "(null)"))
		buf[0] = '\0';
	return 0;
}

/* A newline alone clears it (drivers/base/driver.c, driver_set_override()). */
static int write_override(const struct rebind *t, const char *value)
{
	int r;

	r = sysfs_write_at(t->ctx, t->dir, "driver_override", *value ? value : "\n");
	return r == -ENOENT ? -ENODEV : r;
}

/*
 * vfio-pci-core allows runtime PM when it takes a device and forbids it when it
 * gives it back, whatever it was (drivers/vfio/pci/vfio_pci_core.c): a way
 * through it and back loses it.
 */
static void write_control(const struct rebind *t, const char *value)
{
	char now[CONTROL_MAX];

	if (*value && sysfs_read_at(t->ctx, t->dir, "power/control", now, sizeof(now)) > 0 &&
	    strcmp(now, value))
		sysfs_write_at(t->ctx, t->dir, "power/control", value);
}

/* Write the device's name to "sys/bus/pci/drivers/DRIVER/FILE". */
static int tell_driver(const struct rebind *t, const char *driver, const char *file)
{
	char path[SYSFS_PATH_MAX];

	snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s/%s", driver, file);
	return sysfs_write(t->ctx, path, t->name);
}

/*
 * From whatever driver it has to @driver, or to the kernel's choice. The
 * answers to the writes count less than the link afterwards: drivers_probe says
 * EINVAL both for a probe that failed and for one that found nothing.
 */
static int move(const struct rebind *t)
{
	char now[DRIVER_NAME_MAX];
	int r, probed;

	r = read_driver(t, now, sizeof(now));
	if (r < 0)
		return r;
	if (now[0]) {
		r = tell_driver(t, now, "unbind");
		if (r < 0 && r != -ENODEV && r != -ENOENT)
			return r;
	}
	if (t->goal == GOAL_NONE)
		return 0;
	probed = sysfs_write(t->ctx, "sys/bus/pci/drivers_probe", t->name);
	r = read_driver(t, now, sizeof(now));
	if (r < 0)
		return r;
	if (t->goal == GOAL_FREE || !strcmp(now, t->driver))
		return 0;
	return probed == -EACCES || probed == -EPERM || probed == -EROFS ? probed : -ENXIO;
}

/* Back to what @was says. Return @cause, unless that fails too. */
static int roll_back(const struct rebind *t, const struct outcome *was, int cause)
{
	char now[DRIVER_NAME_MAX];

	if (write_override(t, was->override) == -ENODEV || read_driver(t, now, sizeof(now)) < 0)
		return -ENODEV;
	if (!strcmp(now, was->driver)) {
		write_control(t, was->control);
		return cause;
	}
	/* A driver that we didn't ask for is somebody else's doing, and stays. */
	if (now[0] && (!t->driver || strcmp(now, t->driver)))
		return -ENOTRECOVERABLE;
	if (now[0])
		tell_driver(t, now, "unbind");
	/* Not drivers_probe: another driver may match the device as well. */
	if (was->driver[0])
		tell_driver(t, was->driver, "bind");
	if (read_driver(t, now, sizeof(now)) < 0)
		return -ENODEV;
	if (strcmp(now, was->driver))
		return -ENOTRECOVERABLE;
	write_control(t, was->control);
	return cause;
}

/* Now, not when the caller looked. One that can't be looked at but is there may be. */
static bool is_open(const struct rebind *t)
{
	struct vfiopm_device *now;
	bool open;
	int r;

	r = vfiopm_device_refresh(t->dev, &now);
	if (r < 0)
		return r != -ENODEV;
	open = device_is_open(now);
	vfiopm_device_unref(now);
	return open;
}

static bool is_there(const struct rebind *t, const struct outcome *was)
{
	switch (t->goal) {
	case GOAL_DRIVER:
		return !strcmp(was->driver, t->driver);
	case GOAL_NONE:
		return !was->driver[0];
	case GOAL_FREE:
		return was->driver[0] && !sysfs_exists_at(t->dir, "vfio-dev");
	}
	return false;
}

static int transact(const struct rebind *t, struct outcome *was)
{
	const char *override = t->override ? t->override : "";
	char now[DRIVER_NAME_MAX];
	int r;

	r = read_driver(t, was->driver, sizeof(was->driver));
	if (r < 0)
		return r;
	/* Both before the override is read: that takes the device lock. */
	if (t->lenient && is_there(t, was))
		return 0;
	if (is_open(t))
		return -EBUSY;
	r = read_override(t, was->override, sizeof(was->override));
	if (r < 0)
		return r;
	if (sysfs_read_at(t->ctx, t->dir, "power/control", was->control, sizeof(was->control)) < 0)
		was->control[0] = '\0';
	if (is_there(t, was)) {
		if (!strcmp(was->override, override))
			return 0;
		r = write_override(t, override);
		return r < 0 ? r : 1;
	}

	/* The override first, so that no other driver can take the device in between. */
	r = write_override(t, t->goal == GOAL_DRIVER ? t->driver : override);
	if (r < 0)
		return r;
	r = move(t);
	if (r == 0 && t->goal == GOAL_DRIVER && strcmp(t->driver, override))
		r = write_override(t, override);
	if (r < 0)
		return roll_back(t, was, r);
	if (t->control)
		write_control(t, t->control);
	r = read_driver(t, now, sizeof(now));
	if (r < 0)
		return r;
	return was->driver[0] || now[0] || strcmp(was->override, override);
}

/*
 * Keep the three descriptors of the transaction and let go of the caller's: a
 * VFIO device among them would be kept open, and with it the unbind waiting.
 */
static void drop_descriptors(const struct rebind *t, int result)
{
	const int keep[] = { t->ctx->root_fd, t->dir, result };
	unsigned int from = 0;

	for (;;) {
		unsigned int next = ~0u;

		for (size_t i = 0; i < ARRAY_SIZE(keep); i++)
			if ((unsigned int)keep[i] >= from && (unsigned int)keep[i] < next)
				next = (unsigned int)keep[i];
		if (next > from)
			close_range(from, next - 1, 0);
		if (next == ~0u)
			return;
		from = next + 1;
	}
}

static void run_detached(const struct rebind *t, int result)
{
	struct outcome out = { 0 };
	int lock;

	/* Out of the reach of the terminal's Ctrl-C: half a transaction is none. */
	setsid();
	drop_descriptors(t, result);
	lock = lock_device(t);
	out.r = lock < 0 ? lock : transact(t, &out);
	if (lock >= 0)
		close(lock);
	while (write(result, &out, sizeof(out)) < 0 && errno == EINTR)
		;
	_exit(0);
}

/* ---- the caller's side ---- */

/* A grandchild, so that the caller has nothing to reap, however long it takes. */
static int start_transaction(const struct rebind *t, int *ret)
{
	int fds[2], r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		pid = fork();
		if (pid == 0)
			run_detached(t, fds[1]);
		_exit(pid < 0 ? errno : 0);
	}
	r = pid < 0 ? -errno : 0;
	close(fds[1]);
	if (pid > 0) {
		int status = 0;

		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (WIFEXITED(status))
			r = -WEXITSTATUS(status);
	}
	if (r < 0) {
		close(fds[0]);
		return r;
	}
	*ret = fds[0];
	return 0;
}

static int wait_for_result(int fd, int64_t timeout_ms, struct outcome *out)
{
	int64_t start = now_ms();

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = timeout_ms < 0 ? -1 : start + timeout_ms + GRACE_MS - now_ms();
		ssize_t n;
		int r;

		if (timeout_ms >= 0 && left < 0)
			return -ETIMEDOUT;
		r = poll(&p, 1, left > 60000 ? 60000 : (int)left);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r <= 0)
			continue;
		n = read(fd, out, sizeof(*out));
		if (n < 0 && errno == EINTR)
			continue;
		/* Nothing: somebody killed it. */
		return n == (ssize_t)sizeof(*out) ? out->r : -EIO;
	}
}

static int binding_new(const struct vfiopm_device *dev, const struct outcome *out,
		       struct vfiopm_binding **ret)
{
	struct vfiopm_binding *b;

	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->driver = out->driver[0] ? strdup(out->driver) : NULL;
	b->override = out->override[0] ? strdup(out->override) : NULL;
	if ((out->driver[0] && !b->driver) || (out->override[0] && !b->override)) {
		free(b->driver);
		free(b->override);
		free(b);
		return -ENOMEM;
	}
	memcpy(b->control, out->control, sizeof(b->control));
	b->dev = vfiopm_device_ref((struct vfiopm_device *)dev);
	*ret = b;
	return 0;
}

/* Before and after, by the caller: the transaction's own process has nowhere to log to. */
static void log_begin(const struct rebind *t)
{
	if (t->goal == GOAL_DRIVER)
		log_info(t->ctx, "%s: to driver '%s', by driver_override and drivers_probe",
			 t->name, t->driver);
	else
		log_info(t->ctx, "%s: off its driver; driver_override '%s'%s", t->name,
			 t->override ? t->override : "",
			 t->goal == GOAL_FREE ? ", drivers_probe" : "");
}

static void log_end(const struct rebind *t, const struct outcome *out, int r)
{
	if (r < 0)
		log_info(t->ctx, "%s: its driver is not changed: %s", t->name, strerror(-r));
	else
		log_info(t->ctx, "%s: %s; it was on driver '%s', driver_override '%s'", t->name,
			 r ? "done" : "it was so already", out->driver, out->override);
}

static int rebind(const struct vfiopm_device *dev, struct rebind *t, struct vfiopm_binding **former)
{
	struct outcome out = { 0 };
	int r, fd = -1;

	if (dev->ctx->foreign)
		return -EROFS;
	t->ctx = dev->ctx;
	t->dev = dev;
	t->name = dev->name;
	t->dir = device_open_dir(dev);
	if (t->dir < 0)
		return t->dir;
	log_begin(t);
	r = start_transaction(t, &fd);
	close(t->dir);
	if (r < 0)
		return r;
	r = wait_for_result(fd, t->timeout_ms, &out);
	close(fd);
	log_end(t, &out, r);
	if (r >= 0 && former) {
		int made = binding_new(dev, &out, former);

		if (made < 0)
			return made;
	}
	return r;
}

int vfiopm_device_bind(const struct vfiopm_device *dev, const char *driver, int64_t timeout_ms,
		       struct vfiopm_binding **former)
{
	struct rebind t = {
		.goal = GOAL_DRIVER,
		.driver = driver,
		.override = driver,
		.lenient = true,
		.timeout_ms = timeout_ms,
	};
	int r;

	r = vfiopm_driver_is_loaded(dev->ctx, driver);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	return rebind(dev, &t, former);
}

int vfiopm_device_unbind(const struct vfiopm_device *dev, const char *driver, int64_t timeout_ms,
			 struct vfiopm_binding **former)
{
	struct rebind t = {
		.goal = driver ? GOAL_DRIVER : GOAL_FREE,
		.driver = driver,
		.timeout_ms = timeout_ms,
	};
	int r;

	if (driver) {
		r = vfiopm_driver_is_loaded(dev->ctx, driver);
		if (r <= 0)
			return r < 0 ? r : -ENOENT;
	}
	return rebind(dev, &t, former);
}

int vfiopm_binding_restore(const struct vfiopm_binding *binding, int64_t timeout_ms)
{
	struct rebind t = {
		.goal = binding->driver ? GOAL_DRIVER : GOAL_NONE,
		.driver = binding->driver,
		.override = binding->override,
		.control = binding->control,
		.timeout_ms = timeout_ms,
	};

	return rebind(binding->dev, &t, NULL);
}

void vfiopm_binding_free(struct vfiopm_binding *binding)
{
	if (!binding)
		return;
	vfiopm_device_unref(binding->dev);
	free(binding->driver);
	free(binding->override);
	free(binding);
}

const char *vfiopm_binding_get_driver(const struct vfiopm_binding *binding)
{
	return binding->driver;
}

const char *vfiopm_binding_get_override(const struct vfiopm_binding *binding)
{
	return binding->override;
}

int vfiopm_driver_is_loaded(struct vfiopm_ctx *ctx, const char *name)
{
	char path[SYSFS_PATH_MAX];
	int fd;

	if (!name_is_valid(name))
		return -EINVAL;
	snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s", name);
	fd = sysfs_dir(ctx, path);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	close(fd);
	return 1;
}

int vfiopm_device_wait_node(const struct vfiopm_device *dev, int64_t timeout_ms)
{
	const char *nodes[] = {
		vfiopm_device_get_group_node(dev),
		vfiopm_device_get_cdev_node(dev),
	};
	const struct timespec pause = { .tv_nsec = 5 * 1000000 };
	int64_t start = now_ms();

	if (dev->ctx->foreign)
		return -EROFS;
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		while (nodes[i] && !sysfs_node_exists(dev->ctx, nodes[i] + 1)) {
			if (now_ms() - start >= timeout_ms)
				return -ETIMEDOUT;
			nanosleep(&pause, NULL);
		}
	}
	if (dev->vfio)
		udev_settle(start + timeout_ms - now_ms());
	return 0;
}
