// SPDX-License-Identifier: GPL-2.0-or-later
/* Waiting for a VM's socket: who waits for hours costs nothing meanwhile. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "guest.h"

/* One attempt to connect after the other, while there may soon be somebody. */
#define RETRY_MS 500
/* Between its bind(2), which is told, and its listen(2), which isn't, a VM refuses. */
#define SOON_MS 5000
/* Should something have made a socket that inotify(7) doesn't tell of. */
#define SELDOM_MS 60000
/* A VM that has gone may be back as soon. */
#define GONE_MS 50

/* Something new in it, or it is another one by now. */
#define EVENTS (IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

/* Its folder; or, as long as that isn't there, the nearest above it. */
static int watch(int fd, const char *socket)
{
	char path[PATH_MAX], *slash;

	if (strlen(socket) >= sizeof(path))
		return -ENAMETOOLONG;
	strcpy(path, socket);
	while ((slash = strrchr(path, '/')) != NULL) {
		slash[slash == path] = '\0';
		if (inotify_add_watch(fd, path, EVENTS) >= 0)
			return 0;
		if (slash == path || (errno != ENOENT && errno != ENOTDIR))
			return -errno;
	}
	return inotify_add_watch(fd, ".", EVENTS) < 0 ? -errno : 0;
}

void guest_await_begin(struct guest_await *a, const char *socket)
{
	guest_await_end(a);
	a->tried_ms = monotonic_ms();
	a->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (a->fd >= 0 && watch(a->fd, socket) < 0)
		guest_await_end(a);
}

void guest_await_failed(struct guest_await *a, int error)
{
	bool told = a->fd >= 0 && (error == ENOENT || error == ECONNREFUSED);

	a->at_ms = monotonic_ms();
	if (!a->soon_until_ms)
		a->soon_until_ms = a->at_ms + SOON_MS;
	a->at_ms += told && a->at_ms >= a->soon_until_ms ? SELDOM_MS : RETRY_MS;
}

void guest_await_event(struct guest_await *a)
{
	char events[4096];
	int64_t now_ms = monotonic_ms();

	while (read(a->fd, events, sizeof(events)) > 0)
		;
	a->soon_until_ms = now_ms + SOON_MS;
	a->at_ms = now_ms - a->tried_ms < RETRY_MS ? a->tried_ms + RETRY_MS : now_ms;
}

void guest_await_gone(struct guest_await *a)
{
	a->at_ms = monotonic_ms() + GONE_MS;
	a->soon_until_ms = 0;
}

void guest_await_end(struct guest_await *a)
{
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
}
