/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvfiopm: a guest that drives the sleep of its devices. */
#ifndef VFIOPM_GUEST_H
#define VFIOPM_GUEST_H

#include "device.h"

VFIOPM_BEGIN_DECLS

/* ---- a guest that drives the sleep of its devices: vfio-pm-guest(7) ------------ */

#define VFIOPM_FRAME_VERSION	1
#define VFIOPM_FRAME_LEN	8	/* bytes on the wire */
#define VFIOPM_NO_PORT		0xff	/* the device is on the root complex */

/** enum vfiopm_frame_kind - what a frame says; the first two come from the guest */
enum vfiopm_frame_kind {
	VFIOPM_FRAME_OFF = 0x1,		/* the guest doesn't use the device from now on */
	VFIOPM_FRAME_ON = 0x2,		/* the guest is about to use it */
	VFIOPM_FRAME_DONE = 0xd,
	VFIOPM_FRAME_REFUSED = 0xe,
};

/**
 * struct vfiopm_frame - one frame of the protocol
 * @kind: what it says
 * @port: device and function (device << 3 | function) of the port that the
 *        device is behind, VFIOPM_NO_PORT for the root complex
 * @devfn: device and function of the device itself
 * @seq: number of the question; its answer carries it, too
 */
struct vfiopm_frame {
	enum vfiopm_frame_kind kind;
	uint8_t port, devfn, seq;
};

/**
 * struct vfiopm_frames - finds frames in a stream of bytes; zeroed at the start
 * @window: what may be the start of a frame
 * @len: bytes in it
 * @frames: frames found
 * @unknown: frames of another version, or of an unknown kind, passed over
 * @garbage: bytes that belong to no frame
 */
struct vfiopm_frames {
	uint8_t window[VFIOPM_FRAME_LEN];
	size_t len;
	uint64_t frames, unknown, garbage;
};

/** vfiopm_frame_encode - write a frame into @buf, VFIOPM_FRAME_LEN bytes. Since: 0.1 */
void vfiopm_frame_encode(const struct vfiopm_frame *frame, uint8_t *buf);
/**
 * vfiopm_frames_feed - take the next byte of the stream
 * Return: 1: it ends a frame, @ret is set; 0. Since: 0.1
 */
int vfiopm_frames_feed(struct vfiopm_frames *frames, uint8_t byte, struct vfiopm_frame *ret);

/** struct vfiopm_guest_path - where a device is in a guest; fields as in struct vfiopm_frame */
struct vfiopm_guest_path {
	uint8_t port, devfn;
};

/* Enough for "1f.7/1f.7" and its terminating zero. */
#define VFIOPM_GUEST_PATH_LEN 10

/**
 * vfiopm_guest_path_parse - parse "DD.F", or "DD.F/DD.F" behind a port
 * @text: device and function, hexadecimal, on the root complex; the first may
 *        have "00:" before it. Bus numbers behind ports are the guest's choice
 *        and can't be told before it runs.
 * @ret: the path
 * Return: 0; -EINVAL. Since: 0.1
 */
int vfiopm_guest_path_parse(const char *text, struct vfiopm_guest_path *ret);
/**
 * vfiopm_guest_path_format - write it as vfiopm_guest_path_parse() takes it
 * @path: path
 * @buf: room for VFIOPM_GUEST_PATH_LEN characters
 * Return: @buf. Since: 0.1
 */
char *vfiopm_guest_path_format(const struct vfiopm_guest_path *path, char *buf);

/** enum vfiopm_slot_step - what the caller has to do */
enum vfiopm_slot_step {
	VFIOPM_SLOT_NOTHING = 0,
	VFIOPM_SLOT_ANSWER,		/* send the slot's answer */
	VFIOPM_SLOT_ENTER,		/* low power, then vfiopm_slot_entered() */
	VFIOPM_SLOT_LEAVE,		/* it, then vfiopm_slot_left() */
};

/** enum vfiopm_limit - why the last OFF was refused without an attempt */
enum vfiopm_limit {
	VFIOPM_LIMIT_NONE = 0,
	VFIOPM_LIMIT_RATE,		/* too many entries within a minute */
	VFIOPM_LIMIT_DWELL,		/* too soon after its last wake */
	VFIOPM_LIMIT_VAIN,		/* too soon after an attempt that failed, as this would */
};

#define VFIOPM_SLOT_RATE_MAX 120

/**
 * struct vfiopm_slot - the state of one device that a guest puts to sleep
 * @rate: entries a minute, 0: no limit; of those with which the last of several
 *        that vfiopm_slot_join() has joined goes to sleep, as many of all
 * @dwell_ms: milliseconds that it stays awake at least
 * @asked_off: the last that the guest has asked for is OFF, whatever came of it
 * @off: and it was told "done", which holds: what wakes it may be put to sleep again
 * @engaged: low power was entered, and neither left nor ended by a wake
 * @unsure: it may be engaged whatever @engaged says, since it could not be left;
 *          set by the caller, too, after an entry that found it engaged. ON is
 *          answered only after it was left
 * @answer: what the last question was, or is to be, answered with
 * @limit: why the last OFF was refused
 * @entries: of low power
 * @refused: OFFs
 * @woken: wakes while the guest had it off
 *
 * The rest is for the functions alone.
 */
struct vfiopm_slot {
	unsigned int rate;
	int64_t dwell_ms;
	bool asked_off, off, engaged, unsure;
	enum vfiopm_frame_kind answer;
	enum vfiopm_limit limit;
	unsigned int entries, refused, woken;
	unsigned int asked, seq;
	int64_t awake_ms, asked_ms, vain_until_ms;
	int64_t entered_ms[VFIOPM_SLOT_RATE_MAX];
	bool entered_used[VFIOPM_SLOT_RATE_MAX], entered_last[VFIOPM_SLOT_RATE_MAX];
	unsigned int entered_at;
	struct vfiopm_slot *next;
};

/** vfiopm_slot_init - a device that is awake; fields as in struct vfiopm_slot. Since: 0.1 */
void vfiopm_slot_init(struct vfiopm_slot *slot, unsigned int rate, int64_t dwell_ms);
/**
 * vfiopm_slot_join - functions of one slot of the host share its power
 * @slot: joins
 * @other: and whoever has joined it; none may be initialized anew, or moved,
 *         while another is used
 * Since: 0.1
 */
void vfiopm_slot_join(struct vfiopm_slot *slot, struct vfiopm_slot *other);
/**
 * vfiopm_slot_ask - the guest has asked
 * @slot: device that the frame names; its wakes so far are told
 * @frame: the question; an answer is passed over
 * @now_ms: milliseconds of a monotonic clock, the same for all calls
 * Return: what to do. Since: 0.1
 */
enum vfiopm_slot_step vfiopm_slot_ask(struct vfiopm_slot *slot, const struct vfiopm_frame *frame,
				      int64_t now_ms);
/** vfiopm_slot_entered - how the entry went. Return: what to answer. Since: 0.1 */
enum vfiopm_frame_kind vfiopm_slot_entered(struct vfiopm_slot *slot, bool done, int64_t now_ms);
/**
 * vfiopm_slot_left - how the exit went
 * Return: VFIOPM_SLOT_ANSWER: done, which answers an ON; VFIOPM_SLOT_NOTHING: it
 * failed, and is to be tried again; no ON is answered before it works. Since: 0.1
 */
enum vfiopm_slot_step vfiopm_slot_left(struct vfiopm_slot *slot, bool done, int64_t now_ms);
/**
 * vfiopm_slot_woken - a wake has ended low power, not by vfiopm_slot_left()
 * Return: VFIOPM_SLOT_ENTER: the guest still has it off, so it may sleep again
 * once it is clear that it wasn't the guest's own machine that was reset. Since: 0.1
 */
enum vfiopm_slot_step vfiopm_slot_woken(struct vfiopm_slot *slot, int64_t now_ms);
/** vfiopm_slot_again - may it, after vfiopm_slot_woken(), sleep again now? Since: 0.1 */
enum vfiopm_slot_step vfiopm_slot_again(const struct vfiopm_slot *slot, int64_t now_ms);
/**
 * vfiopm_slot_give_up - low power is left though the guest has it off
 * Return: VFIOPM_SLOT_LEAVE, or VFIOPM_SLOT_NOTHING. Since: 0.1
 */
enum vfiopm_slot_step vfiopm_slot_give_up(struct vfiopm_slot *slot);
/**
 * vfiopm_slot_settle - the guest starts anew, ends, or is served no longer
 * Return: VFIOPM_SLOT_LEAVE, or VFIOPM_SLOT_NOTHING. Since: 0.1
 */
enum vfiopm_slot_step vfiopm_slot_settle(struct vfiopm_slot *slot);

VFIOPM_END_DECLS

#endif /* VFIOPM_GUEST_H */
