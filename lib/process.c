// SPDX-License-Identifier: LGPL-2.1-or-later
/* A process by its number: what it runs, and whether that is this program. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "private.h"

/* As the kernel names a file that has been unlinked or replaced (fs/d_path.c). */
static bool strip_deleted(char *path)
{
	static const char mark[] = " (deleted)";
	size_t len = strlen(path);

	if (len < sizeof(mark) || strcmp(path + len - (sizeof(mark) - 1), mark))
		return false;
	path[len - (sizeof(mark) - 1)] = '\0';
	return true;
}

/*
 * The same file; or, where a newer one has been installed over it meanwhile,
 * the file that was at the same place. The newer one may be either's: a holder
 * outlives the installation, and then judges its clients.
 */
int vfiopm_process_is_self_exe(struct vfiopm_ctx *ctx, pid_t pid)
{
	char path[64], self[SYSFS_PATH_MAX], other[SYSFS_PATH_MAX];
	bool self_deleted, other_deleted;
	struct stat a, b;
	ssize_t n;

	/* No process of a foreign tree runs here. */
	if (ctx->foreign)
		return 0;
	snprintf(path, sizeof(path), "proc/%d/exe", (int)pid);
	if (fstatat(ctx->root_fd, "proc/self/exe", &a, 0) < 0)
		return -EACCES;
	if (fstatat(ctx->root_fd, path, &b, 0) < 0)
		return errno == ENOENT || errno == ESRCH ? -ESRCH : -EACCES;
	if (a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		return 1;
	n = sysfs_readlink_at(ctx->root_fd, "proc/self/exe", self, sizeof(self));
	if (n > 0)
		n = sysfs_readlink_at(ctx->root_fd, path, other, sizeof(other));
	if (n < 0)
		return n == -ENOENT || n == -ESRCH ? -ESRCH : -EACCES;
	self_deleted = strip_deleted(self);
	other_deleted = strip_deleted(other);
	/* With neither, one path is two files: in two mount namespaces. */
	return (self_deleted || other_deleted) && !strcmp(self, other);
}

int vfiopm_process_get_exe(struct vfiopm_ctx *ctx, pid_t pid, char *buf, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "proc/%d/exe", (int)pid);
	n = sysfs_readlink_at(ctx->root_fd, path, buf, size);
	return n == -ENOENT ? -ESRCH : n < 0 ? (int)n : 0;
}

int vfiopm_process_get_comm(struct vfiopm_ctx *ctx, pid_t pid, char *buf, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "proc/%d/comm", (int)pid);
	n = sysfs_read(ctx, path, buf, size);
	/* A process may call itself what it likes. */
	for (ssize_t i = 0; i < n; i++)
		if ((unsigned char)buf[i] < ' ' || buf[i] == 0x7f)
			buf[i] = ' ';
	return n == -ENOENT ? -ESRCH : n < 0 ? (int)n : 0;
}
