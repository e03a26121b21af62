// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * As much of QEMU's monitor protocol (docs/interop/qmp-spec) as it takes to
 * stop a guest and let it go on: a command, its answer found among the events
 * by its id.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "private.h"

/* The longest answer lists a machine's devices, some 60 bytes each. */
#define LINE_MAX_LEN 16384

struct vfiopm_qmp {
	int fd;
	unsigned int serial;
	size_t len;
	char buf[LINE_MAX_LEN]; /* what was read of lines to come */
};

/* The next line, terminated; a line that doesn't fit is passed over in pieces. */
static int read_line(struct vfiopm_qmp *qmp, int64_t deadline_ms, char *line, size_t size)
{
	for (;;) {
		struct pollfd pfd = { .fd = qmp->fd, .events = POLLIN };
		char *end = memchr(qmp->buf, '\n', qmp->len);
		int64_t left = deadline_ms - now_ms();
		ssize_t n;

		if (end || qmp->len == sizeof(qmp->buf)) {
			size_t taken = end ? (size_t)(end - qmp->buf) + 1 : qmp->len;

			snprintf(line, size, "%.*s", (int)taken, qmp->buf);
			qmp->len -= taken;
			memmove(qmp->buf, qmp->buf + taken, qmp->len);
			return 0;
		}
		n = poll(&pfd, 1, left > 0 ? (int)left : 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ETIMEDOUT;
		n = recv(qmp->fd, qmp->buf + qmp->len, sizeof(qmp->buf) - qmp->len, 0);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		qmp->len += (size_t)n;
	}
}

static int send_all(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		/* Hundreds of commands fill a socket: QEMU has read none of them. */
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/*
 * @arguments: NULL, or a JSON object. @answer: NULL, or room for the line that answers.
 * -ETIMEDOUT; -EPIPE; -EREMOTEIO: refused.
 */
static int qmp_call(struct vfiopm_qmp *qmp, const char *command, const char *arguments,
		    int64_t timeout_ms, char *answer, size_t size)
{
	int64_t deadline = now_ms() + timeout_ms;
	char text[512], id[48], line[LINE_MAX_LEN + 1];
	int r;

	snprintf(id, sizeof(id), "\"vfio-pm-%d-%u\"", (int)getpid(), ++qmp->serial);
	snprintf(text, sizeof(text), "{\"execute\":\"%s\",\"arguments\":%s,\"id\":%s}\n",
		 command, arguments ? arguments : "{}", id);
	r = send_all(qmp->fd, text);
	while (r == 0) {
		r = read_line(qmp, deadline, line, sizeof(line));
		if (r < 0 || !strstr(line, id))
			continue;
		if (answer)
			snprintf(answer, size, "%s", line);
		return strstr(line, "\"error\"") ? -EREMOTEIO : 0;
	}
	return r;
}

static int qmp_command(struct vfiopm_qmp *qmp, const char *command, int64_t timeout_ms,
		       char *answer, size_t size)
{
	return qmp_call(qmp, command, NULL, timeout_ms, answer, size);
}

int vfiopm_qmp_open(const char *path, int64_t timeout_ms, struct vfiopm_qmp **ret)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct vfiopm_qmp *qmp;
	char line[4096];
	int r;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	qmp = calloc(1, sizeof(*qmp));
	if (!qmp)
		return -ENOMEM;
	/*
	 * QEMU listens with a backlog of one and accepts nobody while it serves
	 * another client: a connect that blocked would wait for that one's end, and
	 * those who have hung up meanwhile stay in the queue (unix_stream_connect()).
	 */
	qmp->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (qmp->fd < 0 || connect(qmp->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		r = errno == EAGAIN ? -EBUSY : -errno;
		vfiopm_qmp_close(qmp);
		return r;
	}
	/* No greeting: another client has the monitor, which serves one at a time. */
	r = read_line(qmp, now_ms() + timeout_ms, line, sizeof(line));
	if (r == -ETIMEDOUT)
		r = -EBUSY;
	if (r == 0 && !strstr(line, "\"QMP\""))
		r = -EPROTO;
	if (r == 0)
		r = qmp_command(qmp, "qmp_capabilities", timeout_ms, NULL, 0);
	if (r < 0) {
		vfiopm_qmp_close(qmp);
		return r;
	}
	*ret = qmp;
	return 0;
}

void vfiopm_qmp_close(struct vfiopm_qmp *qmp)
{
	if (!qmp)
		return;
	if (qmp->fd >= 0)
		close(qmp->fd);
	free(qmp);
}

int vfiopm_qmp_get_fd(const struct vfiopm_qmp *qmp)
{
	return qmp->fd;
}

pid_t vfiopm_qmp_get_peer(const struct vfiopm_qmp *qmp)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);

	/* unix(7): whoever called listen(2). */
	return getsockopt(qmp->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ? 0 : peer.pid;
}

/* ---- which devices a QEMU has: its object model ---- */

/* Below these are the devices with an id, and those without. */
static const char *const device_parents[] = { "/machine/peripheral", "/machine/peripheral-anon" };

/* The text that is KEY's value, within one object without others inside. */
static bool member(const char *object, const char *end, const char *key, char *ret, size_t size)
{
	const char *at = strstr(object, key), *quote;

	if (!at || at >= end)
		return false;
	at += strlen(key);
	quote = strchr(at, '"');
	if (!quote || (size_t)(quote - at) >= size)
		return false;
	snprintf(ret, size, "%.*s", (int)(quote - at), at);
	return true;
}

/* Is it that device? An anonymous device's name has brackets, and none has what needs an escape. */
static int is_host(struct vfiopm_qmp *qmp, const char *parent, const char *name,
		   const struct vfiopm_addr *addr)
{
	char arguments[256], answer[1024], host[64];
	struct vfiopm_addr found;
	int r;

	snprintf(arguments, sizeof(arguments), "{\"path\":\"%s/%s\",\"property\":\"host\"}",
		 parent, name);
	r = qmp_call(qmp, "qom-get", arguments, 2000, answer, sizeof(answer));
	if (r < 0)
		return r == -EREMOTEIO ? 0 : r;
	return member(answer, answer + strlen(answer), "\"return\": \"", host, sizeof(host)) &&
	       vfiopm_addr_parse(host, &found) == 0 && !vfiopm_addr_cmp(&found, addr);
}

static int has_below(struct vfiopm_qmp *qmp, const char *parent, const struct vfiopm_addr *addr)
{
	char arguments[64], answer[LINE_MAX_LEN + 1], name[128], type[64];
	int r;

	snprintf(arguments, sizeof(arguments), "{\"path\":\"%s\"}", parent);
	r = qmp_call(qmp, "qom-list", arguments, 2000, answer, sizeof(answer));
	/* {"return": [{"name": "vfio0", "type": "child<vfio-pci>"}, ...]}, in any order */
	for (char *at = answer, *end; r == 0; at = end) {
		at = strchr(at + 1, '{');
		end = at ? strchr(at, '}') : NULL;
		if (!end)
			return 0;
		if (!member(at, end, "\"name\": \"", name, sizeof(name)) || strchr(name, '\\') ||
		    !member(at, end, "\"type\": \"", type, sizeof(type)) ||
		    strncmp(type, "child<vfio-pci", 14))
			continue;
		r = is_host(qmp, parent, name, addr);
	}
	return r == -EREMOTEIO ? 0 : r;
}

int vfiopm_qmp_has_device(struct vfiopm_qmp *qmp, const struct vfiopm_addr *addr)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(device_parents) && r == 0; i++)
		r = has_below(qmp, device_parents[i], addr);
	return r;
}

/* ---- what its guest does ---- */

static const char *const guest_names[] = {
	[VFIOPM_GUEST_OTHER] = "other",
	[VFIOPM_GUEST_RUNNING] = "running",
	[VFIOPM_GUEST_PAUSED] = "paused",
	[VFIOPM_GUEST_SUSPENDED] = "suspended",
};

int vfiopm_qmp_get_guest(struct vfiopm_qmp *qmp, enum vfiopm_guest *ret)
{
	char answer[4096], *at;
	int r;

	r = qmp_command(qmp, "query-status", 2000, answer, sizeof(answer));
	if (r < 0)
		return r;
	at = strstr(answer, "\"status\": \"");
	at = at ? at + strlen("\"status\": \"") : NULL;
	*ret = VFIOPM_GUEST_OTHER;
	for (size_t i = 1; at && i < ARRAY_SIZE(guest_names); i++)
		if (!strncmp(at, guest_names[i], strlen(guest_names[i])) &&
		    at[strlen(guest_names[i])] == '"')
			*ret = (enum vfiopm_guest)i;
	return 0;
}

static const char *const event_names[] = {
	[VFIOPM_QMP_RESET] = "reset",
	[VFIOPM_QMP_SHUTDOWN] = "shutdown",
	[VFIOPM_QMP_SUSPEND] = "suspend",
	[VFIOPM_QMP_WAKEUP] = "wakeup",
	[VFIOPM_QMP_STOP] = "stop",
	[VFIOPM_QMP_RESUME] = "resume",
};

const char *vfiopm_qmp_event_name(enum vfiopm_qmp_event event)
{
	return (size_t)event < ARRAY_SIZE(event_names) ? event_names[event] : "unknown";
}

int vfiopm_qmp_next(struct vfiopm_qmp *qmp, enum vfiopm_qmp_event *ret)
{
	char line[4096], *at;
	int r;

	while ((r = read_line(qmp, 0, line, sizeof(line))) == 0) {
		at = strstr(line, "\"event\": \"");
		if (!at)
			continue;
		at += strlen("\"event\": \"");
		for (size_t i = 0; i < ARRAY_SIZE(event_names); i++) {
			size_t len = strlen(event_names[i]);

			if (strncasecmp(at, event_names[i], len) || at[len] != '"')
				continue;
			*ret = (enum vfiopm_qmp_event)i;
			return 1;
		}
	}
	return r == -ETIMEDOUT ? 0 : r;
}

int vfiopm_qmp_stop(struct vfiopm_qmp *qmp)
{
	return qmp_command(qmp, "stop", 10000, NULL, 0);
}

int vfiopm_qmp_cont(struct vfiopm_qmp *qmp)
{
	return qmp_command(qmp, "cont", 10000, NULL, 0);
}

int vfiopm_qmp_wakeup(struct vfiopm_qmp *qmp)
{
	return qmp_command(qmp, "system_wakeup", 10000, NULL, 0);
}
