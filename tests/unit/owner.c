// SPDX-License-Identifier: GPL-2.0-or-later
/* Who has a device open, told from a mocked /proc; and what is told of this very process. */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "private.h"
#include "tap.h"
#include "tree.h"

/*
 * Two of group 7, one of group 8 with a node of its own, a bridge in group 7, and one whose unbind
 * waits.
 */
static const char *const devs[] = { "0000:00:02.0", "0000:00:02.1", "0000:00:03.0",
				    "0000:00:04.0", "0000:00:05.0" };

static struct vfiopm_device *device(struct vfiopm_ctx *ctx, int i)
{
	struct vfiopm_device *dev = NULL;
	struct vfiopm_addr addr;

	vfiopm_addr_parse(devs[i], &addr);
	vfiopm_device_new(ctx, &addr, &dev);
	return dev;
}

static void build(const struct tree *tree)
{
	static const int groups[] = { 7, 7, 8, 7 };

	for (int i = 0; i < 4; i++) {
		char path[256], target[256];

		tree_device(tree, NULL, devs[i]);
		snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/iommu_group", devs[i]);
		snprintf(target, sizeof(target), "/sys/kernel/iommu_groups/%d", groups[i]);
		tree_link(tree, path, target);
		snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%d/devices/%s", groups[i],
			 devs[i]);
		snprintf(target, sizeof(target), "/sys/devices/pci0000:00/%s", devs[i]);
		tree_link(tree, path, target);
		snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/driver", devs[i]);
		tree_link(tree, path, i < 3 ? "/sys/bus/pci/drivers/vfio-pci" :
					      "/sys/bus/pci/drivers/pcieport");
		tree_attr(tree, devs[i], "enable", "0\n");
	}
	for (int i = 0; i < 3; i++) {
		char attr[64];

		snprintf(attr, sizeof(attr), "vfio-dev/vfio%d/dev", i);
		tree_attr(tree, devs[i], attr, "511:0\n");
	}
	tree_attr(tree, devs[3], "enable", "1\n");
	tree_device(tree, NULL, devs[4]);
	tree_attr(tree, devs[4], "enable", "1\n");
}

static void process(const struct tree *tree, int pid, const char *comm, const char *fd)
{
	char path[128], text[256];

	snprintf(path, sizeof(path), "proc/%d/comm", pid);
	snprintf(text, sizeof(text), "%s\n", comm);
	tree_file(tree, path, text);
	snprintf(path, sizeof(path), "proc/%d/status", pid);
	snprintf(text, sizeof(text), "Name:\t%s\nUid:\t1\t1000\t3\t4\n", comm);
	tree_file(tree, path, text);
	snprintf(path, sizeof(path), "proc/%d/stat", pid);
	snprintf(text, sizeof(text),
		 "%d (%s) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 %ld 20 21\n", pid, comm,
		 12 * sysconf(_SC_CLK_TCK));
	tree_file(tree, path, text);
	snprintf(path, sizeof(path), "proc/%d/fd/7", pid);
	tree_link(tree, path, fd);
}

/* The process IDs of a device's owners, "4711 4712". */
static const char *pids(struct vfiopm_ctx *ctx, int i, char *buf, size_t size)
{
	struct vfiopm_device *dev = device(ctx, i);
	const struct vfiopm_owner *owner;
	struct vfiopm_owners *owners;
	size_t len = 0;

	buf[0] = '\0';
	vfiopm_owners_new(ctx, &owners);
	for (size_t n = 0; (owner = vfiopm_owners_find(owners, dev, n)); n++)
		len += (size_t)snprintf(buf + len, size - len, "%s%d:%s", n ? " " : "",
					(int)vfiopm_owner_get_pid(owner),
					vfiopm_via_name(vfiopm_owner_get_via(owner)));
	vfiopm_owners_free(owners);
	vfiopm_device_unref(dev);
	return buf;
}

static int first(struct vfiopm_ctx *ctx, int i)
{
	struct vfiopm_device *dev = device(ctx, i);
	const struct vfiopm_owner *owner;
	struct vfiopm_owners *owners;
	int r;

	vfiopm_owners_new(ctx, &owners);
	r = vfiopm_owners_first(owners, dev, &owner);
	if (!owner != (r < 0))
		r = 99;
	vfiopm_owners_free(owners);
	vfiopm_device_unref(dev);
	return r;
}

static void facts(struct tap *t, struct vfiopm_ctx *ctx)
{
	struct vfiopm_device *dev = device(ctx, 2);
	const struct vfiopm_owner *owner;
	struct vfiopm_owners *owners;

	vfiopm_owners_new(ctx, &owners);
	owner = vfiopm_owners_find(owners, dev, 0);
	tap_ok(t, owner != NULL, "an owner");
	tap_int(t, vfiopm_owner_get_uid(owner), 1000, "its effective user");
	tap_str(t, vfiopm_owner_get_comm(owner), "a) (b", "its name, brackets in it");
	tap_int(t, vfiopm_owner_get_start_time(owner), 12000, "its start, in milliseconds");
	tap_ok(t, !vfiopm_owners_find(owners, dev, 1), "NULL past the end");
	tap_ok(t, !vfiopm_owners_is_partial(owners), "all was seen");
	vfiopm_owners_free(owners);
	vfiopm_device_unref(dev);
}

static void rules(struct tap *t, const struct tree *tree, struct vfiopm_ctx *ctx)
{
	char buf[256];

	process(tree, 100, "sh", "/dev/tty1");
	tap_str(t, pids(ctx, 0, buf, sizeof(buf)), "", "nobody");
	tap_int(t, first(ctx, 0), -ESRCH, "nobody has it open");
	tap_int(t, first(ctx, 3), -ESRCH, "a bridge that is enabled is nobody's");
	tree_attr(tree, devs[0], "enable", "1\n");
	tap_int(t, first(ctx, 0), -EPERM, "enabled, and nobody to be seen");
	tree_attr(tree, devs[0], "enable", "0\n");
	process(tree, 100, "vmm", "/dev/vfio/7");
	tap_str(t, pids(ctx, 0, buf, sizeof(buf)), "", "a group of two: open, not this device");
	tree_attr(tree, devs[1], "enable", "1\n");
	tap_str(t, pids(ctx, 0, buf, sizeof(buf)), "", "the other one is enabled");
	tap_str(t, pids(ctx, 1, buf, sizeof(buf)), "100:group", "this one is");
	tap_int(t, first(ctx, 1), 0, "it has an owner");
	tap_str(t, pids(ctx, 3, buf, sizeof(buf)), "", "a bridge in the group is nobody's");
	process(tree, 101, "a) (b", "/dev/vfio/8");
	tap_str(t, pids(ctx, 2, buf, sizeof(buf)), "101:group", "a group of one");
	facts(t, ctx);
	process(tree, 101, "x", "/dev/vfio/8 (deleted)");
	tap_str(t, pids(ctx, 2, buf, sizeof(buf)), "101:group", "its node is gone already");
	process(tree, 101, "x", "/dev/vfio/80");
	tap_str(t, pids(ctx, 2, buf, sizeof(buf)), "", "another group");
	process(tree, 101, "x", "/dev/vfio/noiommu-8");
	tap_str(t, pids(ctx, 2, buf, sizeof(buf)), "", "another kind of group");
	process(tree, 101, "x", "/home/dev/vfio/8");
	tap_str(t, pids(ctx, 2, buf, sizeof(buf)), "", "another file");
	process(tree, 101, "x", "/dev/vfio/devices/vfio2");
	tap_str(t, pids(ctx, 2, buf, sizeof(buf)), "101:cdev", "by its own node");
	process(tree, 102, "child", "/dev/vfio/devices/vfio2");
	tap_str(t, pids(ctx, 2, buf, sizeof(buf)), "101:cdev 102:cdev", "two of them");
}

static void descriptors(struct tap *t, const struct tree *tree, struct vfiopm_ctx *ctx)
{
	char buf[256];

	/* Both are enabled, the group's owner names one in fdinfo. */
	tree_attr(tree, devs[0], "enable", "1\n");
	tap_str(t, pids(ctx, 0, buf, sizeof(buf)), "100:group", "before Linux 6.18: both");
	tree_link(tree, "proc/100/fd/8", "anon_inode:[vfio-device]");
	tree_file(tree, "proc/100/fdinfo/8",
		  "pos:\t0\nvfio-device-syspath: /sys/devices/pci0000:00/0000:00:02.1\n");
	tap_str(t, pids(ctx, 0, buf, sizeof(buf)), "", "named: not this one");
	tap_str(t, pids(ctx, 1, buf, sizeof(buf)), "100:device", "named: this one");
	tree_unlink(tree, "proc/100/fd/8");
	tree_unlink(tree, "proc/100/fdinfo/8");
}

static void lost_node(struct tap *t, const struct tree *tree, struct vfiopm_ctx *ctx)
{
	char buf[256];

	tap_str(t, pids(ctx, 4, buf, sizeof(buf)), "", "no node is gone");
	process(tree, 101, "x", "/dev/vfio/devices/vfio9 (deleted)");
	tap_str(t, pids(ctx, 4, buf, sizeof(buf)), "101:cdev", "the node that is gone was its");
	tap_str(t, pids(ctx, 2, buf, sizeof(buf)), "102:cdev", "not that of one with a driver");
	process(tree, 102, "x", "/dev/vfio/devices/vfio8 (deleted)");
	tap_str(t, pids(ctx, 4, buf, sizeof(buf)), "", "either of two: none is named");
}

static void mappings(struct tap *t, const struct tree *tree, struct vfiopm_ctx *ctx)
{
	char buf[256];

	process(tree, 101, "x", "/dev/null");
	process(tree, 102, "x", "/dev/null");
	tree_file(tree, "proc/102/maps",
		  "7f00-7f01 r--p 0000 08:01 42    /dev/vfio/devices/vfio2/not\n"
		  "7f02-7f03 rw-s 1000 00:0f 99    /dev/vfio/devices/vfio2\n");
	tap_str(t, pids(ctx, 2, buf, sizeof(buf)), "", "a mapping of a device that isn't open");
	tree_attr(tree, devs[2], "enable", "1\n");
	tap_str(t, pids(ctx, 2, buf, sizeof(buf)), "102:map", "a mapping of its own node");
	tree_file(tree, "proc/102/maps",
		  "7f02-7f03 rw-s 1000 00:0f 99    anon_inode:[vfio-device]\n");
	tap_str(t, pids(ctx, 2, buf, sizeof(buf)), "102:map", "the only one that it can be");
	/* 100 has group 7, so its unnamed device is of that. */
	tree_link(tree, "proc/100/fd/8", "anon_inode:[vfio-device]");
	tap_str(t, pids(ctx, 2, buf, sizeof(buf)), "102:map", "not who has another group");
	tree_file(tree, "proc/101/maps",
		  "7f02-7f03 rw-s 1000 00:0f 99    anon_inode:[vfio-device]\n");
	tap_str(t, pids(ctx, 2, buf, sizeof(buf)), "", "either of two: none is named");
}

static void hidden(struct tap *t, const struct tree *tree, struct vfiopm_ctx *ctx)
{
	struct vfiopm_owners *owners = NULL;

	/* A file in a folder's place can't be looked into, whoever looks. */
	tree_file(tree, "proc/103/fd", "");
	vfiopm_owners_new(ctx, &owners);
	tap_ok(t, vfiopm_owners_is_partial(owners), "somebody couldn't be looked into");
	vfiopm_owners_free(owners);
}

static void self(struct tap *t)
{
	struct vfiopm_ctx *ctx;
	pid_t child;

	vfiopm_ctx_new(NULL, &ctx);
	tap_int(t, vfiopm_process_is_self_exe(ctx, getpid()), 1, "this program");
	child = fork();
	if (child == 0) {
		execlp("sleep", "sleep", "60", NULL);
		_exit(1);
	}
	/* exec isn't instantaneous: until then the child is this program. */
	for (int i = 0; i < 1000 && vfiopm_process_is_self_exe(ctx, child) == 1; i++)
		usleep(10000);
	tap_int(t, vfiopm_process_is_self_exe(ctx, child), 0, "another one");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	tap_int(t, vfiopm_process_is_self_exe(ctx, child), -ESRCH, "none any more");
	vfiopm_ctx_unref(ctx);
}

/* Runs as a copy of this program: is the process whose number comes in one of ours? */
static int judge(void)
{
	struct vfiopm_ctx *ctx;
	int32_t answer = 0;
	pid_t pid;

	vfiopm_ctx_new(NULL, &ctx);
	do {
		if (write(STDOUT_FILENO, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
			return 1;
		if (read(STDIN_FILENO, &pid, sizeof(pid)) != (ssize_t)sizeof(pid))
			break;
		answer = vfiopm_process_is_self_exe(ctx, pid);
	} while (true);
	vfiopm_ctx_unref(ctx);
	return 0;
}

struct judge {
	pid_t pid;
	int fd;
};

static int32_t hear(const struct judge *j)
{
	int32_t answer = -1000;

	return read(j->fd, &answer, sizeof(answer)) == (ssize_t)sizeof(answer) ? answer : -1000;
}

static int32_t ask(const struct judge *j, pid_t pid)
{
	return write(j->fd, &pid, sizeof(pid)) == (ssize_t)sizeof(pid) ? hear(j) : -1000;
}

/* Install this program at @path, as install(1) does, and start it. */
static struct judge install(const char *path)
{
	struct judge j = { 0 };
	char command[256];
	int ends[2];

	snprintf(command, sizeof(command), "install /proc/%d/exe %s", (int)getpid(), path);
	if (system(command) != 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		tree_die(command);
	j.fd = ends[0];
	j.pid = fork();
	if (j.pid == 0) {
		dup2(ends[1], STDIN_FILENO);
		dup2(ends[1], STDOUT_FILENO);
		execl(path, path, "judge", NULL);
		_exit(1);
	}
	close(ends[1]);
	if (hear(&j) != 0)
		tree_die(path);
	return j;
}

/* Installed anew, or removed, while processes of it run: each knows the others. */
static void installed(struct tap *t, const struct tree *tree)
{
	struct judge first, second, third, elsewhere;
	char path[128], other[128];

	tree_path(tree, "program", path, sizeof(path));
	tree_path(tree, "other", other, sizeof(other));
	first = install(path);
	second = install(path);
	elsewhere = install(other);
	tap_int(t, ask(&second, first.pid), 1, "the new file knows the old one");
	tap_int(t, ask(&first, second.pid), 1, "the old one knows the new one");
	third = install(path);
	unlink(path);
	tap_int(t, ask(&first, second.pid), 1, "both are gone");
	tap_int(t, ask(&first, third.pid), 1, "and so is the third");
	tap_int(t, ask(&first, elsewhere.pid), 0, "a copy elsewhere is another program");
	tap_int(t, ask(&elsewhere, first.pid), 0, "and the other way round");
	close(first.fd);
	close(second.fd);
	close(third.fd);
	close(elsewhere.fd);
	while (wait(NULL) > 0)
		;
}

int main(int argc, char **argv)
{
	struct vfiopm_owners *owners = NULL;
	struct vfiopm_ctx *ctx;
	struct tap t = { 0 };
	struct tree tree;

	if (argc > 1)
		return judge();
	tree_new(&tree);
	build(&tree);
	vfiopm_ctx_new(tree.root, &ctx);
	tap_int(&t, vfiopm_owners_new(ctx, &owners), 0, "a report without processes");
	tap_ok(&t, vfiopm_owners_is_partial(owners), "nobody is visible");
	vfiopm_owners_free(owners);
	vfiopm_owners_free(NULL);
	rules(&t, &tree, ctx);
	descriptors(&t, &tree, ctx);
	lost_node(&t, &tree, ctx);
	mappings(&t, &tree, ctx);
	hidden(&t, &tree, ctx);
	tap_int(&t, vfiopm_process_is_self_exe(ctx, getpid()), 0,
		"no process runs in a foreign tree");
	self(&t);
	installed(&t, &tree);
	tap_str(&t, vfiopm_via_name((enum vfiopm_via)9), "unknown", "out of range");
	vfiopm_ctx_unref(ctx);
	tree_free(&tree);
	return tap_end(&t);
}
