// SPDX-License-Identifier: GPL-2.0-or-later
/* Names in the abstract namespace of unix sockets. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

#include "abstract.h"
#include "cmd.h"

socklen_t abstract_address(struct sockaddr_un *ret, const char *fmt, ...)
{
	const int prefix = sizeof(PROGRAM);
	va_list args;
	int n;

	/* A zero byte before the name makes it abstract (unix(7)). */
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX, .sun_path = "\0" PROGRAM "/" };
	va_start(args, fmt);
	n = vsnprintf(ret->sun_path + 1 + prefix, sizeof(ret->sun_path) - 1 - (size_t)prefix, fmt,
		      args);
	va_end(args);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)(prefix + n));
}

int abstract_listen(const struct sockaddr_un *addr, socklen_t len, int backlog)
{
	int fd, r;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)addr, len) == 0 && listen(fd, backlog) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

int abstract_connect(const struct sockaddr_un *addr, socklen_t len, int flags, int limit_ms,
		     struct ucred *peer)
{
	const struct timeval limit = { .tv_sec = limit_ms / 1000,
				       .tv_usec = limit_ms % 1000 * 1000 };
	socklen_t size = sizeof(*peer);
	int fd, r;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
	if (fd < 0)
		return -errno;
	if (limit_ms) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	}
	if (connect(fd, (const struct sockaddr *)addr, len) == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &size) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}
