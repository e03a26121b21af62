/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of devices from the databases of this system. */
#ifndef NAMES_H
#define NAMES_H

#include <stddef.h>

struct name_db;

struct name_db *name_db_new(void);	/* NULL: no memory */
void name_db_free(struct name_db *names);
/* "Intel Corporation 82574L Gigabit Network Connection", in @buf; NULL: the vendor is unknown. */
const char *name_db_lookup(struct name_db *names, unsigned int vendor, unsigned int device,
			   char *buf, size_t size);

#endif /* NAMES_H */
