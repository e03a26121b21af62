/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Test Anything Protocol: ok(condition, what...) a case, and tap_end() at the end. */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct tap {
	int run, failed;
};

__attribute__((format(printf, 3, 4))) static inline bool tap_ok(struct tap *t, bool good,
								const char *fmt, ...)
{
	va_list args;

	printf("%sok %d ", good ? "" : "not ", ++t->run);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	if (!good)
		t->failed++;
	return good;
}

static inline void tap_int(struct tap *t, long long got, long long wanted, const char *what)
{
	if (!tap_ok(t, got == wanted, "%s", what))
		printf("# %lld instead of %lld\n", got, wanted);
}

/* NULL is a value of its own. */
static inline void tap_str(struct tap *t, const char *got, const char *wanted, const char *what)
{
	if (!tap_ok(t, got && wanted ? !strcmp(got, wanted) : got == wanted, "%s", what))
		printf("# '%s' instead of '%s'\n", got ? got : "(null)",
		       wanted ? wanted : "(null)");
}

static inline int tap_end(const struct tap *t)
{
	printf("1..%d\n", t->run);
	return t->failed != 0;
}

#endif /* TAP_H */
