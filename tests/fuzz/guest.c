// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The protocol of guest-driven sleep: any bytes from the wire, any outcome of
 * what they ask for, at any time. A guest is never told "done" for what wasn't.
 */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "private.h"

/* What the device is really in: the fuzzer's word for the kernel's. */
struct world {
	struct vfiopm_slot slot;
	bool low, strange; /* engaged; by somebody else */
	int64_t now, entered[VFIOPM_SLOT_RATE_MAX + 1];
	unsigned int n_entered;
};

/* By the kernel's rule: what is engaged isn't entered again. */
static void enter(struct world *w, bool works)
{
	if (w->low) {
		vfiopm_slot_entered(&w->slot, false, w->now);
		w->slot.unsure = true;
		return;
	}
	w->low = works;
	if (works && w->slot.rate) {
		unsigned int rate = w->slot.rate, n = w->n_entered++;

		if (n >= rate)
			assert(w->now - w->entered[(n - rate) % (VFIOPM_SLOT_RATE_MAX + 1)] >=
			       60000);
		w->entered[n % (VFIOPM_SLOT_RATE_MAX + 1)] = w->now;
	}
	assert(vfiopm_slot_entered(&w->slot, works, w->now) ==
	       (works ? VFIOPM_FRAME_DONE : VFIOPM_FRAME_REFUSED));
}

/* Return: is it to be answered? */
static bool go_out(struct world *w, bool works)
{
	enum vfiopm_slot_step step;

	if (works)
		w->low = w->strange = false;
	step = vfiopm_slot_left(&w->slot, works, w->now);
	assert(step == (works ? VFIOPM_SLOT_ANSWER : VFIOPM_SLOT_NOTHING));
	return works;
}

static void take(struct world *w, const struct vfiopm_frame *frame, bool works)
{
	switch (vfiopm_slot_ask(&w->slot, frame, w->now)) {
	case VFIOPM_SLOT_ENTER:
		assert(frame->kind == VFIOPM_FRAME_OFF);
		enter(w, works);
		break;
	case VFIOPM_SLOT_LEAVE:
		assert(frame->kind == VFIOPM_FRAME_ON);
		if (!go_out(w, works))
			return;
		break;
	case VFIOPM_SLOT_ANSWER:
		break;
	case VFIOPM_SLOT_NOTHING:
		assert(frame->kind != VFIOPM_FRAME_OFF && frame->kind != VFIOPM_FRAME_ON);
		return;
	}
	/* What somebody else engages is known from an OFF that it has refused. */
	if (w->slot.answer == VFIOPM_FRAME_DONE && !w->strange)
		assert(w->low == (frame->kind == VFIOPM_FRAME_OFF));
}

static void step(struct world *w, struct vfiopm_frames *frames, struct input *in)
{
	struct vfiopm_frame frame;
	uint8_t bytes[VFIOPM_FRAME_LEN];
	unsigned int what = input_byte(in);
	bool works = what & 0x80;

	w->now += input_byte(in) * 100;
	switch (what & 7) {
	case 0:
		if (vfiopm_frames_feed(frames, (uint8_t)input_byte(in), &frame))
			take(w, &frame, works);
		break;
	case 1:
	case 2:
	case 3:
		frame = (struct vfiopm_frame){
			.kind = (enum vfiopm_frame_kind)(input_byte(in) & 3),
			.seq = (uint8_t)(input_byte(in) & 3),
		};
		vfiopm_frame_encode(&frame, bytes);
		for (size_t i = 0; i < sizeof(bytes); i++)
			if (vfiopm_frames_feed(frames, bytes[i], &frame))
				take(w, &frame, works);
		break;
	case 4:
		/* Something wakes it. */
		if (!w->low || w->strange)
			break;
		w->low = false;
		vfiopm_slot_woken(&w->slot, w->now);
		break;
	case 5:
		if (vfiopm_slot_again(&w->slot, w->now) == VFIOPM_SLOT_ENTER) {
			assert(w->slot.off);
			enter(w, works);
		}
		break;
	case 6:
		if (vfiopm_slot_settle(&w->slot) == VFIOPM_SLOT_LEAVE)
			go_out(w, works);
		assert(!w->slot.off);
		break;
	case 7:
		/* Somebody else. */
		if (!w->low)
			w->low = w->strange = true;
		break;
	}
	assert(w->low || !w->slot.engaged);
	assert(!w->low || w->strange || w->slot.engaged || w->slot.unsure);
}

static void try_path(struct input *in)
{
	char text[32], buf[VFIOPM_GUEST_PATH_LEN];
	struct vfiopm_guest_path path, second;

	input_text(in, text, sizeof(text));
	if (vfiopm_guest_path_parse(text, &path) < 0)
		return;
	vfiopm_guest_path_format(&path, buf);
	assert(strlen(buf) < sizeof(buf));
	assert(vfiopm_guest_path_parse(buf, &second) == 0);
	assert(path.port == second.port && path.devfn == second.devfn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .data = data, .left = size };
	struct vfiopm_frames frames = { 0 };
	struct world w = { 0 };
	unsigned int rate = input_byte(&in);

	try_path(&in);
	vfiopm_slot_init(&w.slot, rate > 200 ? 0 : rate, input_byte(&in) * 10);
	while (in.left)
		step(&w, &frames, &in);
	return 0;
}
