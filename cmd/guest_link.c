// SPDX-License-Identifier: GPL-2.0-or-later
/* The listener's connections to one VM: the UART's other end, and QMP. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "guest.h"
#include "holder.h"

/* A VM that isn't there is looked for as often; the guest's own boot takes longer. */
#define RETRY_MS 500

/* A QEMU that is just starting makes its sockets before it answers there. */
#define QMP_MS 300
#define QMP_RETRY_MS 2000
#define QMP_TRIES 10

static void tell(struct guest *g, enum guest_event_kind kind, const char *text)
{
	guest_report(g, &(struct guest_event){ .kind = kind, .text = text });
}

static void settle_all(struct guest *g, const char *why)
{
	for (size_t i = 0; i < g->count; i++)
		guest_device_settle(g, &g->device[i], why);
}

void guest_link_qmp_try(struct guest *g)
{
	int r = vfiopm_qmp_open(g->qmp_path, QMP_MS, &g->qmp);

	g->qmp_at_ms = 0;
	if (r == 0)
		return;
	g->qmp = NULL;
	if (++g->qmp_tries < QMP_TRIES) {
		g->qmp_at_ms = monotonic_ms() + QMP_RETRY_MS;
		return;
	}
	msg_warn("cannot use the monitor '%s': %s; resets are noticed without it, later",
		 g->qmp_path, r == -EBUSY ? "another client has it" : strerror(-r));
}

static int open_socket(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

void guest_link_try(struct guest *g)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);
	int fd = open_socket(g->socket);

	g->connect_at_ms = monotonic_ms() + RETRY_MS;
	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.pid <= 0) {
		close(fd);
		return;
	}
	g->link_fd = fd;
	g->vm_pid = peer.pid;
	if (vfiopm_process_get_comm(g->app->ctx, peer.pid, g->vm_comm, sizeof(g->vm_comm)) < 0)
		strcpy(g->vm_comm, "?");
	g->frames = (struct vfiopm_frames){ 0 };
	g->told_noise = g->told_unknown = g->told_stranger = false;
	for (size_t i = 0; i < g->count; i++)
		guest_device_greet(g, &g->device[i]);
	tell(g, GUEST_CONNECTED, NULL);
	g->qmp_tries = 0;
	g->qmp_at_ms = g->qmp_path ? monotonic_ms() : 0;
}

void guest_link_close(struct guest *g)
{
	vfiopm_qmp_close(g->qmp);
	g->qmp = NULL;
	g->qmp_at_ms = 0;
	if (g->link_fd < 0)
		return;
	close(g->link_fd);
	g->link_fd = -1;
	settle_all(g, "the VM has closed the socket");
	tell(g, GUEST_LOST, NULL);
	g->vm_pid = 0;
	g->connect_at_ms = monotonic_ms() + RETRY_MS / 10;
}

void guest_link_answer(struct guest *g, const struct guest_device *d)
{
	const struct vfiopm_frame frame = {
		.kind = d->slot.answer,
		.port = d->path.port,
		.devfn = d->path.devfn,
		.seq = (uint8_t)d->slot.seq,
	};
	uint8_t bytes[VFIOPM_FRAME_LEN];

	if (g->link_fd < 0)
		return;
	vfiopm_frame_encode(&frame, bytes);
	/*
	 * A guest that doesn't read its answers gets none: its question is over
	 * after the time that it waits.
	 */
	send(g->link_fd, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static struct guest_device *find(struct guest *g, const struct vfiopm_frame *frame)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->device[i].path.port == frame->port &&
		    g->device[i].path.devfn == frame->devfn)
			return &g->device[i];
	return NULL;
}

/* One that another question for the same device follows is one that the guest has given up. */
static bool is_superseded(const struct vfiopm_frame *frames, size_t i, size_t n)
{
	for (size_t j = i + 1; j < n; j++)
		if (frames[j].port == frames[i].port && frames[j].devfn == frames[i].devfn)
			return true;
	return false;
}

static void take_frame(struct guest *g, const struct vfiopm_frame *frame)
{
	struct guest_device *d = find(g, frame);

	if (d) {
		guest_device_ask(g, d, frame);
		return;
	}
	g->strangers++;
	if (!g->told_stranger)
		guest_report(g,
			     &(struct guest_event){ .kind = GUEST_STRANGER, .frame = frame });
	g->told_stranger = true;
}

static void tell_noise(struct guest *g)
{
	if (g->frames.garbage && !g->told_noise) {
		g->told_noise = true;
		tell(g, GUEST_NOISE, NULL);
	}
	if (g->frames.unknown && !g->told_unknown) {
		g->told_unknown = true;
		tell(g, GUEST_UNKNOWN, NULL);
	}
}

void guest_link_read(struct guest *g)
{
	struct vfiopm_frame frames[4096 / VFIOPM_FRAME_LEN + 1];
	uint8_t bytes[4096];
	size_t count = 0;
	ssize_t n;

	n = recv(g->link_fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		guest_link_close(g);
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		if (vfiopm_frames_feed(&g->frames, bytes[i], &frames[count]))
			count++;
	for (size_t i = 0; i < count; i++)
		if (!is_superseded(frames, i, count))
			take_frame(g, &frames[i]);
	tell_noise(g);
}

void guest_link_qmp(struct guest *g)
{
	enum vfiopm_qmp_event event;
	int r;

	while ((r = vfiopm_qmp_next(g->qmp, &event)) > 0) {
		tell(g, GUEST_QMP, vfiopm_qmp_event_name(event));
		switch (event) {
		case VFIOPM_QMP_RESET:
			settle_all(g, "the VM was reset");
			break;
		case VFIOPM_QMP_SHUTDOWN:
			settle_all(g, "the VM shuts down");
			break;
		case VFIOPM_QMP_WAKEUP:
			/* The wake resets the devices, and the firmware comes before the guest. */
			settle_all(g, "the VM was woken from S3");
			break;
		default:
			/* In S3 and while it is stopped the guest asks for nothing. */
			break;
		}
	}
	if (r < 0) {
		vfiopm_qmp_close(g->qmp);
		g->qmp = NULL;
	}
}
