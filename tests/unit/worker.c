// SPDX-License-Identifier: GPL-2.0-or-later
/* The child that opens devices, when it ends or hangs, and the host's words to it. */
#include <signal.h>
#include <sys/wait.h>

#include "../../cmd/worker.h"
#include "tap.h"
#include "tree.h"

#undef WORKER_LIMIT_MS
#define WORKER_LIMIT_MS 200

#include "../../cmd/worker.c"

bool drain_eventfd(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count);
}

static struct vfiopm_device *make_device(const struct tree *tree, struct vfiopm_ctx *ctx)
{
	struct vfiopm_device *dev;
	struct vfiopm_addr addr;

	tree_device(tree, NULL, "0000:00:01.0");
	tree_attr(tree, "0000:00:01.0", "vendor", "0x8086\n");
	tree_attr(tree, "0000:00:01.0", "device", "0x10d3\n");
	tree_attr(tree, "0000:00:01.0", "class", "0x020000\n");
	vfiopm_addr_parse("0000:00:01.0", &addr);
	return vfiopm_device_new(ctx, &addr, &dev) < 0 ? NULL : dev;
}

static void test_ends(struct tap *t, const struct targets *targets)
{
	struct worker_reply reply;
	struct worker *w;
	int r;

	tap_ok(t, worker_new(targets, &w) == 0 && worker_check(w) == 0, "a child to call");
	r = worker_call(w, WORKER_OPEN, 0, NULL, 0, &reply);
	tap_ok(t, r < 0 && r != -EPIPE && r != -ETIME && worker_check(w) == 0,
	       "what can't be opened isn't the child's end");
	kill(worker_get_pid(w), SIGKILL);
	tap_ok(t, worker_wait(w, NULL, 0, -1), "the end of one that was killed is waited for");
	tap_ok(t, worker_check(w) == -EPIPE, "one that was killed is seen");
	tap_ok(t, worker_call(w, WORKER_ENTER, 0, NULL, 0, NULL) == -EPIPE &&
		       worker_call(w, WORKER_ENTER, 0, NULL, 0, NULL) == -EPIPE,
	       "and told at each call");
	tap_ok(t, worker_free(w) == 0, "and cleared away");
}

static void test_hangs(struct tap *t, const struct targets *targets)
{
	struct worker *w;
	pid_t pid;

	worker_new(targets, &w);
	pid = worker_get_pid(w);
	kill(pid, SIGSTOP);
	tap_ok(t, worker_call(w, WORKER_ENTER, 0, NULL, 0, NULL) == -ETIME, "no answer in time");
	tap_ok(t, worker_call(w, WORKER_EXIT, 0, NULL, 0, NULL) == -ETIME &&
		       worker_check(w) == -ETIME,
	       "a hang stays one: nobody was killed");
	tap_ok(t, worker_wait(w, NULL, 0, -1), "nobody waits for anything of it any more");
	tap_ok(t, worker_free(w) == 0 && kill(pid, 0) < 0, "it is ended, if it can be");
}

static void test_words(struct tap *t, const struct targets *targets)
{
	const uint64_t one = 1;
	struct worker *w;
	struct pollfd more[WORKER_MORE] = {
		{ .fd = eventfd(0, EFD_CLOEXEC), .events = POLLIN },
		{ .fd = -1, .events = POLLIN, .revents = POLLIN },
	};

	worker_new(targets, &w);
	tap_ok(t, !worker_wait(w, more, WORKER_MORE, 20) && !more[0].revents && !more[1].revents,
	       "a wait in which nothing happens");
	if (write(more[0].fd, &one, sizeof(one)) != sizeof(one))
		tree_die("eventfd");
	tap_ok(t, !worker_wait(w, more, WORKER_MORE, -1) && more[0].revents == POLLIN,
	       "one that the caller's own descriptor ends");
	close(more[0].fd);
	tap_ok(t, !worker_take_error(w, 0) && !worker_is_asked(w, 0), "nothing was said");
	if (write(worker_get_error_fd(w, 0), &one, sizeof(one)) != sizeof(one) ||
	    write(worker_get_asked_fd(w, 0), &one, sizeof(one)) != sizeof(one))
		tree_die("eventfd");
	tap_ok(t, worker_wait(w, NULL, 0, -1), "words of the host end a wait");
	tap_ok(t, worker_take_error(w, 0) && !worker_take_error(w, 0), "an error is told once");
	tap_ok(t, worker_is_asked(w, 0) && worker_is_asked(w, 0), "a request stays");
	/* Its child is collected by nobody else, and by itself. */
	signal(SIGCHLD, SIG_IGN);
	tap_ok(t, worker_free(w) == 0, "a child whose status is thrown away has ended, too");
	signal(SIGCHLD, SIG_DFL);
}

int main(void)
{
	struct vfiopm_device *dev;
	struct targets targets = { .count = 1, .dev = &dev };
	struct vfiopm_ctx *ctx;
	struct tap t = { 0 };
	struct tree tree;

	tree_new(&tree);
	if (vfiopm_ctx_new(tree.root, &ctx) < 0)
		tree_die("context");
	dev = make_device(&tree, ctx);
	if (!dev)
		tree_die("device");
	test_ends(&t, &targets);
	test_hangs(&t, &targets);
	test_words(&t, &targets);
	vfiopm_device_unref(dev);
	vfiopm_ctx_unref(ctx);
	tree_free(&tree);
	return tap_end(&t);
}
