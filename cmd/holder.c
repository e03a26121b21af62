// SPDX-License-Identifier: GPL-2.0-or-later
/* The loop of a holder: requests, wakes, the host's wish to have a device back, signals. */
#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <unistd.h>

#include "abstract.h"
#include "holder.h"
#include "stop.h"

/* A device that is woken all the time isn't put to sleep more often than this. */
#define REENTER_GAP_MS 1000
/* A request comes right after its connection. */
#define REQUEST_MS 2000

struct listener {
	int group;
	int fd;
};

struct holder {
	struct vfiopm_ctx *ctx;
	holder_log_fn log;
	void *log_data;
	int signal_fd;
	struct listener *listeners;
	size_t n_listeners;
	struct held **held;
	size_t n_held;
	bool failed;
};

static void holder_say(struct holder *h, int priority, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void holder_say(struct holder *h, int priority, const char *fmt, ...)
{
	char line[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	h->log(h->log_data, priority, line);
}

socklen_t holder_address(uid_t uid, int group, struct sockaddr_un *ret)
{
	return abstract_address(ret, "%u/group/%d", (unsigned int)uid, group);
}

struct holder *holder_new(struct vfiopm_ctx *ctx, holder_log_fn log, void *data)
{
	struct holder *h = calloc(1, sizeof(*h));
	sigset_t mask;

	if (!h)
		return NULL;
	h->ctx = vfiopm_ctx_ref(ctx);
	h->log = log;
	h->log_data = data;
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	h->signal_fd = signals_open(&mask, NULL);
	if (h->signal_fd < 0) {
		holder_free(h);
		return NULL;
	}
	return h;
}

void holder_free(struct holder *h)
{
	if (!h)
		return;
	/*
	 * Devices before sockets: whoever finds the name free finds the group
	 * closed, too.
	 */
	for (size_t i = 0; i < h->n_held; i++)
		held_close(h->held[i]);
	free(h->held);
	for (size_t i = 0; i < h->n_listeners; i++)
		close(h->listeners[i].fd);
	free(h->listeners);
	if (h->signal_fd >= 0)
		close(h->signal_fd);
	vfiopm_ctx_unref(h->ctx);
	free(h);
}

int holder_listen(struct holder *h, int group)
{
	struct sockaddr_un addr;
	struct listener *grown;
	socklen_t len;
	int fd;

	for (size_t i = 0; i < h->n_listeners; i++)
		if (h->listeners[i].group == group)
			return 0;
	grown = reallocarray(h->listeners, h->n_listeners + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	h->listeners = grown;
	len = holder_address(geteuid(), group, &addr);
	fd = abstract_listen(&addr, len, 64);
	if (fd < 0)
		return fd;
	h->listeners[h->n_listeners++] = (struct listener){ .group = group, .fd = fd };
	return 0;
}

bool holder_has_failed(const struct holder *h)
{
	return h->failed;
}

/*
 * What is open stays open without any privilege. A group without IOMMU wants
 * CAP_SYS_RAWIO for each further device (drivers/vfio/group.c).
 */
void holder_give_up_privileges(struct holder *h)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct now[2], keep[2] = { 0 };

	/* Nor does it keep a file system from being unmounted. */
	if (chdir("/") < 0)
		holder_say(h, LOG_WARNING, "working directory kept: %s", strerror(errno));
	if (syscall(SYS_capget, &head, now) < 0)
		return;
	for (size_t i = 0; i < h->n_held; i++) {
		if (vfiopm_device_is_noiommu(h->held[i]->dev)) {
			keep[0].permitted = now[0].permitted & 1u << CAP_SYS_RAWIO;
			keep[0].effective = keep[0].permitted;
		}
	}
	if (syscall(SYS_capset, &head, keep) < 0)
		holder_say(h, LOG_WARNING, "capabilities kept: %s", strerror(errno));
}

static struct held *find_held(const struct holder *h, const struct vfiopm_addr *addr)
{
	for (size_t i = 0; i < h->n_held; i++)
		if (!vfiopm_addr_cmp(vfiopm_device_get_addr(h->held[i]->dev), addr))
			return h->held[i];
	return NULL;
}

bool holder_is_engaged(const struct holder *h, const struct vfiopm_addr *addr)
{
	const struct held *held = find_held(h, addr);

	return held && held->engaged;
}

/* Any device of the same group: its group descriptor serves for one more. */
static struct vfiopm_handle *find_peer(struct holder *h, const struct vfiopm_addr *addr)
{
	struct vfiopm_handle *peer = NULL;
	struct vfiopm_device *dev;

	if (!h->n_held || vfiopm_device_new(h->ctx, addr, &dev) < 0)
		return NULL;
	for (size_t i = 0; i < h->n_held && !peer; i++)
		if (vfiopm_device_get_group(h->held[i]->dev) == vfiopm_device_get_group(dev))
			peer = h->held[i]->handle;
	vfiopm_device_unref(dev);
	return peer;
}

/* Leave low power; a device that does not come back is what the holder is to blame for. */
static int leave(struct holder *h, struct held *held, const struct reg_spec *reg,
		 struct holder_reply *reply)
{
	int r = held_leave(held, reg, reply);

	if (r < 0)
		h->failed = true;
	return r;
}

static void forget(struct holder *h, struct held *held)
{
	size_t i = 0;

	while (h->held[i] != held)
		i++;
	memmove(h->held + i, h->held + i + 1, (h->n_held - i - 1) * sizeof(h->held[0]));
	h->n_held--;
	held_close(held);
}

/* The device is held: make its low power what is asked for now. */
static void add_again(struct holder *h, struct held *held, const struct holder_request *rq,
		      struct holder_reply *reply)
{
	struct holder_reply left = { 0 };
	enum on_wake on_wake = rq->on_wake == ON_WAKE_KEEP ? held->on_wake :
							    (enum on_wake)rq->on_wake;

	reply->held = 1;
	if (held->engaged && held->on_wake == on_wake)
		return;
	if (leave(h, held, NULL, &left) < 0) {
		reply->stage = left.stage;
		reply->error = left.error;
		return;
	}
	reply->status_before = left.status_before;
	reply->state_before = left.state_before;
	held->on_wake = on_wake;
	held->reenter_at = 0;
	held_enter(held, reply);
}

static void add_device(struct holder *h, const struct holder_request *rq,
		       struct holder_reply *reply)
{
	struct held *held = find_held(h, &rq->addr), **grown;

	if (held) {
		add_again(h, held, rq, reply);
		return;
	}
	grown = reallocarray(h->held, h->n_held + 1, sizeof(*grown));
	if (!grown) {
		reply->stage = STAGE_DEVICE;
		reply->error = ENOMEM;
		return;
	}
	h->held = grown;
	if (held_open(h->ctx, rq, find_peer(h, &rq->addr), reply, &held) < 0)
		return;
	if (held_enter(held, reply) < 0) {
		held_close(held);
		return;
	}
	h->held[h->n_held++] = held;
}

static void drop_device(struct holder *h, const struct holder_request *rq,
			struct holder_reply *reply)
{
	struct held *held = find_held(h, &rq->addr);

	if (!held)
		return;
	reply->held = 1;
	leave(h, held, &rq->reg, reply);
	forget(h, held);
}

void holder_handle(struct holder *h, const struct holder_request *rq, struct holder_reply *reply)
{
	*reply = (struct holder_reply){ .version = HOLDER_VERSION, .pid = getpid() };
	if (rq->version != HOLDER_VERSION) {
		reply->stage = STAGE_PROTOCOL;
		reply->error = EPROTO;
	} else if (rq->op == HOLDER_ADD) {
		add_device(h, rq, reply);
	} else if (rq->op == HOLDER_DROP) {
		drop_device(h, rq, reply);
	}
}

/*
 * The peer is the same user or root. Its executable is checked as well where
 * it can be seen: a holder that has dropped its capabilities may not look at
 * a process that has some (kernel/ptrace.c, __ptrace_may_access()).
 */
static bool peer_is_ours(struct holder *h, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	if (peer.uid != geteuid() && peer.uid != 0)
		return false;
	return vfiopm_process_is_self_exe(h->ctx, peer.pid) != 0;
}

static void serve_client(struct holder *h, int listen_fd)
{
	struct timeval limit = { .tv_sec = REQUEST_MS / 1000 };
	struct holder_request rq = { 0 };
	struct holder_reply reply;
	int fd;

	fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	/* A request of another version may have another size: it is answered, and refused. */
	if (peer_is_ours(h, fd) && recv(fd, &rq, sizeof(rq), 0) >= (ssize_t)sizeof(rq.version)) {
		holder_handle(h, &rq, &reply);
		send(fd, &reply, sizeof(reply), MSG_NOSIGNAL);
	}
	close(fd);
}

/*
 * The kernel has left low power by itself. EXIT all the same: kernels that
 * export dma-bufs of device memory restore those only there.
 */
static void after_wake(struct holder *h, struct held *held)
{
	const char *name = vfiopm_device_get_name(held->dev);
	struct holder_reply reply = { 0 };

	held->wakes++;
	if (leave(h, held, NULL, &reply) < 0) {
		holder_say(h, LOG_ERR, "%s: woken, and does not come back: %s", name,
			   strerror(reply.error));
		forget(h, held);
		return;
	}
	switch (held->on_wake) {
	case ON_WAKE_REENTER:
		held->reenter_at = monotonic_ms() + REENTER_GAP_MS;
		holder_say(h, LOG_NOTICE, "%s: woken; low power again in %d ms", name,
			   REENTER_GAP_MS);
		break;
	case ON_WAKE_STAY:
		holder_say(h, LOG_NOTICE, "%s: woken; it stays awake and held", name);
		break;
	default:
		holder_say(h, LOG_NOTICE, "%s: woken; released", name);
		forget(h, held);
	}
}

static void reenter(struct holder *h, struct held *held)
{
	struct holder_reply reply = { 0 };

	held->reenter_at = 0;
	if (held_enter(held, &reply) < 0)
		holder_say(h, LOG_ERR, "%s: cannot enter low power again: %s",
			   vfiopm_device_get_name(held->dev), strerror(reply.error));
}

/* Backwards, since a device may be forgotten on the way. */
static void look_at_devices(struct holder *h)
{
	int64_t now = monotonic_ms();

	for (size_t i = h->n_held; i-- > 0;) {
		struct held *held = h->held[i];
		const char *name = vfiopm_device_get_name(held->dev);

		if (drain_eventfd(held->request_fd)) {
			holder_say(h, LOG_NOTICE,
				   "%s: released: the host asked for it (unbind or unplug)", name);
			forget(h, held);
		} else if (drain_eventfd(held->error_fd)) {
			h->failed = true;
			holder_say(h, LOG_ERR, "%s: released: the device reported an error", name);
			forget(h, held);
		} else if (held->engaged && drain_eventfd(held->wake_fd)) {
			held->engaged = false;
			after_wake(h, held);
		} else if (held->reenter_at && held->reenter_at <= now) {
			reenter(h, held);
		}
	}
}

void holder_release_all(struct holder *h, const char *why)
{
	while (h->n_held) {
		struct held *held = h->held[h->n_held - 1];
		struct holder_reply reply = { 0 };

		if (leave(h, held, NULL, &reply) < 0)
			holder_say(h, LOG_ERR, "%s: released: %s; it does not come back: %s",
				   vfiopm_device_get_name(held->dev), why,
				   strerror(reply.error));
		else
			holder_say(h, LOG_NOTICE, "%s: released: %s",
				   vfiopm_device_get_name(held->dev), why);
		forget(h, held);
	}
}

static int next_timeout(struct holder *h, int timeout_ms)
{
	int64_t now = monotonic_ms();

	for (size_t i = 0; i < h->n_held; i++) {
		int64_t left;

		if (!h->held[i]->reenter_at)
			continue;
		left = h->held[i]->reenter_at - now;
		if (left < 0)
			left = 0;
		if (timeout_ms < 0 || left < timeout_ms)
			timeout_ms = (int)left;
	}
	return timeout_ms;
}

/* Returns a signal's number, -1 when the last device has gone, else 0. */
int holder_step(struct holder *h, int timeout_ms)
{
	size_t n = 0, room = 1 + h->n_listeners + 3 * h->n_held;
	bool had_devices = h->n_held > 0;
	struct pollfd *fds;
	int r;

	fds = calloc(room, sizeof(*fds));
	if (!fds)
		return -1;
	fds[n++] = (struct pollfd){ .fd = h->signal_fd, .events = POLLIN };
	for (size_t i = 0; i < h->n_listeners; i++)
		fds[n++] = (struct pollfd){ .fd = h->listeners[i].fd, .events = POLLIN };
	for (size_t i = 0; i < h->n_held; i++) {
		/* poll() passes over descriptors of -1. */
		fds[n++] = (struct pollfd){ .fd = h->held[i]->request_fd, .events = POLLIN };
		fds[n++] = (struct pollfd){ .fd = h->held[i]->error_fd, .events = POLLIN };
		fds[n++] = (struct pollfd){
			.fd = h->held[i]->engaged ? h->held[i]->wake_fd : -1, .events = POLLIN
		};
	}
	r = poll(fds, (nfds_t)n, next_timeout(h, timeout_ms));
	if (r > 0 && fds[0].revents) {
		struct signalfd_siginfo info;

		free(fds);
		return signals_take(h->signal_fd, &info) ? (int)info.ssi_signo : 0;
	}
	look_at_devices(h);
	for (size_t i = 0; r > 0 && i < h->n_listeners; i++) {
		if (!fds[1 + i].revents)
			continue;
		serve_client(h, h->listeners[i].fd);
		had_devices = true;
	}
	free(fds);
	return had_devices && !h->n_held ? -1 : 0;
}

int holder_serve(struct holder *h)
{
	/* A holder that nobody talks to has no reason to be. */
	int r = h->n_held ? 0 : holder_step(h, REQUEST_MS);

	if (r == 0 && !h->n_held)
		return 0;
	holder_give_up_privileges(h);
	while (r == 0)
		r = holder_step(h, -1);
	if (r < 0)
		return 0;
	holder_release_all(h, r == SIGTERM ? "SIGTERM" : r == SIGINT ? "SIGINT" : "SIGHUP");
	return r;
}
