/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small mocked system in a temporary folder. */
#ifndef TREE_H
#define TREE_H

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tree {
	char root[64];
};

static inline void tree_die(const char *what)
{
	perror(what);
	exit(99);
}

static inline void tree_new(struct tree *t)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(t->root, sizeof(t->root), "%.40s/vfio-pm.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(t->root))
		tree_die(t->root);
}

static inline int tree_remove_one(const char *path, const struct stat *st, int type,
				  struct FTW *ftw)
{
	return remove(path);
}

static inline void tree_free(struct tree *t)
{
	nftw(t->root, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* @path below the root, with the folders above it. */
static inline void tree_path(const struct tree *t, const char *path, char *buf, size_t size)
{
	snprintf(buf, size, "%s/%s", t->root, path);
	for (char *slash = buf + strlen(t->root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(buf, 0777);
		*slash = '/';
	}
}

static inline void tree_bytes(const struct tree *t, const char *path, const void *data, size_t n)
{
	char buf[PATH_MAX];
	FILE *f;

	tree_path(t, path, buf, sizeof(buf));
	f = fopen(buf, "w");
	if (!f || fwrite(data, 1, n, f) != n || fclose(f) != 0)
		tree_die(buf);
}

static inline void tree_file(const struct tree *t, const char *path, const char *text)
{
	tree_bytes(t, path, text, strlen(text));
}

static inline void tree_dir(const struct tree *t, const char *path)
{
	char buf[PATH_MAX];

	tree_path(t, path, buf, sizeof(buf));
	mkdir(buf, 0777);
}

static inline void tree_link(const struct tree *t, const char *path, const char *target)
{
	char buf[PATH_MAX];

	tree_path(t, path, buf, sizeof(buf));
	unlink(buf);
	if (symlink(target, buf) < 0)
		tree_die(buf);
}

static inline void tree_unlink(const struct tree *t, const char *path)
{
	char buf[PATH_MAX];

	tree_path(t, path, buf, sizeof(buf));
	if (unlink(buf) < 0)
		tree_die(buf);
}

/* A device on the root bus or below @parent, with nothing but its folder and its links. */
static inline void tree_device(const struct tree *t, const char *parent, const char *name)
{
	char path[512], target[600];

	snprintf(path, sizeof(path), "sys/devices/pci0000:00/%s%s%s", parent ? parent : "",
		 parent ? "/" : "", name);
	tree_dir(t, path);
	snprintf(target, sizeof(target), "../../../%s", path + strlen("sys/"));
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", name);
	tree_link(t, path, target);
}

/* An attribute of it. */
static inline void tree_attr(const struct tree *t, const char *name, const char *attr,
			     const char *value)
{
	char path[512];

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/%s", name, attr);
	tree_file(t, path, value);
}

#endif /* TREE_H */
