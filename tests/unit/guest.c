// SPDX-License-Identifier: GPL-2.0-or-later
/* The protocol of guest-driven sleep: frames among noise, paths, what is answered when. */
#include <errno.h>

#include "private.h"
#include "tap.h"

static int feed(struct vfiopm_frames *f, const void *bytes, size_t len, struct vfiopm_frame *ret)
{
	const uint8_t *b = bytes;
	int found = 0;

	for (size_t i = 0; i < len; i++)
		found += vfiopm_frames_feed(f, b[i], ret);
	return found;
}

static const struct vfiopm_frame some = {
	.kind = VFIOPM_FRAME_OFF,
	.port = 0x14,
	.devfn = 0x02,
	.seq = 0x9c,
};

/* What another implementation would check itself against: vfio-pm-guest(7) has the same bytes. */
static const uint8_t some_bytes[] = { 0xf5, 0xfa, 0x11, 0x14, 0x02, 0x9c, 0xc3, 0x20 };

static void test_frames(struct tap *t)
{
	static const char text[] = "[    0.000000] Linux version 6.12 (gcc) \xd0\x96\xe2\x82\xac\n";
	struct vfiopm_frames f = { 0 };
	struct vfiopm_frame got = { 0 };
	uint8_t buf[VFIOPM_FRAME_LEN], bad[VFIOPM_FRAME_LEN];
	int found = 0;

	vfiopm_frame_encode(&some, buf);
	tap_ok(t, !memcmp(buf, some_bytes, sizeof(buf)), "the bytes of a frame");
	tap_int(t, feed(&f, buf, sizeof(buf), &got), 1, "a frame is found");
	tap_ok(t, !memcmp(&got, &some, sizeof(got)), "and is what was sent");
	tap_int(t, feed(&f, text, sizeof(text), &got), 0, "a console makes no frame");
	tap_int(t, feed(&f, buf, sizeof(buf), &got), 1, "one behind it is found");
	tap_int(t, (long long)f.garbage, sizeof(text), "what isn't ours is counted");
	for (size_t cut = 1; cut < sizeof(buf); cut++) {
		found += feed(&f, buf, cut, &got);
		found += feed(&f, buf, sizeof(buf), &got) * 100;
	}
	tap_int(t, found, 700, "a half frame doesn't hide the next");
	found = 0;
	for (size_t i = 0; i < 8 * sizeof(buf); i++) {
		memcpy(bad, buf, sizeof(bad));
		bad[i / 8] ^= (uint8_t)(1 << i % 8);
		found += feed(&f, bad, sizeof(bad), &got);
	}
	tap_int(t, found, 0, "no frame with a bit turned over is taken");
	found = 0;
	for (size_t i = 2; i + 1 < sizeof(buf); i++) {
		memcpy(bad, buf, sizeof(bad));
		bad[i] = buf[i + 1];
		bad[i + 1] = buf[i];
		found += feed(&f, bad, sizeof(bad), &got);
	}
	tap_int(t, found, 0, "nor one with two bytes changed over");
	/* Version 2, with right sums. */
	memcpy(bad, (uint8_t[]){ 0xf5, 0xfa, 0x21, 0x14, 0x02, 0x9c, 0xd3, 0x60 }, sizeof(bad));
	f = (struct vfiopm_frames){ 0 };
	tap_int(t, feed(&f, bad, sizeof(bad), &got), 0, "a frame of another version isn't taken");
	tap_ok(t, f.unknown == 1 && f.garbage == 0, "but told from noise");
	tap_int(t, feed(&f, buf, sizeof(buf), &got), 1, "and ours behind it is");
}

static void test_paths(struct tap *t)
{
	static const struct {
		const char *text, *wanted;
	} cases[] = {
		{ "03.0", "03.0" },
		{ "00:03.0", "03.0" },
		{ "1F.7", "1f.7" },
		{ "02.4/00.0", "02.4/00.0" },
		{ "00:02.4/1f.7", "02.4/1f.7" },
		{ "1f.7/00.0", NULL },
		{ "02.4/00:00.0", NULL },
		{ "01:00.0", NULL },
		{ "0000:00:03.0", NULL },
		{ "20.0", NULL },
		{ "03.8", NULL },
		{ "3.0", NULL },
		{ "03.0/", NULL },
		{ "/03.0", NULL },
		{ "02.0/00.0/00.0", NULL },
		{ "03.0 ", NULL },
		{ "03", NULL },
		{ "", NULL },
	};
	char buf[VFIOPM_GUEST_PATH_LEN];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vfiopm_guest_path path = { .port = 1, .devfn = 1 };
		int r = vfiopm_guest_path_parse(cases[i].text, &path);

		if (cases[i].wanted)
			tap_ok(t,
			       r == 0 && !strcmp(vfiopm_guest_path_format(&path, buf),
						 cases[i].wanted),
			       "'%s' is %s", cases[i].text, cases[i].wanted);
		else
			tap_ok(t, r == -EINVAL && path.port == 1 && path.devfn == 1,
			       "'%s' is malformed, the result untouched", cases[i].text);
	}
}

#define off(n) ((struct vfiopm_frame){ .kind = VFIOPM_FRAME_OFF, .seq = (n) })
#define on(n) ((struct vfiopm_frame){ .kind = VFIOPM_FRAME_ON, .seq = (n) })
#define ASK(frame, now) vfiopm_slot_ask(&s, &(frame), now)

static void test_order(struct tap *t)
{
	struct vfiopm_frame frame;
	struct vfiopm_slot s;

	vfiopm_slot_init(&s, 0, 0);
	tap_ok(t, ASK(on(1), 0) == VFIOPM_SLOT_ANSWER && s.answer == VFIOPM_FRAME_DONE,
	       "ON of a device that is awake is done");
	tap_int(t, ASK(off(2), 1), VFIOPM_SLOT_ENTER, "OFF asks for an entry");
	tap_ok(t, !s.off && !s.engaged, "and is nothing before that");
	tap_int(t, vfiopm_slot_entered(&s, true, 2), VFIOPM_FRAME_DONE, "which is done");
	tap_ok(t, ASK(off(2), 3) == VFIOPM_SLOT_ANSWER && s.answer == VFIOPM_FRAME_DONE,
	       "asked again, it is answered the same");
	tap_int(t, ASK(on(3), 4), VFIOPM_SLOT_LEAVE, "ON asks for an exit");
	tap_int(t, vfiopm_slot_left(&s, false, 5), VFIOPM_SLOT_NOTHING,
		"which failed: nothing is answered");
	tap_int(t, ASK(on(3), 6), VFIOPM_SLOT_LEAVE, "asked again, it is tried again");
	tap_ok(t,
	       vfiopm_slot_left(&s, true, 7) == VFIOPM_SLOT_ANSWER &&
		       s.answer == VFIOPM_FRAME_DONE,
	       "and done");
	tap_int(t, ASK(off(4), 8), VFIOPM_SLOT_ENTER, "OFF");
	tap_int(t, vfiopm_slot_entered(&s, false, 9), VFIOPM_FRAME_REFUSED,
		"an entry that fails is refused");
	tap_ok(t, ASK(off(4), 10) == VFIOPM_SLOT_ANSWER && s.answer == VFIOPM_FRAME_REFUSED,
	       "asked again, it isn't tried again");
	tap_int(t, ASK(off(5), 29), VFIOPM_SLOT_ENTER, "another question is another attempt");
	frame = off(5);
	frame.kind = VFIOPM_FRAME_DONE;
	tap_int(t, ASK(frame, 12), VFIOPM_SLOT_NOTHING, "an answer is no question");
	tap_ok(t, s.entries == 1 && s.refused == 1, "counted");
}

/* Low power that could not be left, or that somebody else has entered. */
static void test_unsure(struct tap *t)
{
	struct vfiopm_slot s;

	vfiopm_slot_init(&s, 0, 0);
	ASK(off(1), 0);
	vfiopm_slot_entered(&s, true, 0);
	tap_int(t, vfiopm_slot_settle(&s), VFIOPM_SLOT_LEAVE, "a reset leaves low power");
	vfiopm_slot_left(&s, false, 1);
	tap_int(t, vfiopm_slot_settle(&s), VFIOPM_SLOT_LEAVE, "which failed: it is due");
	tap_int(t, ASK(off(2), 2), VFIOPM_SLOT_ENTER, "OFF isn't done by what is left of that");
	vfiopm_slot_entered(&s, false, 2);
	tap_int(t, ASK(on(3), 3), VFIOPM_SLOT_LEAVE, "ON isn't done before it is left");
	vfiopm_slot_left(&s, false, 4);
	tap_int(t, ASK(on(4), 5), VFIOPM_SLOT_LEAVE, "nor is another ON");
	vfiopm_slot_left(&s, true, 6);
	tap_ok(t, ASK(on(5), 7) == VFIOPM_SLOT_ANSWER && s.answer == VFIOPM_FRAME_DONE,
	       "then it is");

	ASK(off(6), 8);
	vfiopm_slot_entered(&s, false, 8);
	s.unsure = true;
	tap_int(t, vfiopm_slot_again(&s, 9), VFIOPM_SLOT_NOTHING,
		"engaged by somebody else: not again");
	tap_int(t, ASK(on(7), 9), VFIOPM_SLOT_LEAVE, "but left before ON is done");
	vfiopm_slot_left(&s, true, 10);
	s.unsure = true;
	ASK(off(8), 11);
	vfiopm_slot_entered(&s, true, 11);
	tap_ok(t, s.engaged && !s.unsure, "an entry that works finds nothing engaged");
	vfiopm_slot_left(&s, false, 12);
	vfiopm_slot_woken(&s, 13);
	tap_int(t, ASK(on(9), 14), VFIOPM_SLOT_ANSWER, "a wake has ended what could not be left");
}

static void test_limits(struct tap *t)
{
	struct vfiopm_slot s;
	int entered = 0;

	vfiopm_slot_init(&s, 3, 0);
	for (uint8_t i = 0; i < 10; i++) {
		if (ASK(off(i), 1000 * i) == VFIOPM_SLOT_ENTER) {
			vfiopm_slot_entered(&s, true, 1000 * i);
			entered++;
		}
		if (ASK(on(i), 1000 * i + 500) == VFIOPM_SLOT_LEAVE)
			vfiopm_slot_left(&s, true, 1000 * i + 500);
	}
	tap_ok(t, entered == 3 && s.refused == 7, "three entries a minute, not more");
	tap_int(t, s.limit, VFIOPM_LIMIT_NONE, "ON has no limit");
	tap_ok(t, ASK(off(20), 59999) == VFIOPM_SLOT_ANSWER && s.limit == VFIOPM_LIMIT_RATE,
	       "not before the minute is over");
	tap_int(t, ASK(off(21), 60000), VFIOPM_SLOT_ENTER, "then again");

	vfiopm_slot_init(&s, 0, 5000);
	tap_int(t, ASK(off(1), 10), VFIOPM_SLOT_ENTER, "the first has nothing to dwell on");
	vfiopm_slot_entered(&s, true, 10);
	ASK(on(2), 20);
	vfiopm_slot_left(&s, true, 20);
	tap_ok(t,
	       ASK(off(3), 5019) == VFIOPM_SLOT_ANSWER && s.limit == VFIOPM_LIMIT_DWELL &&
		       s.answer == VFIOPM_FRAME_REFUSED,
	       "too soon after the wake");
	tap_int(t, ASK(off(4), 5020), VFIOPM_SLOT_ENTER, "not too soon");
}

static bool turn_off(struct vfiopm_slot *s, int64_t now)
{
	return vfiopm_slot_ask(s, &off((uint8_t)now), now) == VFIOPM_SLOT_ENTER &&
	       vfiopm_slot_entered(s, true, now) == VFIOPM_FRAME_DONE;
}

static void turn_on(struct vfiopm_slot *s, int64_t now)
{
	if (vfiopm_slot_ask(s, &on((uint8_t)now), now) == VFIOPM_SLOT_LEAVE)
		vfiopm_slot_left(s, true, now);
}

/* Two functions of one slot: its power goes off when both sleep. */
static void test_slot_of_two(struct tap *t)
{
	struct vfiopm_slot a, b, s;
	int switched = 0;

	vfiopm_slot_init(&a, 4, 0);
	vfiopm_slot_init(&b, 4, 0);
	vfiopm_slot_join(&b, &a);
	for (int now = 0; now < 1000; now += 100) {
		switched += turn_off(&a, now) && b.engaged;
		switched += turn_off(&b, now + 10) && a.engaged;
		/* In turn, so that neither is limited by itself. */
		if (now / 100 % 2)
			turn_on(&a, now + 50);
		else
			turn_on(&b, now + 50);
	}
	tap_int(t, switched, 4, "functions that take turns don't switch their slot more often");
	/* A minute later both are awake. */
	turn_on(&a, 60500);
	turn_on(&b, 60500);
	switched = 0;
	for (int now = 61000; now < 62000; now += 100) {
		switched += turn_off(&a, now) && turn_off(&b, now + 10);
		turn_on(&a, now + 50);
		turn_on(&b, now + 60);
	}
	tap_int(t, switched, 4, "together they have as many as one alone");
	vfiopm_slot_init(&s, 4, 0);
	switched = 0;
	for (int now = 61000; now < 62000; now += 100) {
		switched += turn_off(&s, now);
		turn_on(&s, now + 50);
	}
	tap_int(t, switched, 4, "which has these");
}

/* What a guest asks for in vain, as fast as it can. */
static void test_vain(struct tap *t)
{
	struct vfiopm_slot s;
	int64_t now = 0, busy = 0;
	uint8_t seq = 0;

	vfiopm_slot_init(&s, 0, 0);
	ASK(off(1), 0);
	vfiopm_slot_entered(&s, false, 40);
	tap_ok(t,
	       ASK(off(2), 41) == VFIOPM_SLOT_ANSWER && s.answer == VFIOPM_FRAME_REFUSED &&
		       s.limit == VFIOPM_LIMIT_VAIN,
	       "after an attempt that failed another question is refused without one");
	tap_ok(t, ASK(on(3), 42) == VFIOPM_SLOT_ANSWER && s.answer == VFIOPM_FRAME_DONE,
	       "ON isn't");
	tap_int(t, ASK(off(4), 439), VFIOPM_SLOT_ANSWER, "for ten times as long as it took");
	tap_int(t, ASK(off(5), 440), VFIOPM_SLOT_ENTER, "not for longer");
	vfiopm_slot_entered(&s, false, 2440);
	tap_int(t, ASK(off(6), 7439), VFIOPM_SLOT_ANSWER, "five seconds");
	tap_int(t, ASK(off(7), 7440), VFIOPM_SLOT_ENTER, "at most");
	vfiopm_slot_entered(&s, true, 7441);
	ASK(on(8), 7442);
	vfiopm_slot_left(&s, true, 7443);
	tap_int(t, ASK(off(9), 7444), VFIOPM_SLOT_ENTER, "one that worked has none of that");
	tap_int(t, s.refused, 5, "counted");

	vfiopm_slot_init(&s, 0, 0);
	while (now < 10000) {
		if (ASK(off(seq++), now) == VFIOPM_SLOT_ENTER) {
			now += 75;
			busy += 75;
			vfiopm_slot_entered(&s, false, now);
		}
		now++;
	}
	tap_ok(t, busy > 500 && busy <= 1000, "a tenth of the time at most: %d of 10000 ms",
	       (int)busy);
}

static void test_wakes(struct tap *t)
{
	struct vfiopm_slot s;

	vfiopm_slot_init(&s, 2, 1000);
	ASK(off(1), 0);
	vfiopm_slot_entered(&s, true, 0);
	tap_int(t, vfiopm_slot_woken(&s, 100), VFIOPM_SLOT_ENTER,
		"woken while the guest has it off: it may sleep again");
	tap_int(t, vfiopm_slot_again(&s, 1099), VFIOPM_SLOT_NOTHING, "not before the dwell");
	tap_int(t, vfiopm_slot_again(&s, 1100), VFIOPM_SLOT_ENTER, "later, too");
	vfiopm_slot_entered(&s, true, 1100);
	vfiopm_slot_woken(&s, 1200);
	tap_int(t, vfiopm_slot_again(&s, 2200), VFIOPM_SLOT_NOTHING, "but not without limit");
	tap_int(t, s.woken, 2, "counted");
	tap_ok(t, ASK(on(2), 2300) == VFIOPM_SLOT_ANSWER && s.answer == VFIOPM_FRAME_DONE,
	       "ON has nothing to leave then");
	tap_int(t, vfiopm_slot_again(&s, 100000), VFIOPM_SLOT_NOTHING, "and ends it");

	vfiopm_slot_init(&s, 0, 0);
	ASK(off(1), 0);
	vfiopm_slot_entered(&s, false, 0);
	tap_ok(t, s.asked_off && !s.off, "the guest has it off, whatever the host does");
	ASK(off(2), 1000);
	vfiopm_slot_entered(&s, true, 1000);
	tap_int(t, vfiopm_slot_give_up(&s), VFIOPM_SLOT_LEAVE, "what the host gives up is left");
	vfiopm_slot_left(&s, true, 1001);
	tap_int(t, vfiopm_slot_again(&s, 2000), VFIOPM_SLOT_NOTHING, "for good");
	tap_ok(t, s.asked_off && !s.off, "and the guest has it off");
	ASK(on(3), 2001);
	tap_ok(t, !s.asked_off, "until it asks for ON");
	ASK(off(4), 2002);
	vfiopm_slot_settle(&s);
	tap_ok(t, !s.asked_off, "or starts anew");

	vfiopm_slot_init(&s, 0, 0);
	ASK(off(7), 0);
	vfiopm_slot_entered(&s, true, 0);
	tap_int(t, vfiopm_slot_settle(&s), VFIOPM_SLOT_LEAVE, "a reset leaves low power");
	vfiopm_slot_left(&s, true, 1);
	tap_int(t, vfiopm_slot_settle(&s), VFIOPM_SLOT_NOTHING, "once");
	tap_int(t, vfiopm_slot_woken(&s, 2), VFIOPM_SLOT_NOTHING,
		"what woke it then doesn't count");
	tap_int(t, ASK(off(7), 3), VFIOPM_SLOT_ENTER, "the same number is another question then");
}

int main(void)
{
	struct tap t = { 0 };

	test_frames(&t);
	test_paths(&t);
	test_order(&t);
	test_unsure(&t);
	test_limits(&t);
	test_slot_of_two(&t);
	test_vain(&t);
	test_wakes(&t);
	return tap_end(&t);
}
