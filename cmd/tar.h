/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A writer of tar archives (POSIX.1-2001): plain files, links and folders with
 * neutral owners. An archive library would make each start of the command load
 * a dozen others (libarchive brings libxml2 and ICU), for one verb.
 */
#ifndef TAR_H
#define TAR_H

#include <stdio.h>
#include <time.h>

struct tar {
	FILE *out;
	time_t mtime;	/* of every entry */
};

/* Each returns 0 or a negative errno. Paths are relative; parents needn't be told. */
int tar_file(struct tar *tar, const char *path, const void *content, size_t size);
int tar_link(struct tar *tar, const char *path, const char *target);
int tar_folder(struct tar *tar, const char *path);
/* Two empty blocks. */
int tar_end(struct tar *tar);

#endif /* TAR_H */
