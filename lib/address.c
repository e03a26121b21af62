// SPDX-License-Identifier: LGPL-2.1-or-later
/* PCI addresses and IDs: pure parsing and formatting, no file is opened. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "private.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/*
 * Read @min to @max hexadecimal digits at *@text and step over them. strtoul()
 * would take signs, blanks and "0x" as well.
 */
static bool take_hex(const char **text, unsigned int min, unsigned int max, uint32_t *ret)
{
	uint32_t value = 0;
	unsigned int n = 0;

	while (n < max && hex_digit((*text)[n]) >= 0)
		value = value << 4 | (uint32_t)hex_digit((*text)[n++]);
	if (n < min)
		return false;
	*text += n;
	*ret = value;
	return true;
}

static bool take_char(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

static bool parse_bdf(const char *text, uint32_t domain, struct vfiopm_addr *ret)
{
	uint32_t bus, device, function;

	if (!take_hex(&text, 2, 2, &bus) || !take_char(&text, ':') ||
	    !take_hex(&text, 2, 2, &device) || !take_char(&text, '.') ||
	    !take_hex(&text, 1, 1, &function) || *text || device > 31 || function > 7)
		return false;
	ret->domain = domain;
	ret->bus = (uint8_t)bus;
	ret->device = (uint8_t)device;
	ret->function = (uint8_t)function;
	return true;
}

int vfiopm_addr_parse(const char *text, struct vfiopm_addr *ret)
{
	const char *rest = text;
	uint32_t domain;

	if (parse_bdf(text, 0, ret))
		return 0;
	if (take_hex(&rest, 4, 8, &domain) && take_char(&rest, ':') &&
	    parse_bdf(rest, domain, ret))
		return 0;
	return -EINVAL;
}

char *vfiopm_addr_format(const struct vfiopm_addr *addr, char *buf)
{
	snprintf(buf, VFIOPM_ADDR_LEN, "%04x:%02x:%02x.%x", addr->domain, addr->bus,
		 addr->device & 0x1f, addr->function & 0x7);
	return buf;
}

int vfiopm_addr_cmp(const struct vfiopm_addr *a, const struct vfiopm_addr *b)
{
	if (a->domain != b->domain)
		return a->domain < b->domain ? -1 : 1;
	if (a->bus != b->bus)
		return a->bus < b->bus ? -1 : 1;
	if (a->device != b->device)
		return a->device < b->device ? -1 : 1;
	return (int)a->function - (int)b->function;
}

bool vfiopm_addr_same_slot(const struct vfiopm_addr *a, const struct vfiopm_addr *b)
{
	return a->domain == b->domain && a->bus == b->bus && a->device == b->device;
}

int parse_id_pair(const char *text, unsigned int *vendor, unsigned int *device)
{
	uint32_t v, d;

	if (!take_hex(&text, 4, 4, &v) || !take_char(&text, ':') || !take_hex(&text, 4, 4, &d) ||
	    *text)
		return -EINVAL;
	*vendor = v;
	*device = d;
	return 0;
}
