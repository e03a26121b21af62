// SPDX-License-Identifier: GPL-2.0-or-later
/* What `cycle` shows: progress, a line a cycle, failures, the figures at the end. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cycle.h"

#define BAR_WIDTH 30

static const char *const outcomes[] = {
	[OUTCOME_OK] = "ok",		 [OUTCOME_NOT_ASLEEP] = "not-asleep",
	[OUTCOME_NOT_BACK] = "not-back", [OUTCOME_COMMAND] = "command",
	[OUTCOME_REFUSED] = "refused",	 [OUTCOME_ASKED] = "asked-back",
	[OUTCOME_GONE] = "gone",	 [OUTCOME_KILLED] = "killed",
	[OUTCOME_HUNG] = "hung",
};

static const char *const phase_names[] = { "entry", "fall asleep", "wake", "exit" };
static const char *const phase_keys[] = { "entry", "fall_asleep", "wake", "exit" };

void report_progress(const struct cycle *c, bool last)
{
	const struct cycle_options *o = c->options;
	int64_t elapsed, failures = 0;
	char bar[BAR_WIDTH + 1], time[32];
	int filled;
	double part;

	if (!c->has_progress)
		return;
	if (last) {
		fprintf(stderr, "\r\033[K");
		return;
	}
	elapsed = (monotonic_ns() - c->start_ns) / 1000000;
	part = o->count ? (double)c->number / (double)o->count :
			  (double)elapsed / (double)o->duration_ms;
	filled = part >= 1 ? BAR_WIDTH : (int)(part * BAR_WIDTH);
	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', (size_t)filled);
	bar[BAR_WIDTH] = '\0';
	for (size_t i = 0; i < c->count; i++)
		failures += c->dev[i].failures;
	fprintf(stderr, "\r[%s] %3d %%, cycle %" PRId64 ", %" PRId64 " failed, %s\033[K", bar,
		(int)(part * 100), c->number, failures, format_time(elapsed, time, sizeof(time)));
}

static json_object *milliseconds(int64_t ns)
{
	char text[32];

	if (ns < 0)
		return NULL;
	/* Three decimals as they are, not what a double makes of them. */
	snprintf(text, sizeof(text), "%" PRId64 ".%03d", ns / 1000000, (int)(ns / 1000 % 1000));
	return json_object_new_double_s((double)ns / 1e6, text);
}

static json_object *string_or_null(const char *text)
{
	return text && *text ? json_object_new_string(text) : NULL;
}

static void report_line(const struct cycle *c, const struct cycled *d)
{
	json_object *o;

	if (!c->options->json_lines)
		return;
	o = json_object_new_object();
	json_object_object_add(o, "cycle", json_object_new_int64(c->number));
	json_object_object_add(o, "device",
			       json_object_new_string(vfiopm_device_get_name(d->dev)));
	json_object_object_add(o, "result", json_object_new_string(outcomes[d->outcome]));
	json_object_object_add(o, "state",
			       d->reached ? json_object_new_string(vfiopm_state_name(d->reached)) :
					    NULL);
	for (size_t p = 0; p < N_PHASES; p++)
		json_object_object_add(o, phase_keys[p], milliseconds(d->took_ns[p]));
	json_object_object_add(o, "reason", string_or_null(d->why));
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	fflush(stdout);
	json_object_put(o);
}

static void report_failure(const struct cycle *c, const struct cycled *d)
{
	char *line, *rest, *log;

	report_progress(c, true);
	msg_cannot("cycle", vfiopm_device_get_name(d->dev), "cycle %" PRId64 ": %s", c->number,
		   d->why);
	if (*d->hint)
		msg_hint("%s", d->hint);
	log = d->log && *d->log ? strdup(d->log) : NULL;
	for (line = log ? strtok_r(log, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest))
		msg_error("kernel: %s", line);
	free(log);
}

bool report_step(struct cycle *c)
{
	bool last = false;

	for (size_t i = 0; i < c->count; i++) {
		struct cycled *d = &c->dev[i];

		if (!cycle_counts(c, d))
			continue;
		report_line(c, d);
		if (d->outcome == OUTCOME_OK)
			continue;
		report_failure(c, d);
		code_merge(&c->code, cycle_exit_code(d->outcome));
		last = last || !c->options->keep_going || cycle_is_final(d->outcome);
	}
	report_progress(c, false);
	return last;
}

/* ---- the figures ---- */

static void summaries(const struct cycle *c, size_t i, struct summary *ret)
{
	for (size_t p = 0; p < N_PHASES; p++) {
		struct stats stats;

		journal_stats(&c->journal, i, (enum phase)p, &stats);
		stats_summarize(&stats, &ret[p]);
		stats_free(&stats);
	}
}

static json_object *summary_json(const struct summary *s)
{
	json_object *o;

	if (!s->count)
		return NULL;
	o = json_object_new_object();
	json_object_object_add(o, "count", json_object_new_int64((int64_t)s->count));
	json_object_object_add(o, "min", milliseconds(s->min));
	json_object_object_add(o, "median", milliseconds(s->median));
	json_object_object_add(o, "p95", milliseconds(s->p95));
	json_object_object_add(o, "p99", milliseconds(s->p99));
	json_object_object_add(o, "max", milliseconds(s->max));
	return o;
}

static json_object *device_json(const struct cycle *c, size_t at)
{
	const struct cycled *d = &c->dev[at];
	json_object *o = json_object_new_object(), *failure = NULL;
	struct summary s[N_PHASES];

	summaries(c, at, s);
	json_object_object_add(o, "address",
			       json_object_new_string(vfiopm_device_get_name(d->dev)));
	json_object_object_add(o, "cycles", json_object_new_int64(d->cycles));
	json_object_object_add(o, "failed", json_object_new_int64(d->failures));
	for (size_t i = 0; i < N_PHASES; i++)
		json_object_object_add(o, phase_keys[i], summary_json(&s[i]));
	if (d->first_failed) {
		failure = json_object_new_object();
		json_object_object_add(failure, "cycle", json_object_new_int64(d->first_failed));
		json_object_object_add(failure, "reason", string_or_null(d->first_why));
	}
	json_object_object_add(o, "first_failure", failure);
	return o;
}

static void print_json(struct cycle *c)
{
	json_object *root = json_object_new_object(), *devices = json_object_new_array();
	int flags = c->options->json_lines ? JSON_C_TO_STRING_PLAIN :
					     JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED;

	for (size_t i = 0; i < c->count; i++)
		json_object_array_add(devices, device_json(c, i));
	json_object_object_add(root, "devices", devices);
	json_object_object_add(root, "interrupted", json_object_new_boolean(c->interrupted));
	json_object_object_add(root, "elapsed", milliseconds(monotonic_ns() - c->start_ns));
	puts(json_object_to_json_string_ext(root, flags));
	json_object_put(root);
}

static int add_row(struct libscols_table *table, const struct cycled *d, size_t phase,
		   const struct summary *s)
{
	const int64_t values[] = { s->min, s->median, s->p95, s->p99, s->max };
	struct libscols_line *line = scols_table_new_line(table, NULL);
	char text[64];
	int r;

	if (!line)
		return -ENOMEM;
	snprintf(text, sizeof(text), "%" PRId64, d->cycles);
	r = scols_line_set_data(line, 0, vfiopm_device_get_name(d->dev));
	r |= scols_line_set_data(line, 1, text);
	snprintf(text, sizeof(text), "%" PRId64, d->failures);
	r |= scols_line_set_data(line, 2, text);
	r |= scols_line_set_data(line, 3, phase_names[phase]);
	for (size_t i = 0; i < 5; i++) {
		snprintf(text, sizeof(text), "%.1f", (double)values[i] / 1e6);
		r |= scols_line_set_data(line, 4 + i, s->count ? text : "-");
	}
	return r ? -ENOMEM : 0;
}

static int print_table(struct cycle *c)
{
	static const char *const names[] = { "DEVICE", "CYCLES", "FAILED", "PHASE", "MIN",
					     "MEDIAN", "P95", "P99", "MAX" };
	struct libscols_table *table;
	int r = 0;

	scols_init_debug(0);
	table = scols_new_table();
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!scols_table_new_column(table, names[i], 0,
					    i == 0 || i == 3 ? 0 : SCOLS_FL_RIGHT))
			r = -ENOMEM;
	for (size_t i = 0; i < c->count && r == 0; i++) {
		struct summary s[N_PHASES];

		summaries(c, i, s);
		for (size_t p = 0; p < N_PHASES && r == 0; p++)
			r = add_row(table, &c->dev[i], p, &s[p]);
	}
	if (r == 0)
		r = scols_print_table(table);
	scols_unref_table(table);
	printf("Times in milliseconds.%s\n", c->interrupted ? " Interrupted." : "");
	return r;
}

int report_summary(struct cycle *c)
{
	report_progress(c, true);
	if (c->options->json || c->options->json_lines) {
		print_json(c);
		return EXIT_OK;
	}
	return print_table(c) == 0 ? EXIT_OK : EXIT_FAILED;
}
