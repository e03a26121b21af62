// SPDX-License-Identifier: GPL-2.0-or-later
/* Where log lines go: to the function that was set, down to the priority that was asked for. */
#include <stdio.h>

#include "private.h"
#include "tap.h"

struct heard {
	int lines, priority;
	char text[64];
};

static void __attribute__((format(printf, 3, 0)))
hear(void *data, int priority, const char *fmt, va_list args)
{
	struct heard *heard = data;

	heard->lines++;
	heard->priority = priority;
	vsnprintf(heard->text, sizeof(heard->text), fmt, args);
}

int main(void)
{
	struct heard first = { 0 }, second = { 0 };
	struct vfiopm_ctx *ctx;
	struct tap t = { 0 };

	tap_int(&t, vfiopm_ctx_new(NULL, &ctx), 0, "a context");
	log_ctx(ctx, LOG_ERR, "nobody listens");
	tap_ok(&t, true, "without a function a line goes nowhere");

	vfiopm_ctx_set_log_fn(ctx, hear, &first, LOG_INFO);
	log_ctx(ctx, LOG_INFO, "%s: %d", "lines", 1);
	tap_int(&t, first.lines, 1, "a line of the limit's priority is handed over");
	tap_int(&t, first.priority, LOG_INFO, "with its priority");
	tap_str(&t, first.text, "lines: 1", "and its text");
	log_ctx(ctx, LOG_DEBUG, "too fine");
	tap_int(&t, first.lines, 1, "one beyond the limit isn't");
	log_ctx(ctx, LOG_ERR, "an error");
	tap_int(&t, first.lines, 2, "a more urgent one is");

	vfiopm_ctx_set_log_fn(ctx, hear, &second, LOG_DEBUG);
	log_ctx(ctx, LOG_DEBUG, "fine");
	tap_int(&t, first.lines, 2, "another function takes the place of the first");
	tap_str(&t, second.text, "fine", "with its own data and limit");

	vfiopm_ctx_set_log_fn(ctx, NULL, NULL, LOG_DEBUG);
	log_ctx(ctx, LOG_ERR, "nobody listens any more");
	tap_int(&t, second.lines, 1, "NULL: nobody any more");
	vfiopm_ctx_unref(ctx);
	return tap_end(&t);
}
