/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a running service knows of a device, told to whoever asks. */
#ifndef DEEPEN_TELL_H
#define DEEPEN_TELL_H

#include <stdbool.h>
#include <stdint.h>

#include "cmd.h"

struct deepen;

#define DEEPEN_TOLD_VERSION 1

/* One packet a device; the last is followed by the end of the connection. */
struct deepen_told {
	uint32_t version;
	char name[32];
	char reason[32];	/* of the last refusal, or empty */
	int32_t pid;		/* of the service */
	bool asleep, in_kernel;
	uint32_t deepened, woken, refused, missed;
	int64_t asleep_ms;	/* the present sleep included */
	int64_t pause_us, pause_max_us;
};

/* The listening socket, or -1 when a service of this user has the name already. */
int deepen_tell_open(void);
/* Answer one caller; never blocks. */
void deepen_tell(const struct deepen *s, int listen_fd);

/* 1 and @ret filled; 0: no service, or it doesn't watch the device. */
int deepen_ask(struct app *app, const struct vfiopm_device *dev, struct deepen_told *ret);

#endif /* DEEPEN_TELL_H */
