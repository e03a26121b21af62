// SPDX-License-Identifier: GPL-2.0-or-later
/* status: what the driver vfio-pm-pci counted of a device. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "output.h"
#include "status.h"

static void show_wakes(const struct vfiopm_account *account)
{
	const char *cause, *between = "";
	int64_t n, sum = 0;

	for (size_t i = 0; (cause = vfiopm_account_cause(i)); i++)
		if (vfiopm_account_get(account, cause, &n) == 0)
			sum += n;
	printf("    %-12s%" PRId64 "%s", "woken", sum, sum ? ": " : "");
	for (size_t i = 0; (cause = vfiopm_account_cause(i)); i++) {
		if (vfiopm_account_get(account, cause, &n) < 0 || !n)
			continue;
		printf("%s%s %" PRId64, between, cause, n);
		between = ", ";
	}
	putchar('\n');
}

static void show_last_wake(const struct vfiopm_account *account)
{
	static const char *const details[] = { "region", "offset", "command", "feature" };
	const char *comm = vfiopm_account_get_last_wake(account, "comm"), *value;
	const char *pid = vfiopm_account_get_last_wake(account, "pid");
	int has = vfiopm_account_has_last_wake(account);
	char when[64];
	time_t seconds;

	if (has < 0)
		field("last wake", "%s",
		      has == -EACCES ? "only root may know" : "can't be read");
	if (has != 1)
		return;
	printf("    %-12s%s", "last wake", vfiopm_account_get_last_wake(account, "cause"));
	for (size_t i = 0; i < sizeof(details) / sizeof(details[0]); i++) {
		value = vfiopm_account_get_last_wake(account, details[i]);
		if (value)
			printf(", %s %s", details[i], value);
	}
	printf(", by %s, process %s", or_unknown(comm), or_unknown(pid));
	value = vfiopm_account_get_last_wake(account, "time");
	seconds = value ? (time_t)strtoll(value, NULL, 10) : 0;
	if (seconds && strftime(when, sizeof(when), "%F %T", localtime(&seconds)))
		printf(", on %s", when);
	putchar('\n');
}

static int64_t account_number(const struct vfiopm_account *account, const char *key)
{
	int64_t value = 0;

	vfiopm_account_get(account, key, &value);
	return value;
}

void show_account(const struct vfiopm_device *dev)
{
	struct vfiopm_account *account;
	int64_t limited;
	char text[32];

	if (vfiopm_account_new(dev, &account) < 0)
		return;
	format_time(account_number(account, "asleep_us") / 1000, text, sizeof(text));
	section("Account of its driver");
	field("low power", "%s; entered %" PRId64 " times, left %" PRId64 " times",
	      vfiopm_account_is_engaged(account) ? "engaged" : "not engaged",
	      account_number(account, "entries"), account_number(account, "exits"));
	field("slept", "%" PRId64 " times; %s while low power was engaged",
	      account_number(account, "sleeps"), text);
	show_wakes(account);
	show_last_wake(account);
	field("quiet reads", "%" PRId64 ": config space read without a wake",
	      account_number(account, "quiet_reads"));
	field("refused", "%" PRId64 ": touches of a BAR that were a SIGBUS",
	      account_number(account, "refused"));
	limited = account_number(account, "rate_limited");
	if (limited)
		field("limited", "%" PRId64 ": sleeps put off by vfio_pm/deepen_rate", limited);
	vfiopm_account_free(account);
}
