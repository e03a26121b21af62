// SPDX-License-Identifier: GPL-2.0-or-later
/* Reaching the holder of a group, or starting one. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "abstract.h"
#include "holder.h"

/* Open, reset and resume take 1.5 s on real platforms, for ever on a wedged one. */
#define ANSWER_MS 30000
/* A holder that is just ending, or one that is just starting, is asked again. */
#define TRIES 100
#define TRY_GAP_MS 20

static void log_to_syslog(void *data, int priority, const char *line)
{
	syslog(priority, "%s", line);
}

static void __attribute__((format(printf, 3, 0)))
lib_to_syslog(void *data, int priority, const char *fmt, va_list args)
{
	vsyslog(priority, fmt, args);
}

/*
 * The holder itself, in a process of its own session. @ready gets one errno
 * when the socket is there, or can't be.
 */
static void be_holder(const struct app *app, int group, int ready)
{
	struct holder *h = NULL;
	struct vfiopm_ctx *ctx;
	int r;

	/* No working directory, no terminal, none of the caller's files. */
	if (dup2(ready, 3) < 0 || daemon(0, 0) < 0)
		_exit(1);
	close_range(4, ~0u, 0);
	openlog(PROGRAM, LOG_PID, LOG_DAEMON);
	r = vfiopm_ctx_new(NULL, &ctx);
	if (r == 0) {
		/* Nobody else would ever read what it does. */
		vfiopm_ctx_set_log_fn(ctx, lib_to_syslog, NULL,
				      app->verbose > 1 ? LOG_DEBUG : LOG_INFO);
		h = holder_new(ctx, log_to_syslog, NULL);
		vfiopm_ctx_unref(ctx);
		r = h ? holder_listen(h, group) : -ENOMEM;
	}
	if (write(3, &r, sizeof(r)) != (ssize_t)sizeof(r))
		_exit(1);
	close(3);
	if (r == 0)
		holder_serve(h);
	holder_free(h);
	_exit(0);
}

static int start_holder(const struct app *app, int group)
{
	int ready[2], r = -ECHILD;
	pid_t child;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -errno;
	child = fork();
	if (child == 0) {
		close(ready[0]);
		be_holder(app, group, ready[1]);
	}
	close(ready[1]);
	if (child > 0) {
		if (read(ready[0], &r, sizeof(r)) != (ssize_t)sizeof(r))
			r = -ECHILD;
		waitpid(child, NULL, 0);
	}
	close(ready[0]);
	app_say(app, "a holder of IOMMU group %d is started: %s", group,
		r < 0 ? strerror(-r) : "it logs to syslog");
	return r;
}

/*
 * Connect to the holder of @group, process @peer: -ECONNREFUSED when there is
 * none, -EPERM when it isn't ours.
 */
static int connect_holder(struct app *app, int group, int *ret, struct ucred *peer)
{
	struct sockaddr_un addr;
	socklen_t len = holder_address(geteuid(), group, &addr);
	int fd;

	*peer = (struct ucred){ 0 };
	/* Somebody else's socket may leave its queue full. */
	fd = abstract_connect(&addr, len, 0, ANSWER_MS, peer);
	if (fd < 0)
		return fd == -EAGAIN ? -ETIMEDOUT : fd;
	if ((peer->uid != geteuid() && peer->uid != 0) ||
	    vfiopm_process_is_self_exe(app->ctx, peer->pid) == 0) {
		close(fd);
		return -EPERM;
	}
	*ret = fd;
	return 0;
}

int holder_look(struct app *app, const struct vfiopm_device *dev, struct ucred *ret)
{
	int fd, r = connect_holder(app, vfiopm_device_get_group(dev), &fd, ret);

	if (r == 0)
		close(fd);
	return r == -EPERM ? 0 : r < 0 ? r : 1;
}

/* -ECONNRESET: the holder ended before it saw the request. */
static int converse(int fd, const struct holder_request *rq, struct holder_reply *reply)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;
	int r;

	if (send(fd, rq, sizeof(*rq), MSG_NOSIGNAL) < 0)
		return errno == EPIPE ? -ECONNRESET : -errno;
	do
		r = poll(&p, 1, ANSWER_MS);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return -ETIMEDOUT;
	n = recv(fd, reply, sizeof(*reply), 0);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ECONNRESET;
	return n == (ssize_t)sizeof(*reply) && reply->version == HOLDER_VERSION ? 0 : -EPROTO;
}

static void pause_between(void)
{
	struct timespec t = { .tv_nsec = TRY_GAP_MS * 1000000L };

	nanosleep(&t, NULL);
}

static int ask(struct app *app, int group, const struct holder_request *rq,
	       struct holder_reply *reply)
{
	struct ucred peer;
	int fd = -1, r;

	r = connect_holder(app, group, &fd, &peer);
	if (r == 0) {
		r = converse(fd, rq, reply);
		close(fd);
	}
	/* Another version's reply may have another form, and a stranger's is none. */
	reply->pid = peer.pid;
	reply->uid = peer.uid;
	if (r == 0)
		app_say(app, "holder %d has %s the device%s", (int)peer.pid,
			rq->op == HOLDER_ADD ? "been given" : "been asked to drop",
			reply->stage != STAGE_DONE ? ", and failed" : "");
	return r;
}

int holder_request(struct app *app, const struct vfiopm_device *dev,
		   const struct holder_request *rq, struct holder_reply *reply)
{
	int group = vfiopm_device_get_group(dev);
	int r = -ECONNREFUSED;

	for (int i = 0; i < TRIES; i++) {
		r = ask(app, group, rq, reply);
		if (r == -ECONNREFUSED && rq->op == HOLDER_DROP) {
			*reply = (struct holder_reply){ .version = HOLDER_VERSION };
			return 0;
		}
		if (r == -ECONNREFUSED) {
			r = start_holder(app, group);
			/* Somebody else was faster: theirs will do. */
			if (r < 0 && r != -EADDRINUSE)
				return r;
			r = ask(app, group, rq, reply);
		}
		if (r != -ECONNREFUSED && r != -ECONNRESET)
			return r;
		pause_between();
	}
	return r;
}
