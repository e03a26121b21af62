// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The service's statistics, over an abstract socket: no file tells of what
 * isn't there any more.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "abstract.h"
#include "deepen.h"
#include "deepen_tell.h"

/* A service that is in the middle of a deepening answers after it. */
#define ANSWER_MS 3000

static socklen_t address_of(uid_t uid, struct sockaddr_un *ret)
{
	return abstract_address(ret, "%u/deepen", (unsigned int)uid);
}

int deepen_tell_open(void)
{
	struct sockaddr_un addr;
	socklen_t len = address_of(geteuid(), &addr);
	int fd = abstract_listen(&addr, len, 16);

	return fd < 0 ? -1 : fd;
}

static void fill(struct deepen_told *told, const struct deepen_device *d)
{
	const struct deepen_stats *st = &d->stats;

	*told = (struct deepen_told){
		.version = DEEPEN_TOLD_VERSION,
		.pid = getpid(),
		.in_kernel = d->phase == PHASE_IN_KERNEL,
		.asleep = deepen_device_is_asleep(d),
		.deepened = st->deepened,
		.woken = st->woken,
		.refused = st->refused,
		.missed = st->missed,
		.asleep_ms = st->asleep_ms,
		.pause_us = st->pause_us,
		.pause_max_us = st->pause_max_us,
	};
	if (d->phase == PHASE_ASLEEP)
		told->asleep_ms += monotonic_ms() - d->since_ms;
	snprintf(told->name, sizeof(told->name), "%s", vfiopm_device_get_name(d->dev));
	if (st->refused)
		snprintf(told->reason, sizeof(told->reason), "%s", deepen_reason_name(d));
}

void deepen_tell(const struct deepen *s, int listen_fd)
{
	socklen_t len = sizeof(struct ucred);
	struct deepen_told told;
	struct ucred peer;
	int fd;

	fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	    (peer.uid == 0 || peer.uid == geteuid()))
		for (size_t i = 0; i < s->count; i++) {
			fill(&told, s->device[i]);
			/* Who doesn't read doesn't hold the service up. */
			if (send(fd, &told, sizeof(told), MSG_NOSIGNAL) < 0)
				break;
		}
	close(fd);
}

static int reach(struct app *app, uid_t uid)
{
	struct sockaddr_un addr;
	socklen_t len = address_of(uid, &addr);
	struct ucred peer;
	int fd;

	fd = abstract_connect(&addr, len, 0, ANSWER_MS, &peer);
	if (fd < 0)
		return -1;
	if (peer.uid == uid && vfiopm_process_is_self_exe(app->ctx, peer.pid) != 0)
		return fd;
	close(fd);
	return -1;
}

int deepen_ask(struct app *app, const struct vfiopm_device *dev, struct deepen_told *ret)
{
	struct deepen_told told;
	int fd = reach(app, 0), found = 0;

	if (fd < 0 && geteuid() != 0)
		fd = reach(app, geteuid());
	if (fd < 0)
		return 0;
	while (recv(fd, &told, sizeof(told), 0) == (ssize_t)sizeof(told) &&
	       told.version == DEEPEN_TOLD_VERSION) {
		told.name[sizeof(told.name) - 1] = '\0';
		told.reason[sizeof(told.reason) - 1] = '\0';
		if (strcmp(told.name, vfiopm_device_get_name(dev)))
			continue;
		*ret = told;
		found = 1;
	}
	close(fd);
	return found;
}
