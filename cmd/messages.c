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

void app_say(const struct app *app, const char *fmt, ...)
{
	va_list args;

	if (!app->verbose)
		return;
	va_start(args, fmt);
	say("", fmt, args);
	va_end(args);
}

static void __attribute__((format(printf, 2, 0)))
remember(struct app *app, const char *fmt, va_list args)
{
	if (app->cause)
		vsnprintf(app->cause->text, sizeof(app->cause->text), fmt, args);
}

void app_remember(struct app *app, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	remember(app, fmt, args);
	va_end(args);
}

static void print_cannot(const char *what, const char *addr, const char *fmt, va_list args)
	__attribute__((format(printf, 3, 0)));

static void print_cannot(const char *what, const char *addr, const char *fmt, va_list args)
{
	fflush(stdout);
	fprintf(stderr, PROGRAM ": cannot %s '%s': ", what, addr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

void app_cannot(struct app *app, const char *what, const char *addr, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print_cannot(what, addr, fmt, args);
	va_end(args);
	va_start(args, fmt);
	remember(app, fmt, args);
	va_end(args);
}

void msg_cannot(const char *what, const char *addr, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print_cannot(what, addr, fmt, args);
	va_end(args);
}

int app_gone(struct app *app, const char *what, const char *addr)
{
	app_cannot(app, what, addr, "the device has gone");
	msg_hint(PROGRAM " list -a shows the PCI devices of this system");
	return EXIT_NODEV;
}

/* Why a device can't be borrowed or put to sleep, in a sentence with "refused: ". */
static const char *const refusal_texts[] = {
	[VFIOPM_REFUSED_NOT] = "nothing",
	[VFIOPM_REFUSED_NO_OWNER] = "nobody has it open",
	[VFIOPM_REFUSED_OWNER_HIDDEN] = "open, but by whom can't be seen from here",
	[VFIOPM_REFUSED_DENIED] = "the owner can't be reached: that takes CAP_SYS_PTRACE",
	[VFIOPM_REFUSED_SHARED] = "several processes have it open",
	[VFIOPM_REFUSED_NOT_OPENED] = "the owner has its group open, but not the device",
	[VFIOPM_REFUSED_UNCLEAR] = "the owner's descriptors don't tell which devices it has",
	[VFIOPM_REFUSED_CHANGED] = "the owner opens, closes or ends just now",
	[VFIOPM_REFUSED_UNSUPPORTED] = "the kernel lacks pidfd_getfd(2), kcmp(2) or low power",
	[VFIOPM_REFUSED_NOT_ACTIVE] = "it is asleep already, or on its way",
	[VFIOPM_REFUSED_IN_USE] = "its owner has it in D0",
	[VFIOPM_REFUSED_NO_PM] = "it has no PM capability",
	[VFIOPM_REFUSED_STATE_LOSS] = "it promises to keep its state in D3hot (No_Soft_Reset)",
	[VFIOPM_REFUSED_PME] = "it is armed to wake by PME, which would be lost",
	[VFIOPM_REFUSED_ENGAGED] = "the owner uses low power by itself",
	[VFIOPM_REFUSED_STOPPED] = "somebody else has stopped the owner",
	[VFIOPM_REFUSED_NOT_FROZEN] = "the owner could not be stopped in time",
	[VFIOPM_REFUSED_NOT_SUSPENDED] = "it did not suspend in time; low power is left again",
	[VFIOPM_REFUSED_THAWED] = "the owner was let run by somebody else, or too late",
	[VFIOPM_REFUSED_FOREGROUND] = "the owner is the foreground job of a terminal",
};

const char *refusal_text(enum vfiopm_refusal refusal)
{
	return (size_t)refusal < sizeof(refusal_texts) / sizeof(refusal_texts[0]) ?
		       refusal_texts[refusal] :
		       "for a reason that is not known here";
}
