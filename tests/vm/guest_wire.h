/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's side of vfio-pm-guest(7), and the VMM's end of its UART, for an owner that is no
 * QEMU. Written from the page, not with the library's frames.
 */
#ifndef GUEST_WIRE_H
#define GUEST_WIRE_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct wire {
	int server, peer;
	uint8_t seq;
	uint8_t window[8];
};

static inline int64_t wire_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

/* As QEMU's -chardev socket,server=on,wait=off: one client at a time, nobody is waited for. */
static inline bool wire_listen(struct wire *w, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	unlink(path);
	w->peer = -1;
	w->server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return bind(w->server, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
	       listen(w->server, 1) == 0;
}

static inline void wire_drop(struct wire *w)
{
	if (w->peer >= 0)
		close(w->peer);
	w->peer = -1;
}

/* Let in who waits; a client that has gone is let go. */
static inline bool wire_accept(struct wire *w)
{
	uint8_t byte;

	if (w->peer >= 0 && recv(w->peer, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		wire_drop(w);
	if (w->peer < 0)
		w->peer = accept4(w->server, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	return w->peer >= 0;
}

static inline void wire_send(struct wire *w, const uint8_t *bytes, size_t len)
{
	if (wire_accept(w) && send(w->peer, bytes, len, MSG_NOSIGNAL) < 0)
		wire_drop(w);
}

static inline void wire_frame(uint8_t *f, unsigned int kind, uint8_t port, uint8_t devfn,
			      uint8_t seq)
{
	uint8_t a = 0, b = 0;

	memcpy(f, (uint8_t[]){ 0xf5, 0xfa, (uint8_t)(0x10 | kind), port, devfn, seq }, 6);
	for (int i = 2; i < 6; i++) {
		a = (uint8_t)(a + f[i]);
		b = (uint8_t)(b + a);
	}
	f[6] = a;
	f[7] = b;
}

/* Wait for the answer: 'd' done, 'r' refused, 'n' none. ON is asked again each 250 ms. */
static inline char wire_ask(struct wire *w, unsigned int kind, uint8_t port, uint8_t devfn,
			    int wait_ms)
{
	uint8_t question[8], done[8], refused[8], byte;
	int64_t start = wire_us(), again = start + 250000, now;

	w->seq++;
	wire_frame(question, kind, port, devfn, w->seq);
	wire_frame(done, 0xd, port, devfn, w->seq);
	wire_frame(refused, 0xe, port, devfn, w->seq);
	wire_send(w, question, sizeof(question));
	while ((now = wire_us()) - start < wait_ms * 1000LL) {
		struct pollfd p = { .fd = w->peer >= 0 ? w->peer : w->server, .events = POLLIN };

		if (poll(&p, 1, 20) > 0 && wire_accept(w)) {
			while (w->peer >= 0 && recv(w->peer, &byte, 1, 0) == 1) {
				memmove(w->window, w->window + 1, 7);
				w->window[7] = byte;
				if (!memcmp(w->window, done, 8))
					return 'd';
				/* ON is asked until it is done. */
				if (kind == 1 && !memcmp(w->window, refused, 8))
					return 'r';
			}
		}
		if (kind == 2 && now > again) {
			wire_send(w, question, sizeof(question));
			again = now + 250000;
		}
	}
	return 'n';
}

#endif /* GUEST_WIRE_H */
