// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One listener a device and a VM. An abstract socket's name is taken by one
 * process, and is free when that ends, however it ends; who asks there is told
 * what the listener does. No file, and nothing to clean up.
 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "abstract.h"
#include "guest.h"

#define TOLD_VERSION 2
#define ANSWER_MS 1000

/* A path may be longer than a socket's name: FNV-1a stands for it. */
static uint64_t hash(const char *text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	while (*text)
		h = (h ^ (unsigned char)*text++) * UINT64_C(0x100000001b3);
	return h;
}

static socklen_t device_address(const struct vfiopm_device *dev, struct sockaddr_un *ret)
{
	return abstract_address(ret, "guest/%s", vfiopm_device_get_name(dev));
}

/*
 * One text for one socket, however its path is written. Before the VM has made
 * it there is its folder.
 */
static char *canonical(const char *path)
{
	char *copy, *base, *folder, *ret = realpath(path, NULL);

	copy = ret ? NULL : strdup(path);
	if (!copy)
		return ret;
	base = strrchr(copy, '/');
	if (base)
		*base++ = '\0';
	folder = realpath(!base ? "." : copy[0] ? copy : "/", NULL);
	if (!folder || asprintf(&ret, "%s/%s", folder[1] ? folder : "", base ? base : copy) < 0)
		ret = NULL;
	free(folder);
	free(copy);
	return ret;
}

/* As it was written when not even the folder is there. */
static socklen_t socket_address(const char *path, struct sockaddr_un *ret)
{
	char *real = canonical(path);
	socklen_t len = abstract_address(ret, "guest-socket/%016llx",
					 (unsigned long long)hash(real ? real : path));

	free(real);
	return len;
}

/* The name may be anybody's; an executable that can't be read is believed to root only. */
static bool is_listener(struct app *app, const struct ucred *who)
{
	return who->uid == 0 || vfiopm_process_is_self_exe(app->ctx, who->pid) == 1;
}

int guest_claim(struct app *app, const struct vfiopm_device *dev, const char *path,
		struct ucred *who, int *ret)
{
	struct sockaddr_un addr;
	socklen_t len = dev ? device_address(dev, &addr) : socket_address(path, &addr);
	int fd, r;

	r = abstract_listen(&addr, len, 64);
	if (r >= 0) {
		*ret = r;
		return 0;
	}
	*who = (struct ucred){ 0 };
	if (r != -EADDRINUSE)
		return r;
	fd = abstract_connect(&addr, len, SOCK_NONBLOCK, 0, who);
	if (fd < 0)
		return -EPERM;
	close(fd);
	/* Another user's listener, too: its VM isn't ours, or its QEMU lets in one of us. */
	return (who->uid == 0 || who->uid == geteuid()) && is_listener(app, who) ? r : -EPERM;
}

void guest_claim_answer(struct guest *g, struct guest_device *d)
{
	struct guest_told told = { .version = TOLD_VERSION, .pid = getpid(), .vm_pid = g->vm_pid };
	int fd = accept4(d->claim_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	guest_device_check(g, d);
	told.open = vfiopm_device_is_enabled(d->dev);
	told.asked_off = d->slot.asked_off;
	told.off = d->slot.off;
	told.engaged = d->slot.engaged;
	told.entries = d->slot.entries;
	told.refused = d->slot.refused;
	told.woken = d->slot.woken;
	if (g->vm_pid)
		memcpy(told.vm_comm, g->vm_comm, sizeof(told.vm_comm));
	vfiopm_guest_path_format(&d->path, told.path);
	send(fd, &told, sizeof(told), MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

int guest_claim_ask(struct app *app, const struct vfiopm_device *dev, struct guest_told *ret)
{
	struct guest_told told;
	struct sockaddr_un addr;
	socklen_t len = device_address(dev, &addr);
	struct ucred peer;
	struct pollfd p = { .events = POLLIN };
	ssize_t n = -1;

	p.fd = abstract_connect(&addr, len, SOCK_NONBLOCK, 0, &peer);
	if (p.fd < 0)
		return p.fd == -ECONNREFUSED ? 0 : p.fd;
	if (!is_listener(app, &peer)) {
		close(p.fd);
		return -EPERM;
	}
	if (poll(&p, 1, ANSWER_MS) == 1)
		n = recv(p.fd, &told, sizeof(told), 0);
	close(p.fd);
	if (n != (ssize_t)sizeof(told) || told.version != TOLD_VERSION)
		return -EPROTO;
	told.vm_comm[sizeof(told.vm_comm) - 1] = '\0';
	told.path[sizeof(told.path) - 1] = '\0';
	*ret = told;
	return 1;
}
