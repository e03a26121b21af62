// SPDX-License-Identifier: GPL-2.0-or-later
/* vfio-pm guest-listen: does on the host what a guest's ACPI table asks for. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "service.h"
#include "stall.h"
#include "stop.h"

enum {
	KEY_DEVICE = KEY_VERB,
	KEY_DWELL,
	KEY_JSON_LINES,
	KEY_QMP,
	KEY_RATE,
	KEY_SOCKET,
	KEY_SUSPEND,
};

struct input {
	struct guest_options options;
	struct vfiopm_guest_path path[GUEST_DEVICES_MAX];
	char *host[GUEST_DEVICES_MAX];
	size_t count;
	const char *socket, *qmp;
};

static const struct argp_option options[] = {
	{ "socket", KEY_SOCKET, "PATH", 0, "The socket that QEMU has made for the guest's UART",
	  0 },
	{ "device", KEY_DEVICE, "GUESTDEVICE=DEVICE", 0,
	  "The guest's device, as guest-table takes it, and the host's; repeatable", 0 },
	{ "qmp", KEY_QMP, "PATH", 0, "QEMU's monitor, which tells of resets and S3 at once", 0 },
	{ "rate", KEY_RATE, "N", 0,
	  "At most N transitions a minute and device, up to 120 (default 12; 0: no limit)", 0 },
	{ "dwell", KEY_DWELL, "TIME", 0, "How long a device stays awake at least (default 1s)", 0 },
	{ "suspend-timeout", KEY_SUSPEND, "TIME", 0,
	  "How long a device may take to suspend before low power is left again (default 2s)", 0 },
	{ "json-lines", KEY_JSON_LINES, NULL, 0, "One JSON object a line", 0 },
	{ 0 }
};

const char *guest_socket_parse(struct argp_state *state, const char *arg)
{
	const size_t room = sizeof(((struct sockaddr_un *)NULL)->sun_path);

	if (!*arg || strlen(arg) >= room)
		argp_error(state, "'%s' is no path of a socket: that has 1 to %zu bytes", arg,
			   room - 1);
	return arg;
}

static void add_device(struct input *in, struct argp_state *state, char *arg)
{
	char *host = strchr(arg, '=');
	struct vfiopm_guest_path path;

	if (!host) {
		argp_error(state, "'%s' isn't GUESTDEVICE=DEVICE", arg);
		return;
	}
	*host++ = '\0';
	if (vfiopm_guest_path_parse(arg, &path) < 0)
		argp_error(state,
			   "'%s' is no device of a guest: DD.F on the root complex, "
			   "DD.F/DD.F behind a port",
			   arg);
	if (in->count == GUEST_DEVICES_MAX)
		argp_error(state, "a guest has at most %d such devices", GUEST_DEVICES_MAX);
	for (size_t i = 0; i < in->count; i++)
		if (in->path[i].port == path.port && in->path[i].devfn == path.devfn)
			argp_error(state, "'%s' is there twice", arg);
	in->path[in->count] = path;
	in->host[in->count++] = host;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct input *in = state->input;

	switch (key) {
	case KEY_SOCKET:
		in->socket = guest_socket_parse(state, arg);
		return 0;
	case KEY_DEVICE:
		add_device(in, state, arg);
		return 0;
	case KEY_QMP:
		in->qmp = guest_socket_parse(state, arg);
		return 0;
	case KEY_RATE:
		number_parse(state, arg, VFIOPM_SLOT_RATE_MAX, &in->options.rate);
		return 0;
	case KEY_DWELL:
		time_parse(state, arg, &in->options.dwell_ms);
		return 0;
	case KEY_SUSPEND:
		time_parse(state, arg, &in->options.suspend_ms);
		return 0;
	case KEY_JSON_LINES:
		in->options.json = true;
		return 0;
	case ARGP_KEY_END:
		if (!in->socket)
			argp_error(state, "which VM? --socket=PATH");
		if (!in->count)
			argp_error(state, "which device? --device=GUESTDEVICE=DEVICE");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

const struct argp guest_listen_argp = {
	.options = options,
	.parser = parse,
	.doc = "Put devices of a VM to sleep on the host when its guest turns them off.\v"
	       "Serves one VM, in the foreground: connects to the socket that QEMU makes for the "
	       "guest's ACPI table (`" PROGRAM " guest-table'), and again when the VM is started "
	       "anew. It enters low power on a device when the guest turns it off, leaves it "
	       "before the guest uses it again, and leaves it on all when it ends. "
	       "vfio-pm-guest(7) tells how to set it up.",
};

/* ---- what is needed before anything is done ---- */

static int claim(struct guest *g, const struct vfiopm_device *dev, int *ret)
{
	const char *name = dev ? vfiopm_device_get_name(dev) : g->socket;
	struct ucred who = { 0 };
	char text[64];
	int r;

	r = guest_claim(g->app, dev, g->socket, &who, ret);
	if (r == -EADDRINUSE) {
		msg_cannot("serve", name, "process %d does so already", (int)who.pid);
		msg_hint("one listener a VM; the service: systemctl status 'vfio-pm-guest@*'");
		return EXIT_BUSY;
	}
	/* Anybody can take the name: that keeps nobody from being served. */
	if (r == -EPERM) {
		snprintf(text, sizeof(text), "process %d of user %u", (int)who.pid,
			 (unsigned int)who.uid);
		msg_warn("%s has taken the name by which the listener of '%s' is found: it is "
			 "served all the same, but `" PROGRAM " status' doesn't know, and a "
			 "second listener isn't refused",
			 who.pid ? text : "a process that doesn't answer", name);
		return EXIT_OK;
	}
	if (r < 0) {
		msg_cannot("serve", name, "%s", strerror(-r));
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

/* Two of the guest's devices can't be one of the host's. */
static bool is_there(const struct guest *g, const struct vfiopm_device *dev)
{
	const struct vfiopm_addr *addr = vfiopm_device_get_addr(dev);

	for (size_t i = 0; i < g->count; i++)
		if (!vfiopm_addr_cmp(vfiopm_device_get_addr(g->device[i].dev), addr))
			return true;
	return false;
}

/* Functions of one slot are off when all of them are. */
static void join_slot(struct guest *g, struct guest_device *d)
{
	struct vfiopm_addr addr = *vfiopm_device_get_addr(d->dev);

	for (struct guest_device *other = g->device; other < d; other++) {
		struct vfiopm_addr its = *vfiopm_device_get_addr(other->dev);

		its.function = addr.function;
		if (!vfiopm_addr_cmp(&its, &addr)) {
			vfiopm_slot_join(&d->slot, &other->slot);
			return;
		}
	}
}

static int add(struct guest *g, const struct input *in, size_t i)
{
	struct guest_device *d = &g->device[g->count];
	char *spec = in->host[i];
	const struct device_args args = { .specs = &spec, .count = 1 };
	struct targets found;
	int code, r;

	code = targets_resolve(g->app, &args, &found);
	if (code == EXIT_OK && found.count != 1) {
		msg_cannot("serve", spec, "it names %zu devices, and the guest has one",
			   found.count);
		code = EXIT_USAGE;
	}
	if (code == EXIT_OK && is_there(g, found.dev[0])) {
		msg_cannot("serve", spec, "it is there twice, for two devices of the guest");
		code = EXIT_USAGE;
	}
	if (code == EXIT_OK) {
		*d = (struct guest_device){ .path = in->path[i], .wake_fd = -1, .claim_fd = -1 };
		d->dev = vfiopm_device_ref(found.dev[0]);
		g->count++;
		code = claim(g, d->dev, &d->claim_fd);
	}
	targets_free(&found);
	if (code != EXIT_OK)
		return code;
	r = guest_device_init(g, d);
	if (r < 0) {
		msg_cannot("serve", spec, "%s", strerror(-r));
		return EXIT_FAILED;
	}
	join_slot(g, d);
	return EXIT_OK;
}

/* ---- the loop ---- */

/* What is in the way of leaving low power passes within a second, or not. */
#define LAST_TRIES 10
#define LAST_GAP_NS 100000000

static void notify(const struct guest *g, const char *first)
{
	char line[160];

	if (g->link_fd < 0)
		snprintf(line, sizeof(line), "%sSTATUS=waiting for the VM", first);
	else
		snprintf(line, sizeof(line), "%sSTATUS=serving '%s', process %d", first,
			 g->vm_comm, (int)g->vm_pid);
	service_notify(line);
}

static int timeout(const struct guest *g)
{
	int64_t due = g->link_fd < 0 ? g->await.at_ms : INT64_MAX, now;

	if (g->qmp_at_ms)
		due = g->qmp_at_ms;
	for (size_t i = 0; i < g->count; i++)
		if (guest_device_due(&g->device[i]) < due)
			due = guest_device_due(&g->device[i]);
	if (due == INT64_MAX)
		return -1;
	now = monotonic_ms();
	return due > now ? (int)(due - now) : 0;
}

/*
 * A poll(2) that a SIGSTOP has interrupted goes on as if nothing had been
 * (kernel/signal.c, restart_syscall()): only the SIGCONT tells how long it took.
 */
static int open_continued(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCONT);
	return signals_open(&set, NULL);
}

static bool was_stopped(const struct guest *g)
{
	struct signalfd_siginfo info;

	return signals_take(g->continued_fd, &info);
}

/* The guest's questions first: a wake may be what one of them is about to explain. */
static void step(struct guest *g, const struct stop *stop)
{
	struct pollfd p[4 + 2 * GUEST_DEVICES_MAX];
	int64_t start;
	size_t n = 4;
	int ready;

	p[0] = (struct pollfd){ .fd = stop->fd, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = g->link_fd, .events = POLLIN };
	p[2] = (struct pollfd){ .fd = g->qmp ? vfiopm_qmp_get_fd(g->qmp) : -1, .events = POLLIN };
	p[3] = (struct pollfd){ .fd = g->await.fd, .events = POLLIN };
	for (size_t i = 0; i < g->count; i++) {
		p[n++] = (struct pollfd){ .fd = g->device[i].wake_fd, .events = POLLIN };
		p[n++] = (struct pollfd){ .fd = g->device[i].claim_fd, .events = POLLIN };
	}
	start = monotonic_ms();
	ready = poll(p, n, timeout(g));
	/* It was empty, or has become readable just now. */
	if (ready >= 0 && !was_stopped(g) && (!p[1].revents || monotonic_ms() - start > 1))
		g->drained_ms = monotonic_ms();
	if (ready > 0) {
		if (p[1].revents)
			guest_link_read(g);
		if (p[2].revents && g->qmp)
			guest_link_qmp(g);
		if (p[3].revents)
			guest_await_event(&g->await);
		for (size_t i = 0; i < g->count; i++) {
			if (p[4 + 2 * i].revents)
				guest_device_woken(g, &g->device[i]);
			if (p[5 + 2 * i].revents)
				guest_claim_answer(g, &g->device[i]);
		}
	}
	for (size_t i = 0; i < g->count; i++)
		guest_device_tick(g, &g->device[i], monotonic_ms());
	if (g->qmp_at_ms && monotonic_ms() >= g->qmp_at_ms)
		guest_link_qmp_try(g);
}

static int serve(struct guest *g, const struct stop *stop)
{
	bool connected;

	/* Ready is who has left what a listener before it has engaged. */
	guest_link_try(g);
	notify(g, "READY=1\n");
	/* Nobody listens: that is how it was asked to end. */
	while (!stop_signal(stop) && !ferror(stdout)) {
		connected = g->link_fd >= 0;
		if (!connected && monotonic_ms() >= g->await.at_ms)
			guest_link_try(g);
		step(g, stop);
		if (connected != (g->link_fd >= 0))
			notify(g, "");
	}
	service_notify("STOPPING=1");
	return EXIT_OK;
}

/* Nobody tries it again after us. */
static int settle_at_last(struct guest *g, struct guest_device *d)
{
	const struct timespec gap = { .tv_nsec = LAST_GAP_NS };
	int r = guest_device_settle(g, d, "the listener ends");

	for (int i = 1; i < LAST_TRIES && r < 0; i++) {
		nanosleep(&gap, NULL);
		r = guest_device_settle(g, d, "the listener ends");
	}
	return r < 0 ? EXIT_FAILED : EXIT_OK;
}

static int run(struct guest *g)
{
	struct stop stop;
	int code, r;

	r = stall_new(&g->stall);
	if (r == 0) {
		g->continued_fd = open_continued();
		r = g->continued_fd < 0 ? g->continued_fd : 0;
	}
	if (r == 0)
		r = stop_open(&stop);
	if (r < 0) {
		msg_error("cannot start: %s", strerror(-r));
		stall_free(g->stall);
		return EXIT_FAILED;
	}
	code = serve(g, &stop);
	for (size_t i = 0; i < g->count; i++)
		code_merge(&code, settle_at_last(g, &g->device[i]));
	for (size_t i = 0; i < g->count; i++)
		guest_report(g, &(struct guest_event){ .kind = GUEST_TOTAL, .d = &g->device[i] });
	guest_report(g, &(struct guest_event){ .kind = GUEST_TOTAL });
	stop_close(&stop);
	stall_free(g->stall);
	return code;
}

int cmd_guest_listen(struct app *app, int argc, char **argv)
{
	struct input in = {
		.options = { .rate = 12, .dwell_ms = 1000, .suspend_ms = 2000 },
	};
	struct guest g = {
		.app = app,
		.link_fd = -1,
		.await = { .fd = -1 },
		.socket_claim = -1,
		.continued_fd = -1,
	};
	int code;

	verb_parse(app, argc, argv, &in);
	g.options = in.options;
	g.socket = in.socket;
	g.qmp_path = in.qmp;
	code = claim(&g, NULL, &g.socket_claim);
	for (size_t i = 0; code == EXIT_OK && i < in.count; i++)
		code = add(&g, &in, i);
	if (code == EXIT_OK)
		code = run(&g);
	for (size_t i = 0; i < g.count; i++)
		guest_device_free(&g.device[i]);
	vfiopm_qmp_close(g.qmp);
	guest_await_end(&g.await);
	if (g.link_fd >= 0)
		close(g.link_fd);
	if (g.socket_claim >= 0)
		close(g.socket_claim);
	if (g.continued_fd >= 0)
		close(g.continued_fd);
	return code;
}
