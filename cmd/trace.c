// SPDX-License-Identifier: GPL-2.0-or-later
/* The only user of libtracefs: rpm events in an instance of our own. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <tracefs.h>
#include <unistd.h>

#include "cmd.h"
#include "trace.h"

#define INSTANCE_PREFIX "vfio-pm-"
/* A filter is at most a page long; more devices are picked out by us. */
#define NAMES_MAX 32
/*
 * The buffers of all CPUs; a transition takes some four events of 60 bytes. The
 * kernel makes them when the instance is made, of whatever size it has as its
 * own default, hence less is given back, too.
 */
#define BUFFERS_KB 8192
#define BUFFER_MIN_KB 64
#define BUFFER_MAX_KB 2048

struct trace {
	struct tracefs_instance *instance;
	struct tep_handle *tep;
	int epoll_fd;
	int *cpu_fds;
	size_t n_cpus;
	struct rpm_event *held; /* read, not handed on */
	size_t n_held, room;
	int error; /* of the callback, which can only say "stop" */
};

/* What a process of ours that was killed left behind. The pid is in the name. */
static void remove_leftovers(void)
{
	char **names = tracefs_instances("^" INSTANCE_PREFIX "[0-9][0-9]*$");

	for (size_t i = 0; names && names[i]; i++) {
		pid_t pid = atoi(names[i] + strlen(INSTANCE_PREFIX));
		struct tracefs_instance *old;

		if (pid <= 0 || kill(pid, 0) == 0 || errno != ESRCH)
			continue;
		old = tracefs_instance_create(names[i]);
		if (!old)
			continue;
		tracefs_instance_destroy(old);
		tracefs_instance_free(old);
	}
	tracefs_list_free(names);
}

static const char *const event_names[] = {
	[RPM_SUSPEND] = "rpm_suspend",
	[RPM_RESUME] = "rpm_resume",
	[RPM_IDLE] = "rpm_idle",
	[RPM_USAGE] = "rpm_usage",
	[RPM_RETURN] = "rpm_return_int",
};
#define N_EVENTS (sizeof(event_names) / sizeof(event_names[0]))

/*
 * How the events lie in the buffer. tracefs_local_events_system() would read
 * all of the kernel's symbols, too: seconds, and megabytes, on a slow machine.
 */
static int read_formats(struct trace *trace)
{
	char *text;
	int size, r;

	trace->tep = tep_alloc();
	if (!trace->tep)
		return -ENOMEM;
	tep_set_local_bigendian(trace->tep, tep_is_bigendian());
	tep_set_file_bigendian(trace->tep, tep_is_bigendian());
	text = tracefs_instance_file_read(NULL, "events/header_page", &size);
	if (!text)
		return -ENOENT;
	r = tep_parse_header_page(trace->tep, text, (unsigned long)size, sizeof(long));
	free(text);
	for (size_t i = 0; i < N_EVENTS && r == 0; i++) {
		text = tracefs_event_file_read(NULL, "rpm", event_names[i], "format", &size);
		if (!text)
			return -ENOENT;
		r = tep_parse_event(trace->tep, text, (unsigned long)size, "rpm") ? -EIO : 0;
		free(text);
	}
	return r ? -EIO : 0;
}

static int set_filter(struct trace *trace, const char *const *names, size_t n)
{
	/* Domains of four digits and more; other buses name their devices otherwise. */
	char filter[NAMES_MAX * 32] = "name ~ \"*:??:??.?\"";
	size_t len = 0;

	for (size_t i = 0; i < n && n <= NAMES_MAX; i++)
		len += (size_t)snprintf(filter + len, sizeof(filter) - len, "%sname == \"%s\"",
					i ? " || " : "", names[i]);
	for (size_t i = 0; i < N_EVENTS; i++) {
		errno = 0;
		if (tracefs_event_file_write(trace->instance, "rpm", event_names[i], "filter",
					     filter) < 0 ||
		    tracefs_event_enable(trace->instance, "rpm", event_names[i]) < 0)
			return errno ? -errno : -EIO;
	}
	return 0;
}

/*
 * A descriptor for each CPU's buffer, only to wait on: the reading is
 * libtracefs's. With buffer_percent 0 they are readable from the first event.
 */
static int wait_on_cpus(struct trace *trace)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	trace->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	trace->cpu_fds = calloc(cpus > 0 ? (size_t)cpus : 1, sizeof(*trace->cpu_fds));
	if (trace->epoll_fd < 0 || !trace->cpu_fds)
		return -ENOMEM;
	for (long cpu = 0; cpu < cpus; cpu++) {
		struct epoll_event event = { .events = EPOLLIN };
		char file[64];
		int fd;

		snprintf(file, sizeof(file), "per_cpu/cpu%ld/trace_pipe_raw", cpu);
		fd = tracefs_instance_file_open(trace->instance, file, O_RDONLY | O_NONBLOCK);
		/* Numbers have holes where CPUs are missing. */
		if (fd < 0)
			continue;
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		trace->cpu_fds[trace->n_cpus++] = fd;
		if (epoll_ctl(trace->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
			return -errno;
	}
	return trace->n_cpus ? 0 : -ENOENT;
}

static void set_buffer_size(struct trace *trace)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF), kb = BUFFERS_KB / (cpus > 0 ? cpus : 1);
	char text[32];

	kb = kb < BUFFER_MIN_KB ? BUFFER_MIN_KB : kb > BUFFER_MAX_KB ? BUFFER_MAX_KB : kb;
	snprintf(text, sizeof(text), "%ld", kb);
	tracefs_instance_file_write(trace->instance, "buffer_size_kb", text);
}

static int take_missed(struct tep_event *event, struct tep_record *record, int cpu, void *data);

static int trace_start(struct trace *trace, const char *const *names, size_t n)
{
	char name[32];
	int r;

	snprintf(name, sizeof(name), INSTANCE_PREFIX "%d", (int)getpid());
	errno = 0;
	trace->instance = tracefs_instance_create(name);
	if (!trace->instance)
		return errno ? -errno : -ENOENT;
	r = read_formats(trace);
	if (r < 0)
		return r;
	/* The clock that everything else here is measured by. */
	if (tracefs_instance_file_write(trace->instance, "trace_clock", "mono") < 0)
		return -EIO;
	tracefs_instance_file_write(trace->instance, "buffer_percent", "0");
	set_buffer_size(trace);
	r = tracefs_follow_missed_events(trace->instance, take_missed, trace);
	if (r < 0)
		return -ENOMEM;
	r = wait_on_cpus(trace);
	return r < 0 ? r : set_filter(trace, names, n);
}

int trace_open(const char *const *names, size_t n, struct trace **ret)
{
	struct trace *trace;
	int r;

	/* Without the right to read it tracefs isn't worth a try: it would be mounted. */
	if (!tracefs_tracing_dir() || access(tracefs_tracing_dir(), R_OK | W_OK | X_OK) < 0)
		return -EACCES;
	tracefs_set_loglevel(TEP_LOG_NONE);
	trace = calloc(1, sizeof(*trace));
	if (!trace)
		return -ENOMEM;
	trace->epoll_fd = -1;
	remove_leftovers();
	r = trace_start(trace, names, n);
	if (r < 0) {
		trace_close(trace);
		return r;
	}
	*ret = trace;
	return 0;
}

void trace_close(struct trace *trace)
{
	if (!trace)
		return;
	/* The instance is busy as long as one of its files is open. */
	for (size_t i = 0; i < trace->n_cpus; i++)
		close(trace->cpu_fds[i]);
	free(trace->cpu_fds);
	if (trace->epoll_fd >= 0)
		close(trace->epoll_fd);
	if (trace->instance) {
		tracefs_trace_off(trace->instance);
		tracefs_instance_destroy(trace->instance);
		tracefs_instance_free(trace->instance);
	}
	if (trace->tep)
		tep_free(trace->tep);
	free(trace->held);
	free(trace);
}

int trace_get_fd(const struct trace *trace)
{
	return trace->epoll_fd;
}

static struct rpm_event *hold_event(struct trace *trace)
{
	if (trace->n_held == trace->room) {
		size_t room = trace->room ? 2 * trace->room : 256;
		struct rpm_event *grown = reallocarray(trace->held, room, sizeof(*grown));

		if (!grown) {
			trace->error = -ENOMEM;
			return NULL;
		}
		trace->held = grown;
		trace->room = room;
	}
	memset(&trace->held[trace->n_held], 0, sizeof(*trace->held));
	return &trace->held[trace->n_held++];
}

static int take_missed(struct tep_event *event, struct tep_record *record, int cpu, void *data)
{
	struct rpm_event *held = hold_event(data);

	if (!held)
		return -1;
	held->ns = record->ts;
	held->kind = RPM_LOST;
	held->cpu = cpu;
	held->ret = record->missed_events > 0 ? record->missed_events : 0;
	return 0;
}

static int kind_of(const char *name)
{
	for (size_t i = 0; i < N_EVENTS; i++)
		if (!strcmp(name, event_names[i]))
			return (int)i;
	return -1;
}

static int take_event(struct tep_event *event, struct tep_record *record, int cpu, void *data)
{
	struct trace *trace = data;
	int kind = kind_of(event->name), len = 0;
	unsigned long long value;
	struct rpm_event *held;
	const char *name;

	if (kind < 0)
		return 0;
	name = tep_get_field_raw(NULL, event, "name", record, &len, 0);
	if (!name || len <= 0 || strnlen(name, (size_t)len) >= VFIOPM_ADDR_LEN)
		return 0;
	held = hold_event(trace);
	if (!held)
		return -1;
	held->ns = record->ts;
	held->kind = (enum rpm_kind)kind;
	held->cpu = cpu;
	held->pid = tep_data_pid(trace->tep, record);
	memcpy(held->name, name, strnlen(name, (size_t)len));
	if (kind == RPM_RETURN) {
		if (tep_get_field_val(NULL, event, "ret", record, &value, 0) == 0)
			held->ret = (int)value;
	} else if (tep_get_field_val(NULL, event, "flags", record, &value, 0) == 0) {
		held->flags = (int)value;
	}
	return 0;
}

/* In order of time; of one time, in the order of reading, so that a CPU's own order stays. */
static void sort_held(struct trace *trace)
{
	struct rpm_event *e = trace->held;

	/* Nearly sorted: libtracefs merges the CPUs of one reading. */
	for (size_t i = 1; i < trace->n_held; i++) {
		struct rpm_event moved = e[i];
		size_t j = i;

		for (; j > 0 && e[j - 1].ns > moved.ns; j--)
			e[j] = e[j - 1];
		if (j != i)
			e[j] = moved;
	}
}

int trace_read(struct trace *trace, int (*fn)(const struct rpm_event *event, void *data),
	       void *data)
{
	uint64_t until;
	size_t done = 0;
	int r = 0;

	/*
	 * One CPU is read after the other: what happened after the reading
	 * began may be there from one CPU and what came before it not yet from
	 * another. It waits for the next reading.
	 */
	until = (uint64_t)monotonic_ns();
	trace->error = 0;
	r = tracefs_iterate_raw_events(trace->tep, trace->instance, NULL, 0, take_event, trace);
	if (r < 0 && !trace->error && errno != EAGAIN && errno != EINTR)
		trace->error = -errno;
	r = 0;
	if (trace->error)
		return trace->error;
	sort_held(trace);
	while (done < trace->n_held && trace->held[done].ns <= until && r == 0)
		r = fn(&trace->held[done++], data);
	trace->n_held -= done;
	memmove(trace->held, trace->held + done, trace->n_held * sizeof(*trace->held));
	return r < 0 ? r : trace->n_held > 0;
}

void trace_comm(struct trace *trace, int pid, char *buf, size_t size)
{
	char *text, *line, *rest;

	buf[0] = '\0';
	text = tracefs_instance_file_read(NULL, "saved_cmdlines", NULL);
	for (line = text ? strtok_r(text, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest)) {
		char *name;

		if (strtol(line, &name, 10) != pid || *name != ' ')
			continue;
		snprintf(buf, size, "%s", name + 1);
		/* A process names itself as it likes; this goes to a terminal. */
		for (char *c = buf; *c; c++)
			if (!isprint((unsigned char)*c))
				*c = '?';
		break;
	}
	free(text);
}
