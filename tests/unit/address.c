// SPDX-License-Identifier: GPL-2.0-or-later
/* Addresses and IDs: what is taken, what isn't, and back. */
#include <errno.h>

#include "private.h"
#include "tap.h"

static const struct {
	const char *text;
	const char *wanted;	/* NULL: malformed */
} cases[] = {
	{ "0000:01:00.0", "0000:01:00.0" },
	{ "01:00.0", "0000:01:00.0" },
	{ "fF:1f.7", "0000:ff:1f.7" },
	{ "10000:e1:00.0", "10000:e1:00.0" },
	{ "ffffffff:ff:1f.7", "ffffffff:ff:1f.7" },
	{ "00000000:00:00.0", "0000:00:00.0" },
	{ "", NULL },
	{ ":", NULL },
	{ "01:00", NULL },
	{ "01:00.", NULL },
	{ "01:00.8", NULL },
	{ "01:20.0", NULL },
	{ "01:00.00", NULL },
	{ "1:00.0", NULL },
	{ "01:0.0", NULL },
	{ "001:00.0", NULL },
	{ "000:01:00.0", NULL },
	{ "123456789:01:00.0", NULL },
	{ " 01:00.0", NULL },
	{ "01:00.0 ", NULL },
	{ "+1:00.0", NULL },
	{ "-1:00.0", NULL },
	{ "0x:00.0", NULL },
	{ "0000:01:00.0/x", NULL },
	{ "0000:01:00:0", NULL },
	{ "0000.01.00.0", NULL },
	{ "g0:00.0", NULL },
};

int main(void)
{
	struct vfiopm_addr a = { 0 }, b = { .domain = 1 };
	struct tap t = { 0 };
	char buf[VFIOPM_ADDR_LEN];
	unsigned int vendor, device;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vfiopm_addr addr = { .domain = 7 };
		int r = vfiopm_addr_parse(cases[i].text, &addr);

		if (cases[i].wanted)
			tap_ok(&t,
			       r == 0 && !strcmp(vfiopm_addr_format(&addr, buf), cases[i].wanted),
			       "'%s' is %s", cases[i].text, cases[i].wanted);
		else
			tap_ok(&t, r == -EINVAL && addr.domain == 7,
			       "'%s' is malformed, the result untouched", cases[i].text);
	}
	tap_ok(&t, vfiopm_addr_cmp(&a, &b) < 0 && vfiopm_addr_cmp(&b, &a) > 0, "domain first");
	b = (struct vfiopm_addr){ .bus = 1 };
	a = (struct vfiopm_addr){ .device = 31, .function = 7 };
	tap_ok(&t, vfiopm_addr_cmp(&a, &b) < 0, "then the bus");
	b = (struct vfiopm_addr){ .device = 31, .function = 6 };
	tap_ok(&t, vfiopm_addr_cmp(&a, &b) > 0, "then device and function");
	tap_int(&t, vfiopm_addr_cmp(&a, &a), 0, "the same");
	tap_ok(&t, vfiopm_addr_same_slot(&a, &b), "two functions of one slot");
	b.bus = 1;
	tap_ok(&t, !vfiopm_addr_same_slot(&a, &b), "another bus, another slot");

	tap_int(&t, parse_id_pair("8086:10d3", &vendor, &device), 0, "IDs");
	tap_int(&t, vendor << 16 | device, 0x808610d3, "and their values");
	tap_int(&t, parse_id_pair("8086:10d", &vendor, &device), -EINVAL, "three digits");
	tap_int(&t, parse_id_pair("8086:10d3 ", &vendor, &device), -EINVAL, "a blank behind");
	tap_int(&t, parse_id_pair("0x8086:10d3", &vendor, &device), -EINVAL, "a prefix");
	return tap_end(&t);
}
