// SPDX-License-Identifier: GPL-2.0-or-later
/* One format for everything on standard error. */
#include <stdarg.h>
#include <stdio.h>

#include "cmd.h"

static void __attribute__((format(printf, 2, 0)))
say(const char *prefix, const char *fmt, va_list args)
{
	/* What was printed before it comes before it, also in a common file. */
	fflush(stdout);
	fprintf(stderr, PROGRAM ": %s", prefix);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

void msg_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say("", fmt, args);
	va_end(args);
}

void msg_hint(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say("hint: ", fmt, args);
	va_end(args);
}

void msg_warn(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say("warning: ", fmt, args);
	va_end(args);
}

void msg_cannot(const char *what, const char *addr, const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, PROGRAM ": cannot %s '%s': ", what, addr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}
