// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * One device whose sleep a guest drives: what a request asks for, what may be
 * answered. Nothing is done here; the caller does what it is told to and says
 * how it went. The rule that all of it serves: a guest is told "done" for OFF
 * only after the entry, for ON only after the exit.
 */
#include <string.h>

#include "private.h"

#define MINUTE_MS 60000

/*
 * An attempt that fails may have looked at every process. What a guest asks for in
 * vain costs the host a tenth of a processor at most: for ten times as long as the
 * attempt took, within these bounds, it is refused without another.
 */
#define VAIN_FACTOR 10
#define VAIN_MIN_MS 20
#define VAIN_MAX_MS 5000

void vfiopm_slot_init(struct vfiopm_slot *slot, unsigned int rate, int64_t dwell_ms)
{
	memset(slot, 0, sizeof(*slot));
	slot->rate = rate < VFIOPM_SLOT_RATE_MAX ? rate : VFIOPM_SLOT_RATE_MAX;
	slot->dwell_ms = dwell_ms;
	slot->awake_ms = slot->vain_until_ms = INT64_MIN;
	slot->next = slot;
}

void vfiopm_slot_join(struct vfiopm_slot *slot, struct vfiopm_slot *other)
{
	slot->next = other->next;
	other->next = slot;
}

/* Entries within the last minute, all or those that may have switched the power off. */
static unsigned int count_entries(const struct vfiopm_slot *slot, bool last_only, int64_t now_ms)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < VFIOPM_SLOT_RATE_MAX; i++)
		if (slot->entered_used[i] && now_ms - slot->entered_ms[i] < MINUTE_MS &&
		    (!last_only || slot->entered_last[i]))
			n++;
	return n;
}

/* Do all that share its power sleep? */
static bool is_last_awake(const struct vfiopm_slot *slot)
{
	for (const struct vfiopm_slot *s = slot->next; s != slot; s = s->next)
		if (!s->engaged)
			return false;
	return true;
}

/*
 * Would one more wear the device out? The power is switched when the last of those
 * that share it goes to sleep: in turn, each of them could do that RATE times.
 */
static bool too_often(const struct vfiopm_slot *slot, int64_t now_ms)
{
	unsigned int switched = count_entries(slot, true, now_ms);

	if (!slot->rate)
		return false;
	if (count_entries(slot, false, now_ms) >= slot->rate)
		return true;
	for (const struct vfiopm_slot *s = slot->next; s != slot; s = s->next)
		switched += count_entries(s, true, now_ms);
	return is_last_awake(slot) && switched >= slot->rate;
}

static bool too_soon(const struct vfiopm_slot *slot, int64_t now_ms)
{
	return slot->awake_ms != INT64_MIN && now_ms - slot->awake_ms < slot->dwell_ms;
}

static enum vfiopm_slot_step answer(struct vfiopm_slot *slot, enum vfiopm_frame_kind kind)
{
	slot->answer = kind;
	return VFIOPM_SLOT_ANSWER;
}

enum vfiopm_slot_step vfiopm_slot_ask(struct vfiopm_slot *slot, const struct vfiopm_frame *frame,
				      int64_t now_ms)
{
	bool again = slot->asked == frame->kind && slot->seq == frame->seq;

	if (frame->kind != VFIOPM_FRAME_OFF && frame->kind != VFIOPM_FRAME_ON)
		return VFIOPM_SLOT_NOTHING;
	slot->asked = frame->kind;
	slot->seq = frame->seq;
	slot->asked_ms = now_ms;
	slot->limit = VFIOPM_LIMIT_NONE;
	slot->asked_off = frame->kind == VFIOPM_FRAME_OFF;
	if (frame->kind == VFIOPM_FRAME_ON) {
		slot->off = false;
		if (slot->engaged || slot->unsure)
			return VFIOPM_SLOT_LEAVE;
		return answer(slot, VFIOPM_FRAME_DONE);
	}
	if (slot->engaged && !slot->unsure) {
		slot->off = true;
		return answer(slot, VFIOPM_FRAME_DONE);
	}
	/* The same question again: what was refused isn't tried for each repetition. */
	if (again && slot->answer == VFIOPM_FRAME_REFUSED)
		return VFIOPM_SLOT_ANSWER;
	slot->off = false;
	if (now_ms < slot->vain_until_ms)
		slot->limit = VFIOPM_LIMIT_VAIN;
	else if (too_often(slot, now_ms))
		slot->limit = VFIOPM_LIMIT_RATE;
	else if (too_soon(slot, now_ms))
		slot->limit = VFIOPM_LIMIT_DWELL;
	if (slot->limit == VFIOPM_LIMIT_NONE)
		return VFIOPM_SLOT_ENTER;
	slot->refused++;
	return answer(slot, VFIOPM_FRAME_REFUSED);
}

static int64_t vain_ms(const struct vfiopm_slot *slot, int64_t now_ms)
{
	int64_t ms = VAIN_FACTOR * (now_ms - slot->asked_ms);

	return ms < VAIN_MIN_MS ? VAIN_MIN_MS : ms < VAIN_MAX_MS ? ms : VAIN_MAX_MS;
}

enum vfiopm_frame_kind vfiopm_slot_entered(struct vfiopm_slot *slot, bool done, int64_t now_ms)
{
	slot->engaged = slot->off = done;
	slot->answer = done ? VFIOPM_FRAME_DONE : VFIOPM_FRAME_REFUSED;
	if (!done) {
		slot->refused++;
		slot->vain_until_ms = now_ms + vain_ms(slot, now_ms);
		return slot->answer;
	}
	/* Low power is entered only where it wasn't: whatever there was is over. */
	slot->unsure = false;
	slot->entries++;
	slot->entered_ms[slot->entered_at] = now_ms;
	slot->entered_used[slot->entered_at] = true;
	slot->entered_last[slot->entered_at] = is_last_awake(slot);
	slot->entered_at = (slot->entered_at + 1) % VFIOPM_SLOT_RATE_MAX;
	return slot->answer;
}

enum vfiopm_slot_step vfiopm_slot_left(struct vfiopm_slot *slot, bool done, int64_t now_ms)
{
	if (!done) {
		slot->unsure = true;
		/* Neither of the two answers would be true: it isn't left, and it will be. */
		return VFIOPM_SLOT_NOTHING;
	}
	slot->engaged = slot->unsure = false;
	slot->awake_ms = now_ms;
	return answer(slot, VFIOPM_FRAME_DONE);
}

enum vfiopm_slot_step vfiopm_slot_woken(struct vfiopm_slot *slot, int64_t now_ms)
{
	bool was = slot->engaged && slot->off;

	slot->engaged = slot->unsure = false;
	slot->awake_ms = now_ms;
	if (!was)
		return VFIOPM_SLOT_NOTHING;
	slot->woken++;
	return VFIOPM_SLOT_ENTER;
}

enum vfiopm_slot_step vfiopm_slot_again(const struct vfiopm_slot *slot, int64_t now_ms)
{
	if (!slot->off || slot->engaged || slot->unsure || too_often(slot, now_ms) ||
	    too_soon(slot, now_ms))
		return VFIOPM_SLOT_NOTHING;
	return VFIOPM_SLOT_ENTER;
}

enum vfiopm_slot_step vfiopm_slot_give_up(struct vfiopm_slot *slot)
{
	slot->off = false;
	return slot->engaged || slot->unsure ? VFIOPM_SLOT_LEAVE : VFIOPM_SLOT_NOTHING;
}

enum vfiopm_slot_step vfiopm_slot_settle(struct vfiopm_slot *slot)
{
	/* A guest that starts anew counts anew: no question is a repetition. */
	slot->asked = 0;
	slot->asked_off = false;
	return vfiopm_slot_give_up(slot);
}
