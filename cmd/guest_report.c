// SPDX-License-Identifier: GPL-2.0-or-later
/* What the listener says: events and statistics, as text and as JSON. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "guest.h"
#include "json.h"

static const char *const kind_names[] = {
	[GUEST_CONNECTED] = "connected", [GUEST_LOST] = "lost",
	[GUEST_OFF] = "off",		 [GUEST_ASLEEP] = "asleep",
	[GUEST_ON] = "on",		 [GUEST_REFUSED] = "refused",
	[GUEST_FAILED] = "failed",	 [GUEST_WOKEN] = "woken",
	[GUEST_AGAIN] = "again",	 [GUEST_LEFT] = "left",
	[GUEST_NOISE] = "noise",	 [GUEST_UNKNOWN] = "unknown-version",
	[GUEST_STRANGER] = "unknown-device", [GUEST_QMP] = "vm",
	[GUEST_TOTAL] = "total",
};

static const char *reason_name(const struct guest_device *d)
{
	if (d->slot.limit == VFIOPM_LIMIT_RATE)
		return "rate";
	if (d->slot.limit == VFIOPM_LIMIT_DWELL)
		return "dwell";
	if (d->refusal != VFIOPM_REFUSED_NOT)
		return vfiopm_refusal_name(d->refusal);
	return d->error == ETIME ? "late" : "error";
}

static const char *error_text(int error)
{
	switch (error) {
	case EMEDIUMTYPE:
		return "it is on no VFIO driver";
	case ETIME:
		return "the question has waited for so long that the guest may have given it up";
	}
	return strerror(error);
}

static const char *reason_text(const struct guest_device *d)
{
	if (d->slot.limit == VFIOPM_LIMIT_RATE)
		return "too many transitions within a minute";
	if (d->slot.limit == VFIOPM_LIMIT_DWELL)
		return "too soon after its last wake";
	switch (d->refusal) {
	case VFIOPM_REFUSED_NOT:
		return error_text(d->error);
	case VFIOPM_REFUSED_NO_OWNER:
		return "the VM behind the socket doesn't have it open";
	case VFIOPM_REFUSED_IN_USE:
		return "the guest hasn't put it into D3hot";
	case VFIOPM_REFUSED_NOT_SUSPENDED:
		return "the host's policy keeps it awake: power/control is on";
	default:
		return refusal_text(d->refusal);
	}
}

/* ---- text ---- */

static void print_device(const struct guest_event *e)
{
	const struct guest_device *d = e->d;
	const struct guest_stats *st = &d->stats;
	char path[VFIOPM_GUEST_PATH_LEN], text[32];

	printf("%s (%s in the guest): ", vfiopm_device_get_name(d->dev),
	       vfiopm_guest_path_format(&d->path, path));
	format_time(e->asleep_ms, text, sizeof(text));
	switch (e->kind) {
	case GUEST_OFF:
		printf("off: answered after %.1f ms, %.1f ms of these the entry",
		       (double)e->took_us / 1000, (double)e->ioctl_us / 1000);
		break;
	case GUEST_ASLEEP:
		printf("asleep: suspended in %s", vfiopm_state_name(e->state));
		break;
	case GUEST_ON:
		printf("on after %s: answered after %.1f ms, %.1f ms of these the exit", text,
		       (double)e->took_us / 1000, (double)e->ioctl_us / 1000);
		break;
	case GUEST_REFUSED:
		printf("refused: %s", reason_text(d));
		if (d->untold)
			printf("; %u more of what was told before", d->untold);
		break;
	case GUEST_FAILED:
		printf("low power could not be left: %s; it is tried again", reason_text(d));
		break;
	case GUEST_WOKEN:
		printf("woken by something else after %s", text);
		break;
	case GUEST_AGAIN:
		printf("put to sleep again: the guest still has it off");
		break;
	case GUEST_LEFT:
		printf("left low power: %s", e->text);
		break;
	default:
		printf("off %u, on %u, refused %u, woken %u, again %u, failed %u; asleep %s",
		       d->slot.entries - st->again, st->left, d->slot.refused, d->slot.woken,
		       st->again, st->failed + st->late,
		       format_time(st->asleep_ms, text, sizeof(text)));
		break;
	}
}

static void print_text(const struct guest *g, const struct guest_event *e)
{
	char path[VFIOPM_GUEST_PATH_LEN];

	switch (e->kind) {
	case GUEST_CONNECTED:
		printf("connected to '%s' (pid %d)", g->vm_comm, (int)g->vm_pid);
		break;
	case GUEST_LOST:
		printf("'%s' (pid %d) has closed the socket", g->vm_comm, (int)g->vm_pid);
		break;
	case GUEST_NOISE:
		printf("there are bytes on the wire that aren't ours: ignored, and counted");
		break;
	case GUEST_UNKNOWN:
		printf("the guest's table speaks another version: make it anew with " PROGRAM
		       " guest-table");
		break;
	case GUEST_STRANGER:
		vfiopm_guest_path_format(
			&(struct vfiopm_guest_path){ e->frame->port, e->frame->devfn }, path);
		printf("the guest asks for %s, which no --device names: ignored", path);
		break;
	case GUEST_QMP:
		printf("the VM says: %s", e->text);
		if (g->untold_events)
			printf("; %u more before that", g->untold_events);
		break;
	case GUEST_TOTAL:
		if (!e->d) {
			printf("frames %" PRIu64 ", foreign bytes %" PRIu64
			       ", of another version %" PRIu64 ", for other devices %u",
			       g->frames.frames, g->frames.garbage, g->frames.unknown,
			       g->strangers);
			break;
		}
		print_device(e);
		break;
	default:
		print_device(e);
	}
	putchar('\n');
}

/* ---- JSON ---- */

static void add_total(json_object *object, const struct guest *g, const struct guest_device *d)
{
	if (!d) {
		json_add_int(object, "frames", (int64_t)g->frames.frames);
		json_add_int(object, "garbage", (int64_t)g->frames.garbage);
		json_add_int(object, "unknown", (int64_t)g->frames.unknown);
		json_add_int(object, "strangers", g->strangers);
		return;
	}
	json_add_int(object, "off", d->slot.entries - d->stats.again);
	json_add_int(object, "on", d->stats.left);
	json_add_int(object, "refused", d->slot.refused);
	json_add_int(object, "woken", d->slot.woken);
	json_add_int(object, "again", d->stats.again);
	json_add_int(object, "failed", d->stats.failed + d->stats.late);
	json_add_int(object, "asleep", d->stats.asleep_ms);
}

static void print_json(const struct guest *g, const struct guest_event *e)
{
	json_object *object = json_object_new_object();
	char path[VFIOPM_GUEST_PATH_LEN];

	json_add_int(object, "time", wall_ms());
	json_add_text(object, "event", kind_names[e->kind]);
	if (e->d) {
		json_add_text(object, "device", vfiopm_device_get_name(e->d->dev));
		json_add_text(object, "guest", vfiopm_guest_path_format(&e->d->path, path));
	}
	switch (e->kind) {
	case GUEST_CONNECTED:
	case GUEST_LOST:
		json_add_int(object, "pid", g->vm_pid);
		json_add_text(object, "comm", g->vm_comm);
		break;
	case GUEST_OFF:
	case GUEST_ON:
		json_add_ms(object, "took", e->took_us);
		json_add_ms(object, "ioctl", e->ioctl_us);
		if (e->kind == GUEST_ON)
			json_add_int(object, "asleep", e->asleep_ms);
		break;
	case GUEST_ASLEEP:
		json_add_text(object, "state", vfiopm_state_name(e->state));
		break;
	case GUEST_REFUSED:
	case GUEST_FAILED:
		if (!e->d)
			break;
		json_add_text(object, "reason", reason_name(e->d));
		json_add_text(object, "text", reason_text(e->d));
		if (e->kind == GUEST_REFUSED)
			json_add_int(object, "untold", e->d->untold);
		break;
	case GUEST_WOKEN:
		json_add_int(object, "asleep", e->asleep_ms);
		break;
	case GUEST_LEFT:
		json_add_text(object, "text", e->text);
		break;
	case GUEST_QMP:
		json_add_text(object, "text", e->text);
		json_add_int(object, "untold", g->untold_events);
		break;
	case GUEST_STRANGER:
		json_add_text(object, "guest",
			   vfiopm_guest_path_format(&(struct vfiopm_guest_path){ e->frame->port,
										 e->frame->devfn },
						    path));
		break;
	case GUEST_TOTAL:
		add_total(object, g, e->d);
		break;
	default:
		break;
	}
	json_print_line(object);
}

void guest_report(const struct guest *g, const struct guest_event *event)
{
	if (g->options.json)
		print_json(g, event);
	else
		print_text(g, event);
	fflush(stdout);
}
