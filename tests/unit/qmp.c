// SPDX-License-Identifier: GPL-2.0-or-later
/* A monitor that serves somebody else: nobody waits for it without end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "private.h"
#include "tap.h"

static int make_monitor(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	/* As QEMU does (io/net-listener.c). */
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1) < 0)
		return -1;
	return fd;
}

int main(void)
{
	char dir[] = "/tmp/vfio-pm-qmp-XXXXXX", path[64];
	struct vfiopm_qmp *qmp;
	struct tap t = { 0 };
	int fd;

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/qmp", dir);
	tap_int(&t, vfiopm_qmp_open(path, 10, &qmp), -ENOENT, "no monitor there");
	fd = make_monitor(path);
	tap_ok(&t, fd >= 0, "a monitor that accepts nobody");
	/* Blocked for ever, the test ends here. */
	alarm(20);
	for (int i = 1; i <= 5; i++)
		tap_int(&t, vfiopm_qmp_open(path, 10, &qmp), -EBUSY, "it is busy");
	close(fd);
	tap_int(&t, vfiopm_qmp_open(path, 10, &qmp), -ECONNREFUSED, "the monitor has gone");
	unlink(path);
	rmdir(dir);
	return tap_end(&t);
}
