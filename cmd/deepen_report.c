// SPDX-License-Identifier: GPL-2.0-or-later
/* What the service says: events and statistics, as text and as JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "deepen.h"
#include "json.h"

static const char *const kind_names[] = {
	[DEEPEN_WATCHED] = "watched",
	[DEEPEN_GONE] = "gone",
	[DEEPEN_DEEPENED] = "deepened",
	[DEEPEN_WOULD] = "would-deepen",
	[DEEPEN_WOKEN] = "woken",
	[DEEPEN_OWNER_GONE] = "owner-gone",
	[DEEPEN_LEFT] = "left-asleep",
	[DEEPEN_REFUSED] = "refused",
	[DEEPEN_TOTAL] = "total",
};

const char *deepen_reason_name(const struct deepen_device *d)
{
	switch (d->reason) {
	case REASON_REFUSAL:
		return vfiopm_refusal_name(d->refusal);
	case REASON_NOTHING_GAINED:
		return "nothing-gained";
	case REASON_RATE:
		return "rate";
	case REASON_ERROR:
		return "error";
	default:
		return "none";
	}
}

const char *deepen_reason_text(const struct deepen_device *d)
{
	switch (d->reason) {
	case REASON_REFUSAL:
		if (d->phase == PHASE_IN_KERNEL && d->refusal == VFIOPM_REFUSED_NOT_SUSPENDED)
			return "it does not suspend";
		return refusal_text(d->refusal);
	case REASON_NOTHING_GAINED:
		return "D3hot is the deepest it reaches: nothing to gain";
	case REASON_RATE:
		return "too many transitions within a minute";
	case REASON_ERROR:
		return strerror(d->error);
	default:
		return "nothing";
	}
}

/* ---- text ---- */

static void print_total(const struct deepen_device *d)
{
	const struct deepen_stats *st = &d->stats;
	char text[32];

	printf("deepened %u, woken %u, refused %u, missed %u; asleep %s", st->deepened, st->woken,
	       st->refused, st->missed, format_time(st->asleep_ms, text, sizeof(text)));
	if (st->deepened && st->pause_us)
		printf("; pause %.1f ms on average, %.1f ms at most",
		       (double)st->pause_us / st->deepened / 1000,
		       (double)st->pause_max_us / 1000);
}

static void print_text(const struct deepen_event *e)
{
	const struct deepen_device *d = e->d;
	const char *name = vfiopm_device_get_name(d->dev);
	char text[32];

	printf("%s: ", name);
	switch (e->kind) {
	case DEEPEN_WATCHED:
		printf("watched%s",
		       d->phase == PHASE_IN_KERNEL ? "; the driver deepens by itself" : "");
		break;
	case DEEPEN_GONE:
		printf("no longer watched");
		break;
	case DEEPEN_DEEPENED:
		printf("deepened: suspended in %s", vfiopm_state_name(e->state));
		if (e->pid)
			printf("; '%s' (pid %d) paused %.1f ms (%s), of these %.1f ms for the "
			       "suspend",
			       e->comm, (int)e->pid, (double)e->pause_us / 1000,
			       vfiopm_freeze_how_name(e->how), (double)e->suspend_us / 1000);
		break;
	case DEEPEN_WOULD:
		printf("would be deepened");
		break;
	case DEEPEN_WOKEN:
		printf("woken after %s", format_time(e->asleep_ms, text, sizeof(text)));
		break;
	case DEEPEN_OWNER_GONE:
		printf("its owner let go of it after %s",
		       format_time(e->asleep_ms, text, sizeof(text)));
		break;
	case DEEPEN_LEFT:
		printf("left asleep after %s, until its owner's next access: %s",
		       format_time(e->asleep_ms, text, sizeof(text)), deepen_reason_text(d));
		break;
	case DEEPEN_REFUSED:
		printf("refused: %s", deepen_reason_text(d));
		if (d->reason == REASON_REFUSAL && d->refusal == VFIOPM_REFUSED_STATE_LOSS)
			printf("; --state-loss-ok=%s accepts the loss", name);
		break;
	case DEEPEN_TOTAL:
		print_total(d);
		break;
	}
	putchar('\n');
}

/* ---- JSON ---- */

static void add_total(json_object *object, const struct deepen_device *d)
{
	const struct deepen_stats *st = &d->stats;

	json_add_int(object, "deepened", st->deepened);
	json_add_int(object, "woken", st->woken);
	json_add_int(object, "refused", st->refused);
	json_add_int(object, "missed", st->missed);
	json_add_int(object, "failed", st->failed);
	json_add_int(object, "asleep", st->asleep_ms);
	json_add_ms(object, "pause", st->pause_us);
	json_add_ms(object, "pause_max", st->pause_max_us);
	json_add_ms(object, "suspend", st->suspend_us);
	json_add_text(object, "last_refusal", st->refused ? deepen_reason_name(d) : NULL);
}

static void print_json(const struct deepen_event *e)
{
	json_object *object = json_object_new_object();
	const struct deepen_device *d = e->d;

	json_add_int(object, "time", wall_ms());
	json_add_text(object, "device", vfiopm_device_get_name(d->dev));
	json_add_text(object, "event", kind_names[e->kind]);
	switch (e->kind) {
	case DEEPEN_WATCHED:
		json_object_object_add(object, "in_kernel",
				       json_object_new_boolean(d->phase == PHASE_IN_KERNEL));
		break;
	case DEEPEN_DEEPENED:
		json_add_text(object, "state", vfiopm_state_name(e->state));
		json_object_object_add(object, "in_kernel", json_object_new_boolean(!e->pid));
		if (!e->pid)
			break;
		json_add_int(object, "pid", e->pid);
		json_add_text(object, "comm", e->comm);
		json_add_text(object, "freeze", vfiopm_freeze_how_name(e->how));
		json_add_ms(object, "pause", e->pause_us);
		json_add_ms(object, "suspend", e->suspend_us);
		break;
	case DEEPEN_WOKEN:
	case DEEPEN_OWNER_GONE:
		json_add_int(object, "asleep", e->asleep_ms);
		break;
	case DEEPEN_LEFT:
		json_add_int(object, "asleep", e->asleep_ms);
		json_add_text(object, "reason", deepen_reason_name(d));
		json_add_text(object, "text", deepen_reason_text(d));
		break;
	case DEEPEN_REFUSED:
		json_add_text(object, "reason", deepen_reason_name(d));
		json_add_text(object, "text", deepen_reason_text(d));
		break;
	case DEEPEN_TOTAL:
		add_total(object, d);
		break;
	default:
		break;
	}
	json_print_line(object);
}

void deepen_report(const struct deepen *s, const struct deepen_event *event)
{
	if (s->options.json)
		print_json(event);
	else
		print_text(event);
	fflush(stdout);
}
