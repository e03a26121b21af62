// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The times of all cycles. A child adds them one by one, and its parent reads
 * them when that child has come to a bad end.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cycle.h"

#define ROOM 1024

int journal_open(struct journal *j)
{
	*j = (struct journal){ .fd = memfd_create(PROGRAM "-cycle", MFD_CLOEXEC) };
	return j->fd < 0 ? -errno : 0;
}

static int map(struct journal *j, size_t room)
{
	void *rows = mmap(NULL, room * sizeof(*j->rows), PROT_READ | PROT_WRITE, MAP_SHARED, j->fd,
			  0);

	/* With a file of our own it is for memory that mmap(2) fails. */
	if (rows == MAP_FAILED)
		return -ENOMEM;
	j->rows = rows;
	j->room = room;
	return 0;
}

static int make_room(struct journal *j)
{
	size_t room = j->room ? 2 * j->room : ROOM;
	int r;

	/* Not by a hole: a write to a page that can't be had would be a SIGBUS. */
	r = posix_fallocate(j->fd, 0, (off_t)(room * sizeof(*j->rows)));
	if (r)
		return -r;
	if (j->rows)
		munmap(j->rows, j->room * sizeof(*j->rows));
	j->rows = NULL;
	j->room = 0;
	return map(j, room);
}

int journal_add(struct journal *j, size_t device, const int64_t *took_ns)
{
	struct journal_row *row;

	if (j->count == j->room) {
		int r = make_room(j);

		if (r)
			return r;
	}
	row = &j->rows[j->count];
	row->device = (int64_t)device;
	for (size_t p = 0; p < N_PHASES; p++)
		row->took_ns[p] = took_ns[p];
	j->count++;
	return 0;
}

int journal_attach(struct journal *j)
{
	off_t size = lseek(j->fd, 0, SEEK_END);
	size_t count = j->count;

	*j = (struct journal){ .fd = j->fd };
	if (size <= 0)
		return size < 0 ? -errno : 0;
	j->count = count;
	return map(j, (size_t)size / sizeof(*j->rows));
}

int journal_stats(const struct journal *j, size_t device, enum phase phase, struct stats *ret)
{
	int r = 0;

	*ret = (struct stats){ 0 };
	for (size_t i = 0; i < j->count && r == 0; i++)
		if (j->rows[i].device == (int64_t)device && j->rows[i].took_ns[phase] >= 0)
			r = stats_add(ret, j->rows[i].took_ns[phase]);
	return r;
}

void journal_close(struct journal *j)
{
	if (j->rows)
		munmap(j->rows, j->room * sizeof(*j->rows));
	if (j->fd >= 0)
		close(j->fd);
	*j = (struct journal){ .fd = -1 };
}
