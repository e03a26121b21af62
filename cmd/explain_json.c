// SPDX-License-Identifier: GPL-2.0-or-later
/* An explanation as JSON: all of it. */
#include "explain.h"
#include "json.h"

typedef struct json_object json;

static void put_state(json *object, const char *key, enum vfiopm_state state)
{
	json_add_text(object, key, state ? vfiopm_state_name(state) : NULL);
}

static json *mend_json(const struct vfiopm_mend *mend)
{
	static const char *const kinds[] = { "knob", "command", "advice" };
	json *object = json_object_new_object();

	json_add_text(object, "kind", kinds[vfiopm_mend_get_kind(mend)]);
	json_add_text(object, "text", vfiopm_mend_get_text(mend));
	json_add_text(object, "undo", vfiopm_mend_get_undo(mend));
	json_object_object_add(object, "wakes", json_object_new_boolean(vfiopm_mend_wakes(mend)));
	json_object_object_add(object, "needed",
			       json_object_new_boolean(vfiopm_mend_is_needed(mend)));
	json_object_object_add(object, "near", json_object_new_boolean(vfiopm_mend_is_near(mend)));
	return object;
}

static json *evidence_json(const struct vfiopm_finding *f)
{
	json *array = json_object_new_array();
	const char *file, *value;

	for (size_t i = 0; (file = vfiopm_finding_get_evidence(f, i, &value)); i++) {
		json *object = json_object_new_object();

		json_add_text(object, "file", file);
		json_add_text(object, "value", value);
		json_object_array_add(array, object);
	}
	return array;
}

static json *finding_json(const struct vfiopm_finding *f)
{
	json *object = json_object_new_object(), *mends = json_object_new_array();
	const struct vfiopm_mend *mend;

	json_add_text(object, "rule", vfiopm_finding_get_rule(f));
	json_add_text(object, "topic", vfiopm_topic_name(vfiopm_finding_get_topic(f)));
	json_add_text(object, "verdict", vfiopm_verdict_name(vfiopm_finding_get_verdict(f)));
	json_object_object_add(object, "matters",
			       json_object_new_boolean(vfiopm_finding_matters(f)));
	json_add_text(object, "subject", vfiopm_finding_get_subject(f));
	json_add_text(object, "text", vfiopm_finding_get_text(f));
	json_add_text(object, "reason", vfiopm_finding_get_reason(f));
	json_object_object_add(object, "evidence", evidence_json(f));
	for (size_t i = 0; (mend = vfiopm_finding_get_mend(f, i)); i++)
		json_object_array_add(mends, mend_json(mend));
	json_object_object_add(object, "mends", mends);
	json_add_text(object, "source", vfiopm_finding_get_source(f));
	return object;
}

struct json_object *explain_json(const struct vfiopm_explanation *e)
{
	json *object = json_object_new_object(), *findings = json_object_new_array();
	json *mends = json_object_new_array();
	enum vfiopm_status status = vfiopm_explanation_get_status(e);
	const struct vfiopm_finding *f;
	const struct vfiopm_mend *mend;

	json_add_text(object, "address", vfiopm_device_get_name(vfiopm_explanation_get_device(e)));
	json_add_text(object, "outcome", vfiopm_outcome_name(vfiopm_explanation_get_outcome(e)));
	put_state(object, "wanted", vfiopm_explanation_get_want(e));
	put_state(object, "reachable", vfiopm_explanation_get_reachable(e));
	put_state(object, "state", vfiopm_explanation_get_state(e));
	json_add_text(object, "status", status ? vfiopm_status_name(status) : NULL);
	json_add_text(object, "sentence", vfiopm_explanation_get_sentence(e));
	for (size_t i = 0; (f = vfiopm_explanation_get_finding(e, i)); i++)
		json_object_array_add(findings, finding_json(f));
	json_object_object_add(object, "findings", findings);
	for (size_t i = 0; (mend = vfiopm_explanation_get_mend(e, i)); i++)
		json_object_array_add(mends, mend_json(mend));
	json_object_object_add(object, "mends", mends);
	return object;
}
