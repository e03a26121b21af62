// SPDX-License-Identifier: GPL-2.0-or-later
/* The door to files: nothing is read outside of a foreign root, and nothing but plain files. */
#include <errno.h>
#include <unistd.h>

#include "private.h"
#include "tap.h"
#include "tree.h"

static struct tree tree_with_attributes(void)
{
	struct tree tree;
	char big[20000];

	tree_new(&tree);
	tree_file(&tree, "sys/a/plain", "value\n");
	tree_file(&tree, "sys/a/bare", "value");
	tree_file(&tree, "sys/a/empty", "");
	tree_file(&tree, "sys/a/newlines", "\n\n");
	tree_file(&tree, "sys/a/number", "4711\n");
	tree_file(&tree, "sys/a/negative", "-1\n");
	tree_file(&tree, "sys/a/hex", "0x8086\n");
	tree_file(&tree, "sys/a/words", "12 monkeys\n");
	tree_file(&tree, "sys/a/huge", "99999999999999999999\n");
	tree_file(&tree, "sys/a/control", "a\033[2Jb\n");
	memset(big, 'x', sizeof(big));
	tree_bytes(&tree, "sys/a/big", big, sizeof(big));
	tree_link(&tree, "sys/a/inside", "plain");
	tree_link(&tree, "sys/a/outside", "/etc/passwd");
	tree_link(&tree, "sys/a/up", "../../../../../../../../../etc/passwd");
	tree_link(&tree, "sys/a/loop", "loop");
	tree_link(&tree, "sys/a/driver", "../bus/pci/drivers/vfio-pci");
	tree_link(&tree, "sys/linked", "a");
	tree_link(&tree, "sys/escape", "/etc");
	return tree;
}

static void reads(struct tap *t, const struct vfiopm_ctx *ctx, int dir)
{
	char buf[64];
	int64_t n = 5;
	char *s;

	tap_int(t, sysfs_read_at(ctx, dir, "plain", buf, sizeof(buf)), 5, "length");
	tap_str(t, buf, "value", "a line, without its end");
	tap_int(t, sysfs_read_at(ctx, dir, "bare", buf, sizeof(buf)), 5, "no newline");
	tap_int(t, sysfs_read_at(ctx, dir, "empty", buf, sizeof(buf)), 0, "empty");
	tap_int(t, sysfs_read_at(ctx, dir, "newlines", buf, sizeof(buf)), 0, "newlines only");
	tap_int(t, sysfs_read_at(ctx, dir, "big", buf, sizeof(buf)), 63, "a big one is cut");
	tap_int(t, sysfs_read_at(ctx, dir, "none", buf, sizeof(buf)), -ENOENT, "missing");
	tap_int(t, sysfs_read_int_at(ctx, dir, "number", &n), 0, "a number");
	tap_int(t, n, 4711, "its value");
	tap_int(t, sysfs_read_int_at(ctx, dir, "negative", &n), 0, "a negative one");
	tap_int(t, n, -1, "its value");
	tap_int(t, sysfs_read_int_at(ctx, dir, "hex", &n), 0, "hexadecimal");
	tap_int(t, n, 0x8086, "its value");
	tap_int(t, sysfs_read_int_at(ctx, dir, "words", &n), -EINVAL, "words are no number");
	tap_int(t, sysfs_read_int_at(ctx, dir, "huge", &n), -EINVAL, "too large");
	tap_int(t, sysfs_read_int_at(ctx, dir, "empty", &n), -EINVAL, "nothing is no number");
	tap_int(t, n, 0x8086, "a failure leaves the result alone");
	s = sysfs_read_str_at(ctx, dir, "control");
	tap_str(t, s, "a [2Jb", "control characters are taken out");
	free(s);
	tap_str(t, sysfs_read_str_at(ctx, dir, "empty"), NULL, "empty is no string");
	tap_int(t, sysfs_link_at(dir, "driver", buf, sizeof(buf)), 8, "a link's last component");
	tap_str(t, buf, "vfio-pci", "its name");
	tap_int(t, sysfs_link_at(dir, "driver", buf, 8), -ENAMETOOLONG, "too long for the buffer");
	tap_int(t, sysfs_link_at(dir, "plain", buf, sizeof(buf)), -EINVAL, "no link");
}

static void hostile(struct tap *t, const struct tree *tree, const struct vfiopm_ctx *ctx, int dir)
{
	char path[PATH_MAX], buf[64];
	int fd;

	tap_int(t, sysfs_read_at(ctx, dir, "inside", buf, sizeof(buf)), 5, "a link inside");
	tap_int(t, sysfs_read(ctx, "sys/linked/plain", buf, sizeof(buf)), 5, "a linked folder");
	tap_ok(t, sysfs_read_at(ctx, dir, "outside", buf, sizeof(buf)) < 0, "a link outside");
	tap_ok(t, sysfs_read_at(ctx, dir, "up", buf, sizeof(buf)) < 0, "a link up and out");
	tap_int(t, sysfs_read_at(ctx, dir, "loop", buf, sizeof(buf)), -ELOOP, "a loop");
	tap_int(t, sysfs_read(ctx, "sys/escape/passwd", buf, sizeof(buf)), -ENOENT,
		"a folder that is a link outside leads inside");
	tap_int(t, sysfs_read(ctx, "../../../../etc/passwd", buf, sizeof(buf)), -ENOENT,
		"the root has nothing above it");
	tree_path(tree, "sys/a/fifo", path, sizeof(path));
	if (mkfifo(path, 0666) < 0)
		tree_die(path);
	tap_int(t, sysfs_read_at(ctx, dir, "fifo", buf, sizeof(buf)), -EINVAL, "a FIFO: no wait");
	tap_int(t, sysfs_read(ctx, "sys/a/fifo", buf, sizeof(buf)), -EINVAL, "the same by path");
	tap_int(t, sysfs_read_at(ctx, dir, ".", buf, sizeof(buf)), -EINVAL, "a folder");
	if (geteuid() == 0) {
		tree_path(tree, "sys/a/node", path, sizeof(path));
		if (mknod(path, S_IFCHR | 0666, 1 << 8 | 5) < 0)
			tree_die(path);
		tap_int(t, sysfs_read_at(ctx, dir, "node", buf, sizeof(buf)), -EINVAL,
			"a device node isn't opened");
	}
	tap_int(t, sysfs_write_at(ctx, dir, "plain", "x"), -EROFS, "nothing is written");
	tap_int(t, sysfs_open_node(ctx, "sys/a/plain", 0), -EROFS, "no node is opened");
	fd = sysfs_dir(ctx, "sys/a/plain");
	tap_int(t, fd, -ENOTDIR, "a file is no folder");
}

static int count(const char *name, void *data)
{
	return ++*(int *)data == 3 ? 42 : 0;
}

int main(void)
{
	struct tree tree = tree_with_attributes();
	struct vfiopm_ctx *ctx, *host;
	struct tap t = { 0 };
	char path[PATH_MAX];
	int dir, n = 0;

	tap_int(&t, vfiopm_ctx_new("/nonexistent", &ctx), -ENOENT, "no such root");
	tap_int(&t, vfiopm_ctx_new(tree.root, &ctx), 0, "a root");
	tap_ok(&t, vfiopm_ctx_is_foreign(ctx), "it is foreign");
	tap_int(&t, vfiopm_ctx_new("//", &host), 0, "the root, spelled differently");
	tap_ok(&t, !vfiopm_ctx_is_foreign(host), "it isn't foreign");

	dir = sysfs_dir(ctx, "sys/a");
	reads(&t, ctx, dir);
	hostile(&t, &tree, ctx, dir);
	tap_int(&t, sysfs_foreach_at(ctx, dir, ".", count, &n), 42, "a walk ends when it is told");
	tap_int(&t, n, 3, "at once");
	close(dir);

	/* The same through the running system's root, where links are trusted. */
	snprintf(path, sizeof(path), "%s/sys/a", tree.root + 1);
	dir = sysfs_dir(host, path);
	reads(&t, host, dir);
	close(dir);
	vfiopm_ctx_unref(host);
	vfiopm_ctx_unref(ctx);
	vfiopm_ctx_unref(NULL);
	tree_free(&tree);
	return tap_end(&t);
}
