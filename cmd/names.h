/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of devices from the databases of this system. */
#ifndef NAMES_H
#define NAMES_H

#include <stddef.h>

struct names;

struct names *names_new(void);	/* NULL: no memory */
void names_free(struct names *names);
/* "Intel Corporation 82574L Gigabit Network Connection", in @buf; NULL: not even the vendor is known. */
const char *names_lookup(struct names *names, unsigned int vendor, unsigned int device, char *buf,
			 size_t size);

#endif /* NAMES_H */
