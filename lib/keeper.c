// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Attributes of vfio-pm-pci for as long as somebody runs: what they were before
 * is put back, by a process of its own when their user was killed.
 *
 * A file of sysfs that is open belongs to the binding of that moment: where the
 * device was bound anew meanwhile, nothing is written (ENODEV).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "guard.h"
#include "private.h"

enum order { ORDER_KEEP = 1, ORDER_FORGET };

/* A KEEP comes with the attribute's descriptor. */
struct message {
	uint32_t order;
	uint32_t id;
	char text[16];
};

static void put_back(int fd, const char *text)
{
	ssize_t n;

	do
		n = pwrite(fd, text, strlen(text), 0);
	while (n < 0 && errno == EINTR);
}

/* ---- the process that puts back ---- */

struct entry {
	uint32_t id;
	int fd;
	char text[16];
};

struct entries {
	struct entry *at;
	size_t count, room;
};

/* Memory without malloc(3), which is not async-signal-safe. */
static bool entries_grow(struct entries *e)
{
	size_t room = e->room ? 2 * e->room : 4096 / sizeof(*e->at);
	void *grown;

	if (e->at)
		grown = mremap(e->at, e->room * sizeof(*e->at), room * sizeof(*e->at),
			       MREMAP_MAYMOVE);
	else
		grown = mmap(NULL, room * sizeof(*e->at), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (grown == MAP_FAILED)
		return false;
	e->at = grown;
	e->room = room;
	return true;
}

static void entries_keep(struct entries *e, const struct message *m, int fd)
{
	if (fd < 0)
		return;
	if (e->count == e->room && !entries_grow(e)) {
		close(fd);
		return;
	}
	e->at[e->count] = (struct entry){ .id = m->id, .fd = fd };
	memcpy(e->at[e->count++].text, m->text, sizeof(m->text) - 1);
}

static void entries_forget(struct entries *e, uint32_t id)
{
	for (size_t i = 0; i < e->count; i++) {
		if (e->at[i].id != id)
			continue;
		close(e->at[i].fd);
		e->count--;
		memmove(&e->at[i], &e->at[i + 1], (e->count - i) * sizeof(*e->at));
		return;
	}
}

static void keeper_run(void)
{
	struct entries e = { 0 };
	int fds[GUARD_FDS_MAX], r;
	struct rlimit files;
	struct message m;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	while ((r = guard_receive(GUARD_SOCK, &m, sizeof(m), fds)) >= 0) {
		if (r == 1 && m.order == ORDER_KEEP)
			entries_keep(&e, &m, fds[0]);
		else if (r == 1 && m.order == ORDER_FORGET)
			entries_forget(&e, m.id);
	}
	/* The last first: what permits comes after what limits. */
	while (e.count-- > 0)
		put_back(e.at[e.count].fd, e.at[e.count].text);
}

/* ---- its client ---- */

struct kept {
	struct vfiopm_addr addr;
	enum vfiopm_in_kernel what;
	uint32_t id;
	int fd;
	char text[16];
};

struct vfiopm_keeper {
	struct vfiopm_ctx *ctx;
	int sock;		/* -1: no process so far, or it was killed */
	uint32_t next_id;
	struct kept *kept;
	size_t count;
};

int vfiopm_keeper_new(struct vfiopm_ctx *ctx, struct vfiopm_keeper **ret)
{
	struct vfiopm_keeper *k;

	if (vfiopm_ctx_is_foreign(ctx))
		return -EROFS;
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->ctx = vfiopm_ctx_ref(ctx);
	k->sock = -1;
	*ret = k;
	return 0;
}

static int tell_kept(struct vfiopm_keeper *k, const struct kept *kept)
{
	struct message m = { .order = ORDER_KEEP, .id = kept->id };

	memcpy(m.text, kept->text, sizeof(m.text));
	return guard_send(k->sock, &m, sizeof(m), &kept->fd, 1);
}

/* A process that was killed is replaced, and told all. */
static int tell(struct vfiopm_keeper *k, const struct kept *last)
{
	int r = k->sock < 0 ? -EPIPE : tell_kept(k, last);

	if (r != -EPIPE && r != -ECONNRESET)
		return r;
	if (k->sock >= 0)
		close(k->sock);
	k->sock = guard_fork("vfio-pm-keeper", keeper_run, -1);
	r = k->sock < 0 ? k->sock : 0;
	for (size_t i = 0; i < k->count && r == 0; i++)
		r = tell_kept(k, &k->kept[i]);
	return r;
}

static void forget(struct vfiopm_keeper *k, size_t i)
{
	struct message m = { .order = ORDER_FORGET, .id = k->kept[i].id };

	if (k->sock >= 0)
		guard_send(k->sock, &m, sizeof(m), NULL, 0);
	close(k->kept[i].fd);
	k->count--;
	memmove(&k->kept[i], &k->kept[i + 1], (k->count - i) * sizeof(*k->kept));
}

static void undo(struct vfiopm_keeper *k, size_t i)
{
	put_back(k->kept[i].fd, k->kept[i].text);
	forget(k, i);
}

static bool is_kept(const struct vfiopm_keeper *k, const struct vfiopm_device *dev,
		    enum vfiopm_in_kernel what)
{
	for (size_t i = 0; i < k->count; i++)
		if (k->kept[i].what == what && !vfiopm_addr_cmp(&k->kept[i].addr, &dev->addr))
			return true;
	return false;
}

static int keep(struct vfiopm_keeper *k, const struct vfiopm_device *dev,
		enum vfiopm_in_kernel what, int former)
{
	struct kept *grown, *new;
	int r;

	grown = reallocarray(k->kept, k->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	k->kept = grown;
	new = &grown[k->count];
	*new = (struct kept){ .addr = dev->addr, .what = what, .id = k->next_id++ };
	snprintf(new->text, sizeof(new->text), "%d", former);
	new->fd = in_kernel_open(dev, what);
	if (new->fd < 0)
		return new->fd;
	k->count++;
	r = tell(k, new);
	if (r < 0)
		forget(k, k->count - 1);
	return r;
}

int vfiopm_keeper_set(struct vfiopm_keeper *keeper, const struct vfiopm_device *dev,
		      enum vfiopm_in_kernel what, int value)
{
	int former = vfiopm_in_kernel_get(dev, what), r;
	bool known;

	if (former < 0 || former == value)
		return former < 0 ? former : 0;
	known = is_kept(keeper, dev, what);
	r = known ? 0 : keep(keeper, dev, what, former);
	if (r == 0) {
		r = vfiopm_in_kernel_set(dev, what, value);
		if (r < 0 && !known)
			forget(keeper, keeper->count - 1);
	}
	return r < 0 ? r : 1;
}

void vfiopm_keeper_restore(struct vfiopm_keeper *keeper, const struct vfiopm_device *dev)
{
	for (size_t i = keeper->count; i-- > 0;)
		if (!vfiopm_addr_cmp(&keeper->kept[i].addr, &dev->addr))
			undo(keeper, i);
}

void vfiopm_keeper_free(struct vfiopm_keeper *keeper)
{
	if (!keeper)
		return;
	while (keeper->count > 0)
		undo(keeper, keeper->count - 1);
	if (keeper->sock >= 0)
		close(keeper->sock);
	free(keeper->kept);
	vfiopm_ctx_unref(keeper->ctx);
	free(keeper);
}
