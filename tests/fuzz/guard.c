// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stands between the code under test and the kernel (ld --wrap): whatever it
 * opens must lie below the tree, and must be a regular file or a folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuzz.h"

int __real_open(const char *path, int flags, ...);
int __real_openat(int dir, const char *path, int flags, ...);
long __real_syscall(long number, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);
FILE *__wrap_fopen(const char *path, const char *mode);
int __wrap_mkostemp(char *path, int flags);
int __wrap_mkstemp(char *path);
long __wrap_syscall(long number, ...);

static int judge(int fd, int flags, const char *asked)
{
	char self[64], real[4096];
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return fd;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	n = readlink(self, real, sizeof(real) - 1);
	real[n > 0 ? n : 0] = '\0';
	/* Names of vendors come from this machine, whatever the root is. */
	if (!strncmp(asked, "/usr/share/", strlen("/usr/share/")) && !strcmp(asked, real))
		return fd;
	if (strncmp(real, tree_root(), strlen(tree_root()))) {
		fprintf(stderr, "outside of the root: '%s' led to '%s'\n", asked, real);
		abort();
	}
	/* Opened for good: a device or a FIFO has effects, or blocks. */
	if (!(flags & O_PATH) &&
	    (fstat(fd, &st) < 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))) {
		fprintf(stderr, "no regular file: '%s' led to '%s'\n", asked, real);
		abort();
	}
	return fd;
}

/* A word of the input may be the name of an output file. */
static bool writes(int flags)
{
	if ((flags & O_ACCMODE) == O_RDONLY && !(flags & (O_CREAT | O_TRUNC)))
		return false;
	errno = EROFS;
	return true;
}

int __wrap_open(const char *path, int flags, ...)
{
	if (writes(flags))
		return -1;
	return judge(__real_open(path, flags), flags, path);
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
	errno = EROFS;
	return NULL;
}

int __wrap_mkostemp(char *path, int flags)
{
	errno = EROFS;
	return -1;
}

int __wrap_mkstemp(char *path)
{
	errno = EROFS;
	return -1;
}

int __wrap_openat(int dir, const char *path, int flags, ...)
{
	if (writes(flags))
		return -1;
	return judge(__real_openat(dir, path, flags), flags, path);
}

long __wrap_syscall(long number, ...)
{
	va_list args;

	if (number == SYS_openat2) {
		const struct open_how *how;
		const char *path;
		int dir, fd;

		va_start(args, number);
		dir = va_arg(args, int);
		path = va_arg(args, const char *);
		how = va_arg(args, const struct open_how *);
		va_end(args);
		fd = (int)__real_syscall(number, dir, path, how, sizeof(*how));
		return judge(fd, (int)how->flags, path);
	}
	/* On a foreign root nothing is signalled, taken from another process, or run. */
	fprintf(stderr, "system call %ld on a foreign root\n", number);
	abort();
}
