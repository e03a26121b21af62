// SPDX-License-Identifier: GPL-2.0-or-later
/* One device in a holder's hands. */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "holder.h"

/* How long a device may take to be active after EXIT returned: it is then awake already. */
#define ACTIVE_MS 2000

bool drain_eventfd(int fd)
{
	uint64_t count;

	return fd >= 0 && read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count);
}

static int fail(struct holder_reply *reply, enum holder_stage stage, int r)
{
	reply->stage = stage;
	reply->error = -r;
	return r;
}

static void note_before(const struct vfiopm_device *dev, struct holder_reply *reply)
{
	struct vfiopm_power *power;

	if (vfiopm_power_new(dev, &power) < 0)
		return;
	reply->status_before = (uint8_t)vfiopm_power_get_status(power);
	reply->state_before = (uint8_t)vfiopm_power_get_state(power);
	vfiopm_power_free(power);
}

/* Events are a convenience of the driver; a missing one is no failure. */
static void arm_events(struct held *held)
{
	held->request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (held->request_fd >= 0 && vfiopm_handle_on_request(held->handle, held->request_fd) < 0) {
		close(held->request_fd);
		held->request_fd = -1;
	}
	held->error_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (held->error_fd >= 0 && vfiopm_handle_on_error(held->handle, held->error_fd) < 0) {
		close(held->error_fd);
		held->error_fd = -1;
	}
}

static int read_header(struct held *held, uint8_t *header)
{
	return vfiopm_handle_read(held->handle, VFIO_PCI_CONFIG_REGION_INDEX, 0, header, 64);
}

int held_open(struct vfiopm_ctx *ctx, const struct holder_request *rq,
	      struct vfiopm_handle *peer, struct holder_reply *reply, struct held **ret)
{
	unsigned int features, needed;
	enum holder_stage stage;
	struct held *held;
	int r;

	held = calloc(1, sizeof(*held));
	if (!held)
		return fail(reply, STAGE_DEVICE, -ENOMEM);
	held->wake_fd = held->request_fd = held->error_fd = -1;
	held->on_wake = rq->on_wake == ON_WAKE_KEEP ? ON_WAKE_IGNORE : (enum on_wake)rq->on_wake;

	stage = STAGE_DEVICE;
	r = vfiopm_device_new(ctx, &rq->addr, &held->dev);
	if (r < 0)
		goto error;
	note_before(held->dev, reply);

	stage = STAGE_OPEN;
	r = vfiopm_handle_open(held->dev, (enum vfiopm_backend)rq->backend, peer, &held->handle);
	if (r < 0)
		goto error;

	stage = STAGE_PROBE;
	r = vfiopm_low_power_probe(held->handle, &features);
	if (r < 0)
		goto error;
	needed = VFIOPM_FEATURE_EXIT | (held->on_wake == ON_WAKE_IGNORE ?
						VFIOPM_FEATURE_ENTRY :
						VFIOPM_FEATURE_ENTRY_WITH_WAKEUP);
	r = -ENOTTY;
	if ((features & needed) != needed)
		goto error;

	stage = STAGE_OPEN;
	r = read_header(held, held->header);
	if (r < 0)
		goto error;
	arm_events(held);
	*ret = held;
	return 0;

error:
	held_close(held);
	return fail(reply, stage, r);
}

int held_enter(struct held *held, struct holder_reply *reply)
{
	int64_t start;
	int r;

	if (held->on_wake != ON_WAKE_IGNORE && held->wake_fd < 0) {
		held->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (held->wake_fd < 0)
			return fail(reply, STAGE_ENTRY, -errno);
	}
	/* An EXIT in this mode signals as well: what came before this entry is past. */
	drain_eventfd(held->wake_fd);
	start = monotonic_us();
	r = held->on_wake == ON_WAKE_IGNORE ?
		    vfiopm_low_power_enter(held->handle) :
		    vfiopm_low_power_enter_with_wakeup(held->handle, held->wake_fd);
	if (r < 0)
		return fail(reply, STAGE_ENTRY, r);
	reply->took_us = (uint32_t)(monotonic_us() - start);
	held->engaged = true;
	return 0;
}

/*
 * What a sleep must not change: IDs, class, header type, BARs, and the bits of
 * the command register that decode and master. The status register and the
 * error bits move by themselves.
 */
static bool header_is_back(const uint8_t *before, const uint8_t *now)
{
	static const struct {
		uint8_t from, to;
	} fixed[] = {
		{ PCI_VENDOR_ID, PCI_STATUS },
		{ PCI_REVISION_ID, PCI_CACHE_LINE_SIZE },
		{ PCI_HEADER_TYPE, PCI_BIST },
		{ PCI_BASE_ADDRESS_0, PCI_CARDBUS_CIS },
		{ PCI_SUBSYSTEM_VENDOR_ID, PCI_ROM_ADDRESS },
	};

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (memcmp(before + fixed[i].from, now + fixed[i].from,
			   (size_t)(fixed[i].to - fixed[i].from)))
			return false;
	return true;
}

static void read_register(struct held *held, const struct reg_spec *reg,
			  struct holder_reply *reply)
{
	uint8_t bytes[4] = { 0 };
	int r;

	r = vfiopm_handle_read(held->handle, reg->bar, reg->offset, bytes, reg->width);
	reply->reg_error = (uint32_t)-r;
	reply->reg_value = bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
			   (uint32_t)bytes[3] << 24;
}

int held_leave(struct held *held, const struct reg_spec *reg, struct holder_reply *reply)
{
	struct vfiopm_power *power;
	uint8_t header[64];
	int64_t start;
	int r;

	note_before(held->dev, reply);
	start = monotonic_us();
	r = vfiopm_low_power_exit(held->handle);
	reply->took_us = (uint32_t)(monotonic_us() - start);
	if (r < 0)
		return fail(reply, STAGE_EXIT, r);
	held->engaged = false;

	r = vfiopm_power_wait_active(held->dev, ACTIVE_MS, &power);
	if (r < 0 && r != -ETIMEDOUT)
		return fail(reply, STAGE_ACTIVE, r);
	reply->status = (uint8_t)vfiopm_power_get_status(power);
	reply->state = (uint8_t)vfiopm_power_get_state(power);
	vfiopm_power_free(power);
	if (r < 0 || reply->state != VFIOPM_STATE_D0)
		return fail(reply, STAGE_ACTIVE, r < 0 ? r : -EIO);

	r = read_header(held, header);
	if (r < 0)
		return fail(reply, STAGE_VERIFY, r);
	reply->vendor = (uint16_t)(header[0] | header[1] << 8);
	reply->device = (uint16_t)(header[2] | header[3] << 8);
	if (!header_is_back(held->header, header))
		return fail(reply, STAGE_VERIFY, -EIO);
	if (reg && reg->width)
		read_register(held, reg, reply);
	return 0;
}

void held_close(struct held *held)
{
	if (!held)
		return;
	/* The device first: its eventfds stay valid until it is closed. */
	vfiopm_handle_close(held->handle);
	if (held->wake_fd >= 0)
		close(held->wake_fd);
	if (held->request_fd >= 0)
		close(held->request_fd);
	if (held->error_fd >= 0)
		close(held->error_fd);
	vfiopm_device_unref(held->dev);
	free(held);
}
