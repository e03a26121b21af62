// SPDX-License-Identifier: LGPL-2.1-or-later
/* A device watched for a while: does its user let it sleep? */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "blocker.h"

/* Finer than the 13 ms that a wake takes, and cheap: one file a look. */
#define STEP_MS 5

/* The kernel's timer and the suspend itself come on top of the delay. */
#define DELAY_SLACK_MS 100

/* ---- the account that vfio-pm-pci keeps ---- */

/* "12 by config_read, 3 by ioctl": what grew among the wakes. NULL: there is no account. */
static void account_causes(const struct vfiopm_account *before, const struct vfiopm_account *after,
			   char *buf, size_t size)
{
	const char *cause;
	size_t used = 0;

	buf[0] = '\0';
	if (!before || !after)
		return;
	for (size_t i = 0; used < size && (cause = vfiopm_account_cause(i)); i++) {
		int64_t old = 0, new = 0;

		vfiopm_account_get(before, cause, &old);
		vfiopm_account_get(after, cause, &new);
		if (new > old)
			used += (size_t)snprintf(buf + used, size - used, "%s%" PRId64 " by %s",
						 used ? ", " : "", new - old, cause);
	}
}

/*
 * "python3 (pid 4711)": who the last wake is put down to. It may be older than
 * the watch: accesses that come within the autosuspend delay wake nothing.
 */
static void account_who(const struct vfiopm_account *after, char *buf, size_t size)
{
	const char *comm, *pid;

	if (!after)
		return;
	comm = vfiopm_account_get_last_wake(after, "comm");
	pid = vfiopm_account_get_last_wake(after, "pid");
	if (!comm || !pid)
		return;
	snprintf(buf, size, "%s (pid %s)", comm, pid);
	/* A task names itself as it likes. */
	for (; *buf; buf++)
		if ((unsigned char)*buf < ' ' || *buf == 0x7f)
			*buf = '?';
}

void watch_device(struct scene *s, int64_t ms)
{
	struct vfiopm_account *before = NULL, *after = NULL;
	char last[32] = "", *status;
	int64_t start = now_ms(), asleep_before = 0, asleep_after = 0;
	struct watch *watch = &s->watch;
	struct timespec step = { .tv_nsec = STEP_MS * 1000000L };

	vfiopm_account_new(s->look->dev, &before);
	watch->timed = look_number(s->look, ATTR_SUSPENDED_TIME, &asleep_before) == 0;
	while (now_ms() - start < ms) {
		look_forget(s->look, ATTR_STATUS);
		status = look_fact(s->look, ATTR_STATUS)->value;
		if (status && strcmp(status, last) && strlen(status) < sizeof(last)) {
			watch->changes += last[0] != '\0';
			strcpy(last, status);
		}
		nanosleep(&step, NULL);
	}
	look_forget(s->look, ATTR_SUSPENDED_TIME);
	watch->timed &= look_number(s->look, ATTR_SUSPENDED_TIME, &asleep_after) == 0;
	watch->ms = now_ms() - start;
	watch->suspended_ms = asleep_after - asleep_before;
	watch->done = true;
	vfiopm_account_new(s->look->dev, &after);
	account_causes(before, after, watch->causes, sizeof(watch->causes));
	account_who(after, watch->who, sizeof(watch->who));
	vfiopm_account_free(before);
	vfiopm_account_free(after);
}

/*
 * Only a device that is kept busy is accused: one that sleeps for at least
 * half of the time isn't, nor one that something else keeps awake all along.
 */
void rule_busy(struct scene *s)
{
	const struct watch *watch = &s->watch;
	struct vfiopm_finding *f;
	char value[64], file[SYSFS_PATH_MAX];
	int64_t delay;

	if (!watch->done)
		return;
	device_path(s->look->dev, attr_file(ATTR_SUSPENDED_TIME), file, sizeof(file));
	if (!watch->timed) {
		unmeasured(s, ROUTES_ALL, s->look, ATTR_SUSPENDED_TIME, "how long it slept");
		return;
	}
	snprintf(value, sizeof(value), "grew by %" PRId64 " ms in %" PRId64 " ms",
		 watch->suspended_ms, watch->ms);
	/* A pin that doesn't come and go is told by its own rule. */
	if (watch->suspended_ms * 2 >= watch->ms || (watch->changes < 2 && s->pins > 0)) {
		f = passes(s, ROUTES_ALL, s->look, "nobody keeps it busy");
		quote_file(s, f, file, value);
		return;
	}
	if (watch->changes < 2 && !(s->active && s->vfio && s->usage_known && s->pins <= 0 &&
				    look_is(s->look, ATTR_CONTROL, "auto")))
		return;
	/* One use of it, before the watch began, is enough to keep it awake for so long. */
	if (watch->changes < 2 && look_number(s->look, ATTR_DELAY, &delay) == 0 &&
	    watch->ms <= delay + DELAY_SLACK_MS) {
		f = untold(s, ROUTES_ALL, s->look,
			   "it was watched for less than its autosuspend delay",
			   "whether somebody keeps it busy could not be measured");
		quote_file(s, f, file, value);
		quote(s, f, s->look, ATTR_DELAY);
		mend_command(s, f, ORDER_LOOK, "vfio-pm explain --watch=%" PRId64 "ms %s",
			     delay * 2 + 1000, s->look->dev->name);
		return;
	}
	s->busy = true;
	f = blocks(s, ROUTES_ALL, s->look,
		   "is kept busy: asleep for %" PRId64 " %% of %" PRId64 " ms, the status changed "
		   "%u times%s%s%s%s",
		   watch->suspended_ms * 100 / watch->ms, watch->ms,
		   watch->changes, watch->causes[0] ? ", woken " : "", watch->causes,
		   !watch->who[0] ? "" : watch->causes[0] ? ", last by " :
							    ", last woken by ",
		   watch->who);
	quote_file(s, f, file, value);
	if (watch->causes[0]) {
		device_path(s->look->dev, attr_file(ATTR_ACCOUNT), file, sizeof(file));
		quote_file(s, f, file, watch->causes);
	}
	if (watch->who[0]) {
		device_path(s->look->dev, "vfio_pm/last_wake", file, sizeof(file));
		quote_file(s, f, file, watch->who);
	}
	mend_command(s, f, ORDER_LOOK, "vfio-pm monitor %s", s->look->dev->name);
}
