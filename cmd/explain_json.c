// SPDX-License-Identifier: GPL-2.0-or-later
/* An explanation as JSON: all of it. */
#include "explain.h"

typedef struct json_object json;

static void put_string(json *object, const char *key, const char *value)
{
	json_object_object_add(object, key, value ? json_object_new_string(value) : NULL);
}

static void put_state(json *object, const char *key, enum vfiopm_state state)
{
	put_string(object, key, state ? vfiopm_state_name(state) : NULL);
}

static json *mend_json(const struct vfiopm_mend *mend)
{
	static const char *const kinds[] = { "knob", "command", "advice" };
	json *object = json_object_new_object();

	put_string(object, "kind", kinds[vfiopm_mend_get_kind(mend)]);
	put_string(object, "text", vfiopm_mend_get_text(mend));
	put_string(object, "undo", vfiopm_mend_get_undo(mend));
	json_object_object_add(object, "wakes", json_object_new_boolean(vfiopm_mend_wakes(mend)));
	return object;
}

static json *evidence_json(const struct vfiopm_finding *f)
{
	json *array = json_object_new_array();
	const char *file, *value;

	for (size_t i = 0; (file = vfiopm_finding_get_evidence(f, i, &value)); i++) {
		json *object = json_object_new_object();

		put_string(object, "file", file);
		put_string(object, "value", value);
		json_object_array_add(array, object);
	}
	return array;
}

static json *finding_json(const struct vfiopm_finding *f)
{
	json *object = json_object_new_object(), *mends = json_object_new_array();
	const struct vfiopm_mend *mend;

	put_string(object, "rule", vfiopm_finding_get_rule(f));
	put_string(object, "topic", vfiopm_topic_name(vfiopm_finding_get_topic(f)));
	put_string(object, "verdict", vfiopm_verdict_name(vfiopm_finding_get_verdict(f)));
	json_object_object_add(object, "matters",
			       json_object_new_boolean(vfiopm_finding_matters(f)));
	put_string(object, "subject", vfiopm_finding_get_subject(f));
	put_string(object, "text", vfiopm_finding_get_text(f));
	put_string(object, "reason", vfiopm_finding_get_reason(f));
	json_object_object_add(object, "evidence", evidence_json(f));
	for (size_t i = 0; (mend = vfiopm_finding_get_mend(f, i)); i++)
		json_object_array_add(mends, mend_json(mend));
	json_object_object_add(object, "mends", mends);
	put_string(object, "source", vfiopm_finding_get_source(f));
	return object;
}

struct json_object *explain_json(const struct vfiopm_explanation *e)
{
	json *object = json_object_new_object(), *findings = json_object_new_array();
	json *mends = json_object_new_array();
	enum vfiopm_status status = vfiopm_explanation_get_status(e);
	const struct vfiopm_finding *f;
	const struct vfiopm_mend *mend;

	put_string(object, "address", vfiopm_device_get_name(vfiopm_explanation_get_device(e)));
	put_string(object, "outcome", vfiopm_outcome_name(vfiopm_explanation_get_outcome(e)));
	put_state(object, "wanted", vfiopm_explanation_get_want(e));
	put_state(object, "reachable", vfiopm_explanation_get_reachable(e));
	put_state(object, "state", vfiopm_explanation_get_state(e));
	put_string(object, "status", status ? vfiopm_status_name(status) : NULL);
	put_string(object, "sentence", vfiopm_explanation_get_sentence(e));
	for (size_t i = 0; (f = vfiopm_explanation_get_finding(e, i)); i++)
		json_object_array_add(findings, finding_json(f));
	json_object_object_add(object, "findings", findings);
	for (size_t i = 0; (mend = vfiopm_explanation_get_mend(e, i)); i++)
		json_object_array_add(mends, mend_json(mend));
	json_object_object_add(object, "mends", mends);
	return object;
}
