/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process that keeps devices open in low power: low power ends with the
 * descriptor that asked for it, so somebody must hold that. A group is opened
 * by one process, hence one holder a group; later calls reach it over an
 * abstract unix socket named after user and group.
 *
 * holder.c         the loop: sockets, signals, events
 * holder_device.c  one device: open, enter, wake, leave, verify, close
 * holder_client.c  reaching a holder, or starting one
 */
#ifndef HOLDER_H
#define HOLDER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cmd.h"

/* What happens when something wakes a device that is held. */
enum on_wake {
	ON_WAKE_IGNORE,		/* not noticed: the kernel lets it fall asleep again */
	ON_WAKE_EXIT,
	ON_WAKE_REENTER,
	ON_WAKE_STAY,
	ON_WAKE_KEEP,		/* in a request: as it is held; ignore when it isn't */
};

/* A register to read once the device is awake again; width 0: none. */
struct reg_spec {
	uint32_t bar;
	uint32_t width;		/* bytes: 1, 2 or 4 */
	uint64_t offset;
};

enum holder_op { HOLDER_ADD = 1, HOLDER_DROP };

/* Where in its work a request failed. */
enum holder_stage {
	STAGE_DONE = 0,
	STAGE_PROTOCOL,		/* a holder of another version */
	STAGE_DEVICE,		/* the device can't be looked at */
	STAGE_OPEN,
	STAGE_PROBE,		/* the driver lacks the feature */
	STAGE_ENTRY,
	STAGE_EXIT,
	STAGE_ACTIVE,		/* low power left, but not active in D0 */
	STAGE_VERIFY,		/* active, but its registers don't read as before */
};

#define HOLDER_VERSION 2

/* Both sides run the same executable, so a struct will do for a message. */
struct holder_request {
	uint32_t version;
	uint32_t op;
	struct vfiopm_addr addr;
	uint32_t on_wake;
	uint32_t backend;
	struct reg_spec reg;
};

struct holder_reply {
	uint32_t version;
	uint32_t stage;		/* enum holder_stage */
	int32_t error;		/* positive errno, or 0 */
	int32_t pid;		/* who has the socket, as the kernel says it, */
	uint32_t uid;		/* also of one that isn't ours */
	uint8_t held;		/* add: was held already; drop: was held */
	uint8_t status_before;	/* enum vfiopm_status, before the request */
	uint8_t state_before;	/* enum vfiopm_state */
	uint8_t status;		/* drop: while still open */
	uint8_t state;
	uint16_t vendor, device;	/* drop: read from config space while still open */
	uint32_t took_us;	/* the ENTRY or EXIT ioctl alone */
	uint32_t reg_value;
	uint32_t reg_error;	/* positive errno of reading it */
};

/* ---- holder_device.c ---- */

struct held {
	struct vfiopm_device *dev;
	struct vfiopm_handle *handle;
	enum on_wake on_wake;
	bool engaged;
	int wake_fd, request_fd, error_fd;
	unsigned int wakes;
	int64_t reenter_at;	/* monotonic ms; 0: nothing planned */
	uint8_t header[64];	/* config header before the first sleep */
};

int held_open(struct vfiopm_ctx *ctx, const struct holder_request *rq,
	      struct vfiopm_handle *peer, struct holder_reply *reply, struct held **ret);
int held_enter(struct held *held, struct holder_reply *reply);
/* Leave low power and look whether the device is back; it stays open. */
int held_leave(struct held *held, const struct reg_spec *reg, struct holder_reply *reply);
void held_close(struct held *held);
/* Was it signalled since the last look? -1 never is. */
bool drain_eventfd(int fd);

/* ---- holder.c ---- */

typedef void (*holder_log_fn)(void *data, int priority, const char *line);

struct holder;

/* Signals that end it are blocked from here on. Return NULL when out of memory. */
struct holder *holder_new(struct vfiopm_ctx *ctx, holder_log_fn log, void *data);
void holder_free(struct holder *holder);
/* Become the holder of @group; -EADDRINUSE: there is one. */
int holder_listen(struct holder *holder, int group);
/* Act on a request of this process itself. */
void holder_handle(struct holder *holder, const struct holder_request *rq,
		   struct holder_reply *reply);
/* Serve until the last device is gone or a signal came; returns that signal or 0. */
int holder_serve(struct holder *holder);
/* Ask for one round with a limit: for callers with work of their own. -1: ended. */
int holder_step(struct holder *holder, int timeout_ms);
/* Is it held, and low power engaged? */
bool holder_is_engaged(const struct holder *holder, const struct vfiopm_addr *addr);
/* Did a device not come back, or report an error? */
bool holder_has_failed(const struct holder *holder);
/* To be called once what is to be held is open. */
void holder_give_up_privileges(struct holder *holder);
void holder_release_all(struct holder *holder, const char *why);
socklen_t holder_address(uid_t uid, int group, struct sockaddr_un *ret);

/* ---- holder_client.c ---- */

/*
 * Send a request to the holder of @dev's group. HOLDER_ADD starts one when
 * there is none; HOLDER_DROP without a holder is answered with held = 0.
 * Return: 0, @reply is filled; -ETIMEDOUT: no answer for 30 s; -EPERM: the
 * socket's name is taken by somebody else, whom @reply names; another errno.
 */
int holder_request(struct app *app, const struct vfiopm_device *dev,
		   const struct holder_request *rq, struct holder_reply *reply);
/* Is there a holder of ours? 1; 0: somebody else has its name; -ECONNREFUSED: nobody answers. */
int holder_look(struct app *app, const struct vfiopm_device *dev, struct ucred *ret);

/* ---- trouble.c: failures as messages and exit codes ---- */

/* May @dev be opened at all? Reports why not. */
int trouble_check(struct app *app, const char *what, const struct vfiopm_device *dev);
/* Report what came back from a holder; EXIT_OK when nothing failed. */
int trouble_reply(struct app *app, const char *what, const struct vfiopm_device *dev, int r,
		  const struct holder_reply *reply);
/* How @blocker gets out of the way of @dev's group: @mend, unless it is a bridge. */
void trouble_hint_viable(const struct vfiopm_device *dev, const struct vfiopm_device *blocker,
			 const char *mend);
/* Report that @dev is in use, and by whom. Returns EXIT_BUSY. */
int trouble_busy(struct app *app, const char *what, const struct vfiopm_device *dev);
/* The same where the name of its holder's socket is taken, perhaps by somebody else. */
int trouble_taken(struct app *app, const char *what, const struct vfiopm_device *dev);
/* Report that @dev isn't asleep as wanted. Returns EXIT_STATE. */
int trouble_awake(struct app *app, struct vfiopm_device *dev, const struct vfiopm_power *power,
		  int r, int64_t waited_ms);

#endif /* HOLDER_H */
