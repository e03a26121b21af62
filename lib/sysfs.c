// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The only door to /sys, /proc and /dev: everything is opened below the
 * context's root. A foreign root is hostile: its links resolve inside it, only
 * regular files and directories are opened, and what is read is capped.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "private.h"

/*
 * Below a foreign root openat2(2) gives up with EAGAIN when anything in the
 * system is renamed or mounted while it steps back over "..". That passes; a
 * tree under constant renames is left to its error.
 */
#define RENAME_RETRIES 100

static int open2(int dirfd, const char *path, struct open_how *how)
{
	long fd;

	for (int i = 0; i < RENAME_RETRIES; i++) {
		fd = syscall(SYS_openat2, dirfd, path, how, sizeof(*how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

static int open_in_root(const struct vfiopm_ctx *ctx, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)flags | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	/*
	 * On the running system plain openat(2) will do, and it works where a
	 * seccomp filter knows no openat2(2).
	 */
	if (ctx->foreign)
		return open2(ctx->root_fd, path, &how);
	fd = openat(ctx->root_fd, path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_below(const struct vfiopm_ctx *ctx, int dirfd, const char *name, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	if (ctx->foreign)
		return open2(dirfd, name, &how);
	fd = openat(dirfd, name, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/*
 * Opening a device node or a FIFO has effects of its own, so below a foreign
 * root the type is looked at before. Without links in the path that is one
 * stat; who could put a device node in the file's place meanwhile is root.
 */
static int open_plain(int dirfd, const char *name, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return open2(dirfd, name, &how);
}

/*
 * Where a path leads through links, which openat2(2) keeps inside, the type is
 * told by an O_PATH descriptor, and the file opened by way of that.
 */
static int open_regular(const struct vfiopm_ctx *ctx, int dirfd, const char *path)
{
	const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
	char self[64];
	struct stat st;
	int path_fd, fd;

	if (!ctx->foreign)
		return dirfd < 0 ? open_in_root(ctx, path, flags) :
				   open_below(ctx, dirfd, path, flags);
	if (dirfd >= 0) {
		fd = open_plain(dirfd, path, flags);
		if (fd != -ELOOP)
			return fd;
	}
	path_fd = dirfd < 0 ? open_in_root(ctx, path, O_PATH) :
			      open_below(ctx, dirfd, path, O_PATH);
	if (path_fd < 0)
		return path_fd;
	if (fstat(path_fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(path_fd);
		return -EINVAL;
	}
	snprintf(self, sizeof(self), "/proc/self/fd/%d", path_fd);
	fd = open(self, flags | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	close(path_fd);
	return fd;
}

int sysfs_dir(const struct vfiopm_ctx *ctx, const char *path)
{
	return open_in_root(ctx, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
}

int sysfs_path(const struct vfiopm_ctx *ctx, const char *path)
{
	return open_in_root(ctx, path, O_PATH);
}

int sysfs_dir_at(const struct vfiopm_ctx *ctx, int dirfd, const char *name)
{
	return open_below(ctx, dirfd, name, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
}

int sysfs_open_at(const struct vfiopm_ctx *ctx, int dirfd, const char *name)
{
	return open_regular(ctx, dirfd, name);
}

ssize_t sysfs_reread(int fd, char *buf, size_t size)
{
	ssize_t n;

	do
		n = pread(fd, buf, size - 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	while (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return n;
}

static ssize_t read_fd(int fd, char *buf, size_t size)
{
	size_t len = 0;

	for (;;) {
		size_t asked = size - 1 - len;
		ssize_t n = read(fd, buf + len, asked);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		/* An attribute is shown whole by one read: a short one was the last. */
		if ((size_t)n < asked || len == size - 1)
			break;
	}
	while (len > 0 && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return (ssize_t)len;
}

static ssize_t read_path(const struct vfiopm_ctx *ctx, int dirfd, const char *path, char *buf,
			 size_t size)
{
	ssize_t r;
	int fd;

	fd = open_regular(ctx, dirfd, path);
	if (fd < 0)
		return fd;
	r = read_fd(fd, buf, size);
	close(fd);
	return r;
}

ssize_t sysfs_read(const struct vfiopm_ctx *ctx, const char *path, char *buf, size_t size)
{
	return read_path(ctx, -1, path, buf, size);
}

ssize_t sysfs_read_at(const struct vfiopm_ctx *ctx, int dirfd, const char *name, char *buf,
		      size_t size)
{
	return read_path(ctx, dirfd, name, buf, size);
}

int sysfs_read_all(const struct vfiopm_ctx *ctx, const char *path, size_t max, char **ret)
{
	size_t len = 0, room = 0;
	char *text = NULL;
	int fd, r;

	fd = open_regular(ctx, -1, path);
	if (fd < 0)
		return fd;
	for (;;) {
		ssize_t n;

		if (len + 1 >= room) {
			char *grown;

			room = room ? 2 * room : 4096;
			grown = realloc(text, room);
			if (!grown) {
				r = -ENOMEM;
				break;
			}
			text = grown;
		}
		n = read(fd, text + len, room - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		r = n < 0 ? -errno : 0;
		if (n <= 0)
			break;
		len += (size_t)n;
		r = -EFBIG;
		if (len > max)
			break;
	}
	close(fd);
	if (r < 0) {
		free(text);
		return r;
	}
	text[len] = '\0';
	*ret = text;
	return 0;
}

int sysfs_read_int_at(const struct vfiopm_ctx *ctx, int dirfd, const char *name, int64_t *ret)
{
	char buf[32], *end;
	long long value;
	ssize_t n;

	n = sysfs_read_at(ctx, dirfd, name, buf, sizeof(buf));
	if (n < 0)
		return (int)n;
	errno = 0;
	value = strtoll(buf, &end, strncmp(buf, "0x", 2) ? 10 : 16);
	if (end == buf || *end || errno)
		return -EINVAL;
	*ret = value;
	return 0;
}

char *sysfs_read_str_at(const struct vfiopm_ctx *ctx, int dirfd, const char *name)
{
	char buf[256];
	ssize_t n;

	n = sysfs_read_at(ctx, dirfd, name, buf, sizeof(buf));
	/* Control characters have no place in an attribute; a foreign tree may try. */
	for (ssize_t i = 0; i < n; i++)
		if ((unsigned char)buf[i] < ' ' || buf[i] == 0x7f)
			buf[i] = ' ';
	return n > 0 ? strndup(buf, (size_t)n) : NULL;
}

ssize_t sysfs_readlink_at(int dirfd, const char *name, char *buf, size_t size)
{
	ssize_t n;

	n = readlinkat(dirfd, name, buf, size);
	if (n < 0)
		return -errno;
	if ((size_t)n == size)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	return n;
}

ssize_t sysfs_link_at(int dirfd, const char *name, char *buf, size_t size)
{
	char target[SYSFS_PATH_MAX];
	const char *base;
	ssize_t n;

	n = sysfs_readlink_at(dirfd, name, target, sizeof(target));
	if (n < 0)
		return n;
	base = strrchr(target, '/');
	base = base ? base + 1 : target;
	if (!*base || strlen(base) >= size)
		return -ENAMETOOLONG;
	strcpy(buf, base);
	return (ssize_t)strlen(buf);
}

bool sysfs_exists_at(int dirfd, const char *name)
{
	return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int sysfs_open_write_at(const struct vfiopm_ctx *ctx, int dirfd, const char *name)
{
	int fd;

	if (ctx->foreign)
		return -EROFS;
	fd = openat(dirfd, name, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

static int write_fd(int fd, const char *value)
{
	ssize_t n;

	do
		n = write(fd, value, strlen(value));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	/* A sysfs store takes all of it or fails. */
	return (size_t)n == strlen(value) ? 0 : -EIO;
}

int sysfs_write_at(const struct vfiopm_ctx *ctx, int dirfd, const char *name, const char *value)
{
	int fd, r;

	fd = sysfs_open_write_at(ctx, dirfd, name);
	if (fd < 0)
		return fd;
	r = write_fd(fd, value);
	close(fd);
	return r;
}

int sysfs_write(const struct vfiopm_ctx *ctx, const char *path, const char *value)
{
	return sysfs_write_at(ctx, ctx->root_fd, path, value);
}

int sysfs_real_path(const struct vfiopm_ctx *ctx, int fd, char *buf, size_t size)
{
	char self[64], real[SYSFS_PATH_MAX];
	size_t skip = 0;
	ssize_t n;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	n = sysfs_readlink_at(AT_FDCWD, self, real, sizeof(real));
	if (n < 0)
		return (int)n;
	if (ctx->root) {
		skip = strlen(ctx->root);
		/* Moved or deleted meanwhile. */
		if (strncmp(real, ctx->root, skip) || real[skip] != '/')
			return -ENOENT;
	}
	if ((size_t)n - skip >= size)
		return -ENAMETOOLONG;
	strcpy(buf, real + skip);
	return 0;
}

/* By getdents64(2): opendir(3) costs three calls more, and thousands of folders are small. */
static int foreach_fd(int fd, int (*fn)(const char *name, void *data), void *data)
{
	_Alignas(struct dirent64) char buf[16384];
	int r = 0;

	if (fd < 0)
		return fd;
	while (r == 0) {
		ssize_t n = getdents64(fd, buf, sizeof(buf));

		/* One that was removed while it was open has nothing in it. */
		if (n < 0 && errno != ENOENT)
			r = -errno;
		if (n <= 0)
			break;
		for (ssize_t at = 0; at < n && r == 0;) {
			const struct dirent64 *entry = (const void *)&buf[at];

			at += entry->d_reclen;
			if (entry->d_name[0] != '.')
				r = fn(entry->d_name, data);
		}
	}
	close(fd);
	return r;
}

int sysfs_foreach(const struct vfiopm_ctx *ctx, const char *path,
		  int (*fn)(const char *name, void *data), void *data)
{
	return foreach_fd(sysfs_dir(ctx, path), fn, data);
}

int sysfs_foreach_at(const struct vfiopm_ctx *ctx, int dirfd, const char *name,
		     int (*fn)(const char *name, void *data), void *data)
{
	return foreach_fd(sysfs_dir_at(ctx, dirfd, name), fn, data);
}

bool sysfs_node_exists(const struct vfiopm_ctx *ctx, const char *path)
{
	struct stat st;

	return fstatat(ctx->root_fd, path, &st, 0) == 0;
}

int sysfs_block_number(const struct vfiopm_ctx *ctx, const char *path, dev_t *ret)
{
	struct stat st;

	if (ctx->foreign)
		return -EROFS;
	if (fstatat(ctx->root_fd, path, &st, 0) < 0)
		return -errno;
	if (!S_ISBLK(st.st_mode))
		return -ENOTBLK;
	*ret = st.st_rdev;
	return 0;
}

int sysfs_foreach_line_at(const struct vfiopm_ctx *ctx, int dirfd, const char *name,
			  int (*fn)(const char *line, void *data), void *data)
{
	char buf[16384], line[SYSFS_PATH_MAX];
	size_t len = 0, total = 0;
	int fd, r = 0;

	fd = open_regular(ctx, dirfd, name);
	if (fd < 0)
		return fd;
	while (r == 0 && total < SYSFS_LINES_MAX) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = -errno;
		if (n <= 0)
			break;
		total += (size_t)n;
		for (ssize_t i = 0; i < n && r == 0; i++) {
			if (buf[i] != '\n') {
				if (len < sizeof(line) - 1)
					line[len++] = buf[i];
				continue;
			}
			line[len] = '\0';
			len = 0;
			r = fn(line, data);
		}
	}
	close(fd);
	return r;
}

int sysfs_open_node(const struct vfiopm_ctx *ctx, const char *path, int flags)
{
	int fd;

	if (ctx->foreign)
		return -EROFS;
	fd = openat(ctx->root_fd, path, flags | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}
