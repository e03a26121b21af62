// SPDX-License-Identifier: GPL-2.0-or-later
/* A child that opens devices and does what can sleep in the kernel. */
#include <errno.h>
#include <linux/vfio.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "holder.h"
#include "worker.h"

struct entry {
	struct vfiopm_device *dev;
	struct vfiopm_handle *handle;	/* in the child only */
	bool engaged;			/* in the child only */
	int asked_fd, error_fd;		/* eventfds; shared */
};

struct worker {
	pid_t pid;
	int sock;
	int lost;			/* -ETIME, -EPIPE: doesn't answer any more; 0: it does */
	size_t count;
	struct entry *dev;
	struct pollfd *fds;		/* room for all that is waited for at once */
};

struct request {
	enum worker_op op;
	size_t i;
	struct worker_register reg;
	uint32_t value;
};

struct answer {
	int r;
	struct worker_reply reply;
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* ---- the child ---- */

static struct vfiopm_handle *find_peer(struct worker *w, size_t i)
{
	int group = vfiopm_device_get_group(w->dev[i].dev);

	for (size_t j = 0; j < w->count; j++)
		if (w->dev[j].handle && vfiopm_device_get_group(w->dev[j].dev) == group)
			return w->dev[j].handle;
	return NULL;
}

static int do_open(struct worker *w, size_t i, struct worker_reply *reply)
{
	struct entry *d = &w->dev[i];
	unsigned int features = 0;
	int r;

	r = vfiopm_handle_open(d->dev, VFIOPM_BACKEND_AUTO, find_peer(w, i), &d->handle);
	if (r < 0)
		return r;
	/* Without it an unbind or unplug would wait for us unkillably. */
	vfiopm_handle_on_request(d->handle, d->asked_fd);
	vfiopm_handle_on_error(d->handle, d->error_fd);
	r = vfiopm_low_power_probe(d->handle, &features);
	reply->features = features;
	return r;
}

/* The kernel keeps the eventfd: nobody waits for it. */
static int do_arm(struct entry *d)
{
	int fd = eventfd(0, EFD_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = vfiopm_handle_on_interrupt(d->handle, fd);
	close(fd);
	return r;
}

static int do_config(struct entry *d, struct worker_reply *reply)
{
	uint8_t raw[WORKER_CONFIG_MAX];
	ssize_t n;
	int r;

	/* What the user of the device sees, some of it VFIO's own copy ... */
	r = vfiopm_handle_read(d->handle, VFIO_PCI_CONFIG_REGION_INDEX, 0, reply->config, 256);
	if (r < 0)
		return r;
	reply->config_len = 256;
	/* ... and what the device says; not root: the header only. */
	n = vfiopm_device_read_config(d->dev, raw, sizeof(raw));
	if (n < 0)
		return (int)n;
	memcpy(reply->config, raw, (size_t)n);
	if ((size_t)n > reply->config_len)
		reply->config_len = (uint32_t)n;
	return 0;
}

static int do_register(struct entry *d, const struct request *rq, struct worker_reply *reply)
{
	const uint16_t memory = 0x2;
	uint16_t command;
	int r;

	/* A BAR answers with memory decoding on only. */
	r = vfiopm_handle_read(d->handle, VFIO_PCI_CONFIG_REGION_INDEX, 4, &command,
			       sizeof(command));
	if (r == 0 && !(command & memory)) {
		command |= memory;
		r = vfiopm_handle_write(d->handle, VFIO_PCI_CONFIG_REGION_INDEX, 4, &command,
					sizeof(command));
	}
	if (r < 0)
		return r;
	if (rq->op == WORKER_REG_WRITE)
		return vfiopm_handle_write(d->handle, rq->reg.bar, rq->reg.offset, &rq->value,
					   sizeof(rq->value));
	return vfiopm_handle_read(d->handle, rq->reg.bar, rq->reg.offset, &reply->value,
				  sizeof(reply->value));
}

static int do_close(struct entry *d)
{
	int r = d->engaged ? vfiopm_low_power_exit(d->handle) : 0;

	d->engaged = false;
	vfiopm_handle_close(d->handle);
	d->handle = NULL;
	return r;
}

static int perform(struct worker *w, const struct request *rq, struct worker_reply *reply)
{
	struct entry *d = &w->dev[rq->i];
	int r;

	if (rq->op != WORKER_OPEN && !d->handle)
		return -EBADF;
	switch (rq->op) {
	case WORKER_OPEN:
		return do_open(w, rq->i, reply);
	case WORKER_ARM:
		return do_arm(d);
	case WORKER_ENTER:
		r = vfiopm_low_power_enter(d->handle);
		d->engaged = r == 0;
		return r;
	case WORKER_EXIT:
		d->engaged = false;
		return vfiopm_low_power_exit(d->handle);
	case WORKER_CONFIG:
		return do_config(d, reply);
	case WORKER_REG_READ:
	case WORKER_REG_WRITE:
		return do_register(d, rq, reply);
	case WORKER_CLOSE:
		return do_close(d);
	}
	return -EINVAL;
}

static void leave_all(struct worker *w)
{
	for (size_t i = 0; i < w->count; i++)
		do_close(&w->dev[i]);
}

/* Ends with the caller, however that ends: its side of the socket is closed then. */
static void serve(struct worker *w, int sock)
{
	struct request rq;

	while (recv(sock, &rq, sizeof(rq), 0) == (ssize_t)sizeof(rq)) {
		struct answer answer = { 0 };
		int64_t start = now_ns();

		answer.r = rq.i < w->count ? perform(w, &rq, &answer.reply) : -EINVAL;
		answer.reply.took_ns = now_ns() - start;
		if (send(sock, &answer,
			 offsetof(struct answer, reply.config) + answer.reply.config_len,
			 MSG_NOSIGNAL) < 0)
			break;
	}
	leave_all(w);
}

/* ---- the caller ---- */

static void forget(struct worker *w)
{
	for (size_t i = 0; i < w->count; i++) {
		if (w->dev[i].asked_fd >= 0)
			close(w->dev[i].asked_fd);
		if (w->dev[i].error_fd >= 0)
			close(w->dev[i].error_fd);
		vfiopm_device_unref(w->dev[i].dev);
	}
	free(w->fds);
	free(w->dev);
	free(w);
}

static int start_child(struct worker *w)
{
	const struct timeval limit = {
		.tv_sec = WORKER_LIMIT_MS / 1000,
		.tv_usec = WORKER_LIMIT_MS % 1000 * 1000,
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

int worker_new(const struct targets *targets, struct worker **ret)
{
	struct worker *w;
	int r = 0;

	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->dev = calloc(targets->count, sizeof(*w->dev));
	w->fds = calloc(1 + 2 * targets->count + WORKER_MORE, sizeof(*w->fds));
	if (!w->dev || !w->fds) {
		forget(w);
		return -ENOMEM;
	}
	for (size_t i = 0; i < targets->count && r == 0; i++) {
		struct entry *d = &w->dev[w->count++];

		d->dev = vfiopm_device_ref(targets->dev[i]);
		d->asked_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		d->error_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (d->asked_fd < 0 || d->error_fd < 0)
			r = -errno;
	}
	if (r == 0)
		r = start_child(w);
	if (r < 0) {
		forget(w);
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

int worker_call(struct worker *worker, enum worker_op op, size_t i,
		const struct worker_register *reg, uint32_t value, struct worker_reply *ret)
{
	struct request rq = { .op = op, .i = i, .value = value };
	struct answer answer;
	int r;

	if (worker->lost)
		return worker->lost;
	if (reg)
		rq.reg = *reg;
	r = send(worker->sock, &rq, sizeof(rq), MSG_NOSIGNAL) < 0 ? -EPIPE : await(worker, &answer);
	if (r < 0) {
		worker->lost = r;
		return r;
	}
	if (ret)
		*ret = answer.reply;
	return answer.r;
}

static bool is_signalled(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

bool worker_is_asked(const struct worker *worker, size_t i)
{
	return is_signalled(worker->dev[i].asked_fd);
}

bool worker_take_error(const struct worker *worker, size_t i)
{
	return drain_eventfd(worker->dev[i].error_fd);
}

int worker_check(const struct worker *worker)
{
	struct pollfd pfd = { .fd = worker->sock };

	if (worker->lost)
		return worker->lost;
	return poll(&pfd, 1, 0) == 1 && pfd.revents & POLLHUP ? -EPIPE : 0;
}

bool worker_wait(struct worker *worker, struct pollfd *more, size_t count, int ms)
{
	struct pollfd *fds = worker->fds;
	nfds_t own = 0, n;
	bool any = worker->lost != 0;

	/* POLLHUP needs no asking; an answer that comes too late for its call is no news. */
	fds[own++] = (struct pollfd){ .fd = worker->sock };
	for (size_t i = 0; i < worker->count; i++) {
		fds[own++] = (struct pollfd){ worker->dev[i].asked_fd, POLLIN, 0 };
		fds[own++] = (struct pollfd){ worker->dev[i].error_fd, POLLIN, 0 };
	}
	n = own;
	for (size_t i = 0; i < count; i++)
		fds[n++] = more[i];
	if (poll(fds, n, any ? 0 : ms) < 0)
		for (nfds_t i = 0; i < n; i++)
			fds[i].revents = 0;
	for (nfds_t i = 0; i < own; i++)
		any = any || fds[i].revents;
	for (size_t i = 0; i < count; i++)
		more[i].revents = fds[own + i].revents;
	return any;
}

int worker_get_asked_fd(const struct worker *worker, size_t i)
{
	return worker->dev[i].asked_fd;
}

int worker_get_error_fd(const struct worker *worker, size_t i)
{
	return worker->dev[i].error_fd;
}

pid_t worker_get_pid(const struct worker *worker)
{
	return worker->pid;
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
	deadline = now_ns() + (worker->lost ? 1000 : WORKER_LIMIT_MS) * 1000000LL;
	while (now_ns() < deadline) {
		if (waitpid(worker->pid, NULL, WNOHANG) != 0) {
			r = 0;
			break;
		}
		nanosleep(&step, NULL);
	}
	forget(worker);
	return r;
}
