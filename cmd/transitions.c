// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Kernels before 6.10 have no trace event for a change of the runtime status:
 * rpm_suspend, rpm_resume and rpm_idle tell that a function was entered, and
 * rpm_return_int with what it returned. They nest (a resume resumes the parent
 * first), so each task has a stack of its own.
 *
 * What a return of 0 means (drivers/base/power/runtime.c):
 *  - request with RPM_ASYNC: queued, or a timer set; the work comes later, in
 *    the context of a worker;
 *  - rpm_resume(): resumed now; "was active already" returns 1;
 *  - rpm_suspend(): suspended now, but with RPM_AUTO and an autosuspend delay
 *    that isn't over it also returns 0.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "transitions.h"

/* include/linux/pm_runtime.h */
#define FLAG_ASYNC 0x01
#define FLAG_AUTO 0x08

struct frame {
	int task;
	enum rpm_kind kind;
	int flags;
	uint64_t ns;
	char name[VFIOPM_ADDR_LEN];
};

/* A resume that was queued: its asker isn't the worker that will do it. */
struct queued {
	int pid;
	uint64_t ns;
	char name[VFIOPM_ADDR_LEN];
};

struct transitions {
	struct frame *frames;
	size_t n_frames, room_frames;
	struct queued *queued;
	size_t n_queued, room_queued;
};

/* Returns lost to an overrun or to disabling leave frames behind; real nesting is far below. */
#define FRAMES_MAX 4096

int transitions_new(struct transitions **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void transitions_free(struct transitions *t)
{
	if (!t)
		return;
	free(t->frames);
	free(t->queued);
	free(t);
}

/* All idle tasks are pid 0, one a CPU, and don't migrate. */
static int task_of(const struct rpm_event *event)
{
	return event->pid ? event->pid : -1 - event->cpu;
}

static int grow(void **array, size_t *room, size_t count, size_t size)
{
	size_t wanted = *room ? 2 * *room : 16;
	void *grown;

	if (count < *room)
		return 0;
	grown = reallocarray(*array, wanted, size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	*room = wanted;
	return 0;
}

static int push(struct transitions *t, const struct rpm_event *event)
{
	struct frame *frame;
	int r;

	if (t->n_frames == FRAMES_MAX)
		t->n_frames = 0;
	r = grow((void **)&t->frames, &t->room_frames, t->n_frames, sizeof(*t->frames));
	if (r < 0)
		return r;
	frame = &t->frames[t->n_frames++];
	frame->task = task_of(event);
	frame->kind = event->kind;
	frame->flags = event->flags;
	frame->ns = event->ns;
	memcpy(frame->name, event->name, sizeof(frame->name));
	return 0;
}

/* The task's innermost frame of that device; what it has above it lost its return. */
static bool pop(struct transitions *t, const struct rpm_event *event, struct frame *ret)
{
	int task = task_of(event);
	size_t at = t->n_frames, kept;

	while (at > 0 && (t->frames[at - 1].task != task ||
			  strcmp(t->frames[at - 1].name, event->name)))
		at--;
	if (!at)
		return false;
	at--;
	*ret = t->frames[at];
	kept = at;
	for (size_t i = at + 1; i < t->n_frames; i++)
		if (t->frames[i].task != task)
			t->frames[kept++] = t->frames[i];
	t->n_frames = kept;
	return true;
}

static struct queued *find_queued(struct transitions *t, const char *name)
{
	for (size_t i = 0; i < t->n_queued; i++)
		if (!strcmp(t->queued[i].name, name))
			return &t->queued[i];
	return NULL;
}

static int remember_asker(struct transitions *t, const struct frame *frame, int pid)
{
	struct queued *q = find_queued(t, frame->name);
	int r;

	/* The first to ask is the one who woke it. */
	if (q)
		return 0;
	r = grow((void **)&t->queued, &t->room_queued, t->n_queued, sizeof(*t->queued));
	if (r < 0)
		return r;
	q = &t->queued[t->n_queued++];
	q->pid = pid;
	q->ns = frame->ns;
	memcpy(q->name, frame->name, sizeof(q->name));
	return 0;
}

static void take_asker(struct transitions *t, struct transition *ret)
{
	struct queued *q = find_queued(t, ret->name);

	if (!q)
		return;
	if (ret->active) {
		ret->pid = q->pid;
		ret->asked_ns = q->ns;
	}
	*q = t->queued[--t->n_queued];
}

static int returned(struct transitions *t, const struct rpm_event *event, struct transition *ret)
{
	struct frame frame;

	if (!pop(t, event, &frame) || frame.kind == RPM_IDLE || event->ret != 0)
		return 0;
	if (frame.flags & FLAG_ASYNC)
		return frame.kind == RPM_RESUME ? remember_asker(t, &frame, event->pid) : 0;
	*ret = (struct transition){
		.ns = event->ns,
		.asked_ns = frame.ns,
		.pid = event->pid,
		.active = frame.kind == RPM_RESUME,
		.maybe = frame.kind == RPM_SUSPEND && frame.flags & FLAG_AUTO,
	};
	memcpy(ret->name, event->name, sizeof(ret->name));
	take_asker(t, ret);
	return 1;
}

int transitions_feed(struct transitions *t, const struct rpm_event *event, struct transition *ret)
{
	switch (event->kind) {
	case RPM_SUSPEND:
	case RPM_RESUME:
	case RPM_IDLE:
		return push(t, event);
	case RPM_RETURN:
		return returned(t, event, ret);
	case RPM_LOST:
		t->n_frames = 0;
		t->n_queued = 0;
		return 0;
	case RPM_USAGE:
		break;
	}
	return 0;
}
