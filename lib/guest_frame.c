// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What travels between a guest's ACPI table and its listener
 * (vfio-pm-guest(7)): frames of eight bytes.
 *
 * The two bytes that a frame starts with are in no text: UTF-8 has neither
 * (RFC 3629, section 1), and ASCII ends below them. So a console on the same
 * wire can't make a frame, whatever it prints, and what is left of a broken
 * frame doesn't hide the whole one behind it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "private.h"

#define SYNC0 0xf5
#define SYNC1 0xfa

/* Two sums, the second of which is over the first: bytes that changed places are noticed, too. */
static void sums(const uint8_t *bytes, uint8_t *first, uint8_t *second)
{
	uint8_t a = 0, b = 0;

	for (int i = 0; i < 4; i++) {
		a = (uint8_t)(a + bytes[i]);
		b = (uint8_t)(b + a);
	}
	*first = a;
	*second = b;
}

void vfiopm_frame_encode(const struct vfiopm_frame *frame, uint8_t *buf)
{
	buf[0] = SYNC0;
	buf[1] = SYNC1;
	buf[2] = (uint8_t)(VFIOPM_FRAME_VERSION << 4 | frame->kind);
	buf[3] = frame->port;
	buf[4] = frame->devfn;
	buf[5] = frame->seq;
	sums(buf + 2, buf + 6, buf + 7);
}

static bool is_frame(const uint8_t *w)
{
	uint8_t first, second;

	if (w[0] != SYNC0 || w[1] != SYNC1)
		return false;
	sums(w + 2, &first, &second);
	return w[6] == first && w[7] == second;
}

int vfiopm_frames_feed(struct vfiopm_frames *f, uint8_t byte, struct vfiopm_frame *ret)
{
	enum vfiopm_frame_kind kind;

	if (f->len == VFIOPM_FRAME_LEN) {
		f->garbage++;
		f->len--;
		memmove(f->window, f->window + 1, f->len);
	}
	f->window[f->len++] = byte;
	if (f->len < VFIOPM_FRAME_LEN || !is_frame(f->window))
		return 0;
	f->len = 0;
	kind = (enum vfiopm_frame_kind)(f->window[2] & 0xf);
	if (f->window[2] >> 4 != VFIOPM_FRAME_VERSION ||
	    (kind != VFIOPM_FRAME_OFF && kind != VFIOPM_FRAME_ON && kind != VFIOPM_FRAME_DONE &&
	     kind != VFIOPM_FRAME_REFUSED)) {
		f->unknown++;
		return 0;
	}
	*ret = (struct vfiopm_frame){
		.kind = kind,
		.port = f->window[3],
		.devfn = f->window[4],
		.seq = f->window[5],
	};
	f->frames++;
	return 1;
}

/* ---- the devices' names: "03.0", or "02.4/00.0" behind a port ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "DD.F". Return what stands behind it, NULL: it isn't one. */
static const char *parse_slot(const char *text, uint8_t *ret)
{
	int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);

	if (low < 0 || high > 1 || text[2] != '.' || text[3] < '0' || text[3] > '7')
		return NULL;
	*ret = (uint8_t)((high << 4 | low) << 3 | (text[3] - '0'));
	return text + 4;
}

int vfiopm_guest_path_parse(const char *text, struct vfiopm_guest_path *ret)
{
	struct vfiopm_guest_path path = { .port = VFIOPM_NO_PORT };

	/* The root complex is bus 0: to say so is allowed. */
	if (!strncmp(text, "00:", 3))
		text += 3;
	text = parse_slot(text, &path.devfn);
	if (text && *text == '/') {
		path.port = path.devfn;
		text = parse_slot(text + 1, &path.devfn);
		/* On the wire this function of the chipset's slot means "no port". */
		if (path.port == VFIOPM_NO_PORT)
			return -EINVAL;
	}
	if (!text || *text)
		return -EINVAL;
	*ret = path;
	return 0;
}

char *vfiopm_guest_path_format(const struct vfiopm_guest_path *path, char *buf)
{
	int n = 0;

	if (path->port != VFIOPM_NO_PORT)
		n = snprintf(buf, VFIOPM_GUEST_PATH_LEN, "%02x.%d/", path->port >> 3,
			     path->port & 7);
	snprintf(buf + n, VFIOPM_GUEST_PATH_LEN - (size_t)n, "%02x.%d", path->devfn >> 3,
		 path->devfn & 7);
	return buf;
}
