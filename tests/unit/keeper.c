// SPDX-License-Identifier: GPL-2.0-or-later
/* Attributes that are put back, whatever becomes of who changed them; in a tree of our own. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "private.h"
#include "tree.h"

#define NAME "0000:01:00.0"

static struct tree tree;
static int number, failures;

static void check(bool good, const char *name)
{
	printf("%sok %d %s\n", good ? "" : "not ", ++number, name);
	failures += !good;
}

static void reset(const char *deepen, const char *loss, const char *rate)
{
	tree_attr(&tree, NAME, "vfio_pm/deepen", deepen);
	tree_attr(&tree, NAME, "vfio_pm/deepen_state_loss_ok", loss);
	tree_attr(&tree, NAME, "vfio_pm/deepen_rate", rate);
}

static bool are(struct vfiopm_device *dev, int deepen, int loss, int rate)
{
	return vfiopm_in_kernel_get(dev, VFIOPM_IN_KERNEL_DEEPEN) == deepen &&
	       vfiopm_in_kernel_get(dev, VFIOPM_IN_KERNEL_STATE_LOSS) == loss &&
	       vfiopm_in_kernel_get(dev, VFIOPM_IN_KERNEL_RATE) == rate;
}

static bool become(struct vfiopm_device *dev, int deepen, int loss, int rate)
{
	for (int i = 0; i < 2000; i++) {
		if (are(dev, deepen, loss, rate))
			return true;
		usleep(1000);
	}
	return false;
}

static void set_all(struct vfiopm_keeper *k, struct vfiopm_device *dev)
{
	vfiopm_keeper_set(k, dev, VFIOPM_IN_KERNEL_STATE_LOSS, 1);
	vfiopm_keeper_set(k, dev, VFIOPM_IN_KERNEL_RATE, 30);
	vfiopm_keeper_set(k, dev, VFIOPM_IN_KERNEL_DEEPEN, 1);
}

static pid_t find_keeper(void)
{
	FILE *f = popen("pgrep -nx vfio-pm-keeper", "r");
	int pid = 0;

	if (f && fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		pclose(f);
	return pid;
}

static void test_restore(struct vfiopm_ctx *ctx, struct vfiopm_device *dev)
{
	struct vfiopm_keeper *k = NULL;

	reset("0", "0", "12");
	check(vfiopm_keeper_new(ctx, &k) == 0, "a keeper");
	check(vfiopm_keeper_set(k, dev, VFIOPM_IN_KERNEL_DEEPEN, 0) == 0, "so already");
	check(vfiopm_keeper_set(k, dev, VFIOPM_IN_KERNEL_RATE, -1) == -EINVAL, "a bad value");
	set_all(k, dev);
	check(are(dev, 1, 1, 30), "changed");
	check(vfiopm_keeper_set(k, dev, VFIOPM_IN_KERNEL_RATE, 60) == 1, "changed again");
	vfiopm_keeper_restore(k, dev);
	check(are(dev, 0, 0, 12), "put back, to what it was at first");
	set_all(k, dev);
	vfiopm_keeper_free(k);
	check(are(dev, 0, 0, 12), "put back at the end");
	vfiopm_keeper_free(NULL);
}

/* SIGKILL at once after the last change: what was told before must have reached the process. */
static void test_killed(struct vfiopm_ctx *ctx, struct vfiopm_device *dev)
{
	int good = 0;

	for (int i = 0; i < 20; i++) {
		pid_t pid;

		reset("0", "0", "12");
		pid = fork();
		if (pid == 0) {
			struct vfiopm_keeper *k;

			if (vfiopm_keeper_new(ctx, &k) < 0)
				_exit(1);
			set_all(k, dev);
			raise(SIGKILL);
		}
		waitpid(pid, NULL, 0);
		good += become(dev, 0, 0, 12);
	}
	check(good == 20, "killed 20 times, all is put back");
}

static void test_process_killed(struct vfiopm_ctx *ctx, struct vfiopm_device *dev)
{
	int ready[2], good = 0;
	char byte;
	pid_t pid;

	reset("0", "0", "12");
	if (pipe(ready) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		struct vfiopm_keeper *k;
		pid_t keeper;

		vfiopm_keeper_new(ctx, &k);
		vfiopm_keeper_set(k, dev, VFIOPM_IN_KERNEL_STATE_LOSS, 1);
		usleep(50000);
		keeper = find_keeper();
		if (keeper > 0)
			kill(keeper, SIGKILL);
		usleep(50000);
		set_all(k, dev);
		byte = keeper > 0;
		if (write(ready[1], &byte, 1) < 0)
			_exit(1);
		pause();
	}
	good = read(ready[0], &byte, 1) == 1 && byte && are(dev, 1, 1, 30);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	check(good && become(dev, 0, 0, 12), "its process was killed: another one knows all");
	close(ready[0]);
	close(ready[1]);
}

/* The attribute of the binding that was changed, not the one that has its name now. */
static void test_bound_anew(struct vfiopm_ctx *ctx, struct vfiopm_device *dev)
{
	struct vfiopm_keeper *k;

	reset("0", "0", "12");
	vfiopm_keeper_new(ctx, &k);
	set_all(k, dev);
	tree_unlink(&tree, "sys/bus/pci/devices/" NAME "/vfio_pm/deepen");
	tree_unlink(&tree, "sys/bus/pci/devices/" NAME "/vfio_pm/deepen_rate");
	reset("1", "1", "40");
	vfiopm_keeper_free(k);
	check(are(dev, 1, 0, 40), "a new attribute isn't touched");
}

int main(void)
{
	struct vfiopm_addr addr = { .bus = 1 };
	struct vfiopm_device *dev;
	struct vfiopm_keeper *k;
	struct vfiopm_ctx *ctx;

	setvbuf(stdout, NULL, _IONBF, 0);
	tree_new(&tree);
	tree_device(&tree, NULL, NAME);
	if (vfiopm_ctx_new(tree.root, &ctx) < 0 || vfiopm_device_new(ctx, &addr, &dev) < 0)
		return 1;
	check(vfiopm_keeper_new(ctx, &k) == -EROFS, "not below a foreign root");
	/* It is ours: it may be written. */
	ctx->foreign = false;
	test_restore(ctx, dev);
	test_killed(ctx, dev);
	test_process_killed(ctx, dev);
	test_bound_anew(ctx, dev);
	vfiopm_device_unref(dev);
	vfiopm_ctx_unref(ctx);
	tree_free(&tree);
	printf("1..%d\n", number);
	return failures > 0;
}
