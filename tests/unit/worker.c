// SPDX-License-Identifier: GPL-2.0-or-later
/* The child that opens devices, when it ends or hangs, and the host's words to it. */
#include <signal.h>
#include <sys/wait.h>

#include "../../cmd/worker.h"
#include "tap.h"
#include "tree.h"

#undef OPENED_LIMIT_MS
#define OPENED_LIMIT_MS 1000

#include "../../cmd/clock.c"
#include "../../cmd/opened.c"
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

static void test_ends(struct tap *t, struct opened *o)
{
	struct opened_reply reply;
	struct worker *w;
	int r;

	tap_ok(t, worker_new(o, &w) == 0, "a child to call");
	r = worker_call(w, DO_OPEN, 0, &reply);
	tap_ok(t, r < 0 && r != -EPIPE && r != -ETIME &&
		       worker_call(w, DO_ENTER, 0, NULL) == -EBADF,
	       "what can't be opened isn't the child's end");
	tap_ok(t, worker_call(w, DO_ENTER, 1, NULL) == -EINVAL, "there is no second device");
	kill(w->pid, SIGKILL);
	waitid(P_PID, (id_t)w->pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT);
	tap_ok(t, worker_call(w, DO_ENTER, 0, NULL) == -EPIPE &&
		       worker_call(w, DO_ENTER, 0, NULL) == -EPIPE,
	       "that one was killed is told at each call");
	tap_ok(t, worker_free(w) == 0, "and cleared away");
}

static void test_hangs(struct tap *t, struct opened *o)
{
	struct worker *w;
	pid_t pid;

	worker_new(o, &w);
	pid = w->pid;
	kill(pid, SIGSTOP);
	tap_ok(t, worker_call(w, DO_ENTER, 0, NULL) == -ETIME, "no answer in time");
	tap_ok(t, worker_call(w, DO_EXIT, 0, NULL) == -ETIME,
	       "a hang stays one: nobody was killed");
	tap_ok(t, worker_free(w) == 0 && kill(pid, 0) < 0, "it is ended, if it can be");
	worker_new(o, &w);
	/* Its child is collected by nobody else, and by itself. */
	signal(SIGCHLD, SIG_IGN);
	tap_ok(t, worker_free(w) == 0, "a child whose status is thrown away has ended, too");
	signal(SIGCHLD, SIG_DFL);
}

static void test_words(struct tap *t, struct opened *o)
{
	const uint64_t one = 1;
	struct pollfd more[OPENED_MORE] = {
		{ .fd = eventfd(0, EFD_CLOEXEC), .events = POLLIN },
		{ .fd = -1, .events = POLLIN, .revents = POLLIN },
	};

	tap_ok(t, !opened_take_error(o, 0) && !opened_is_asked(o, 0), "nothing was said");
	tap_ok(t, !opened_wait(o, more, OPENED_MORE, 20) && !more[0].revents && !more[1].revents,
	       "a wait in which nothing happens");
	if (write(more[0].fd, &one, sizeof(one)) != sizeof(one))
		tree_die("eventfd");
	tap_ok(t, !opened_wait(o, more, OPENED_MORE, -1) && more[0].revents == POLLIN,
	       "one that the caller's own descriptor ends");
	close(more[0].fd);
	if (write(opened_get_error_fd(o, 0), &one, sizeof(one)) != sizeof(one) ||
	    write(opened_get_asked_fd(o, 0), &one, sizeof(one)) != sizeof(one))
		tree_die("eventfd");
	tap_ok(t, opened_wait(o, NULL, 0, -1), "words of the host end a wait");
	tap_ok(t, opened_take_error(o, 0) && !opened_take_error(o, 0), "an error is told once");
	tap_ok(t, opened_is_asked(o, 0) && opened_is_asked(o, 0), "a request stays");
}

int main(void)
{
	struct vfiopm_device *dev;
	struct targets targets = { .count = 1, .dev = &dev };
	struct vfiopm_ctx *ctx;
	struct opened *o;
	struct tap t = { 0 };
	struct tree tree;

	tree_new(&tree);
	if (vfiopm_ctx_new(tree.root, &ctx) < 0)
		tree_die("context");
	dev = make_device(&tree, ctx);
	if (!dev)
		tree_die("device");
	if (opened_new(&targets, &o) < 0)
		tree_die("eventfds");
	test_ends(&t, o);
	test_hangs(&t, o);
	test_words(&t, o);
	opened_free(o);
	vfiopm_device_unref(dev);
	vfiopm_ctx_unref(ctx);
	tree_free(&tree);
	return tap_end(&t);
}
