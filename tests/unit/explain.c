// SPDX-License-Identifier: GPL-2.0-or-later
/* An explanation of a live system waits for what changes by itself: a mocked one that changes. */
#include <sys/wait.h>

#include "private.h"
#include "tap.h"
#include "tree.h"

#define PORT "sys/devices/pci0000:00/0000:00:1c.0/"
#define DEV PORT "0000:01:00.0/"
#define OTHER PORT "0000:01:00.1/"

#define NODE "sys/devices/LNXSYSTM:00/device:00/"

static void device(const struct tree *t, const char *dir, const char *link, const char *driver)
{
	static const char *const files[][2] = {
		{ "vendor", "0x8086\n" },	      { "device", "0x10d3\n" },
		{ "d3cold_allowed", "1\n" },	      { "enable", "0\n" },
		{ "power/control", "auto\n" },	      { "power/runtime_usage", "0\n" },
		{ "power/runtime_active_kids", "0\n" }, { "power/runtime_enabled", "enabled\n" },
		{ "power/autosuspend_delay_ms", "100\n" },
	};
	char path[256], target[256];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s%s", dir, files[i][0]);
		tree_file(t, path, files[i][1]);
	}
	snprintf(path, sizeof(path), "%sdriver", dir);
	snprintf(target, sizeof(target), "/sys/bus/pci/drivers/%s", driver);
	tree_link(t, path, target);
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", link);
	snprintf(target, sizeof(target), "../../../../%.*s", (int)strlen(dir) - 1, dir);
	tree_link(t, path, target);
}

/* Who reads meanwhile finds the old text or the new one, as in sysfs. */
static void replace(const struct tree *t, const char *path, const char *text)
{
	char from[PATH_MAX], to[PATH_MAX];

	tree_file(t, "new", text);
	tree_path(t, "new", from, sizeof(from));
	tree_path(t, path, to, sizeof(to));
	rename(from, to);
}

static void set(const struct tree *t, const char *status, const char *state,
		const char *port_status)
{
	replace(t, DEV "power/runtime_status", status);
	replace(t, DEV "power_state", state);
	replace(t, PORT "power/runtime_status", port_status);
	replace(t, PORT "power_state", "D0\n");
}

static enum vfiopm_outcome explain(struct vfiopm_ctx *ctx, enum vfiopm_status *status)
{
	const struct vfiopm_addr addr = { .bus = 1 };
	enum vfiopm_outcome outcome = VFIOPM_OUTCOME_UNKNOWN;
	struct vfiopm_explanation *e = NULL;
	struct vfiopm_survey *survey = NULL;
	struct vfiopm_device *dev = NULL;

	if (vfiopm_device_new(ctx, &addr, &dev) == 0 && vfiopm_survey_new(ctx, &survey) == 0 &&
	    vfiopm_explain_new(survey, dev, VFIOPM_STATE_D3COLD, 0, 0, &e) == 0) {
		outcome = vfiopm_explanation_get_outcome(e);
		*status = vfiopm_explanation_get_status(e);
		printf("# %s\n", vfiopm_explanation_get_sentence(e));
		vfiopm_explanation_free(e);
	}
	vfiopm_survey_unref(survey);
	vfiopm_device_unref(dev);
	return outcome;
}

/* @wakes: can the other signal PME from D3cold, as @dev can? Negative: nobody has looked. */
static enum vfiopm_state reachable(struct vfiopm_ctx *ctx, bool willing, int wakes)
{
	const struct vfiopm_addr addr = { .bus = 1 }, other = { .bus = 1, .function = 1 };
	enum vfiopm_state state = VFIOPM_STATE_UNKNOWN;
	struct vfiopm_device *dev = NULL, *sibling = NULL;
	struct vfiopm_explanation *e = NULL;
	struct vfiopm_survey *survey = NULL;

	if (vfiopm_device_new(ctx, &addr, &dev) == 0 &&
	    vfiopm_device_new(ctx, &other, &sibling) == 0 &&
	    vfiopm_survey_new(ctx, &survey) == 0 &&
	    (!willing || vfiopm_survey_set_willing(survey, sibling) == 0) &&
	    (wakes < 0 || (vfiopm_survey_set_wakes(survey, dev, true) == 0 &&
			   vfiopm_survey_set_wakes(survey, sibling, wakes) == 0)) &&
	    vfiopm_explain_new(survey, dev, VFIOPM_STATE_D3COLD, 0,
			       VFIOPM_EXPLAIN_ENGAGED | VFIOPM_EXPLAIN_BRIEF, &e) == 0) {
		state = vfiopm_explanation_get_reachable(e);
		printf("# %s\n", vfiopm_explanation_get_sentence(e));
		vfiopm_explanation_free(e);
	}
	vfiopm_survey_unref(survey);
	vfiopm_device_unref(sibling);
	vfiopm_device_unref(dev);
	return state;
}

/* Two functions of a slot below a port with the power, in D3hot by their owner's hand. */
static void two_functions(struct tap *t, const struct tree *tree, struct vfiopm_ctx *ctx)
{
	device(tree, OTHER, "0000:01:00.1", "vfio-pci");
	tree_file(tree, OTHER "class", "0x040300\n");
	tree_dir(tree, OTHER "vfio-dev/vfio1");
	set(tree, "active\n", "D3hot\n", "active\n");
	tree_file(tree, OTHER "power/runtime_status", "active\n");
	tree_file(tree, OTHER "power_state", "D3hot\n");
	replace(tree, DEV "power/runtime_usage", "1\n");
	replace(tree, OTHER "power/runtime_usage", "1\n");
	replace(tree, PORT "power/runtime_active_kids", "2\n");
	tap_int(t, (int)reachable(ctx, false, -1), VFIOPM_STATE_D3HOT,
		"each of two functions keeps the other's power on");
	tap_int(t, (int)reachable(ctx, true, -1), VFIOPM_STATE_D3COLD,
		"but for one that is going to sleep, too");
	replace(tree, DEV "power/wakeup", "enabled\n");
	replace(tree, OTHER "power/wakeup", "enabled\n");
	tap_int(t, (int)reachable(ctx, true, -1), VFIOPM_STATE_UNKNOWN,
		"armed to wake the system: not for sure");
	tap_int(t, (int)reachable(ctx, true, true), VFIOPM_STATE_D3COLD,
		"which both can from D3cold");
	tap_int(t, (int)reachable(ctx, true, false), VFIOPM_STATE_UNKNOWN,
		"or one of them can't, which the kernel needn't have looked at");
	replace(tree, DEV "power/wakeup", "disabled\n");
	replace(tree, OTHER "power/wakeup", "disabled\n");
	replace(tree, OTHER "power/control", "on\n");
	tap_int(t, (int)reachable(ctx, true, -1), VFIOPM_STATE_D3HOT, "if it may");
}

int main(void)
{
	enum vfiopm_status status = VFIOPM_STATUS_UNKNOWN;
	struct vfiopm_ctx *ctx;
	struct tree tree;
	struct tap t = { 0 };
	pid_t child;

	tree_new(&tree);
	device(&tree, PORT, "0000:00:1c.0", "pcieport");
	tree_file(&tree, PORT "class", "0x060400\n");
	device(&tree, DEV, "0000:01:00.0", "vfio-pci");
	tree_file(&tree, DEV "class", "0x020000\n");
	tree_dir(&tree, DEV "vfio-dev/vfio0");
	tree_dir(&tree, NODE "power_resources_D3hot");
	tree_file(&tree, NODE "power_state", "D0\n");
	tree_link(&tree, PORT "firmware_node", "../../LNXSYSTM:00/device:00");
	set(&tree, "suspended\n", "D3cold\n", "resuming\n");
	if (vfiopm_ctx_new(tree.root, &ctx) < 0)
		return 99;
	ctx->foreign = false;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		/* The port waits for its link; then the device takes its time, too. */
		usleep(1700000);
		set(&tree, "suspended\n", "D3cold\n", "active\n");
		usleep(200000);
		set(&tree, "resuming\n", "D3cold\n", "active\n");
		usleep(1300000);
		set(&tree, "active\n", "D0\n", "active\n");
		_exit(0);
	}
	tap_ok(&t, explain(ctx, &status) != VFIOPM_OUTCOME_BLOCKED,
	       "nothing is accused for a resume that takes its time");
	tap_int(&t, (int)status, VFIOPM_STATUS_ACTIVE, "its end was waited for");
	waitpid(child, NULL, 0);

	set(&tree, "suspended\n", "D3cold\n", "active\n");
	tap_int(&t, (int)explain(ctx, &status), VFIOPM_OUTCOME_BLOCKED,
		"one that stays silent is lost");
	set(&tree, "suspended\n", "D3hot\n", "resuming\n");
	tap_int(&t, (int)explain(ctx, &status), VFIOPM_OUTCOME_BLOCKED,
		"a port stays in a transition");
	two_functions(&t, &tree, ctx);
	vfiopm_ctx_unref(ctx);
	tree_free(&tree);
	return tap_end(&t);
}
