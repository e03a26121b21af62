/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets with an abstract name: how processes of this program find each other
 * without a file. The name ends with its process, whatever ends that.
 */
#ifndef ABSTRACT_H
#define ABSTRACT_H

#include <sys/socket.h>
#include <sys/un.h>

/* A name of this program: PROGRAM "/" and @fmt. Returns the address's length. */
socklen_t abstract_address(struct sockaddr_un *ret, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* A descriptor that doesn't block; -EADDRINUSE: somebody has the name. */
int abstract_listen(const struct sockaddr_un *addr, socklen_t len, int backlog);
/*
 * @flags: SOCK_NONBLOCK or 0; @limit_ms, unless 0, bounds connecting, sending and
 * receiving. Fills @peer; whether it is to be believed is the caller's to say.
 * -ECONNREFUSED: nobody has the name.
 */
int abstract_connect(const struct sockaddr_un *addr, socklen_t len, int flags, int limit_ms,
		     struct ucred *peer);

#endif /* ABSTRACT_H */
