// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * borrow_again ADDRESS: does vfiopm_borrow_again() take what it knows by its number for the same
 * only if it is? A child owns the device by its group, with disable_idle_d3=1, and puts other files
 * in the places of its own. A line a case, "ok" or "not ok"; the exit status counts the failures.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "group_fd.h"
#include "vfiopm.h"

static const char *const strangers[] = {
	"eventfd", "timerfd", "inotify", "memfd", "null", "container", "pipe", "folder",
};

static int stranger(const char *kind)
{
	int fds[2];

	switch (kind[0]) {
	case 'e':
		return eventfd(0, 0);
	case 't':
		return timerfd_create(CLOCK_MONOTONIC, 0);
	case 'i':
		return inotify_init();
	case 'm':
		return memfd_create("stranger", 0);
	case 'n':
		return open("/dev/null", O_RDWR);
	case 'c':
		return open("/dev/vfio/vfio", O_RDWR);
	case 'p':
		return pipe(fds) < 0 ? -1 : fds[0];
	default:
		return open("/", O_RDONLY);
	}
}

/* ---- the owner: "WHICH KIND", or "back"; each is answered by a letter ---- */

static void own(const struct vfiopm_addr *addr, FILE *orders, int answers)
{
	struct vfiopm_handle *h;
	struct vfiopm_device *dev;
	struct vfiopm_ctx *ctx;
	int place = -1, kept = -1;
	char line[64];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (vfiopm_ctx_new(NULL, &ctx) < 0 || vfiopm_device_new(ctx, addr, &dev) < 0 ||
	    vfiopm_handle_open(dev, VFIOPM_BACKEND_GROUP, NULL, &h) < 0)
		_exit(1);
	do {
		if (write(answers, "k", 1) != 1 || !fgets(line, sizeof(line), orders))
			_exit(0);
		if (!strcmp(line, "back\n")) {
			if (dup2(kept, place) != place || close(kept) < 0)
				_exit(2);
		} else {
			int fd = stranger(strchr(line, ' ') + 1);

			place = line[0] == 'd' ? vfiopm_handle_get_fd(h) : group_fd(dev);
			kept = dup(place);
			if (fd < 0 || place < 0 || kept < 0 || dup2(fd, place) != place)
				_exit(3);
			close(fd);
		}
	} while (true);
}

/* ---- the borrower ---- */

static int failures, orders, answers;

static void check(const char *which, const char *kind, int got, int wanted)
{
	printf("%sok: %s: %s\n", got == wanted ? "" : "not ", which, kind);
	if (got == wanted)
		return;
	failures++;
	printf("\t%d (%s) instead of %d\n", got, got < 0 ? strerror(-got) : "", wanted);
}

static void order(const char *which, const char *kind)
{
	struct pollfd p = { .fd = answers, .events = POLLIN };
	char c;

	if (which && dprintf(orders, "%s%s\n", which, kind) < 0)
		exit(97);
	if (poll(&p, 1, 10000) != 1 || read(answers, &c, 1) != 1) {
		printf("not ok: the owner doesn't answer\n");
		exit(96);
	}
}

static void try_places(struct vfiopm_borrow *b)
{
	static const char *const places[] = { "device ", "group " };
	enum vfiopm_refusal why = VFIOPM_REFUSED_NOT;

	for (size_t i = 0; i < 2; i++) {
		for (size_t j = 0; j < sizeof(strangers) / sizeof(strangers[0]); j++) {
			order(places[i], strangers[j]);
			check(places[i], strangers[j], vfiopm_borrow_again(b, &why), -ECANCELED);
			check(places[i], "why", (int)why, VFIOPM_REFUSED_CHANGED);
			vfiopm_borrow_drop(b);
			order("back", "");
			check(places[i], "itself", vfiopm_borrow_again(b, &why), 0);
			vfiopm_borrow_drop(b);
		}
	}
}

int main(int argc, char **argv)
{
	enum vfiopm_refusal why = VFIOPM_REFUSED_NOT;
	int down[2], up[2];
	struct vfiopm_borrow *b;
	struct vfiopm_device *dev;
	struct vfiopm_addr addr;
	struct vfiopm_ctx *ctx;

	if (argc < 2 || vfiopm_addr_parse(argv[1], &addr) < 0 || pipe2(down, O_CLOEXEC) < 0 ||
	    pipe2(up, O_CLOEXEC) < 0)
		return 99;
	if (fork() == 0) {
		close(down[1]);
		close(up[0]);
		own(&addr, fdopen(down[0], "r"), up[1]);
	}
	orders = down[1];
	answers = up[0];
	close(down[0]);
	close(up[1]);
	order(NULL, "");
	if (vfiopm_ctx_new(NULL, &ctx) < 0 || vfiopm_device_new(ctx, &addr, &dev) < 0)
		return 98;
	check("borrow", "the first time", vfiopm_borrow_new(dev, &b, &why), 0);
	if (failures) {
		printf("\trefused: %s\n", vfiopm_refusal_name(why));
	} else {
		vfiopm_borrow_drop(b);
		try_places(b);
		vfiopm_borrow_free(b);
	}
	vfiopm_device_unref(dev);
	vfiopm_ctx_unref(ctx);
	close(orders);
	wait(NULL);
	return failures;
}
