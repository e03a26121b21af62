// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The process that lets a stopped owner run again when its stopper can't:
 * killed, or stuck in the kernel.
 *
 * It leaves low power first. Low power that is engaged on a device that hasn't
 * suspended yet isn't ended by an access (drivers/vfio/pci/vfio_pci_core.c: the
 * wakeup mode ends itself in the resume callback only), so an owner that runs
 * again then would die of SIGBUS at its next access to a BAR.
 *
 * That can take for ever, on a device that doesn't come back, and must not keep
 * the owner stopped: a second process does it, the leaver, made beforehand, since
 * a fork may fail just when it is needed. It serves once, and so does the guard.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "freeze.h"
#include "guard.h"
#include "uapi.h"

/* The guard's answer to a disarm is one round trip, on a busy machine a slow one. */
#define ANSWER_MS 5000

/*
 * Of the bound on the whole. In the first half the caller begins what it may
 * (vfiopm_freezer_holds()); the rest is for leaving low power, which takes as long
 * as a resume: 20 ms, on slow platforms much of a second.
 */
static int64_t act_after(int64_t bound_ms)
{
	return bound_ms * 5 / 8;
}

/*
 * A host that stands still itself, a loaded or a virtual one, has its clock go on meanwhile. What
 * must be given time is given it in looks as well, each of which takes the guard to run: the
 * caller, to come to the end of what it has begun, and the leaver.
 */
#define LOOKS 50

/* What is written to a disk that a guest has may take its time. */
#define THAW_MS 60000

enum order { ORDER_ARM = 1, ORDER_DISARM };

/* One message; an ARM comes with the thaw's descriptor, the lock, and perhaps the device's. */
struct message {
	uint32_t order;
	int64_t bound_ms;
	struct thaw thaw;	/* but for its descriptor */
};

/* ---- the guard itself ---- */

struct guard {
	bool armed, acted;
	int64_t bound_ms;
	int64_t act_ms, end_ms;	/* when it acts, when the owner runs in any case: not before */
	int looks;		/* left until it acts */
	struct thaw thaw;
	int lock_fd, device_fd;
};

static void leave_low_power(int fd)
{
	struct vfio_device_feature rq = {
		.argsz = sizeof(rq),
		.flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
	};

	ioctl(fd, VFIO_DEVICE_FEATURE, &rq);
}

static void leaver_run(void)
{
	int fds[GUARD_FDS_MAX];
	char byte = 0;

	if (guard_receive(GUARD_SOCK, &byte, 1, fds) != 1 || fds[0] < 0)
		return;
	leave_low_power(fds[0]);
	send(GUARD_SOCK, &byte, 1, MSG_NOSIGNAL);
}

/* How long one of LOOKS takes that take @ms together. */
static int64_t look_ms(int64_t ms)
{
	return ms > LOOKS ? ms / LOOKS : 1;
}

/* Until the bound is over, and for as long as it would have if that weren't so yet. */
static void leave_low_power_bounded(const struct guard *g)
{
	int64_t least_ms = g->bound_ms - act_after(g->bound_ms);
	int looks = 0;
	char byte = 0;

	if (guard_send(GUARD_EXTRA, &byte, 1, &g->device_fd, 1) < 0)
		return;
	while (guard_wait(GUARD_EXTRA, look_ms(least_ms), &byte) == -ETIMEDOUT)
		if (++looks >= LOOKS && now_ms() >= g->end_ms)
			return;
}

/*
 * A monitor of QEMU reads no command before the one in hand is done, and a `stop'
 * drains the guest's disks. Hung up on meanwhile, it forgets what it has been sent
 * (monitor/qmp.c, monitor_qmp_cleanup_queue_and_resume()).
 */
static void wait_answer(const struct thaw *thaw)
{
	size_t wanted = strlen(thaw->answer), have = 0;
	int64_t end = now_ms() + THAW_MS;
	char buf[1024];

	while (wanted) {
		struct pollfd p = { .fd = thaw->fd, .events = POLLIN };
		int64_t left = end - now_ms();
		ssize_t n;

		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			return;
		n = read(thaw->fd, buf + have, sizeof(buf) - have);
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n <= 0)
			return;
		have += (size_t)n;
		if (memmem(buf, have, thaw->answer, wanted))
			return;
		/* Its first part may be at the end. */
		if (have > wanted) {
			memmove(buf, buf + have - wanted, wanted);
			have = wanted;
		}
	}
}

static void guard_close(struct guard *g)
{
	if (g->thaw.fd >= 0)
		close(g->thaw.fd);
	if (g->device_fd >= 0)
		close(g->device_fd);
	if (g->lock_fd >= 0)
		close(g->lock_fd);
	g->thaw.fd = g->device_fd = g->lock_fd = -1;
	g->armed = false;
}

/*
 * @gone: nobody but us has the way to let it run any more. A caller that is there
 * would read our answer, and may end all the same before there is one.
 */
static void guard_act(struct guard *g, bool gone)
{
	if (g->device_fd >= 0) {
		leave_low_power_bounded(g);
		close(g->device_fd);
		g->device_fd = -1;
	}
	if (thaw_do(&g->thaw) == 0 && gone)
		wait_answer(&g->thaw);
	if (gone || !g->thaw.answer[0])
		guard_close(g);
	g->armed = false;
	g->acted = true;
}

static void take_order(struct guard *g, const struct message *m, const int *fds)
{
	char answer;

	switch (m->order) {
	case ORDER_ARM:
		guard_close(g);
		g->thaw = m->thaw;
		g->thaw.fd = fds[0];
		g->lock_fd = fds[1];
		g->device_fd = fds[2];
		g->bound_ms = m->bound_ms;
		g->end_ms = now_ms() + m->bound_ms;
		g->act_ms = g->end_ms - m->bound_ms + act_after(m->bound_ms);
		g->looks = LOOKS;
		g->acted = false;
		g->armed = true;
		return;
	case ORDER_DISARM:
		guard_close(g);
		answer = (char)g->acted;
		g->acted = false;
		send(GUARD_SOCK, &answer, 1, MSG_NOSIGNAL);
		return;
	}
}

static void guard_run(void)
{
	struct guard g = { .thaw.fd = -1, .lock_fd = -1, .device_fd = -1 };

	for (;;) {
		struct pollfd p = { .fd = GUARD_SOCK, .events = POLLIN };
		int fds[GUARD_FDS_MAX], n, r;
		struct message m;

		n = poll(&p, 1, g.armed ? (int)look_ms(act_after(g.bound_ms)) : -1);
		if (n > 0) {
			r = guard_receive(GUARD_SOCK, &m, sizeof(m), fds);
			if (r < 0)
				break;
			if (r == 1)
				take_order(&g, &m, fds);
		}
		if (n == 0 && g.armed && --g.looks <= 0 && now_ms() >= g.act_ms)
			guard_act(&g, false);
	}
	if (g.thaw.fd >= 0)
		guard_act(&g, true);
}

/* ---- its client ---- */

int guard_start(void)
{
	int leaver, r;

	leaver = guard_fork("vfio-pm-leaver", leaver_run, -1);
	if (leaver < 0)
		return leaver;
	r = guard_fork("vfio-pm-guard", guard_run, leaver);
	close(leaver);
	return r;
}

int guard_arm(int sock, const struct thaw *thaw, int lock_fd, int device_fd, int64_t bound_ms)
{
	struct message m = { .order = ORDER_ARM, .bound_ms = bound_ms, .thaw = *thaw };
	int fds[] = { thaw->fd, lock_fd, device_fd };

	return guard_send(sock, &m, sizeof(m), fds, device_fd >= 0 ? 3 : 2);
}

int guard_disarm(int sock)
{
	struct message m = { .order = ORDER_DISARM };
	char answer = 0;
	int r;

	r = guard_send(sock, &m, sizeof(m), NULL, 0);
	if (r == 0)
		r = guard_wait(sock, ANSWER_MS, &answer);
	return r < 0 ? r : answer != 0;
}
