// SPDX-License-Identifier: GPL-2.0-or-later
/* Devices that this process opens, and what the host tells it of them. */
#include <errno.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "holder.h"
#include "opened.h"

struct entry {
	struct vfiopm_device *dev;
	struct vfiopm_handle *handle;	/* NULL: not open in this process */
	bool engaged;
	int asked_fd, error_fd;		/* eventfds */
};

struct opened {
	size_t count;
	struct entry *dev;
	struct pollfd *fds;		/* room for all that is waited for at once */
};

static struct vfiopm_handle *find_peer(struct opened *o, size_t i)
{
	int group = vfiopm_device_get_group(o->dev[i].dev);

	for (size_t j = 0; j < o->count; j++)
		if (o->dev[j].handle && vfiopm_device_get_group(o->dev[j].dev) == group)
			return o->dev[j].handle;
	return NULL;
}

static int do_open(struct opened *o, size_t i, struct opened_reply *reply)
{
	struct entry *d = &o->dev[i];
	unsigned int features = 0;
	int r;

	r = vfiopm_handle_open(d->dev, VFIOPM_BACKEND_AUTO, find_peer(o, i), &d->handle);
	if (r < 0)
		return r;
	/* Without it an unbind or unplug would wait for us unkillably. */
	vfiopm_handle_on_request(d->handle, d->asked_fd);
	vfiopm_handle_on_error(d->handle, d->error_fd);
	r = vfiopm_low_power_probe(d->handle, &features);
	reply->features = features;
	return r;
}

/* The kernel keeps the eventfd: nobody waits for it. */
static int do_arm(struct entry *d)
{
	int fd = eventfd(0, EFD_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = vfiopm_handle_on_interrupt(d->handle, fd);
	close(fd);
	return r;
}

static int do_config(struct entry *d, struct opened_reply *reply)
{
	uint8_t raw[OPENED_CONFIG_MAX];
	ssize_t n;
	int r;

	/* What the user of the device sees, some of it VFIO's own copy ... */
	r = vfiopm_handle_read(d->handle, VFIO_PCI_CONFIG_REGION_INDEX, 0, reply->config, 256);
	if (r < 0)
		return r;
	reply->config_len = 256;
	/* ... and what the device says; not root: the header only. */
	n = vfiopm_device_read_config(d->dev, raw, sizeof(raw));
	if (n < 0)
		return (int)n;
	memcpy(reply->config, raw, (size_t)n);
	if ((size_t)n > reply->config_len)
		reply->config_len = (uint32_t)n;
	return 0;
}

static int do_register(struct entry *d, enum opened_op op, const struct opened_register *reg,
		       uint32_t value, struct opened_reply *reply)
{
	const uint16_t memory = 0x2;
	uint16_t command;
	int r;

	/* A BAR answers with memory decoding on only. */
	r = vfiopm_handle_read(d->handle, VFIO_PCI_CONFIG_REGION_INDEX, 4, &command,
			       sizeof(command));
	if (r == 0 && !(command & memory)) {
		command |= memory;
		r = vfiopm_handle_write(d->handle, VFIO_PCI_CONFIG_REGION_INDEX, 4, &command,
					sizeof(command));
	}
	if (r < 0)
		return r;
	if (op == DO_REG_WRITE)
		return vfiopm_handle_write(d->handle, reg->bar, reg->offset, &value,
					   sizeof(value));
	return vfiopm_handle_read(d->handle, reg->bar, reg->offset, &reply->value,
				  sizeof(reply->value));
}

static int do_close(struct entry *d)
{
	int r = d->engaged ? vfiopm_low_power_exit(d->handle) : 0;

	d->engaged = false;
	vfiopm_handle_close(d->handle);
	d->handle = NULL;
	return r;
}

static int perform(struct opened *o, enum opened_op op, size_t i,
		   const struct opened_register *reg, uint32_t value, struct opened_reply *reply)
{
	struct entry *d = &o->dev[i];
	int r;

	if (op != DO_OPEN && !d->handle)
		return -EBADF;
	switch (op) {
	case DO_OPEN:
		return do_open(o, i, reply);
	case DO_ARM:
		return do_arm(d);
	case DO_ENTER:
		r = vfiopm_low_power_enter(d->handle);
		d->engaged = r == 0;
		return r;
	case DO_EXIT:
		d->engaged = false;
		return vfiopm_low_power_exit(d->handle);
	case DO_CONFIG:
		return do_config(d, reply);
	case DO_REG_READ:
	case DO_REG_WRITE:
		return do_register(d, op, reg, value, reply);
	case DO_CLOSE:
		return do_close(d);
	}
	return -EINVAL;
}

int opened_do(struct opened *opened, enum opened_op op, size_t i,
	      const struct opened_register *reg, uint32_t value, struct opened_reply *ret)
{
	int64_t start = monotonic_ns();
	int r;

	ret->value = ret->features = ret->config_len = 0;
	r = i < opened->count ? perform(opened, op, i, reg, value, ret) : -EINVAL;
	ret->took_ns = monotonic_ns() - start;
	return r;
}

void opened_leave_all(struct opened *opened)
{
	for (size_t i = 0; i < opened->count; i++)
		do_close(&opened->dev[i]);
}

/* ---- the host's words ---- */

int opened_new(const struct targets *targets, struct opened **ret)
{
	struct opened *o;
	int r = 0;

	o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	o->dev = calloc(targets->count, sizeof(*o->dev));
	o->fds = calloc(2 * targets->count + OPENED_MORE, sizeof(*o->fds));
	if (!o->dev || !o->fds)
		r = -ENOMEM;
	for (size_t i = 0; i < targets->count && r == 0; i++) {
		struct entry *d = &o->dev[o->count++];

		d->dev = vfiopm_device_ref(targets->dev[i]);
		d->asked_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		d->error_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (d->asked_fd < 0 || d->error_fd < 0)
			r = -errno;
	}
	if (r < 0) {
		opened_free(o);
		return r;
	}
	*ret = o;
	return 0;
}

void opened_free(struct opened *opened)
{
	if (!opened)
		return;
	for (size_t i = 0; i < opened->count; i++) {
		if (opened->dev[i].asked_fd >= 0)
			close(opened->dev[i].asked_fd);
		if (opened->dev[i].error_fd >= 0)
			close(opened->dev[i].error_fd);
		vfiopm_device_unref(opened->dev[i].dev);
	}
	free(opened->fds);
	free(opened->dev);
	free(opened);
}

bool opened_is_asked(const struct opened *opened, size_t i)
{
	struct pollfd pfd = { .fd = opened->dev[i].asked_fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

bool opened_take_error(const struct opened *opened, size_t i)
{
	return drain_eventfd(opened->dev[i].error_fd);
}

int opened_get_asked_fd(const struct opened *opened, size_t i)
{
	return opened->dev[i].asked_fd;
}

int opened_get_error_fd(const struct opened *opened, size_t i)
{
	return opened->dev[i].error_fd;
}

bool opened_wait(struct opened *opened, struct pollfd *more, size_t count, int ms)
{
	struct pollfd *fds = opened->fds;
	nfds_t own = 0, n;
	bool any = false;

	for (size_t i = 0; i < opened->count; i++) {
		fds[own++] = (struct pollfd){ opened->dev[i].asked_fd, POLLIN, 0 };
		fds[own++] = (struct pollfd){ opened->dev[i].error_fd, POLLIN, 0 };
	}
	n = own;
	for (size_t i = 0; i < count; i++)
		fds[n++] = more[i];
	if (poll(fds, n, ms) < 0)
		for (nfds_t i = 0; i < n; i++)
			fds[i].revents = 0;
	for (nfds_t i = 0; i < own; i++)
		any = any || fds[i].revents;
	for (size_t i = 0; i < count; i++)
		more[i].revents = fds[own + i].revents;
	return any;
}
