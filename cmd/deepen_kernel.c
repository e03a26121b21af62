// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A device whose driver, vfio-pm-pci, does it by itself: turned on, looked at, put
 * back. What happened is told by the driver's account, which misses nothing between
 * two looks; what sysfs shows tells whether it is D3cold that the device reaches.
 */
#include "deepen.h"

/* A port autosuspends 100 ms after its last child, those above it then, and a busy host is late. */
#define SETTLE_MS 3000

/* D3hot that isn't taken at once is told, but the driver's autosuspend delay is waited for. */
#define JUDGE_MS 1000

/* deepen_rate counts within minutes. */
#define AGAIN_MS 60000

static bool read_account(const struct deepen_device *d, struct deepen_account *ret)
{
	struct vfiopm_account *account;

	if (vfiopm_account_new_counts(d->dev, &account) < 0)
		return false;
	*ret = (struct deepen_account){ 0 };
	vfiopm_account_get(account, "entries", &ret->entries);
	vfiopm_account_get(account, "exits", &ret->exits);
	vfiopm_account_get(account, "close", &ret->closes);
	vfiopm_account_get(account, "asleep_us", &ret->asleep_us);
	vfiopm_account_get(account, "rate_limited", &ret->rate_limited);
	vfiopm_account_free(account);
	return true;
}

static int turn_on(struct deepen *s, struct deepen_device *d)
{
	int on = vfiopm_in_kernel_get(d->dev, VFIOPM_IN_KERNEL_DEEPEN);

	if (on < 0)
		return on;
	/*
	 * Consent to a loss of state is this service's to give where the service
	 * turns it on: what is found then is what one that was killed has left.
	 */
	if (d->state_loss_ok || !on)
		vfiopm_keeper_set(s->keeper, d->dev, VFIOPM_IN_KERNEL_STATE_LOSS,
				  d->state_loss_ok);
	vfiopm_keeper_set(s->keeper, d->dev, VFIOPM_IN_KERNEL_RATE, (int)s->options.rate);
	return vfiopm_keeper_set(s->keeper, d->dev, VFIOPM_IN_KERNEL_DEEPEN, true);
}

bool deepen_kernel_start(struct deepen *s, struct deepen_device *d)
{
	if (s->options.dry_run)
		return false;
	/* What is before that is none of ours. */
	read_account(d, &d->kernel.base);
	d->kernel.last_limited = d->kernel.base.rate_limited;
	if (turn_on(s, d) >= 0)
		return true;
	vfiopm_keeper_restore(s->keeper, d->dev);
	return false;
}

/* ---- what has happened ---- */

static void learn_depth(struct deepen *s, struct deepen_device *d, enum vfiopm_state state,
			int64_t now_ms)
{
	struct deepen_kernel *k = &d->kernel;

	if (k->asleep && state == VFIOPM_STATE_D3COLD)
		k->depth = DEPTH_COLD;
	if (!k->asleep || state != VFIOPM_STATE_D3HOT) {
		k->shallow_since_ms = 0;
		return;
	}
	if (!k->shallow_since_ms)
		k->shallow_since_ms = now_ms;
	if (k->depth != DEPTH_HOT && now_ms - k->shallow_since_ms >= SETTLE_MS) {
		k->depth = DEPTH_HOT;
		d->reason = REASON_NOTHING_GAINED;
		d->stats.refused++;
		deepen_report(s, &(struct deepen_event){ .kind = DEEPEN_REFUSED, .d = d });
	}
}

static void end_session(struct deepen *s, struct deepen_device *d,
			const struct deepen_account *a, bool gone)
{
	struct deepen_event event = {
		.kind = gone ? DEEPEN_OWNER_GONE : DEEPEN_WOKEN,
		.d = d,
		.asleep_ms = (a->asleep_us - d->kernel.session_us) / 1000,
	};

	d->kernel.in_session = false;
	deepen_report(s, &event);
}

/* From @d->kernel.base to @a, of a device that reaches D3cold. */
static void count(struct deepen *s, struct deepen_device *d, const struct deepen_account *a,
		  enum vfiopm_status status, enum vfiopm_state state)
{
	struct deepen_kernel *k = &d->kernel;
	int64_t exits = a->exits - k->base.exits;
	bool gone = exits && (a->closes != k->base.closes || !vfiopm_device_is_enabled(d->dev));

	/* Left before it is woken: a close, in the middle of it. */
	if (exits && !gone && a->entries <= a->exits && status != VFIOPM_STATUS_ACTIVE)
		return;

	d->stats.deepened += (unsigned int)(a->entries - k->base.entries);
	/* The last one was the close. */
	d->stats.woken += (unsigned int)(gone ? exits - 1 : exits);
	d->stats.asleep_ms += a->asleep_us / 1000 - k->base.asleep_us / 1000;
	if (k->in_session && exits)
		end_session(s, d, a, gone);
	if (k->asleep && !k->in_session && state == VFIOPM_STATE_D3COLD) {
		k->in_session = true;
		/* One that began and ended unseen is in the sum only. */
		k->session_us = exits ? a->asleep_us : k->base.asleep_us;
		deepen_report(s, &(struct deepen_event){ .kind = DEEPEN_DEEPENED,
							 .d = d,
							 .state = state });
	}
	k->base = *a;
}

static void follow_account(struct deepen *s, struct deepen_device *d,
			   const struct deepen_account *a, enum vfiopm_status status,
			   enum vfiopm_state state)
{
	switch (d->kernel.depth) {
	case DEPTH_COLD:
		count(s, d, a, status, state);
		return;
	case DEPTH_HOT:
		d->kernel.base = *a;
		d->kernel.in_session = false;
		return;
	case DEPTH_UNKNOWN:
		return;
	}
}

/* ---- what doesn't happen ---- */

static void judge(struct deepen *s, struct deepen_device *d, bool engaged,
		  const struct deepen_account *a)
{
	enum deepen_reason reason = REASON_REFUSAL;
	enum vfiopm_refusal refusal = VFIOPM_REFUSED_NOT_SUSPENDED;
	unsigned int flags;

	if (a->rate_limited > d->kernel.hot_limited) {
		reason = REASON_RATE;
	} else if (!engaged) {
		flags = vfiopm_in_kernel_get(d->dev, VFIOPM_IN_KERNEL_STATE_LOSS) == 1 ?
				VFIOPM_ENTER_STATE_LOSS :
				0;
		/* Its registers can't be read: what is more likely. */
		if (vfiopm_device_may_lose_power(d->dev, flags, &refusal) < 0 &&
		    refusal == VFIOPM_REFUSED_NOT_SUSPENDED)
			refusal = flags ? VFIOPM_REFUSED_PME : VFIOPM_REFUSED_STATE_LOSS;
	}
	if (d->kernel.told && d->reason == reason && d->refusal == refusal)
		return;
	d->kernel.told = true;
	d->reason = reason;
	d->refusal = refusal;
	d->stats.refused++;
	deepen_report(s, &(struct deepen_event){ .kind = DEEPEN_REFUSED, .d = d });
}

/*
 * In D3hot by its owner's hand, or in D0 by somebody else's while its owner believes
 * it there, and not let sleep again: the driver does that when the minute is over.
 */
static bool is_kept_awake(const struct deepen_kernel *k, const struct deepen_account *a,
			  enum vfiopm_status status, enum vfiopm_state state)
{
	if (status != VFIOPM_STATUS_ACTIVE)
		return false;
	return state == VFIOPM_STATE_D3HOT ||
	       (a->entries > a->exits && a->rate_limited > k->last_limited);
}

/*
 * D3hot by its owner's hand that stays so. The driver looks at a device when its
 * owner writes, which was before it was turned on, or once too often; it looks again
 * when its attribute is written.
 */
static void follow_d3hot(struct deepen *s, struct deepen_device *d,
			 const struct deepen_account *a, bool hot, int64_t now_ms)
{
	struct deepen_kernel *k = &d->kernel;
	bool engaged = a->entries > a->exits;
	int64_t dwell_ms = s->options.dwell_ms;

	if (!hot) {
		k->hot_since_ms = 0;
		k->told = k->asked = false;
		k->last_limited = a->rate_limited;
		return;
	}
	if (!k->hot_since_ms) {
		k->hot_since_ms = now_ms;
		k->hot_limited = k->last_limited;
		k->next_ms = now_ms + (dwell_ms > JUDGE_MS ? dwell_ms : JUDGE_MS);
	}
	if (now_ms < k->next_ms || !vfiopm_device_is_enabled(d->dev))
		return;
	if (!k->asked && !engaged) {
		k->asked = true;
		k->next_ms = now_ms + JUDGE_MS;
		if (turn_on(s, d) == 0)
			vfiopm_in_kernel_set(d->dev, VFIOPM_IN_KERNEL_DEEPEN, true);
		return;
	}
	judge(s, d, engaged, a);
	k->asked = false;
	k->next_ms = now_ms + AGAIN_MS;
}

void deepen_kernel_tick(struct deepen *s, struct deepen_device *d, int64_t now_ms)
{
	enum vfiopm_status status = vfiopm_glance_status(d->glance);
	enum vfiopm_state state = vfiopm_glance_state(d->glance);
	struct deepen_account a;

	/* After the state: what it shows is in the account. */
	if (!read_account(d, &a))
		return;
	/* With idle runtime PM a device that nobody has open sleeps without an entry. */
	d->kernel.asleep = status == VFIOPM_STATUS_SUSPENDED && a.entries > a.exits;
	learn_depth(s, d, state, now_ms);
	follow_account(s, d, &a, status, state);
	follow_d3hot(s, d, &a, is_kept_awake(&d->kernel, &a, status, state), now_ms);
	d->kernel.idle = state == VFIOPM_STATE_D0 && a.entries == a.exits && !d->kernel.in_session;
}

/* Its status tells of somebody else's wake, the account of what was between two looks. */
static bool sleeps_on(struct deepen_device *d)
{
	struct deepen_kernel *k = &d->kernel;
	struct deepen_account a;

	k->ask_account = !k->ask_account;
	if (k->ask_account) /* next time */
		return vfiopm_glance_status(d->glance) == VFIOPM_STATUS_SUSPENDED;
	return read_account(d, &a) && a.entries == k->base.entries && a.exits == k->base.exits &&
	       a.rate_limited == k->last_limited;
}

/* In D0 a sleep between two looks stays in the account, for the next one who reads it. */
void deepen_kernel_look(struct deepen *s, struct deepen_device *d, int64_t now_ms)
{
	if (d->kernel.idle && vfiopm_glance_state(d->glance) == VFIOPM_STATE_D0)
		return;
	if (d->kernel.in_session && d->kernel.asleep && sleeps_on(d))
		return;
	deepen_kernel_tick(s, d, now_ms);
}

void deepen_kernel_stop(struct deepen *s, struct deepen_device *d)
{
	struct deepen_account a;

	/* Its sleeps were too short to be seen. */
	if (d->kernel.depth == DEPTH_UNKNOWN && read_account(d, &a) &&
	    a.entries != d->kernel.base.entries && deepen_rules_goes_deeper(s, d))
		d->kernel.depth = DEPTH_COLD;
	deepen_kernel_tick(s, d, monotonic_ms());
	vfiopm_keeper_restore(s->keeper, d->dev);
}
