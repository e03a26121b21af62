/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of `vfio-pm explain` share. */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include <json-c/json.h>
#include <stdio.h>

#include "cmd.h"

struct explain_options {
	enum vfiopm_state want;		/* VFIOPM_STATE_UNKNOWN: the deepest on offer */
	int64_t watch_ms;
	bool all, fix, dry_run, verbose, json;
};

/* explain_tree.c: for people. @out may be a memory stream; @colour as the caller found out. */
void explain_print(FILE *out, const struct vfiopm_explanation *e, bool verbose, bool colour);
/* @title: over those that are needed, where there are any. */
void explain_print_mends(FILE *out, const struct vfiopm_explanation *e, const char *title);
/* explain_json.c: everything. NULL: no memory. */
struct json_object *explain_json(const struct vfiopm_explanation *e);
/* fix.c: turn the knobs that are in the way, look again. Returns an exit code. */
int explain_fix(struct app *app, const struct vfiopm_explanation *e,
		const struct explain_options *options);
/* explain.c */
int explain_exit_code(const struct vfiopm_explanation *e);

#endif /* EXPLAIN_H */
