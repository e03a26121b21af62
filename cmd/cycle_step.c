// SPDX-License-Identifier: GPL-2.0-or-later
/* One cycle: low power, asleep, awake again, as before? */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cycle.h"

/*
 * A wait for sleep is cut into pieces to look at signals and requests; a piece
 * is longer than what vfiopm_power_wait_asleep() gives the ports to settle.
 */
#define PIECE_MS 1500
/* A host that resumes a device does so in the call; the rest is bookkeeping. */
#define AWAKE_MS 2000
/* A transition takes some 15 ms: so long it is looked at often, at the price of one read a look. */
#define GLANCE_MS 100
#define GLANCE_STEP_NS (100 * 1000)
/*
 * How long an unbind may take once we have let go; and a removal once it is unbound, in looks
 * of LOOK_MS and what a look takes: on a busy host both are slow.
 */
#define UNBIND_MS 3000
#define REMOVE_LOOKS 150
#define LOOK_MS 10

#define ASKED_BACK "the host asked for the device back: "

bool cycle_is_final(enum outcome outcome)
{
	return outcome == OUTCOME_ASKED || outcome == OUTCOME_GONE ||
	       outcome == OUTCOME_KILLED || outcome == OUTCOME_HUNG;
}

int cycle_exit_code(enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_OK:
		return EXIT_OK;
	case OUTCOME_NOT_ASLEEP:
		return EXIT_STATE;
	case OUTCOME_ASKED:
	case OUTCOME_NOT_BACK:
	case OUTCOME_COMMAND:
	case OUTCOME_REFUSED:
	case OUTCOME_KILLED:
	case OUTCOME_HUNG:
		return EXIT_FAILED;
	case OUTCOME_GONE:
		return EXIT_NODEV;
	}
	return EXIT_FAILED;
}

void cycle_fail(struct cycled *d, enum outcome outcome, const char *fmt, ...)
{
	va_list args;

	if (d->outcome != OUTCOME_OK)
		return;
	d->outcome = outcome;
	va_start(args, fmt);
	vsnprintf(d->why, sizeof(d->why), fmt, args);
	va_end(args);
}

static const char come_back_hint[] =
	"try a reset of the slot, a removal and rescan of the bus, or power off and on";

static bool is_removed(const struct cycled *d)
{
	struct vfiopm_device *now = NULL;
	int r = vfiopm_device_refresh(d->dev, &now);

	vfiopm_device_unref(now);
	return r == -ENODEV;
}

/* opened_do(): false when that failed, as @outcome says. */
static bool perform(struct cycle *c, const char *what, enum opened_op op, size_t i, uint32_t value,
		    enum outcome outcome, struct opened_reply *reply)
{
	struct cycled *d = &c->dev[i];
	int r = cycle_do(c, what, op, i, &d->reg, value, reply);

	if (r == 0)
		return true;
	if (is_removed(d)) {
		cycle_fail(d, OUTCOME_GONE, "%s: the device was removed", what);
	} else if (d->outcome == OUTCOME_OK) {
		cycle_fail(d, outcome, "%s: %s", what, strerror(-r));
		if (outcome == OUTCOME_NOT_BACK)
			snprintf(d->hint, sizeof(d->hint), "%s", come_back_hint);
	}
	return false;
}

/* An eventfd was signalled: which? True: this cycle ends. */
static bool hear(struct cycle *c)
{
	bool any = false;

	for (size_t i = 0; i < c->count; i++) {
		struct cycled *d = &c->dev[i];

		if (opened_is_asked(c->opened, i)) {
			cycle_fail(d, OUTCOME_ASKED, "%s", ASKED_BACK
				   "it is being unbound or removed");
			any = true;
		}
		/* Told once; what comes in a later cycle is another one. */
		if (opened_take_error(c->opened, i)) {
			d->has_error = any = true;
			cycle_fail(d, OUTCOME_NOT_BACK,
				   "the device reported an uncorrectable error");
		}
	}
	return any;
}

static bool has_error(const struct cycle *c)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->dev[i].has_error)
			return true;
	return false;
}

bool cycle_check_requests(struct cycle *c)
{
	return has_error(c) || (opened_wait(c->opened, NULL, 0, 0) && hear(c));
}

bool cycle_wait_readable(struct cycle *c, int fd, int64_t ms)
{
	int64_t end, left;

	/* Nothing is waited for any more; a signal is heard all the same. */
	if (has_error(c))
		ms = 0;
	end = ms > 0 ? monotonic_ns() + ms * 1000000 : 0;
	left = ms;
	while (!c->interrupted) {
		struct pollfd p[] = {
			{ .fd = c->stop.fd, .events = POLLIN },
			{ .fd = fd, .events = POLLIN },
		};
		bool news;

		if (ms > 0) {
			/* Rounded up: the last part of a millisecond is waited for, not spun. */
			left = (end - monotonic_ns() + 999999) / 1000000;
			left = left < 0 ? 0 : left > INT_MAX ? INT_MAX : left;
		}
		atomic_store(&c->pace, left ? PACE_WAITS : PACE_WORKS);
		news = opened_wait(c->opened, p, 2, (int)left);
		atomic_store(&c->pace, PACE_WORKS);
		atomic_fetch_add(&c->beats, 1);
		if (p[0].revents && stop_signal(&c->stop))
			c->interrupted = true;
		if (news && hear(c))
			return false;
		if (p[1].revents)
			return true;
		if (left == 0)
			return false;
	}
	return false;
}

void cycle_pause(struct cycle *c, int64_t ms)
{
	cycle_wait_readable(c, -1, ms);
}

/* What ends it all has happened: the others aren't asked for anything any more. */
static bool has_ended(const struct cycle *c)
{
	for (size_t i = 0; i < c->count; i++)
		if (cycle_is_final(c->dev[i].outcome))
			return true;
	return c->interrupted;
}

/* Whether one of several fails is nothing to the others, unless that ends the cycling. */
static bool may_go_on(const struct cycle *c, const struct cycled *d)
{
	return d->outcome == OUTCOME_OK && !has_ended(c);
}

static bool all_fine(const struct cycle *c)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->dev[i].outcome != OUTCOME_OK)
			return false;
	return true;
}

/* ---- down ---- */

static void enter(struct cycle *c, size_t i)
{
	struct cycled *d = &c->dev[i];
	struct opened_reply reply;

	if (!perform(c, "entering low power", DO_ENTER, i, 0, OUTCOME_REFUSED, &reply))
		return;
	d->entered = true;
	d->entered_ns = monotonic_ns();
	d->took_ns[PHASE_ENTRY] = reply.took_ns;
}

static void explain(struct cycled *d, const struct vfiopm_power *power, enum vfiopm_state want)
{
	char *cause = NULL, *mend = NULL;

	if (vfiopm_explain_likeliest(d->dev, want, VFIOPM_EXPLAIN_ENGAGED, &cause, &mend) != 1)
		cause = NULL;
	cycle_fail(d, OUTCOME_NOT_ASLEEP, "expected %s, found %s in %s: %s",
		   want >= VFIOPM_STATE_D3COLD ? "D3cold" : "suspended in D3hot or D3cold",
		   vfiopm_status_name(vfiopm_power_get_status(power)),
		   vfiopm_state_name(vfiopm_power_get_state(power)),
		   cause ? cause : "no reason found");
	if (mend)
		snprintf(d->hint, sizeof(d->hint), "%s", mend);
	free(cause);
	free(mend);
}

/* Nothing is deeper than D3cold: what else is awake above or beside it can't change that. */
static bool reaches_d3cold(struct cycled *d, int64_t timeout_ms)
{
	const struct timespec step = { .tv_nsec = GLANCE_STEP_NS };
	int64_t limit_ms = timeout_ms < GLANCE_MS ? timeout_ms : GLANCE_MS;
	int64_t end = d->entered_ns + limit_ms * 1000000;

	if (!d->glance)
		return false;
	while (vfiopm_glance_status(d->glance) != VFIOPM_STATUS_SUSPENDED) {
		if (monotonic_ns() >= end)
			return false;
		nanosleep(&step, NULL);
	}
	if (vfiopm_glance_state(d->glance) != VFIOPM_STATE_D3COLD)
		return false;
	d->took_ns[PHASE_FALL_ASLEEP] = monotonic_ns() - d->entered_ns;
	d->reached = VFIOPM_STATE_D3COLD;
	return true;
}

static void fall_asleep(struct cycle *c, struct cycled *d)
{
	const struct cycle_options *o = c->options;
	int64_t start = d->entered_ns, left;

	if (reaches_d3cold(d, o->timeout_ms))
		return;
	do {
		struct vfiopm_power *power = NULL;
		int r;

		left = o->timeout_ms - (monotonic_ns() - start) / 1000000;
		/* Negative would be no limit. */
		left = left < 0 ? 0 : left < PIECE_MS ? left : PIECE_MS;
		r = vfiopm_power_wait_asleep(d->dev, o->state, left, &power);
		if (r == -ENODEV)
			cycle_fail(d, OUTCOME_GONE, "the device was removed");
		if (r == 0) {
			d->took_ns[PHASE_FALL_ASLEEP] = monotonic_ns() - start;
			d->reached = vfiopm_power_get_state(power);
		}
		left = o->timeout_ms - (monotonic_ns() - start) / 1000000;
		if (r < 0 && power && (r == -EOPNOTSUPP || left <= 0) && !cycle_check_requests(c))
			explain(d, power, o->state);
		vfiopm_power_free(power);
		if (r == 0)
			return;
		cycle_pause(c, 0);
	} while (d->outcome == OUTCOME_OK && !c->interrupted);
}

/* ---- up ---- */

static void check_active(struct cycled *d, int64_t start)
{
	struct vfiopm_power *power = NULL;
	int r;

	if (d->glance && vfiopm_glance_status(d->glance) == VFIOPM_STATUS_ACTIVE &&
	    vfiopm_glance_state(d->glance) == VFIOPM_STATE_D0) {
		d->took_ns[PHASE_WAKE] = monotonic_ns() - start;
		return;
	}
	r = vfiopm_power_wait_active(d->dev, AWAKE_MS, &power);
	if (r == 0)
		d->took_ns[PHASE_WAKE] = monotonic_ns() - start;
	if (r == -ENODEV) {
		cycle_fail(d, OUTCOME_GONE, "the device was removed");
	} else if (r < 0 || vfiopm_power_get_state(power) != VFIOPM_STATE_D0) {
		cycle_fail(d, OUTCOME_NOT_BACK, "expected active in D0, found %s in %s",
			   power ? vfiopm_status_name(vfiopm_power_get_status(power)) : "nothing",
			   power ? vfiopm_state_name(vfiopm_power_get_state(power)) : "no state");
		snprintf(d->hint, sizeof(d->hint), "%s", come_back_hint);
	}
	vfiopm_power_free(power);
}

static void leave(struct cycle *c, size_t i)
{
	struct cycled *d = &c->dev[i];
	int64_t start = monotonic_ns();
	struct opened_reply reply;

	d->entered = false;
	if (!perform(c, "leaving low power", DO_EXIT, i, 0, OUTCOME_NOT_BACK, &reply))
		return;
	d->took_ns[PHASE_EXIT] = reply.took_ns;
	check_active(d, start);
}

static void write_register(struct cycle *c, size_t i)
{
	struct cycled *d = &c->dev[i];
	struct opened_reply reply;

	if (d->has_reg && may_go_on(c, d))
		perform(c, "writing the register", DO_REG_WRITE, i, d->reg_value, OUTCOME_NOT_BACK,
			&reply);
}

static void check_register(struct cycle *c, size_t i)
{
	struct cycled *d = &c->dev[i];
	struct opened_reply reply;
	bool may_lose;

	if (!d->has_reg || d->outcome != OUTCOME_OK ||
	    !perform(c, "reading the register", DO_REG_READ, i, 0, OUTCOME_NOT_BACK, &reply))
		return;
	/* Power that was cut takes the state with it, and so may D3hot (PCI PM 1.2, 5.4.1). */
	may_lose = d->reached == VFIOPM_STATE_D3COLD ||
		   config_loses_state(d->config, d->config_len);
	if (reply.value == d->reg_value || (may_lose && reply.value == d->reg_reset))
		return;
	cycle_fail(d, OUTCOME_NOT_BACK, "BAR %u at 0x%" PRIx64 ": expected 0x%08x%s, found 0x%08x",
		   d->reg.bar, d->reg.offset, d->reg_value, may_lose ? " or its reset value" : "",
		   reply.value);
}

static void verify(struct cycle *c, size_t i)
{
	struct cycled *d = &c->dev[i];
	struct opened_reply reply;
	struct error_counts errors;
	char why[256];

	if (c->options->no_verify || d->outcome != OUTCOME_OK || cycle_check_requests(c))
		return;
	if (!perform(c, "reading its configuration space", DO_CONFIG, i, 0, OUTCOME_NOT_BACK,
		     &reply))
		return;
	if (reply.config_len < d->config_len ||
	    !verify_config(d->config, reply.config, d->config_len, why, sizeof(why))) {
		cycle_fail(d, OUTCOME_NOT_BACK, "%s",
			   reply.config_len < d->config_len ? "its configuration space ends early" :
							      why);
		snprintf(d->hint, sizeof(d->hint), "%s", come_back_hint);
	}
	check_register(c, i);
	cycle_count_errors(d, &errors);
	if (errors.own > d->errors.own)
		cycle_fail(d, OUTCOME_NOT_BACK, "PCI Express errors: expected none new, found "
			   "%" PRIu64, errors.own - d->errors.own);
	else if (errors.above > d->errors.above)
		cycle_fail(d, OUTCOME_NOT_BACK, "PCI Express errors of the ports above it: "
			   "expected none new, found %" PRIu64, errors.above - d->errors.above);
	d->errors = errors;
}

/* ---- given back ---- */

/*
 * Who unbinds waits for our close; a removal unbinds first, and takes the device away right
 * after that (drivers/pci/remove.c, pci_stop_dev(), pci_destroy_dev()).
 */
static void tell_where(struct cycled *d)
{
	int64_t end = monotonic_ns() + UNBIND_MS * 1000000LL;
	unsigned int looks = 0;
	bool unbound = false;

	while (unbound ? looks++ < REMOVE_LOOKS : monotonic_ns() < end) {
		struct vfiopm_device *now = NULL;
		int r = vfiopm_device_refresh(d->dev, &now);

		/* The driver's link goes before VFIO has let go, vfio-dev/ after that. */
		if (r == 0 && !unbound && !vfiopm_device_is_vfio(now)) {
			unbound = true;
			snprintf(d->why, sizeof(d->why), "%s", ASKED_BACK "it was unbound");
		}
		vfiopm_device_unref(now);
		if (r == -ENODEV) {
			d->outcome = OUTCOME_GONE;
			snprintf(d->why, sizeof(d->why), "%s", ASKED_BACK "it was removed");
			return;
		}
		poll(NULL, 0, LOOK_MS);
	}
}

static void give_back(struct cycle *c)
{
	struct opened_reply reply;

	/* All first: one removal may take several, and waits for each. */
	for (size_t i = 0; i < c->count; i++)
		if (c->dev[i].outcome == OUTCOME_ASKED)
			cycle_do(c, "closing it", DO_CLOSE, i, NULL, 0, &reply);
	for (size_t i = 0; i < c->count; i++)
		if (c->dev[i].outcome == OUTCOME_ASKED)
			tell_where(&c->dev[i]);
}

/* ---- all of it ---- */

/* The kernel's words on the device or anything above it, since the last call. */
static void take_log(struct cycle *c, struct cycled *failed)
{
	char line[1024];
	size_t size, lines = 0;
	FILE *f = NULL;

	if (!c->klog)
		return;
	if (failed)
		f = open_memstream(&failed->log, &size);
	while (vfiopm_klog_next(c->klog, line, sizeof(line)) > 0)
		if (f && lines++ < 20)
			fprintf(f, "%s\n", line);
	if (f)
		fclose(f);
}

void cycle_begin(struct cycle *c)
{
	for (size_t i = 0; i < c->count; i++) {
		struct cycled *d = &c->dev[i];

		d->outcome = OUTCOME_OK;
		d->entered = d->has_error = false;
		d->reached = VFIOPM_STATE_UNKNOWN;
		for (size_t p = 0; p < N_PHASES; p++)
			d->took_ns[p] = -1;
		d->why[0] = d->hint[0] = '\0';
		free(d->log);
		d->log = NULL;
	}
	take_log(c, NULL);
}

bool cycle_counts(const struct cycle *c, const struct cycled *d)
{
	return d->outcome != OUTCOME_OK || (!c->interrupted && d->took_ns[PHASE_FALL_ASLEEP] >= 0);
}

void cycle_finish(struct cycle *c)
{
	bool logged = false;

	for (size_t i = 0; i < c->count; i++) {
		struct cycled *d = &c->dev[i];

		if (!cycle_counts(c, d))
			continue;
		d->cycles++;
		journal_add(&c->journal, i, d->took_ns);
		if (d->outcome == OUTCOME_OK)
			continue;
		d->failures++;
		if (!logged)
			take_log(c, d);
		logged = true;
		if (!d->first_failed) {
			d->first_failed = c->number;
			memcpy(d->first_why, d->why, sizeof(d->first_why));
		}
	}
}

void cycle_step(struct cycle *c)
{
	const struct cycle_options *o = c->options;

	c->number++;
	c->in_step = true;
	cycle_begin(c);
	for (size_t i = 0; i < c->count; i++)
		write_register(c, i);
	for (size_t i = 0; i < c->count; i++)
		if (may_go_on(c, &c->dev[i]))
			enter(c, i);
	for (size_t i = 0; i < c->count; i++)
		if (may_go_on(c, &c->dev[i]))
			fall_asleep(c, &c->dev[i]);
	for (size_t i = 0; i < c->count; i++)
		if (may_go_on(c, &c->dev[i]))
			cycle_run_command(c, &c->dev[i], "asleep");
	if (o->asleep_ms && !has_ended(c) && (all_fine(c) || o->keep_going))
		cycle_pause(c, o->asleep_ms);
	for (size_t i = 0; i < c->count; i++)
		if (c->dev[i].entered)
			leave(c, i);
	if (!c->interrupted) {
		for (size_t i = 0; i < c->count; i++)
			verify(c, i);
		for (size_t i = 0; i < c->count; i++)
			cycle_run_command(c, &c->dev[i], "awake");
	}
	if (o->awake_ms && all_fine(c))
		cycle_pause(c, o->awake_ms);
	else
		cycle_pause(c, 0);
	/* What came until here is this cycle's; nothing changes what is told of it any more. */
	give_back(c);
	cycle_finish(c);
	c->in_step = false;
}
