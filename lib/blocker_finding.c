// SPDX-License-Identifier: LGPL-2.1-or-later
/* Findings, their evidence and their mends: made by the rules, read by the caller. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocker.h"

static struct vfiopm_finding *finding_new(struct scene *s, enum vfiopm_verdict verdict,
					  unsigned int routes, const struct look *subject)
{
	struct vfiopm_finding *f;

	if (s->err)
		return NULL;
	f = calloc(1, sizeof(*f));
	if (!f || explanation_add(s->out, f) < 0) {
		free(f);
		s->err = -ENOMEM;
		return NULL;
	}
	f->rule = s->rule;
	f->verdict = verdict;
	f->routes = routes;
	if (subject)
		strcpy(f->subject, subject->dev->name);
	return f;
}

static char *__attribute__((format(printf, 2, 0)))
format(struct scene *s, const char *fmt, va_list args)
{
	char *text;

	if (vasprintf(&text, fmt, args) < 0) {
		s->err = -ENOMEM;
		return NULL;
	}
	return text;
}

static char *copy(struct scene *s, const char *text)
{
	char *new = strdup(text);

	if (!new)
		s->err = -ENOMEM;
	return new;
}

struct vfiopm_finding *found(struct scene *s, enum vfiopm_verdict verdict, unsigned int routes,
			     const struct look *subject, const char *fmt, ...)
{
	struct vfiopm_finding *f;
	va_list args;

	if (s->flags & VFIOPM_EXPLAIN_BRIEF &&
	    (verdict == VFIOPM_VERDICT_PASSES || !(routes & s->routes)))
		return NULL;
	f = finding_new(s, verdict, routes, subject);
	if (!f)
		return NULL;
	va_start(args, fmt);
	f->text = format(s, fmt, args);
	va_end(args);
	return f;
}

struct vfiopm_finding *unmeasured(struct scene *s, unsigned int routes, struct look *subject,
				  enum attr attr, const char *what)
{
	const struct fact *fact = look_fact(subject, attr);
	struct vfiopm_finding *f;

	f = found(s, VFIOPM_VERDICT_UNKNOWN, routes, subject, "%s could not be measured", what);
	if (!f)
		return NULL;
	/* Something stands there, but nothing that the attribute can say. */
	f->reason = copy(s, reason_of(fact->err ? fact->err : -EINVAL));
	quote(s, f, subject, attr);
	return f;
}

struct vfiopm_finding *untold(struct scene *s, unsigned int routes, const struct look *subject,
			      const char *reason, const char *fmt, ...)
{
	struct vfiopm_finding *f;
	va_list args;

	if (s->flags & VFIOPM_EXPLAIN_BRIEF && !(routes & s->routes))
		return NULL;
	f = finding_new(s, VFIOPM_VERDICT_UNKNOWN, routes, subject);
	if (!f)
		return NULL;
	va_start(args, fmt);
	f->text = format(s, fmt, args);
	va_end(args);
	f->reason = copy(s, reason);
	return f;
}

void quote_file(struct scene *s, struct vfiopm_finding *f, const char *file, const char *value)
{
	struct evidence *e;

	if (!f || f->n_evidence == EVIDENCE_MAX || s->flags & VFIOPM_EXPLAIN_BRIEF)
		return;
	e = &f->evidence[f->n_evidence];
	if (asprintf(&e->file, "/%s", file) < 0) {
		e->file = NULL;
		s->err = -ENOMEM;
	}
	e->value = copy(s, value);
	if (!e->file || !e->value) {
		free(e->file);
		free(e->value);
		return;
	}
	f->n_evidence++;
}

void quote(struct scene *s, struct vfiopm_finding *f, struct look *look, enum attr attr)
{
	const struct fact *fact;
	char path[SYSFS_PATH_MAX];

	if (!f || s->flags & VFIOPM_EXPLAIN_BRIEF)
		return;
	fact = look_fact(look, attr);
	device_path(look->dev, attr_file(attr), path, sizeof(path));
	quote_file(s, f, path, fact->value ? fact->value : reason_of(fact->err));
}

void quote_consumer(struct scene *s, struct vfiopm_finding *f, struct look *supplier,
		    struct look *consumer)
{
	char name[sizeof("consumer:pci:") + VFIOPM_ADDR_LEN], path[SYSFS_PATH_MAX];

	snprintf(name, sizeof(name), "consumer:pci:%s", consumer->dev->name);
	device_path(supplier->dev, name, path, sizeof(path));
	quote_file(s, f, path, "there");
}

void quote_fact(struct scene *s, struct vfiopm_finding *f, enum sysfact which)
{
	const struct fact *fact;

	if (!f || s->flags & VFIOPM_EXPLAIN_BRIEF)
		return;
	fact = survey_fact(s->survey, which);
	quote_file(s, f, sysfact_file(which), fact->value ? fact->value : reason_of(fact->err));
}

/* ---- mends ---- */

static void mend_free(struct vfiopm_mend *mend)
{
	if (!mend)
		return;
	free(mend->text);
	free(mend->undo);
	free(mend->path);
	free(mend->value);
	free(mend->old);
	free(mend);
}

static struct vfiopm_mend *mend_add(struct scene *s, struct vfiopm_finding *f,
				    enum vfiopm_mend_kind kind, enum mend_order order)
{
	struct vfiopm_mend **grown, *mend;

	if (!f || s->err)
		return NULL;
	f->curable |= kind != VFIOPM_MEND_ADVICE;
	if (s->flags & VFIOPM_EXPLAIN_BRIEF)
		return NULL;
	mend = calloc(1, sizeof(*mend));
	grown = mend ? reallocarray(f->mends, f->n_mends + 1, sizeof(*grown)) : NULL;
	if (!grown) {
		free(mend);
		s->err = -ENOMEM;
		return NULL;
	}
	mend->kind = kind;
	mend->order = order;
	mend->needed = f->verdict == VFIOPM_VERDICT_BLOCKS;
	f->mends = grown;
	grown[f->n_mends++] = mend;
	return mend;
}

static bool is_near(const struct scene *s, const struct look *look)
{
	for (size_t k = 0; k < s->n_ports; k++)
		if (s->ports[k] == look)
			return true;
	return is_sibling(s, look);
}

void mend_knob(struct scene *s, struct vfiopm_finding *f, struct look *look, enum attr attr,
	       const char *value)
{
	const char *old = look_text(look, attr);
	char path[SYSFS_PATH_MAX];
	struct vfiopm_mend *mend;

	mend = mend_add(s, f, VFIOPM_MEND_KNOB,
			attr == ATTR_WAKEUP ? ORDER_DEVICE :
			attr == ATTR_D3COLD ? ORDER_D3COLD :
			attr == ATTR_DELAY ? ORDER_AUTOSUSPEND : ORDER_CONTROL);
	if (!mend)
		return;
	device_path(look->dev, attr_file(attr), path, sizeof(path));
	mend->wakes = attr_wakes(attr);
	mend->near = is_near(s, look);
	mend->path = copy(s, path);
	mend->value = copy(s, value);
	if (asprintf(&mend->text, "echo %s > /%s", value, path) < 0) {
		mend->text = NULL;
		s->err = -ENOMEM;
	}
	if (!old)
		return;
	mend->old = copy(s, old);
	if (asprintf(&mend->undo, "echo %s > /%s", old, path) < 0) {
		mend->undo = NULL;
		s->err = -ENOMEM;
	}
}

static void __attribute__((format(printf, 5, 0)))
mend_words(struct scene *s, struct vfiopm_finding *f, enum vfiopm_mend_kind kind,
	   enum mend_order order, const char *fmt, va_list args)
{
	struct vfiopm_mend *mend = mend_add(s, f, kind, order);

	if (mend)
		mend->text = format(s, fmt, args);
}

void mend_command(struct scene *s, struct vfiopm_finding *f, enum mend_order order,
		  const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	mend_words(s, f, VFIOPM_MEND_COMMAND, order, fmt, args);
	va_end(args);
}

void mend_advice(struct scene *s, struct vfiopm_finding *f, enum mend_order order,
		 const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	mend_words(s, f, VFIOPM_MEND_ADVICE, order, fmt, args);
	va_end(args);
}

int vfiopm_mend_apply(struct vfiopm_ctx *ctx, const struct vfiopm_mend *mend)
{
	char shown[64];
	ssize_t n;
	int r;

	if (mend->kind != VFIOPM_MEND_KNOB)
		return -EINVAL;
	r = sysfs_write(ctx, mend->path, mend->value);
	if (r < 0)
		return r == -ENOENT ? -ENODEV : r;
	n = sysfs_read(ctx, mend->path, shown, sizeof(shown));
	return n < 0 || strcmp(shown, mend->value) ? -EIO : 0;
}

enum vfiopm_mend_kind vfiopm_mend_get_kind(const struct vfiopm_mend *mend)
{
	return mend->kind;
}

const char *vfiopm_mend_get_text(const struct vfiopm_mend *mend)
{
	return mend->text;
}

const char *vfiopm_mend_get_undo(const struct vfiopm_mend *mend)
{
	return mend->undo;
}

bool vfiopm_mend_wakes(const struct vfiopm_mend *mend)
{
	return mend->wakes;
}

bool vfiopm_mend_is_needed(const struct vfiopm_mend *mend)
{
	return mend->needed;
}

bool vfiopm_mend_is_near(const struct vfiopm_mend *mend)
{
	return mend->near;
}

/* ---- getters ---- */

void finding_free(struct vfiopm_finding *f)
{
	for (size_t i = 0; i < f->n_evidence; i++) {
		free(f->evidence[i].file);
		free(f->evidence[i].value);
	}
	for (size_t i = 0; i < f->n_mends; i++)
		mend_free(f->mends[i]);
	free(f->mends);
	free(f->text);
	free(f->reason);
	free(f);
}

const char *vfiopm_finding_get_rule(const struct vfiopm_finding *f)
{
	return f->rule->id;
}

enum vfiopm_topic vfiopm_finding_get_topic(const struct vfiopm_finding *f)
{
	return f->rule->topic;
}

enum vfiopm_verdict vfiopm_finding_get_verdict(const struct vfiopm_finding *f)
{
	return f->verdict;
}

bool vfiopm_finding_matters(const struct vfiopm_finding *f)
{
	return f->matters;
}

const char *vfiopm_finding_get_subject(const struct vfiopm_finding *f)
{
	return f->subject[0] ? f->subject : NULL;
}

const char *vfiopm_finding_get_text(const struct vfiopm_finding *f)
{
	return f->text;
}

const char *vfiopm_finding_get_reason(const struct vfiopm_finding *f)
{
	return f->reason;
}

const char *vfiopm_finding_get_source(const struct vfiopm_finding *f)
{
	return f->rule->source;
}

const char *vfiopm_finding_get_evidence(const struct vfiopm_finding *f, size_t i,
					const char **value)
{
	if (i >= f->n_evidence)
		return NULL;
	if (value)
		*value = f->evidence[i].value;
	return f->evidence[i].file;
}

const struct vfiopm_mend *vfiopm_finding_get_mend(const struct vfiopm_finding *f, size_t i)
{
	return i < f->n_mends ? f->mends[i] : NULL;
}
