// SPDX-License-Identifier: GPL-2.0-or-later
/* A child that opens devices and does what can sleep in the kernel, a call at a time. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "worker.h"

struct worker {
	pid_t pid;
	int sock;
	int lost;			/* -ETIME, -EPIPE: doesn't answer any more; 0: it does */
	struct opened *opened;
};

struct request {
	enum opened_op op;
	size_t i;
};

struct answer {
	int r;
	struct opened_reply reply;
};

/* Ends with the caller, however that ends: its side of the socket is closed then. */
static void serve(struct worker *w, int sock)
{
	struct request rq;

	while (recv(sock, &rq, sizeof(rq), 0) == (ssize_t)sizeof(rq)) {
		struct answer answer = { 0 };

		answer.r = opened_do(w->opened, rq.op, rq.i, NULL, 0, &answer.reply);
		if (send(sock, &answer,
			 offsetof(struct answer, reply.config) + answer.reply.config_len,
			 MSG_NOSIGNAL) < 0)
			break;
	}
	opened_leave_all(w->opened);
}

static int start_child(struct worker *w)
{
	const struct timeval limit = {
		.tv_sec = OPENED_LIMIT_MS / 1000,
		.tv_usec = OPENED_LIMIT_MS % 1000 * 1000,
	};
	int socks[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		return -errno;
	/* Of the caller's side only: the child waits for a request however long. */
	r = setsockopt(socks[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (r == 0)
		r = w->pid = fork();
	if (r < 0) {
		r = -errno;
		close(socks[0]);
		close(socks[1]);
		return r;
	}
	if (w->pid == 0) {
		close(socks[0]);
		prctl(PR_SET_NAME, PROGRAM "-work");
		serve(w, socks[1]);
		_exit(0);
	}
	close(socks[1]);
	w->sock = socks[0];
	return 0;
}

int worker_new(struct opened *opened, struct worker **ret)
{
	struct worker *w;
	int r;

	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->opened = opened;
	r = start_child(w);
	if (r < 0) {
		free(w);
		return r;
	}
	*ret = w;
	return 0;
}

static int await(struct worker *w, struct answer *answer)
{
	ssize_t n;

	do
		n = recv(w->sock, answer, sizeof(*answer), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return -ETIME;
	return n < (ssize_t)offsetof(struct answer, reply.config) ? -EPIPE : 0;
}

int worker_call(struct worker *worker, enum opened_op op, size_t i, struct opened_reply *ret)
{
	struct request rq = { .op = op, .i = i };
	struct answer answer;
	int r;

	if (worker->lost)
		return worker->lost;
	r = send(worker->sock, &rq, sizeof(rq), MSG_NOSIGNAL) < 0 ? -EPIPE : await(worker, &answer);
	if (r < 0) {
		worker->lost = r;
		return r;
	}
	if (ret)
		*ret = answer.reply;
	return answer.r;
}

int worker_free(struct worker *worker)
{
	const struct timespec step = { .tv_nsec = 2000000 };
	int64_t deadline;
	int r = -ETIME;

	if (!worker)
		return 0;
	/* The end of the socket is the order to leave. */
	close(worker->sock);
	if (worker->lost)
		kill(worker->pid, SIGKILL);
	deadline = monotonic_ns() + (worker->lost ? 1000 : OPENED_LIMIT_MS) * 1000000LL;
	while (monotonic_ns() < deadline) {
		if (waitpid(worker->pid, NULL, WNOHANG) != 0) {
			r = 0;
			break;
		}
		nanosleep(&step, NULL);
	}
	free(worker);
	return r;
}
