/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvfiopm: why a device does not sleep, and reports of it. */
#ifndef VFIOPM_EXPLAIN_H
#define VFIOPM_EXPLAIN_H

#include "handle.h"

VFIOPM_BEGIN_DECLS

/* ---- explain: why a device doesn't reach a state ---------------------------- */

/** enum vfiopm_verdict - what a rule says */
enum vfiopm_verdict {
	VFIOPM_VERDICT_PASSES = 0,	/* not in the way */
	VFIOPM_VERDICT_BLOCKS,		/* in the way */
	VFIOPM_VERDICT_UNKNOWN,		/* could not be measured */
};

/** enum vfiopm_topic - what a rule is about */
enum vfiopm_topic {
	VFIOPM_TOPIC_DEVICE = 0,
	VFIOPM_TOPIC_SLOT,
	VFIOPM_TOPIC_BRIDGE,
	VFIOPM_TOPIC_PLATFORM,
	VFIOPM_TOPIC_GROUP,
	VFIOPM_TOPIC_KERNEL,
};

/** enum vfiopm_outcome - the answer to "does it reach the wanted state?" */
enum vfiopm_outcome {
	VFIOPM_OUTCOME_REACHED = 0,	/* measured: it is in it, or deeper */
	VFIOPM_OUTCOME_REACHABLE,	/* nothing is in the way */
	VFIOPM_OUTCOME_BLOCKED,		/* it can't as things are */
	VFIOPM_OUTCOME_UNKNOWN,		/* what decides could not be measured */
};

/** enum vfiopm_mend_kind - what a mend is */
enum vfiopm_mend_kind {
	VFIOPM_MEND_KNOB = 0,		/* a sysfs attribute: vfiopm_mend_apply() does it */
	VFIOPM_MEND_COMMAND,		/* a shell command */
	VFIOPM_MEND_ADVICE,		/* words: a boot parameter, a firmware setting */
};

/** vfiopm_verdict_name - "passes", "blocks", "unknown". Since: 0.1 */
const char *vfiopm_verdict_name(enum vfiopm_verdict verdict);
/** vfiopm_topic_name - "device", "slot", "bridge", "platform", "group", "kernel". Since: 0.1 */
const char *vfiopm_topic_name(enum vfiopm_topic topic);
/** vfiopm_outcome_name - "reached", "reachable", "blocked", "unknown". Since: 0.1 */
const char *vfiopm_outcome_name(enum vfiopm_outcome outcome);

struct vfiopm_survey;
struct vfiopm_explanation;
struct vfiopm_finding;
struct vfiopm_mend;

/**
 * vfiopm_survey_new - make a survey: what several explanations share
 * @ctx: context
 * @ret: survey, released with vfiopm_survey_unref()
 *
 * Each file is read once for a survey, when a rule first asks for it, so a
 * survey is a snapshot: a second look needs a new one.
 * Return: 0; -ENOMEM.
 * Since: 0.1
 */
int vfiopm_survey_new(struct vfiopm_ctx *ctx, struct vfiopm_survey **ret);
/** vfiopm_survey_unref - drop the caller's reference, NULL is allowed. Since: 0.1 */
void vfiopm_survey_unref(struct vfiopm_survey *survey);

/* Low power is engaged by the caller: being open is no reason. */
#define VFIOPM_EXPLAIN_ENGAGED	(1u << 0)
/* Only what is in the way or couldn't be measured, without evidence and mends; faster. */
#define VFIOPM_EXPLAIN_BRIEF	(1u << 1)

/**
 * vfiopm_survey_settle - tell a survey which devices are going to be explained
 * @survey: survey
 * @dev: devices
 * @n: how many
 * @want: as in vfiopm_explain_new()
 * @flags: VFIOPM_EXPLAIN_*
 *
 * What changes by itself within moments, a transition or an access that is at
 * work, is waited for. Each explanation would take that time for its device;
 * this takes it once for all of them.
 * Return: 0; -ENOMEM.
 * Since: 0.1
 */
int vfiopm_survey_settle(struct vfiopm_survey *survey, struct vfiopm_device *const *dev, size_t n,
			 enum vfiopm_state want, unsigned int flags);

/**
 * vfiopm_survey_set_willing - tell a survey of a device that is going to sleep, too
 * @survey: survey; nothing in it has been explained yet
 * @dev: device, awake; its owner, who has it open, is going to enter low power
 *
 * Of two functions of a slot, or two devices below a port, each keeps the
 * other's power on. Who is going to put both to sleep asks about one with the
 * other willing: what else keeps that one awake is in the way all the same.
 * Return: 0; -ENOMEM.
 * Since: 0.1
 */
int vfiopm_survey_set_willing(struct vfiopm_survey *survey, struct vfiopm_device *dev);

/**
 * vfiopm_survey_set_wakes - tell a survey whether a device can signal PME from D3cold
 * @survey: survey; nothing in it has been explained yet
 * @dev: device
 * @from_d3cold: what vfiopm_device_wakes_from_d3cold() has answered, at any time
 *
 * That stands in config space, which a survey doesn't read since it wakes a
 * device that is asleep. Without this word a device that is to wake the system
 * is one of which that could not be measured.
 * Return: 0; -ENOMEM.
 * Since: 0.1
 */
int vfiopm_survey_set_wakes(struct vfiopm_survey *survey, struct vfiopm_device *dev,
			    bool from_d3cold);

/**
 * vfiopm_explain_new - judge what decides whether a device gets to a state
 * @survey: survey; the explanation keeps a reference
 * @dev: device
 * @want: at least this deep; VFIOPM_STATE_UNKNOWN: the deepest that the
 *        platform offers
 * @watch_ms: 0, or milliseconds for which the device is watched first, which
 *            tells one that is kept busy from one that sleeps
 * @flags: VFIOPM_EXPLAIN_*
 * @ret: explanation, released with vfiopm_explanation_free()
 *
 * Reads sysfs and proc only, and wakes nothing. What the kernel does is taken
 * from its sources: each finding names the place. What is measured beats every
 * rule: a device that is asleep has nothing in its way.
 * Return: 0; -ENODEV; -EROFS: @watch_ms for another system than this; -ENOMEM.
 * Since: 0.1
 */
int vfiopm_explain_new(struct vfiopm_survey *survey, struct vfiopm_device *dev,
		       enum vfiopm_state want, int64_t watch_ms, unsigned int flags,
		       struct vfiopm_explanation **ret);
/** vfiopm_explanation_free - release an explanation, NULL is allowed. Since: 0.1 */
void vfiopm_explanation_free(struct vfiopm_explanation *e);
/** vfiopm_explanation_get_outcome - the answer. Since: 0.1 */
enum vfiopm_outcome vfiopm_explanation_get_outcome(const struct vfiopm_explanation *e);
/** vfiopm_explanation_get_want - the state asked for, resolved. Since: 0.1 */
enum vfiopm_state vfiopm_explanation_get_want(const struct vfiopm_explanation *e);
/** vfiopm_explanation_get_reachable - the deepest that can be reached as things are. Since: 0.1 */
enum vfiopm_state vfiopm_explanation_get_reachable(const struct vfiopm_explanation *e);
/** vfiopm_explanation_get_state - PCI power state when it was looked at. Since: 0.1 */
enum vfiopm_state vfiopm_explanation_get_state(const struct vfiopm_explanation *e);
/** vfiopm_explanation_get_status - runtime PM status when it was looked at. Since: 0.1 */
enum vfiopm_status vfiopm_explanation_get_status(const struct vfiopm_explanation *e);
/** vfiopm_explanation_get_sentence - the answer in one sentence. Since: 0.1 */
const char *vfiopm_explanation_get_sentence(const struct vfiopm_explanation *e);
/** vfiopm_explanation_get_device - the device, no reference taken. Since: 0.1 */
struct vfiopm_device *vfiopm_explanation_get_device(const struct vfiopm_explanation *e);
/**
 * vfiopm_explanation_get_finding - finding number @i, in the order of the rules
 * Return: the explanation's, NULL past the end. Since: 0.1
 */
const struct vfiopm_finding *vfiopm_explanation_get_finding(const struct vfiopm_explanation *e,
							    size_t i);
/** vfiopm_explanation_count_blockers - findings that matter and block. Since: 0.1 */
size_t vfiopm_explanation_count_blockers(const struct vfiopm_explanation *e);
/**
 * vfiopm_explanation_get_mend - mend number @i of all that matter
 *
 * In the order in which to apply them, each once; those that may be needed
 * only (vfiopm_mend_is_needed()) stand last.
 * Return: the explanation's, NULL past the end. Since: 0.1
 */
const struct vfiopm_mend *vfiopm_explanation_get_mend(const struct vfiopm_explanation *e,
						      size_t i);

/** vfiopm_finding_get_rule - the rule's name, e.g. "control". Since: 0.1 */
const char *vfiopm_finding_get_rule(const struct vfiopm_finding *f);
/** vfiopm_finding_get_topic - what it is about. Since: 0.1 */
enum vfiopm_topic vfiopm_finding_get_topic(const struct vfiopm_finding *f);
/** vfiopm_finding_get_verdict - what it says. Since: 0.1 */
enum vfiopm_verdict vfiopm_finding_get_verdict(const struct vfiopm_finding *f);
/**
 * vfiopm_finding_matters - does it decide the answer?
 *
 * Not when it concerns another way to the wanted state than the one that is
 * open, or when what was measured refutes it.
 * Since: 0.1
 */
bool vfiopm_finding_matters(const struct vfiopm_finding *f);
/** vfiopm_finding_get_subject - address that it is about, NULL: the system. Since: 0.1 */
const char *vfiopm_finding_get_subject(const struct vfiopm_finding *f);
/** vfiopm_finding_get_text - one sentence without a full stop. Since: 0.1 */
const char *vfiopm_finding_get_text(const struct vfiopm_finding *f);
/** vfiopm_finding_get_reason - why it could not be measured, else NULL. Since: 0.1 */
const char *vfiopm_finding_get_reason(const struct vfiopm_finding *f);
/** vfiopm_finding_get_source - where the kernel decides so. Since: 0.1 */
const char *vfiopm_finding_get_source(const struct vfiopm_finding *f);
/**
 * vfiopm_finding_get_evidence - file number @i that the verdict rests on
 * @f: finding
 * @i: from 0
 * @value: NULL, or set to what was read, or to why it couldn't be
 * Return: the file's path, NULL past the end. Since: 0.1
 */
const char *vfiopm_finding_get_evidence(const struct vfiopm_finding *f, size_t i,
					const char **value);
/** vfiopm_finding_get_mend - mend number @i of this finding, NULL past the end. Since: 0.1 */
const struct vfiopm_mend *vfiopm_finding_get_mend(const struct vfiopm_finding *f, size_t i);

/** vfiopm_mend_get_kind - what it is. Since: 0.1 */
enum vfiopm_mend_kind vfiopm_mend_get_kind(const struct vfiopm_mend *mend);
/** vfiopm_mend_get_text - the command, or the words. Since: 0.1 */
const char *vfiopm_mend_get_text(const struct vfiopm_mend *mend);
/** vfiopm_mend_get_undo - the command that undoes a knob, else NULL. Since: 0.1 */
const char *vfiopm_mend_get_undo(const struct vfiopm_mend *mend);
/** vfiopm_mend_wakes - does it resume the device? Since: 0.1 */
bool vfiopm_mend_wakes(const struct vfiopm_mend *mend);
/**
 * vfiopm_mend_is_needed - does what it mends stand in the way?
 *
 * false: what it would mend could not be measured, so it may be needed.
 * Since: 0.1
 */
bool vfiopm_mend_is_needed(const struct vfiopm_mend *mend);
/**
 * vfiopm_mend_is_near - is it a knob of the device, of a function of its slot
 * or of a bridge above?
 * Since: 0.1
 */
bool vfiopm_mend_is_near(const struct vfiopm_mend *mend);
/**
 * vfiopm_mend_apply - turn the knob
 * @ctx: context
 * @mend: of the kind VFIOPM_MEND_KNOB
 * Return: 0; -EINVAL: another kind; -EROFS: foreign root; -EACCES; -ENODEV:
 * the device has gone; another error of write(2); -EIO: it was written, and the
 * kernel shows another value or none.
 * Since: 0.1
 */
int vfiopm_mend_apply(struct vfiopm_ctx *ctx, const struct vfiopm_mend *mend);

/**
 * vfiopm_explain_likeliest - the one reason to tell when a device doesn't sleep
 * @dev: device
 * @want: the state that was waited for; VFIOPM_STATE_D3HOT for "asleep"
 * @flags: VFIOPM_EXPLAIN_ENGAGED when low power is engaged
 * @cause: set to a sentence without a full stop, freed by the caller
 * @mend: NULL, or set to a command or advice, freed by the caller, or to NULL
 * Return: 1: a reason is told; 0: none was found, nothing is set; -ENODEV; -ENOMEM.
 * Since: 0.1
 */
int vfiopm_explain_likeliest(struct vfiopm_device *dev, enum vfiopm_state want,
			     unsigned int flags, char **cause, char **mend);

/* ---- report: what the rules read, for another machine ------------------------ */

/** enum vfiopm_report_type - what an entry of a report is */
enum vfiopm_report_type {
	VFIOPM_REPORT_FILE = 0,		/* content: its text */
	VFIOPM_REPORT_LINK,		/* content: its target */
	VFIOPM_REPORT_FOLDER,		/* content: NULL */
};

/**
 * typedef vfiopm_report_fn - receives the entries of a report
 * @data: what vfiopm_report_foreach() was given
 * @type: what it is
 * @path: relative to the root of the report; folders above it aren't told
 * @content: as @type says
 *
 * Return: 0 to go on; anything else ends the walk and is handed back.
 */
typedef int (*vfiopm_report_fn)(void *data, enum vfiopm_report_type type, const char *path,
				const char *content);

/**
 * vfiopm_report_foreach - tell all that explanations of devices rest on
 * @survey: the survey that they were explained with
 * @dev: devices
 * @n: how many
 * @fn: called for each entry
 * @data: handed to @fn
 *
 * A tree of these entries is a root for vfiopm_ctx_new() that gives the same
 * explanations. It holds no serial numbers, host names or UUIDs, and of the
 * kernel's command line only parameters that are known to be harmless. An
 * attribute that could not be read is a dangling link "error:" and the name of
 * its errno.
 * Return: 0; what @fn returned; -ENODEV; -ENOMEM.
 * Since: 0.1
 */
int vfiopm_report_foreach(struct vfiopm_survey *survey, struct vfiopm_device *const *dev, size_t n,
			  vfiopm_report_fn fn, void *data);

VFIOPM_END_DECLS

#endif /* VFIOPM_EXPLAIN_H */
