// SPDX-License-Identifier: GPL-2.0-or-later
/* One device whose sleep a guest drives: what is asked of it, and what follows. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "guest.h"

/* Until the first look whether it has suspended; each later one takes twice as long. */
#define LOOK_MS 2
#define LOOK_MAX_MS 100

/*
 * A wake that the guest didn't ask for: was it the guest's machine, reset or
 * woken from S3? QEMU clears the command register and the BARs then
 * (hw/vfio/pci.c, vfio_pci_pre_reset(), vfio_pci_post_reset()), and the firmware
 * writes them anew. Looked at so often that it can't be missed.
 */
#define WATCH_MS 1000
#define WATCH_GAP_MS 20
/*
 * What went wrong then is tried again after so long, and after twice as long each
 * time, so often at most: each look keeps the device awake, and what holds for
 * longer is no passer-by. A limit is asked anew with each look.
 */
#define AGAIN_MS 1000
#define AGAIN_TRIES 4

/* A port suspends 100 ms after the last device below it: D3hot may become D3cold for so long. */
#define SETTLE_MS 1000

/* What can't be left is tried again after so long, and after twice as long each time. */
#define RETRY_MS 50
#define RETRY_MAX_MS 5000
/* A VM that has just been found may be opening its devices: that passes. */
#define GREET_MS 1000

/* The same reason is told so often; the rest is counted. */
#define TELL_MS 60000

static void forget_timers(struct guest_device *d)
{
	d->look_at_ms = d->look_until_ms = d->watch_at_ms = d->watch_until_ms = 0;
}

/* ---- in and out ---- */

static void note_entered(struct guest *g, struct guest_device *d)
{
	d->entered_ms = monotonic_ms();
	d->look_at_ms = d->entered_ms + LOOK_MS;
	d->look_until_ms = d->entered_ms + g->options.suspend_ms;
	d->watch_at_ms = d->watch_until_ms = 0;
	d->suspended_ms = 0;
	d->retry_at_ms = d->retry_gap_ms = 0;
	d->told_failed = false;
	d->garbage = g->frames.garbage;
}

static int leave(struct guest *g, struct guest_device *d, int64_t *ioctl_us)
{
	forget_timers(d);
	return guest_leave(g, d, ioctl_us);
}

static enum vfiopm_slot_step note_left(struct guest_device *d, int r)
{
	if (r == 0) {
		d->retry_at_ms = d->retry_gap_ms = 0;
	} else {
		d->retry_gap_ms = !d->retry_gap_ms ? RETRY_MS :
				  d->retry_gap_ms < RETRY_MAX_MS / 2 ? 2 * d->retry_gap_ms :
								       RETRY_MAX_MS;
		d->retry_at_ms = monotonic_ms() + d->retry_gap_ms;
	}
	return vfiopm_slot_left(&d->slot, r == 0, monotonic_ms());
}

/* Told once until it works. */
static void tell_failed(struct guest *g, struct guest_device *d)
{
	if (d->told_failed || monotonic_ms() < d->quiet_until_ms)
		return;
	d->told_failed = true;
	d->stats.failed++;
	/* Of an earlier refusal. */
	d->slot.limit = VFIOPM_LIMIT_NONE;
	guest_report(g, &(struct guest_event){ .kind = GUEST_FAILED, .d = d });
}

/*
 * The kernel has left low power by itself. Leave it all the same: kernels that
 * export dma-bufs of device memory restore those only then. Return: 0; a negative
 * errno: as if low power could not be left, it is tried again.
 */
static int leave_what_ended(struct guest *g, struct guest_device *d)
{
	int64_t took;
	int r;

	if (!d->exit_due)
		return 0;
	r = leave(g, d, &took);
	guest_let_go(d);
	if (r < 0) {
		note_left(d, r);
		tell_failed(g, d);
	}
	return r;
}

static int64_t end_sleep(struct guest_device *d)
{
	int64_t asleep = d->entered_ms ? monotonic_ms() - d->entered_ms : 0;

	d->entered_ms = 0;
	d->stats.asleep_ms += asleep;
	return asleep;
}

/* ---- the guest asks ---- */

/* One bit for each. */
static uint64_t reason(const struct guest_device *d)
{
	if (d->slot.limit != VFIOPM_LIMIT_NONE)
		return UINT64_C(1) << d->slot.limit;
	if (d->refusal == VFIOPM_REFUSED_NOT)
		return UINT64_C(1) << (d->error == ETIME ? 62 : 63);
	return UINT64_C(1) << (8 + d->refusal % 50);
}

/* A guest that asks for it without end fills no log. */
static void tell_refused(struct guest *g, struct guest_device *d)
{
	int64_t now_ms = monotonic_ms();

	if (!d->told_reasons || now_ms - d->told_ms >= TELL_MS) {
		d->told_reasons = 0;
		d->told_ms = now_ms;
	}
	if (d->told_reasons & reason(d)) {
		d->untold++;
		return;
	}
	d->told_reasons |= reason(d);
	guest_report(g, &(struct guest_event){ .kind = GUEST_REFUSED, .d = d });
	d->untold = 0;
}

/* It is the answer that must come in time: to find the owner takes a look at all processes. */
static int enter_in_time(struct guest *g, struct guest_device *d, int64_t until_ms,
			 int64_t *ioctl_us)
{
	int64_t took;
	int r;

	d->refusal = VFIOPM_REFUSED_NOT;
	r = monotonic_ms() < until_ms ? guest_take(g, d) : -ETIME;
	if (r == 0 && monotonic_ms() >= until_ms)
		r = -ETIME;
	if (r == 0)
		r = guest_enter(g, d, 0, ioctl_us);
	if (r < 0 || monotonic_ms() < until_ms)
		return r;
	/* The kernel has taken that long: the guest may be about to use it. */
	r = leave(g, d, &took);
	if (r < 0)
		note_left(d, r);
	return -ETIME;
}

static void ask_off(struct guest *g, struct guest_device *d, int64_t until_ms, int64_t start_us)
{
	struct guest_event event = { .kind = GUEST_OFF, .d = d };
	int r = enter_in_time(g, d, until_ms, &event.ioctl_us);

	d->error = -r;
	vfiopm_slot_entered(&d->slot, r == 0, monotonic_ms());
	guest_link_answer(g, d);
	event.took_us = monotonic_us() - start_us;
	guest_let_go(d);
	if (r < 0) {
		tell_refused(g, d);
		return;
	}
	note_entered(g, d);
	guest_report(g, &event);
}

/* Asked, or tried again after that: it isn't answered before it is so. */
static void turn_on(struct guest *g, struct guest_device *d)
{
	struct guest_event event = { .kind = GUEST_ON, .d = d };
	int r = leave(g, d, &event.ioctl_us);

	if (note_left(d, r) == VFIOPM_SLOT_ANSWER)
		guest_link_answer(g, d);
	event.took_us = monotonic_us() - d->on_due_us;
	guest_let_go(d);
	if (r < 0) {
		tell_failed(g, d);
		return;
	}
	d->on_due_us = 0;
	d->told_failed = false;
	d->stats.left++;
	event.asleep_ms = end_sleep(d);
	guest_report(g, &event);
}

/* A wake that has come before the question is told first. */
static void note_wake(struct guest_device *d)
{
	uint64_t wakes;

	if (read(d->wake_fd, &wakes, sizeof(wakes)) != (ssize_t)sizeof(wakes) || !d->slot.engaged)
		return;
	end_sleep(d);
	d->exit_due = true;
	vfiopm_slot_woken(&d->slot, monotonic_ms());
}

void guest_device_ask(struct guest *g, struct guest_device *d, const struct vfiopm_frame *frame,
		      int64_t until_ms)
{
	int64_t start = monotonic_us();

	note_wake(d);
	if (frame->kind == VFIOPM_FRAME_OFF)
		d->on_due_us = 0;
	switch (vfiopm_slot_ask(&d->slot, frame, monotonic_ms())) {
	case VFIOPM_SLOT_ENTER:
		ask_off(g, d, until_ms, start);
		break;
	case VFIOPM_SLOT_LEAVE:
		if (!d->on_due_us)
			d->on_due_us = start;
		turn_on(g, d);
		break;
	case VFIOPM_SLOT_ANSWER:
		if (frame->kind == VFIOPM_FRAME_ON) {
			forget_timers(d);
			if (leave_what_ended(g, d) < 0) {
				d->on_due_us = start;
				break;
			}
		}
		guest_link_answer(g, d);
		/* The reason is the one that has just been told. */
		if (d->slot.limit == VFIOPM_LIMIT_VAIN)
			d->untold++;
		else if (d->slot.limit != VFIOPM_LIMIT_NONE)
			tell_refused(g, d);
		break;
	default:
		break;
	}
}

/* ---- without being asked ---- */

/* @end: vfiopm_slot_settle(), or vfiopm_slot_give_up(). */
static int leave_unasked(struct guest *g, struct guest_device *d, const char *why,
			 enum vfiopm_slot_step (*end)(struct vfiopm_slot *))
{
	struct guest_event event = { .kind = GUEST_LEFT, .d = d, .text = why };
	int r;

	note_wake(d);
	forget_timers(d);
	d->on_due_us = 0;
	if (end(&d->slot) != VFIOPM_SLOT_LEAVE)
		return leave_what_ended(g, d);
	r = leave(g, d, &event.ioctl_us);
	guest_let_go(d);
	note_left(d, r);
	if (r < 0) {
		tell_failed(g, d);
		return r;
	}
	d->told_failed = false;
	event.asleep_ms = end_sleep(d);
	guest_report(g, &event);
	return 0;
}

int guest_device_settle(struct guest *g, struct guest_device *d, const char *why)
{
	return leave_unasked(g, d, why, vfiopm_slot_settle);
}

void guest_device_check(struct guest *g, struct guest_device *d)
{
	if (d->slot.engaged && !vfiopm_device_is_enabled(d->dev))
		guest_device_settle(g, d, "the VM has closed it");
}

static void retry(struct guest *g, struct guest_device *d)
{
	bool told = d->told_failed;
	int64_t took;
	int r;

	if (d->on_due_us) {
		turn_on(g, d);
		return;
	}
	r = leave(g, d, &took);
	guest_let_go(d);
	note_left(d, r);
	if (r < 0) {
		tell_failed(g, d);
		return;
	}
	d->told_failed = false;
	end_sleep(d);
	if (told)
		guest_report(g, &(struct guest_event){ .kind = GUEST_LEFT,
						       .d = d,
						       .text = "another attempt has worked" });
}

void guest_device_greet(struct guest *g, struct guest_device *d)
{
	int64_t took;
	int r;

	guest_look_anew(d);
	vfiopm_slot_settle(&d->slot);
	d->on_due_us = 0;
	d->quiet_until_ms = monotonic_ms() + GREET_MS;
	r = leave(g, d, &took);
	guest_let_go(d);
	note_left(d, r);
	if (r < 0) {
		tell_failed(g, d);
		return;
	}
	end_sleep(d);
	d->told_failed = false;
	d->slot.awake_ms = INT64_MIN;
}

void guest_device_woken(struct guest *g, struct guest_device *d)
{
	struct guest_event event = { .kind = GUEST_WOKEN, .d = d };
	uint64_t wakes;

	if (read(d->wake_fd, &wakes, sizeof(wakes)) != (ssize_t)sizeof(wakes) || !d->slot.engaged)
		return;
	event.asleep_ms = end_sleep(d);
	d->exit_due = true;
	forget_timers(d);
	if (vfiopm_slot_woken(&d->slot, monotonic_ms()) == VFIOPM_SLOT_ENTER) {
		d->watch_at_ms = monotonic_ms() + WATCH_GAP_MS;
		d->watch_until_ms = monotonic_ms() + WATCH_MS;
		d->waits = false;
		d->again_tries = 0;
	}
	guest_report(g, &event);
}

/* Does the guest see the device as it left it? Its command register and BARs tell. */
static int is_as_left(struct guest *g, struct guest_device *d)
{
	uint8_t now[VFIOPM_HEADER_LEN];
	int r = guest_take(g, d);

	if (r == 0)
		r = vfiopm_borrow_read_header(d->borrow, now);
	guest_let_go(d);
	if (r < 0)
		return r;
	return !memcmp(now + 4, d->header + 4, 2) && !memcmp(now + 16, d->header + 16, 24);
}

/* Woken, it isn't put to sleep again. @end: as for leave_unasked(). */
static void stay_awake(struct guest *g, struct guest_device *d, const char *why,
		       enum vfiopm_slot_step (*end)(struct vfiopm_slot *))
{
	forget_timers(d);
	end(&d->slot);
	leave_what_ended(g, d);
	guest_report(g, &(struct guest_event){ .kind = GUEST_LEFT, .d = d, .text = why });
}

static void enter_again(struct guest *g, struct guest_device *d)
{
	struct guest_event event = { .kind = GUEST_AGAIN, .d = d };
	int r = guest_enter(g, d, VFIOPM_ENTER_IN_USE, &event.ioctl_us);

	guest_let_go(d);
	d->error = -r;
	if (r == 0) {
		vfiopm_slot_entered(&d->slot, true, monotonic_ms());
		d->stats.again++;
		note_entered(g, d);
		guest_report(g, &event);
		return;
	}
	d->slot.refused++;
	tell_refused(g, d);
	if (++d->again_tries == AGAIN_TRIES)
		stay_awake(g, d, "it could not be put to sleep again", vfiopm_slot_give_up);
	else
		d->watch_until_ms = monotonic_ms() + (AGAIN_MS << (d->again_tries - 1));
}

/* Until it may sleep again it is looked at: a reset leaves no trace but for a moment. */
static void watch(struct guest *g, struct guest_device *d, int64_t now_ms)
{
	int same = is_as_left(g, d);

	d->watch_at_ms = now_ms + WATCH_GAP_MS;
	if (same == 0) {
		d->stats.resets++;
		stay_awake(g, d, "the guest has started anew", vfiopm_slot_settle);
		return;
	}
	if (guest_has_gone(d, same)) {
		stay_awake(g, d, "the VM has closed it", vfiopm_slot_settle);
		return;
	}
	if (same < 0) {
		stay_awake(g, d, "it can't be told whether the guest has started anew",
			   vfiopm_slot_give_up);
		return;
	}
	/* A console, it may be: of firmware, or of another system. */
	if (g->frames.garbage != d->garbage) {
		stay_awake(g, d, "what came over the wire isn't from our table: another system?",
			   vfiopm_slot_settle);
		return;
	}
	if (now_ms < d->watch_until_ms)
		return;
	if (!d->slot.off) {
		forget_timers(d);
		return;
	}
	d->slot.limit = VFIOPM_LIMIT_NONE;
	if (vfiopm_slot_again(&d->slot, now_ms) == VFIOPM_SLOT_ENTER) {
		enter_again(g, d);
		return;
	}
	if (!d->waits) {
		d->slot.refused++;
		d->slot.limit = VFIOPM_LIMIT_RATE;
		tell_refused(g, d);
	}
	d->waits = true;
}

static void look(struct guest *g, struct guest_device *d, int64_t now_ms)
{
	int64_t gap = now_ms - d->entered_ms;

	d->look_at_ms = now_ms + (gap < LOOK_MS ? LOOK_MS : gap < LOOK_MAX_MS ? gap : LOOK_MAX_MS);
	if (vfiopm_glance_status(d->glance) == VFIOPM_STATUS_SUSPENDED) {
		struct guest_event event = { .kind = GUEST_ASLEEP, .d = d };

		if (!d->suspended_ms)
			d->suspended_ms = now_ms;
		event.state = vfiopm_glance_state(d->glance);
		if (event.state != VFIOPM_STATE_D3COLD && now_ms - d->suspended_ms < SETTLE_MS)
			return;
		d->look_at_ms = d->look_until_ms = 0;
		guest_report(g, &event);
	} else if (d->suspended_ms) {
		/* Its wake is about to be told. */
		d->look_at_ms = d->look_until_ms = 0;
	} else if (now_ms >= d->look_until_ms) {
		d->stats.late++;
		leave_unasked(g, d, "it did not suspend in time", vfiopm_slot_give_up);
	}
}

void guest_device_tick(struct guest *g, struct guest_device *d, int64_t now_ms)
{
	if (d->look_at_ms && now_ms >= d->look_at_ms)
		look(g, d, now_ms);
	if (d->watch_at_ms && now_ms >= d->watch_at_ms)
		watch(g, d, now_ms);
	if (d->retry_at_ms && now_ms >= d->retry_at_ms)
		retry(g, d);
}

int64_t guest_device_due(const struct guest_device *d)
{
	int64_t due = d->look_at_ms ? d->look_at_ms : d->watch_at_ms ? d->watch_at_ms : INT64_MAX;

	return d->retry_at_ms && d->retry_at_ms < due ? d->retry_at_ms : due;
}

int guest_device_init(struct guest *g, struct guest_device *d)
{
	vfiopm_slot_init(&d->slot, g->options.rate, g->options.dwell_ms);
	d->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->wake_fd < 0)
		return -errno;
	return vfiopm_glance_new(d->dev, &d->glance);
}

void guest_device_free(struct guest_device *d)
{
	guest_forget_owner(d);
	vfiopm_glance_free(d->glance);
	if (d->wake_fd >= 0)
		close(d->wake_fd);
	if (d->claim_fd >= 0)
		close(d->claim_fd);
	vfiopm_device_unref(d->dev);
}
