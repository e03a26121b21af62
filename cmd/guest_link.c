// SPDX-License-Identifier: GPL-2.0-or-later
/* The listener's connections to one VM: the UART's other end, and QMP. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "guest.h"

/*
 * A QEMU that is just starting makes its sockets before it answers there, and
 * pins the memory of its guest in between. Twice as long each time.
 */
#define QMP_MS 300
#define QMP_RETRY_MS 500
#define QMP_RETRY_MAX_MS 60000
#define QMP_QUIET_MS 20000

/*
 * An OFF is acted on only while the guest surely waits for the answer: it must
 * not find out by itself that its device is in low power. It waits for two
 * seconds, but for 50 ms only when its last question found nobody; for an ON of a
 * device that it knows to sleep for a second at least, else for half a second, or
 * 50 ms (vfio-pm-guest(7)). An answer within that was one that it waited for.
 */
#define OFF_MS 1500
#define ON_MS 900
#define ON_UNSURE_MS 450
#define ABSENT_MS 40

/* A guest can reset its machine, or put it into S3, as fast as it likes: so many are told. */
#define EVENTS_MAX 10
#define EVENTS_MS 60000

/* Read at a time; a guest that sends without end is no reason not to look up. */
#define READ_MAX 65536

static void tell(struct guest *g, enum guest_event_kind kind, const char *text)
{
	guest_report(g, &(struct guest_event){ .kind = kind, .text = text });
}

static void settle_all(struct guest *g, const char *why)
{
	for (size_t i = 0; i < g->count; i++)
		guest_device_settle(g, &g->device[i], why);
}

static void qmp_later(struct guest *g)
{
	g->qmp_gap_ms = !g->qmp_gap_ms ? QMP_RETRY_MS :
			g->qmp_gap_ms < QMP_RETRY_MAX_MS / 2 ? 2 * g->qmp_gap_ms :
							       QMP_RETRY_MAX_MS;
	g->qmp_at_ms = monotonic_ms() + g->qmp_gap_ms;
}

void guest_link_qmp_try(struct guest *g)
{
	int r = vfiopm_qmp_open(g->qmp_path, QMP_MS, &g->qmp);

	g->qmp_at_ms = 0;
	if (r == 0) {
		if (g->qmp_told)
			msg_warn("the monitor '%s' is there now", g->qmp_path);
		g->qmp_told = false;
		g->qmp_gap_ms = 0;
		return;
	}
	g->qmp = NULL;
	qmp_later(g);
	if (g->qmp_told || monotonic_ms() < g->qmp_quiet_ms)
		return;
	g->qmp_told = true;
	msg_warn("cannot use the monitor '%s': %s; resets are noticed without it, later, and it "
		 "is tried again",
		 g->qmp_path, r == -EBUSY ? "another client has it" : strerror(-r));
}

/* A QEMU that ends closes its sockets in turn: told only if it turns out to live. */
static void qmp_lost(struct guest *g)
{
	vfiopm_qmp_close(g->qmp);
	g->qmp = NULL;
	g->qmp_gap_ms = 0;
	g->qmp_quiet_ms = monotonic_ms();
	qmp_later(g);
}

static int open_socket(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

/* A VM that isn't there yet has no socket, or one that nobody listens at. The rest is told. */
static void tell_unreachable(struct guest *g, int error)
{
	if (error == ENOENT || error == ECONNREFUSED || error == g->told_error)
		return;
	g->told_error = error;
	msg_warn("cannot connect to '%s': %s; it is tried again", g->socket,
		 error == ESRCH	 ? "the process behind it isn't visible from here" :
		 error == EAGAIN ? "another client has it" :
				   strerror(error));
}

void guest_link_try(struct guest *g)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);
	int fd;

	guest_await_begin(&g->await, g->socket);
	fd = open_socket(g->socket);
	if (fd >= 0 &&
	    (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.pid <= 0)) {
		/* Of another PID namespace: unix(7) has no number for it. */
		close(fd);
		fd = -ESRCH;
	}
	if (fd < 0) {
		tell_unreachable(g, -fd);
		guest_await_failed(&g->await, -fd);
		return;
	}
	guest_await_end(&g->await);
	g->told_error = 0;
	g->link_fd = fd;
	g->vm_pid = g->owner_pid = peer.pid;
	g->drained_ms = monotonic_ms();
	g->off_ms = ABSENT_MS;
	if (vfiopm_process_get_comm(g->app->ctx, peer.pid, g->vm_comm, sizeof(g->vm_comm)) < 0)
		strcpy(g->vm_comm, "?");
	g->frames.len = 0;
	g->old_garbage = g->frames.garbage;
	g->old_unknown = g->frames.unknown;
	g->told_noise = g->told_unknown = g->told_stranger = false;
	for (size_t i = 0; i < g->count; i++)
		guest_device_greet(g, &g->device[i]);
	tell(g, GUEST_CONNECTED, NULL);
	g->qmp_told = false;
	g->qmp_gap_ms = 0;
	g->qmp_quiet_ms = monotonic_ms() + QMP_QUIET_MS;
	g->qmp_at_ms = g->qmp_path ? monotonic_ms() : 0;
}

void guest_link_close(struct guest *g)
{
	vfiopm_qmp_close(g->qmp);
	g->qmp = NULL;
	g->qmp_at_ms = 0;
	if (g->link_fd < 0)
		return;
	close(g->link_fd);
	g->link_fd = -1;
	settle_all(g, "the VM has closed the socket");
	tell(g, GUEST_LOST, NULL);
	g->vm_pid = 0;
	guest_await_gone(&g->await);
}

void guest_link_answer(struct guest *g, const struct guest_device *d)
{
	const struct vfiopm_frame frame = {
		.kind = d->slot.answer,
		.port = d->path.port,
		.devfn = d->path.devfn,
		.seq = (uint8_t)d->slot.seq,
	};
	uint8_t bytes[VFIOPM_FRAME_LEN];

	if (g->link_fd < 0)
		return;
	vfiopm_frame_encode(&frame, bytes);
	/*
	 * A guest that doesn't read its answers gets none: its question is over
	 * after the time that it waits.
	 */
	send(g->link_fd, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static struct guest_device *find(struct guest *g, const struct vfiopm_frame *frame)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->device[i].path.port == frame->port &&
		    g->device[i].path.devfn == frame->devfn)
			return &g->device[i];
	return NULL;
}

static void take_stranger(struct guest *g, const struct vfiopm_frame *frame)
{
	g->strangers++;
	if (!g->told_stranger)
		guest_report(g,
			     &(struct guest_event){ .kind = GUEST_STRANGER, .frame = frame });
	g->told_stranger = true;
}

/* What a guest asks comes one question at a time: each is the last, or was given up. */
struct questions {
	struct vfiopm_frame frame[GUEST_DEVICES_MAX]; /* of each device, its last */
	unsigned int number[GUEST_DEVICES_MAX]; /* 0: none */
	unsigned int count;
};

static void note_question(struct guest *g, struct questions *q, const struct vfiopm_frame *frame)
{
	struct guest_device *d = find(g, frame);

	/* An echo of an answer is no question. */
	if (frame->kind != VFIOPM_FRAME_OFF && frame->kind != VFIOPM_FRAME_ON)
		return;
	q->count++;
	if (!d) {
		take_stranger(g, frame);
		return;
	}
	q->frame[d - g->device] = *frame;
	q->number[d - g->device] = q->count;
}

static int64_t waits_ms(const struct guest *g, const struct guest_device *d,
			const struct vfiopm_frame *frame)
{
	if (frame->kind == VFIOPM_FRAME_OFF)
		return g->off_ms;
	return d->slot.off ? ON_MS : g->off_ms == OFF_MS ? ON_UNSURE_MS : ABSENT_MS;
}

/*
 * An ON that was given up may be what saves the guest from waking a device that
 * hasn't suspended yet; an OFF that was is left alone.
 */
static void answer_all(struct guest *g, const struct questions *q, int64_t since_ms)
{
	int64_t last_ms = 0;	/* to answer the last question in, if it was answered */

	for (size_t i = 0; i < g->count; i++) {
		struct guest_device *d = &g->device[i];
		bool given_up = q->number[i] != q->count;
		int64_t ms;

		if (!q->number[i] || (given_up && q->frame[i].kind == VFIOPM_FRAME_OFF))
			continue;
		ms = waits_ms(g, d, &q->frame[i]);
		guest_device_ask(g, d, &q->frame[i], since_ms + ms);
		if (!given_up && !d->on_due_us)
			last_ms = ms;
	}
	if (q->count)
		g->off_ms = monotonic_ms() - since_ms < last_ms ? OFF_MS : ABSENT_MS;
}

static void tell_noise(struct guest *g)
{
	if (g->frames.garbage != g->old_garbage && !g->told_noise) {
		g->told_noise = true;
		tell(g, GUEST_NOISE, NULL);
	}
	if (g->frames.unknown != g->old_unknown && !g->told_unknown) {
		g->told_unknown = true;
		tell(g, GUEST_UNKNOWN, NULL);
	}
}

void guest_link_read(struct guest *g)
{
	struct questions q = { 0 };
	struct vfiopm_frame frame;
	int64_t since_ms = g->drained_ms;
	uint8_t bytes[4096];
	size_t total = 0;
	ssize_t n;

	/* All that is there: what was given up is known by what came after it. */
	do {
		n = recv(g->link_fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		for (ssize_t i = 0; i < n; i++)
			if (vfiopm_frames_feed(&g->frames, bytes[i], &frame))
				note_question(g, &q, &frame);
		total += n > 0 ? (size_t)n : 0;
	} while ((n > 0 && total < READ_MAX) || (n < 0 && errno == EINTR));
	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		guest_link_close(g);
		return;
	}
	if (n < 0)
		g->drained_ms = monotonic_ms();
	answer_all(g, &q, since_ms);
	tell_noise(g);
}

static void tell_event(struct guest *g, enum vfiopm_qmp_event event)
{
	int64_t now_ms = monotonic_ms();

	if (!g->events || now_ms - g->events_ms >= EVENTS_MS) {
		g->events = 0;
		g->events_ms = now_ms;
	}
	if (g->events == EVENTS_MAX) {
		g->untold_events++;
		return;
	}
	g->events++;
	tell(g, GUEST_QMP, vfiopm_qmp_event_name(event));
	g->untold_events = 0;
}

void guest_link_qmp(struct guest *g)
{
	enum vfiopm_qmp_event event;
	int r;

	while ((r = vfiopm_qmp_next(g->qmp, &event)) > 0) {
		tell_event(g, event);
		switch (event) {
		case VFIOPM_QMP_RESET:
			settle_all(g, "the VM was reset");
			break;
		case VFIOPM_QMP_SHUTDOWN:
			settle_all(g, "the VM shuts down");
			break;
		case VFIOPM_QMP_WAKEUP:
			/* The wake resets the devices, and the firmware comes before the guest. */
			settle_all(g, "the VM was woken from S3");
			break;
		default:
			/* In S3 and while it is stopped the guest asks for nothing. */
			break;
		}
	}
	if (r < 0)
		qmp_lost(g);
}
