/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices as a table, pairs, raw text or JSON: lsblk's switches, shared by the verbs that list. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "columns.h"

enum output_format {
	OUTPUT_TABLE,
	OUTPUT_JSON,
	OUTPUT_PAIRS,
	OUTPUT_RAW,
};

#define OUTPUT_COLUMNS_MAX 64

struct output {
	enum output_format format;
	bool noheadings;
	bool list_columns;	/* show what columns there are, nothing else */
	const struct column *column[OUTPUT_COLUMNS_MAX];
	size_t n;		/* 0: the user named none */
	const struct column *sort;
};

/* A child of a verb's argp; its input is a struct output. */
extern const struct argp output_argp;

/* The columns that list shows by default, or all of them. */
void output_set_columns(struct output *out, bool all);
/* Print @n devices; those that have gone meanwhile are left out. Returns an exit code. */
int output_devices(struct app *app, const struct output *out, struct vfiopm_device **dev, size_t n);
int output_list_columns(const struct output *out);

#endif /* OUTPUT_H */
