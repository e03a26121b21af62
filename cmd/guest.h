/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sleep that a guest drives, by an ACPI table of ours in it and a listener on
 * the host; vfio-pm-guest(7) tells what they say to each other.
 *
 * guest_table.c    the table's command line, and QEMU's options for it
 * guest_asl.c      the table's text
 * guest_iasl.c     the compiler, as a child; what a DSDT has
 * guest_listen.c   the listener's command line, and its loop
 * guest_link.c     its connections to the VM
 * guest_await.c    when to look for a VM that isn't there
 * guest_device.c   one device: what is asked of it, and what follows
 * guest_reach.c    that device in the VM's hands: enter, leave
 * guest_claim.c    one listener a device, and how to ask it
 * guest_report.c   what it says
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdio.h>
#include <sys/socket.h>

#include "cmd.h"

#define GUEST_DEVICES_MAX 8

/* ---- guest_asl.c ---- */

struct guest_table {
	struct vfiopm_guest_path path[GUEST_DEVICES_MAX];
	size_t count;
	unsigned int iobase;	/* of the UART */
};

/* ACPI name of a device in the guest, e.g. "\_SB.PCI0.S14.S00". Return: @buf. */
#define GUEST_NODE_LEN 32
char *guest_node(const struct vfiopm_guest_path *path, char *buf);
#define GUEST_ROOT "\\_SB.PCI0"
/*
 * Is it a function other than 0 of the root complex, itself or its port? QEMU
 * makes nodes there for function 0 of each slot, and for bridges while ACPI
 * hotplugs what is behind them (hw/i386/acpi-build.c, build_append_pci_bus_devices()).
 */
bool guest_makes_node(const struct vfiopm_guest_path *path);
void guest_asl(const struct guest_table *table, FILE *out);

/* ---- guest_iasl.c ---- */

/* Compile @table into the file @path. Reports; returns an exit code. */
int guest_compile(const struct guest_table *table, const char *path);
/* What the DSDT in the file @path says of @table's devices. Reports; returns an exit code. */
int guest_check_dsdt(const struct guest_table *table, const char *path);

/* ---- guest_listen.c ---- */

/* @arg, if it can be the path of a unix socket; else a usage error. */
struct argp_state;
const char *guest_socket_parse(struct argp_state *state, const char *arg);

struct guest_options {
	unsigned int rate;	/* transitions a minute and device; 0: no limit */
	int64_t dwell_ms;	/* awake for so long at least */
	int64_t suspend_ms;	/* until an engaged device must have suspended */
	bool json;
};

struct guest_stats {
	unsigned int left, again, resets, late, failed;
	int64_t asleep_ms;	/* of what is over */
};

struct guest_device {
	struct vfiopm_guest_path path;
	struct vfiopm_device *dev;
	struct vfiopm_slot slot;
	struct vfiopm_glance *glance;
	struct vfiopm_borrow *borrow;	/* dropped between two transitions */
	int wake_fd, claim_fd;
	int64_t entered_ms;		/* monotonic, while engaged */
	bool exit_due;			/* a wake has ended low power: leave it all the same */
	int64_t look_at_ms, look_until_ms; /* has it suspended? 0: known */
	int64_t suspended_ms;		/* it has, since then; 0: not yet */
	int64_t watch_at_ms, watch_until_ms; /* who woke it? 0: nobody */
	bool waits;			/* for the limit to pass, so that it may sleep again */
	unsigned int again_tries;	/* to let it sleep again, since its last wake, in vain */
	uint64_t garbage;		/* on the wire, when it was entered */
	int64_t retry_at_ms, retry_gap_ms; /* it could not be left; 0: it could */
	int64_t on_due_us;		/* when the guest asked for that, 0: it didn't */
	int64_t quiet_until_ms;		/* that isn't told before */
	bool told_failed;
	uint64_t told_reasons;		/* of refusals, since told_ms */
	int64_t told_ms;
	unsigned int untold;		/* refusals since the last that was told */
	uint8_t header[VFIOPM_HEADER_LEN];	/* as the guest left it */
	enum vfiopm_refusal refusal;	/* of the last attempt */
	int error;
	struct guest_stats stats;
};

/* ---- guest_await.c ---- */

struct guest_await {
	int fd;			/* of inotify(7), -1: none; to be polled */
	int64_t at_ms;		/* monotonic: the next attempt */
	int64_t tried_ms;	/* the last one */
	int64_t soon_until_ms;	/* somebody may come at any moment; 0: it isn't known yet */
};

/* Before an attempt to connect, so that what comes after it is told. */
void guest_await_begin(struct guest_await *a, const char *socket);
/* It failed: when is the next? */
void guest_await_failed(struct guest_await *a, int error);
/* @a->fd can be read: something was made in the socket's folder. */
void guest_await_event(struct guest_await *a);
/* The VM has closed the connection. */
void guest_await_gone(struct guest_await *a);
/* There is nothing to wait for. */
void guest_await_end(struct guest_await *a);

struct guest {
	struct app *app;
	struct guest_options options;
	const char *socket, *qmp_path;
	int link_fd;			/* -1: not connected */
	struct guest_await await;
	pid_t vm_pid;			/* behind the socket; 0: not connected */
	pid_t owner_pid;		/* it, or the last that was */
	char vm_comm[64];
	struct vfiopm_qmp *qmp;
	int64_t qmp_at_ms, qmp_gap_ms;	/* the next attempt; 0: none */
	int64_t qmp_quiet_ms;		/* failed ones aren't told before */
	bool qmp_told;
	int64_t events_ms;		/* of the monitor, told since then */
	unsigned int events, untold_events;
	int told_error;			/* why the socket can't be reached; 0: it can */
	int64_t drained_ms;		/* nothing was there to be read then */
	int continued_fd;		/* readable: stopped meanwhile */
	int64_t off_ms;			/* an OFF that is older may have been given up */
	struct vfiopm_frames frames;
	uint64_t old_garbage, old_unknown; /* before this connection */
	bool told_noise, told_unknown, told_stranger;
	unsigned int strangers;		/* frames for devices that aren't ours */
	int socket_claim;
	struct stall *stall;
	struct guest_device device[GUEST_DEVICES_MAX];
	size_t count;
};

/* ---- guest_link.c ---- */

/* Connect if it is time to; all that was engaged before is left. */
void guest_link_try(struct guest *g);
/* Take what the guest has sent. */
void guest_link_read(struct guest *g);
void guest_link_answer(struct guest *g, const struct guest_device *d);
void guest_link_close(struct guest *g);
void guest_link_qmp(struct guest *g);
void guest_link_qmp_try(struct guest *g);

/* ---- guest_device.c ---- */

/* Return 0 or a negative errno. */
int guest_device_init(struct guest *g, struct guest_device *d);
void guest_device_free(struct guest_device *d);
/* @until_ms: an OFF that isn't answered then may have been given up. */
void guest_device_ask(struct guest *g, struct guest_device *d, const struct vfiopm_frame *frame,
		      int64_t until_ms);
/*
 * Leave low power whatever the guest thinks: @why as for GUEST_LEFT. Return: 0; a
 * negative errno, and it is tried again.
 */
int guest_device_settle(struct guest *g, struct guest_device *d, const char *why);
/* Is it still the VM's? Whoever closes a device, in an unplug say, ends low power silently. */
void guest_device_check(struct guest *g, struct guest_device *d);
/* The VM is there: whatever a listener before us has engaged is left. */
void guest_device_greet(struct guest *g, struct guest_device *d);
void guest_device_woken(struct guest *g, struct guest_device *d);
/* What is to be done by now. */
void guest_device_tick(struct guest *g, struct guest_device *d, int64_t now_ms);
/* When that is, INT64_MAX: never. */
int64_t guest_device_due(const struct guest_device *d);

/* ---- guest_reach.c ---- */

/* A device may come to its VFIO driver with the VM (libvirt, managed='yes'), in another group. */
void guest_look_anew(struct guest_device *d);
/* Where the device was found: the next one to take it looks at all processes. */
void guest_forget_owner(struct guest_device *d);
/*
 * Take it from the VM, until guest_let_go(). Return: 0; -ECANCELED: @d->refusal
 * tells why; another negative errno.
 */
int guest_take(struct guest *g, struct guest_device *d);
void guest_let_go(struct guest_device *d);
/* Was @r of guest_take() since the VM doesn't have it open? Nothing could be left then. */
bool guest_has_gone(const struct guest_device *d, int r);
/* Take it and enter. @flags: of vfiopm_borrow_enter_agreed(). Return: as guest_take(). */
int guest_enter(struct guest *g, struct guest_device *d, unsigned int flags, int64_t *ioctl_us);
/* 0: low power is left, or has gone with its owner. */
int guest_leave(struct guest *g, struct guest_device *d, int64_t *ioctl_us);

/* ---- guest_claim.c ---- */

/* What a listener tells of a device; both sides are the same executable. */
struct guest_told {
	uint32_t version;
	int32_t pid;		/* of the listener */
	int32_t vm_pid;		/* 0: the VM isn't there */
	char vm_comm[64];
	char path[VFIOPM_GUEST_PATH_LEN];
	uint8_t open;		/* by the VM */
	uint8_t asked_off, off, engaged; /* as in struct vfiopm_slot */
	uint32_t entries, refused, woken;
};

/*
 * Claim a device, or with @dev NULL the socket @path. -EADDRINUSE: another
 * listener has it, @who; -EPERM: @who has the name, with a process ID of 0 if
 * that can't be told, and is no listener, or another user's.
 */
int guest_claim(struct app *app, const struct vfiopm_device *dev, const char *path,
		struct ucred *who, int *ret);
/* Somebody asks. */
void guest_claim_answer(struct guest *g, struct guest_device *d);
/* Is there a listener for @dev? 1: @ret is filled; 0; negative errno. */
int guest_claim_ask(struct app *app, const struct vfiopm_device *dev, struct guest_told *ret);

/* ---- guest_report.c ---- */

enum guest_event_kind {
	GUEST_CONNECTED,
	GUEST_LOST,		/* the VM ended or closed its socket */
	GUEST_OFF,		/* entered, told to the guest */
	GUEST_ASLEEP,		/* and suspended since */
	GUEST_ON,		/* left, told to the guest */
	GUEST_REFUSED,
	GUEST_FAILED,		/* could not be left */
	GUEST_WOKEN,		/* by something else */
	GUEST_AGAIN,		/* and put to sleep again */
	GUEST_LEFT,		/* left without the guest's asking */
	GUEST_NOISE,		/* bytes that aren't ours */
	GUEST_UNKNOWN,		/* frames of another version */
	GUEST_STRANGER,		/* frames for a device that we don't have */
	GUEST_QMP,		/* an event of QEMU's */
	GUEST_TOTAL,
};

struct guest_event {
	enum guest_event_kind kind;
	const struct guest_device *d;	/* NULL: all */
	const char *text;		/* LEFT: why; QMP: the event */
	int64_t took_us, ioctl_us;	/* OFF, ON: until the answer, and of the ioctl alone */
	int64_t asleep_ms;		/* ON, LEFT, WOKEN */
	enum vfiopm_state state;	/* ASLEEP */
	const struct vfiopm_frame *frame; /* STRANGER */
};

void guest_report(const struct guest *g, const struct guest_event *event);

#endif /* GUEST_H */
