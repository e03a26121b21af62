/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service that turns an owner's D3hot into the host's deepest state.
 *
 * deepen.c         command line, the loop
 * deepen_device.c  one device: what it is in, what follows
 * deepen_kernel.c  one whose driver does it by itself
 * deepen_rules.c   may and can it be deepened?
 * deepen_tell.c    statistics for whoever asks
 * deepen_report.c  events and statistics, as text and as JSON
 */
#ifndef DEEPEN_H
#define DEEPEN_H

#include <stdbool.h>
#include <stdint.h>

#include "cmd.h"

struct deepen_options {
	int64_t dwell_ms;	/* in D3hot for so long before anything is done */
	int64_t interval_ms;	/* between two looks */
	int64_t suspend_ms;	/* until the device must have suspended */
	int64_t retry_ms;	/* until a refused device is tried again */
	unsigned int rate;	/* transitions a minute and device; 0: no limit */
	bool dry_run;
	bool json;
};

/* Why the service leaves a device alone, beside vfiopm_refusal. */
enum deepen_reason {
	REASON_NONE = 0,
	REASON_REFUSAL,		/* see the refusal */
	REASON_NOTHING_GAINED,	/* D3hot is the deepest it reaches */
	REASON_RATE,
	REASON_ERROR,		/* an errno */
};

enum deepen_phase {
	PHASE_WATCHING,		/* its owner uses it, or nobody has it */
	PHASE_DWELLING,		/* D3hot by its owner's hand */
	PHASE_REFUSED,		/* the same, and it is left there for a while */
	PHASE_TOLD,		/* the same, and with --dry-run that is all */
	PHASE_ASLEEP,		/* deepened by us */
	PHASE_IN_KERNEL,	/* the driver does it, we look on */
};

/* What the driver counts of a device; see module/ABI-sysfs-vfio_pm. */
struct deepen_account {
	int64_t entries, exits, closes, asleep_us, rate_limited;
};

enum deepen_depth {
	DEPTH_UNKNOWN = 0,
	DEPTH_HOT,		/* no deeper than its owner's D3hot */
	DEPTH_COLD,
};

struct deepen_kernel {
	struct deepen_account base;	/* what is in the statistics */
	enum deepen_depth depth;
	bool asleep;			/* at the last look */
	bool idle;			/* in D0 then, and nothing to wait for */
	bool ask_account;		/* while asleep: every other time, not the status */
	int64_t shallow_since_ms;	/* asleep in D3hot */
	bool in_session;		/* told as deepened */
	int64_t session_us;		/* asleep_us at its begin */
	/* D3hot that isn't taken */
	int64_t hot_since_ms, next_ms;
	int64_t last_limited, hot_limited;	/* rate_limited: at the last look, before it */
	bool asked, told;
};

struct deepen_stats {
	unsigned int deepened, woken, refused, missed, failed;
	int64_t asleep_ms;		/* of what is over */
	int64_t pause_us, pause_max_us;	/* sum, longest */
	int64_t suspend_us;
};

#define RATE_MAX 120

struct deepen_device {
	struct vfiopm_device *dev;
	struct vfiopm_glance *glance;
	enum deepen_phase phase;
	bool was_suspended;		/* at the last look */
	bool ask_enabled;		/* while asleep: is it open, every other time */
	bool state_loss_ok;
	int wakes;			/* vfiopm_device_wakes_from_d3cold() when it was awake */
	struct deepen_kernel kernel;	/* with PHASE_IN_KERNEL */
	int64_t since_ms;		/* in D3hot, or asleep */
	int64_t retry_at_ms;		/* whatever its owner does until then */
	/* while asleep by our hand */
	struct vfiopm_borrow *borrow;
	int wake_fd, owner_fd;
	int64_t entered_ms[RATE_MAX];	/* a ring of the last entries */
	unsigned int entered_at;
	enum deepen_reason reason;	/* of the last refusal */
	enum vfiopm_refusal refusal;
	int error;
	struct deepen_stats stats;
};

enum deepen_event_kind {
	DEEPEN_WATCHED,		/* a device is looked after from now on */
	DEEPEN_GONE,		/* or no longer */
	DEEPEN_DEEPENED,
	DEEPEN_WOULD,		/* with --dry-run */
	DEEPEN_WOKEN,
	DEEPEN_OWNER_GONE,	/* its owner ended or closed it */
	DEEPEN_LEFT,		/* asleep, at the end: its owner could not be stopped */
	DEEPEN_REFUSED,
	DEEPEN_TOTAL,		/* the statistics, at the end */
};

struct deepen_event {
	enum deepen_event_kind kind;
	const struct deepen_device *d;
	/* DEEPENED */
	enum vfiopm_state state;
	enum vfiopm_freeze_how how;
	pid_t pid;
	const char *comm;
	int64_t pause_us, suspend_us;
	/* WOKEN, OWNER_GONE, LEFT */
	int64_t asleep_ms;
};

struct deepen {
	struct app *app;
	struct deepen_options options;
	struct vfiopm_freezer *freezer;
	struct vfiopm_keeper *keeper;
	struct stall *stall;
	struct targets targets;		/* named; all that come when none is */
	struct targets loss_ok;
	bool all;
	struct deepen_device **device;
	size_t count;
	int tell_fd;			/* -1: another service of this user has the name */
	size_t told_count, told_asleep;	/* to the service manager */
};

/* ---- deepen_device.c ---- */

/* Return 0 or a negative errno. */
int deepen_device_new(struct deepen *s, struct vfiopm_device *dev, struct deepen_device **ret);
/* Take what we did back, low power too. */
void deepen_device_free(struct deepen *s, struct deepen_device *d);
/* One look, and what follows from it: one read of a file while nothing happens. */
void deepen_device_tick(struct deepen *s, struct deepen_device *d, int64_t now_ms);
/* In D3cold by our doing, or its driver's. */
bool deepen_device_is_asleep(const struct deepen_device *d);
/* Its wakeup eventfd was signalled. */
void deepen_device_woken(struct deepen *s, struct deepen_device *d);
void deepen_device_owner_gone(struct deepen *s, struct deepen_device *d);

/* ---- deepen_kernel.c ---- */

/* Turn it on. True: the driver does it, and deepen_kernel_tick() looks on. */
bool deepen_kernel_start(struct deepen *s, struct deepen_device *d);
void deepen_kernel_tick(struct deepen *s, struct deepen_device *d, int64_t now_ms);
/* The same with one read, unless something has happened since. */
void deepen_kernel_look(struct deepen *s, struct deepen_device *d, int64_t now_ms);
/* The last look; its attributes are as before. */
void deepen_kernel_stop(struct deepen *s, struct deepen_device *d);

/* ---- deepen_rules.c ---- */

/* Does the platform take it further than D3hot? */
bool deepen_rules_goes_deeper(struct deepen *s, struct deepen_device *d);
/* What the host's side says; REASON_NONE: nothing is in the way. */
enum deepen_reason deepen_rules_check(struct deepen *s, struct deepen_device *d, int64_t now_ms);
void deepen_rules_note_entry(struct deepen_device *d, int64_t now_ms);
/* How long a device is left alone after that. */
int64_t deepen_rules_backoff(const struct deepen *s, const struct deepen_device *d);

/* ---- deepen_report.c ---- */

void deepen_report(const struct deepen *s, const struct deepen_event *event);
const char *deepen_reason_name(const struct deepen_device *d);
const char *deepen_reason_text(const struct deepen_device *d);

#endif /* DEEPEN_H */
