// SPDX-License-Identifier: GPL-2.0-or-later
/* vfio-pm monitor: a line for each change of power state, runtime status, driver and owner. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "json.h"
#include "watch.h"

enum { KEY_JSON_LINES = KEY_VERB,
       KEY_INTERVAL };

struct input {
	struct device_args devices;
	bool json;
	int64_t interval_ms;
};

static const struct argp_option options[] = {
	{ "json-lines", KEY_JSON_LINES, NULL, 0, "One JSON object a line", 0 },
	{ "interval", KEY_INTERVAL, "TIME", 0,
	  "How often to look where the kernel's trace events can't be had (1s)", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct input *in = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->devices;
		return 0;
	case KEY_JSON_LINES:
		in->json = true;
		return 0;
	case KEY_INTERVAL:
		interval_parse(state, arg, &in->interval_ms);
		return 0;
	}
	return devices_parse(key, state, &in->devices, false);
}

static const struct argp_child children[] = { { &group_argp, 0, NULL, 0 }, { 0 } };

const struct argp monitor_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[DEVICE...]",
	.doc = "Print each change of power state, runtime status, driver and owner as it happens, "
	       "and who woke a device. Without DEVICE: whatever is on a VFIO driver."
	       "\vRoot gets each suspend and resume from the kernel's trace events, at no cost "
	       "while nothing happens. Others, and where there is no tracefs: it looks every "
	       "TIME, and what is shorter may be missed. Ends with ^C.",
	.children = children,
};

/* What changed, as a key and a column of the text. */
static const char *const kind_names[] = {
	[WATCH_PRESENT] = "present",
	[WATCH_STATUS] = "status",
	[WATCH_STATE] = "state",
	[WATCH_DRIVER] = "driver",
	[WATCH_OWNER] = "owner",
	[WATCH_GONE] = "gone",
	[WATCH_LOST] = "lost",
};

/* Events are stamped with the monotonic clock; people and logs want the date. */
static void wall_time(int64_t ns, struct timespec *ret)
{
	int64_t at = wall_ns() - monotonic_ns() + ns;

	ret->tv_sec = at / 1000000000;
	ret->tv_nsec = at % 1000000000;
}

static const char *or_none(const char *text)
{
	return text ? text : "none";
}

static void print_change(const struct watch_event *e)
{
	char took[32];

	switch (e->kind) {
	case WATCH_PRESENT:
		printf("%s %s, driver %s, owner %s", vfiopm_status_name(e->status),
		       vfiopm_state_name(e->state), or_none(e->text), or_none(e->old_text));
		break;
	case WATCH_STATUS:
		printf("%s", vfiopm_status_name(e->status));
		if (e->took_ns >= 0)
			printf(" in %s", format_time((e->took_ns + 500000) / 1000000, took,
						     sizeof(took)));
		if (e->pid || *e->comm)
			printf(", woken by %s (%d)", *e->comm ? e->comm : "?", e->pid);
		break;
	case WATCH_STATE:
		printf("%s -> %s", vfiopm_state_name(e->old_state), vfiopm_state_name(e->state));
		break;
	case WATCH_DRIVER:
	case WATCH_OWNER:
		printf("%s -> %s", or_none(e->old_text), or_none(e->text));
		break;
	case WATCH_GONE:
		printf("removed");
		break;
	case WATCH_LOST:
		if (e->count)
			printf("%" PRIu64 " trace events were lost", e->count);
		else
			printf("events were lost");
		break;
	}
}

static void print_text(const struct watch_event *e)
{
	struct timespec at;
	char clock[16];
	struct tm tm;

	wall_time(e->ns, &at);
	localtime_r(&at.tv_sec, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	printf("%s.%03ld %-12s %-7s ", clock, at.tv_nsec / 1000000, *e->device ? e->device : "-",
	       kind_names[e->kind]);
	print_change(e);
	putchar('\n');
}

static void print_json(const struct watch_event *e)
{
	json_object *object = json_object_new_object(), *took = NULL, *pid = NULL;
	struct timespec at;

	wall_time(e->ns, &at);
	json_add_int(object, "time", at.tv_sec * 1000LL + at.tv_nsec / 1000000);
	json_add_int(object, "monotonic_us", e->ns / 1000);
	json_add_text(object, "device", *e->device ? e->device : NULL);
	json_add_text(object, "event", kind_names[e->kind]);
	switch (e->kind) {
	case WATCH_PRESENT:
		json_add_text(object, "status", vfiopm_status_name(e->status));
		json_add_text(object, "state", vfiopm_state_name(e->state));
		json_add_text(object, "driver", e->text);
		json_add_text(object, "owner", e->old_text);
		break;
	case WATCH_STATUS:
		json_add_text(object, "status", vfiopm_status_name(e->status));
		if (e->status != VFIOPM_STATUS_ACTIVE)
			break;
		if (e->took_ns >= 0) {
			took = json_object_new_int64((e->took_ns + 500000) / 1000000);
			pid = json_object_new_int(e->pid);
		}
		json_object_object_add(object, "took", took);
		json_object_object_add(object, "pid", pid);
		json_add_text(object, "comm", *e->comm ? e->comm : NULL);
		break;
	case WATCH_STATE:
		json_add_text(object, "old_state", vfiopm_state_name(e->old_state));
		json_add_text(object, "state", vfiopm_state_name(e->state));
		break;
	case WATCH_DRIVER:
		json_add_text(object, "old_driver", e->old_text);
		json_add_text(object, "driver", e->text);
		break;
	case WATCH_OWNER:
		json_add_text(object, "old_owner", e->old_text);
		json_add_text(object, "owner", e->text);
		break;
	case WATCH_LOST:
		json_object_object_add(object, "count",
				       e->count ? json_object_new_int64((int64_t)e->count) : NULL);
		break;
	case WATCH_GONE:
		break;
	}
	json_print_line(object);
}

static int follow(struct watch *watch, bool json)
{
	struct watch_event event;
	bool more = true;
	int r;

	for (;;) {
		/* Lines go out when there is nothing more to add, not one system call each. */
		r = watch_next(watch, more ? 0 : -1, &event);
		more = r > 0;
		if (r < 0)
			break;
		if (r == 0 && (fflush(stdout) != 0 || ferror(stdout)))
			return EXIT_FAILED;
		if (r == 0)
			continue;
		if (json)
			print_json(&event);
		else
			print_text(&event);
		watch_event_clear(&event);
	}
	/* Asked to end, or nobody listens: that is how it is used. */
	if (r == -EINTR || r == -EPIPE)
		return EXIT_OK;
	msg_error("cannot watch any further: %s", strerror(-r));
	return EXIT_FAILED;
}

int cmd_monitor(struct app *app, int argc, char **argv)
{
	struct input in = { .interval_ms = 1000 };
	struct targets targets = { 0 };
	struct watch *watch;
	char interval[32];
	int code, r;

	verb_parse(app, argc, argv, &in);
	code = in.devices.count ? targets_resolve(app, &in.devices, &targets) :
				  targets_all(app, true, &targets);
	if (code != EXIT_OK)
		goto out;
	r = watch_new(app, &targets,
		      WATCH_OWNERS | WATCH_READER | (in.devices.count ? 0 : WATCH_ALL),
		      in.interval_ms, &watch);
	if (r < 0) {
		msg_error("cannot watch: %s", strerror(-r));
		code = EXIT_FAILED;
		goto out;
	}
	if (!watch_is_driven(watch)) {
		msg_warn("the kernel's trace events can't be had: looking every %s, what is "
			 "shorter may be missed",
			 format_time(in.interval_ms, interval, sizeof(interval)));
		msg_hint("root gets them where tracefs is mounted");
	}
	code = follow(watch, in.json);
	watch_free(watch);
out:
	targets_free(&targets);
	return code;
}
