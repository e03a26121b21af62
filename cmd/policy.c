// SPDX-License-Identifier: GPL-2.0-or-later
/* vfio-pm policy: show or set the host's side. */
#include <errno.h>
#include <inttypes.h>
#include <libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "json.h"

enum { KEY_CONTROL = KEY_VERB,
       KEY_D3COLD,
       KEY_CAP,
       KEY_SLOT,
       KEY_PERSIST,
       KEY_FORGET,
       KEY_DRY_RUN };

/* After a write the device may be on its way for as long as a resume takes. */
#define SETTLE_MS 2000

struct input {
	struct device_args devices;
	int control_on, d3cold; /* -1: as it is */
	bool slot, persist, forget, dry_run, json;
};

static const struct argp_option options[] = {
	{ "control", KEY_CONTROL, "auto|on", 0,
	  "Let runtime power management decide, or keep the device awake", 0 },
	{ "d3cold", KEY_D3COLD, "allow|deny", 0, "May the device's power be cut?", 0 },
	{ "cap", KEY_CAP, "STATE", 0,
	  "No deeper than: D3cold is --control=auto --d3cold=allow, D3hot is --d3cold=deny, D0 is "
	  "--control=on",
	  0 },
	{ "slot", KEY_SLOT, NULL, 0, "Every function of the slots, too", 0 },
	{ "persist", KEY_PERSIST, NULL, 0,
	  "Apply it whenever the device gets a driver: a udev rule in " VFIOPM_POLICY_FILE, 0 },
	{ "forget", KEY_FORGET, NULL, 0,
	  "Remove the rules for that address, also of a device that isn't there any more", 0 },
	{ "dry-run", KEY_DRY_RUN, NULL, 0, "Only say what would be done", 0 },
	{ "json", 'J', NULL, 0, "Print JSON", 0 },
	{ 0 }
};

static void parse_choice(struct argp_state *state, const char *name, const char *arg,
			 const char *no, const char *yes, int *ret)
{
	if (strcmp(arg, no) && strcmp(arg, yes))
		argp_error(state, "--%s is %s or %s, not '%s'", name, no, yes, arg);
	*ret = !strcmp(arg, yes);
}

static void parse_cap(struct argp_state *state, const char *arg, struct input *in)
{
	enum vfiopm_state cap = VFIOPM_STATE_UNKNOWN;

	vfiopm_state_parse(arg, &cap);
	switch (cap) {
	case VFIOPM_STATE_D3COLD:
		in->control_on = 0;
		in->d3cold = 1;
		return;
	case VFIOPM_STATE_D3HOT:
		in->d3cold = 0;
		return;
	case VFIOPM_STATE_D0:
		in->control_on = 1;
		return;
	default:
		argp_error(state, "--cap is D3cold, D3hot or D0, not '%s'", arg);
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct input *in = state->input;

	switch (key) {
	case KEY_CONTROL:
		parse_choice(state, "control", arg, "auto", "on", &in->control_on);
		return 0;
	case KEY_D3COLD:
		parse_choice(state, "d3cold", arg, "deny", "allow", &in->d3cold);
		return 0;
	case KEY_CAP:
		parse_cap(state, arg, in);
		return 0;
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &in->devices;
		return 0;
	case KEY_SLOT:
		in->slot = true;
		return 0;
	case KEY_PERSIST:
		in->persist = true;
		return 0;
	case KEY_FORGET:
		in->forget = true;
		return 0;
	case KEY_DRY_RUN:
		in->dry_run = true;
		return 0;
	case 'J':
		in->json = true;
		return 0;
	case ARGP_KEY_END:
		if (in->persist && in->forget)
			argp_error(state, "--persist and --forget exclude each other");
		return 0;
	}
	return devices_parse(key, state, &in->devices, true);
}

static const struct argp_child children[] = { { &group_argp, 0, NULL, 0 }, { 0 } };

const struct argp policy_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "DEVICE...",
	.doc = "Show or set what the host allows: power/control and d3cold_allowed."
	       "\vWriting d3cold_allowed wakes the device, and ends a low power that was entered "
	       "with wakeup: exit status 6 when it doesn't sleep again. --persist without a "
	       "setting persists what is set now.",
	.children = children,
};

static bool changes(const struct input *in)
{
	return in->control_on >= 0 || in->d3cold >= 0 || in->persist || in->forget;
}

/* ---- showing ---- */

struct shown {
	const char *control, *d3cold, *status, *state;
	char persisted[64];
	unsigned int drift;
	int persisted_control, persisted_d3cold; /* -1: not */
	bool has_rule;
};

static void look(const struct vfiopm_device *dev, const struct vfiopm_power *power,
		 struct shown *ret)
{
	int64_t d3cold;

	memset(ret, 0, sizeof(*ret));
	ret->persisted_control = ret->persisted_d3cold = -1;
	ret->control = vfiopm_power_get_control(power);
	if (vfiopm_power_get_d3cold_allowed(power, &d3cold) == 0)
		ret->d3cold = d3cold ? "allow" : "deny";
	ret->status = vfiopm_status_name(vfiopm_power_get_status(power));
	ret->state = vfiopm_state_name(vfiopm_power_get_state(power));
	ret->has_rule = vfiopm_policy_get_persisted(dev, &ret->persisted_control,
						    &ret->persisted_d3cold) == 1;
	ret->drift = vfiopm_policy_get_drift(dev, power);
	if (ret->has_rule)
		snprintf(ret->persisted, sizeof(ret->persisted), "%s%s%s",
			 ret->persisted_control < 0 ? "" : ret->persisted_control ? "on" :
										    "auto",
			 ret->persisted_control >= 0 && ret->persisted_d3cold >= 0 ? "," : "",
			 ret->persisted_d3cold < 0 ? "" : ret->persisted_d3cold ? "allow" :
										  "deny");
}

static const char *drift_text(unsigned int drift)
{
	switch (drift) {
	case 0:
		return "";
	case VFIOPM_DRIFT_CONTROL:
		return "control";
	case VFIOPM_DRIFT_D3COLD:
		return "d3cold";
	default:
		return "control,d3cold";
	}
}

static json_object *shown_json(const struct vfiopm_device *dev, const struct shown *s)
{
	json_object *o = json_object_new_object(), *persisted = NULL, *d3cold = NULL, *drift;
	const char *control = NULL;

	json_object_object_add(o, "address", json_object_new_string(vfiopm_device_get_name(dev)));
	json_object_object_add(o, "control", json_text(s->control));
	json_object_object_add(o, "d3cold_allowed",
			       s->d3cold ? json_object_new_boolean(s->d3cold[0] == 'a') : NULL);
	json_object_object_add(o, "status", json_object_new_string(s->status));
	json_object_object_add(o, "state", json_object_new_string(s->state));
	if (s->has_rule) {
		persisted = json_object_new_object();
		if (s->persisted_control >= 0)
			control = s->persisted_control ? "on" : "auto";
		if (s->persisted_d3cold >= 0)
			d3cold = json_object_new_boolean(s->persisted_d3cold);
		json_object_object_add(persisted, "control", json_text(control));
		json_object_object_add(persisted, "d3cold_allowed", d3cold);
	}
	json_object_object_add(o, "persisted", persisted);
	drift = json_object_new_array();
	if (s->drift & VFIOPM_DRIFT_CONTROL)
		json_object_array_add(drift, json_object_new_string("control"));
	if (s->drift & VFIOPM_DRIFT_D3COLD)
		json_object_array_add(drift, json_object_new_string("d3cold_allowed"));
	json_object_object_add(o, "drift", drift);
	return o;
}

static int shown_line(struct libscols_table *table, const struct vfiopm_device *dev,
		      const struct shown *s)
{
	const char *const data[] = { vfiopm_device_get_name(dev), s->control, s->d3cold, s->status,
				     s->state, s->persisted, drift_text(s->drift) };
	struct libscols_line *line = scols_table_new_line(table, NULL);
	int r = line ? 0 : -ENOMEM;

	for (size_t i = 0; i < sizeof(data) / sizeof(data[0]) && r == 0; i++)
		r = scols_line_set_data(line, i, data[i]);
	return r;
}

static int show(const struct targets *targets, bool json)
{
	static const char *const names[] = { "DEVICE", "CONTROL", "D3COLD", "STATUS", "STATE",
					     "PERSISTED", "DRIFT" };
	json_object *root = json_object_new_object(), *devices = json_object_new_array();
	struct libscols_table *table;
	int code = EXIT_OK, r = 0;

	scols_init_debug(0);
	table = scols_new_table();
	for (size_t i = 0; table && i < sizeof(names) / sizeof(names[0]); i++)
		if (!scols_table_new_column(table, names[i], 0, 0))
			r = -ENOMEM;
	json_object_object_add(root, "devices", devices);
	for (size_t i = 0; i < targets->count && r == 0 && table; i++) {
		const char *name = vfiopm_device_get_name(targets->dev[i]);
		struct vfiopm_power *power;
		struct shown s;
		int failed;

		failed = vfiopm_power_new(targets->dev[i], &power);
		if (failed < 0) {
			msg_cannot("read", name, "%s", strerror(-failed));
			code_merge(&code, failed == -ENODEV ? EXIT_NODEV : EXIT_FAILED);
			continue;
		}
		look(targets->dev[i], power, &s);
		if (json)
			json_object_array_add(devices, shown_json(targets->dev[i], &s));
		else
			r = shown_line(table, targets->dev[i], &s);
		vfiopm_power_free(power);
	}
	if (json)
		puts(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY |
								  JSON_C_TO_STRING_SPACED));
	else if (table && r == 0 && scols_table_get_nlines(table))
		scols_print_table(table);
	json_object_put(root);
	scols_unref_table(table);
	return table && r == 0 ? code : EXIT_FAILED;
}

/* ---- setting ---- */

static int failed(const char *what, const char *name, int r)
{
	switch (r) {
	case -ENODEV:
		msg_cannot(what, name, "the device was removed");
		return EXIT_NODEV;
	case -ENOENT:
		msg_cannot(what, name, "the kernel has no such attribute for it");
		return EXIT_UNUSABLE;
	case -EACCES:
	case -EPERM:
		msg_cannot(what, name, "%s", strerror(-r));
		msg_hint("run it as root");
		return EXIT_FAILED;
	}
	msg_cannot(what, name, "%s", strerror(-r));
	return EXIT_FAILED;
}

static int set_control(const struct input *in, const struct vfiopm_device *dev,
		       const struct vfiopm_power *power)
{
	const char *wanted = in->control_on ? "on" : "auto", *had = vfiopm_power_get_control(power);
	int r;

	if (in->control_on < 0 || (had && !strcmp(had, wanted)))
		return EXIT_OK;
	printf("%s: power/control: %s -> %s%s\n", vfiopm_device_get_name(dev), had ? had : "?",
	       wanted, in->dry_run ? " (not written)" : "");
	if (in->dry_run)
		return EXIT_OK;
	r = vfiopm_policy_set_control(dev, in->control_on);
	return r < 0 ? failed("set power/control of", vfiopm_device_get_name(dev), r) : EXIT_OK;
}

static int set_d3cold(const struct input *in, const struct vfiopm_device *dev,
		      const struct vfiopm_power *power)
{
	bool suspended = vfiopm_power_get_status(power) == VFIOPM_STATUS_SUSPENDED;
	int64_t had = -1;
	int r;

	vfiopm_power_get_d3cold_allowed(power, &had);
	if (in->d3cold < 0 || had == in->d3cold)
		return EXIT_OK;
	if (had < 0)
		return failed("set d3cold_allowed of", vfiopm_device_get_name(dev), -ENOENT);
	printf("%s: d3cold_allowed: %" PRId64 " -> %d%s%s\n", vfiopm_device_get_name(dev), had,
	       in->d3cold, suspended ? ", which wakes it" : "",
	       in->dry_run ? " (not written)" : "");
	if (in->dry_run)
		return EXIT_OK;
	r = vfiopm_policy_set_d3cold(dev, in->d3cold);
	return r < 0 ? failed("set d3cold_allowed of", vfiopm_device_get_name(dev), r) : EXIT_OK;
}

/* How many rules there were, whatever device they were for. */
static int forget(const struct input *in, struct vfiopm_ctx *ctx, const struct vfiopm_addr *addr)
{
	int n = vfiopm_policy_forget_address(ctx, addr, in->dry_run);
	char name[VFIOPM_ADDR_LEN];

	if (n > 0)
		printf("%s: %s %sremoved\n", vfiopm_addr_format(addr, name),
		       n == 1 ? "rule" : "rules", in->dry_run ? "would be " : "");
	return n;
}

/* An address that no device has any more, but a rule: true, it is done with. */
static bool forget_absent(struct app *app, const struct input *in, const char *spec, int *code)
{
	struct vfiopm_device *dev;
	struct vfiopm_addr addr;
	int r;

	if (vfiopm_addr_parse(spec, &addr) < 0)
		return false;
	r = vfiopm_device_new(app->ctx, &addr, &dev);
	if (r == 0)
		vfiopm_device_unref(dev);
	if (r != -ENODEV)
		return false;
	r = forget(in, app->ctx, &addr);
	if (r < 0)
		code_merge(code, failed("forget the policy of", spec, r));
	return r != 0;
}

/* What is left of the arguments are devices to be looked up. */
static void forget_absents(struct app *app, struct input *in, int *code)
{
	size_t left = 0;

	for (size_t i = 0; i < in->devices.count; i++)
		if (!forget_absent(app, in, in->devices.specs[i], code))
			in->devices.specs[left++] = in->devices.specs[i];
	in->devices.count = left;
}

static int remember(const struct input *in, const struct vfiopm_device *dev)
{
	const char *name = vfiopm_device_get_name(dev);
	int control_on = in->control_on, d3cold = in->d3cold, r;
	const char *verb = in->dry_run ? "would be written" : "written";

	if (in->forget) {
		r = forget(in, vfiopm_device_get_ctx(dev), vfiopm_device_get_addr(dev));
		if (r == 0)
			printf("%s: nothing was persisted\n", name);
		return r < 0 ? failed("forget the policy of", name, r) : EXIT_OK;
	}
	if (control_on < 0 && d3cold < 0) {
		struct vfiopm_power *power;
		int64_t allowed;

		r = vfiopm_power_new(dev, &power);
		if (r < 0)
			return failed("read", name, r);
		if (vfiopm_power_get_control(power))
			control_on = !strcmp(vfiopm_power_get_control(power), "on");
		if (vfiopm_power_get_d3cold_allowed(power, &allowed) == 0)
			d3cold = allowed == 1;
		vfiopm_power_free(power);
	}
	r = in->dry_run ? 0 : vfiopm_policy_persist(dev, control_on, d3cold);
	if (r < 0)
		return failed("persist the policy of", name, r);
	printf("%s: rule %s to " VFIOPM_POLICY_FILE "\n", name, verb);
	return EXIT_OK;
}

/* Say where the writes led: a wake ends what was armed, and sleep may come back by itself. */
static int tell_outcome(const struct vfiopm_device *dev, const struct vfiopm_power *before)
{
	bool slept = vfiopm_power_get_status(before) == VFIOPM_STATUS_SUSPENDED;
	struct vfiopm_power *after = NULL;
	bool may_sleep, awake;
	const char *control;
	int r;

	r = vfiopm_power_new(dev, &after);
	if (r < 0)
		return failed("read", vfiopm_device_get_name(dev), r);
	control = vfiopm_power_get_control(after);
	may_sleep = slept && control && !strcmp(control, "auto");
	/* A device that may sleep is given the time to. */
	if (may_sleep) {
		vfiopm_power_free(after);
		after = NULL;
		r = vfiopm_power_wait_asleep(dev, VFIOPM_STATE_D3HOT, SETTLE_MS, &after);
	}
	if (!after)
		return failed("read", vfiopm_device_get_name(dev), r);
	printf("%s: %s %s -> %s %s\n", vfiopm_device_get_name(dev),
	       vfiopm_status_name(vfiopm_power_get_status(before)),
	       vfiopm_state_name(vfiopm_power_get_state(before)),
	       vfiopm_status_name(vfiopm_power_get_status(after)),
	       vfiopm_state_name(vfiopm_power_get_state(after)));
	awake = may_sleep && !vfiopm_power_is_asleep(after);
	if (awake)
		msg_warn("'%s' woke and doesn't sleep again: a low power that was entered with "
			 "wakeup has ended",
			 vfiopm_device_get_name(dev));
	vfiopm_power_free(after);
	return awake ? EXIT_STATE : EXIT_OK;
}

static int apply(const struct input *in, const struct vfiopm_device *dev)
{
	bool sets = in->control_on >= 0 || in->d3cold >= 0;
	struct vfiopm_power *power;
	int code, r;

	r = vfiopm_power_new(dev, &power);
	if (r < 0)
		return failed("read", vfiopm_device_get_name(dev), r);
	/* First what wakes, then what keeps awake or lets sleep. */
	code = set_d3cold(in, dev, power);
	code_merge(&code, set_control(in, dev, power));
	if (code == EXIT_OK && (in->persist || in->forget))
		code = remember(in, dev);
	if (sets && !in->dry_run)
		code_merge(&code, tell_outcome(dev, power));
	vfiopm_power_free(power);
	return code;
}

/* Every function of the slots. */
static int widen(struct targets *targets)
{
	size_t n = targets->count;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		struct vfiopm_list *list;

		r = vfiopm_list_new_siblings(targets->dev[i], &list);
		if (r == 0) {
			r = targets_add(targets, list);
			vfiopm_list_free(list);
		}
	}
	if (r == 0)
		return EXIT_OK;
	msg_error("cannot look up the slot: %s", strerror(-r));
	return EXIT_FAILED;
}

int cmd_policy(struct app *app, int argc, char **argv)
{
	struct input in = { .control_on = -1, .d3cold = -1 };
	struct targets targets;
	int code = EXIT_OK;

	verb_parse(app, argc, argv, &in);
	if (changes(&in) && vfiopm_ctx_is_foreign(app->ctx)) {
		msg_error("--sysroot is for reading: nothing is set or persisted there");
		return EXIT_USAGE;
	}
	if (in.forget && in.control_on < 0 && in.d3cold < 0)
		forget_absents(app, &in, &code);
	code_merge(&code, targets_resolve(app, &in.devices, &targets));
	if (in.slot)
		code_merge(&code, widen(&targets));
	if (changes(&in))
		for (size_t i = 0; i < targets.count; i++)
			code_merge(&code, apply(&in, targets.dev[i]));
	else if (targets.count)
		code_merge(&code, show(&targets, in.json));
	targets_free(&targets);
	return code;
}
