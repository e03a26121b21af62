// SPDX-License-Identifier: GPL-2.0-or-later
/* The power side of a device: each file, what it means, and what it means when it isn't there. */
#include <errno.h>
#include <sys/wait.h>

#include "private.h"
#include "tap.h"
#include "tree.h"

#define DEV "0000:00:02.0"
#define NODE "sys/devices/LNXSYSTM:00/device:00"

static struct vfiopm_device *device(struct vfiopm_ctx *ctx)
{
	struct vfiopm_addr addr = { .device = 2 };
	struct vfiopm_device *dev = NULL;

	vfiopm_device_new(ctx, &addr, &dev);
	return dev;
}

static void names(struct tap *t)
{
	enum vfiopm_state state = VFIOPM_STATE_D1;

	for (int i = VFIOPM_STATE_D0; i <= VFIOPM_STATE_D3COLD; i++) {
		vfiopm_state_parse(vfiopm_state_name((enum vfiopm_state)i), &state);
		tap_int(t, state, i, vfiopm_state_name((enum vfiopm_state)i));
	}
	tap_int(t, vfiopm_state_parse("d3COLD", &state), 0, "case doesn't matter");
	tap_int(t, vfiopm_state_parse("D4", &state), -EINVAL, "no such state");
	tap_int(t, vfiopm_state_parse("unknown", &state), -EINVAL, "unknown is none to ask for");
	tap_int(t, state, VFIOPM_STATE_D3COLD, "the result is untouched");
	tap_str(t, vfiopm_state_name((enum vfiopm_state)99), "unknown", "out of range");
	tap_str(t, vfiopm_status_name((enum vfiopm_status)99), "unknown", "out of range");
	tap_ok(t, VFIOPM_STATE_D3COLD > VFIOPM_STATE_D3HOT && VFIOPM_STATE_D3HOT > VFIOPM_STATE_D0,
	       "the deeper the larger");
}

static void nothing(struct tap *t, const struct vfiopm_device *dev)
{
	struct vfiopm_power *power = NULL;
	int64_t n = 5;

	tap_int(t, vfiopm_power_new(dev, &power), 0, "a device without any attribute");
	tap_int(t, vfiopm_power_get_state(power), VFIOPM_STATE_UNKNOWN, "state");
	tap_int(t, vfiopm_power_get_status(power), VFIOPM_STATUS_UNKNOWN, "status");
	tap_ok(t, !vfiopm_power_is_asleep(power), "not asleep");
	tap_str(t, vfiopm_power_get_control(power), NULL, "control");
	tap_str(t, vfiopm_power_get_wakeup(power), NULL, "wakeup");
	tap_str(t, vfiopm_power_get_acpi_path(power), NULL, "ACPI");
	tap_ok(t, !vfiopm_power_has_d3cold_resources(power), "no power resources");
	tap_int(t, vfiopm_power_get_active_time(power, &n), -ENODATA, "active time");
	tap_int(t, vfiopm_power_get_usage(power, &n), -ENODATA, "usage");
	tap_int(t, vfiopm_power_get_d3cold_allowed(power, &n), -ENODATA, "d3cold_allowed");
	tap_int(t, n, 5, "results untouched");
	vfiopm_power_free(power);
}

static void all(struct tap *t, const struct tree *tree, const struct vfiopm_device *dev)
{
	struct vfiopm_power *power = NULL;
	int64_t n = 0;

	tree_attr(tree, DEV, "power_state", "D3cold\n");
	tree_attr(tree, DEV, "power/runtime_status", "suspended\n");
	tree_attr(tree, DEV, "power/control", "auto\n");
	tree_attr(tree, DEV, "power/runtime_enabled", "enabled\n");
	tree_attr(tree, DEV, "power/wakeup", "disabled\n");
	tree_attr(tree, DEV, "reset_method", "flr bus\n");
	tree_attr(tree, DEV, "power/runtime_active_time", "1000\n");
	tree_attr(tree, DEV, "power/runtime_suspended_time", "3000000000000\n");
	tree_attr(tree, DEV, "power/runtime_usage", "0\n");
	tree_attr(tree, DEV, "power/runtime_active_kids", "2\n");
	tree_attr(tree, DEV, "power/autosuspend_delay_ms", "-1\n");
	tree_attr(tree, DEV, "d3cold_allowed", "1\n");
	tree_attr(tree, DEV, "enable", "1\n");
	tree_file(tree, NODE "/path", "\\_SB_.PCI0.S10_\n");
	tree_file(tree, NODE "/power_state", "D3cold\n");
	tree_file(tree, NODE "/real_power_state", "D0\n");
	tree_link(tree, NODE "/power_resources_D3hot/LNXPOWER:00", "../../LNXPOWER:00");
	tree_link(tree, "sys/bus/pci/devices/" DEV "/firmware_node", "/" NODE);

	vfiopm_power_new(dev, &power);
	tap_int(t, vfiopm_power_get_state(power), VFIOPM_STATE_D3COLD, "state");
	tap_int(t, vfiopm_power_get_status(power), VFIOPM_STATUS_SUSPENDED, "status");
	tap_ok(t, vfiopm_power_is_asleep(power), "asleep");
	tap_str(t, vfiopm_power_get_control(power), "auto", "control");
	tap_str(t, vfiopm_power_get_runtime_enabled(power), "enabled", "runtime_enabled");
	tap_str(t, vfiopm_power_get_wakeup(power), "disabled", "wakeup");
	tap_str(t, vfiopm_power_get_reset_method(power), "flr bus", "reset_method");
	tap_int(t, vfiopm_power_get_active_time(power, &n) + n, 1000, "active time");
	tap_int(t, vfiopm_power_get_suspended_time(power, &n), 0, "suspended time");
	tap_int(t, n, 3000000000000, "of a century");
	tap_int(t, vfiopm_power_get_active_kids(power, &n) + n, 2, "active children");
	tap_int(t, vfiopm_power_get_autosuspend_delay(power, &n), 0, "autosuspend delay");
	tap_int(t, n, -1, "negative: never");
	tap_int(t, vfiopm_power_get_d3cold_allowed(power, &n) + n, 1, "d3cold_allowed");
	tap_int(t, vfiopm_power_get_enable(power, &n) + n, 1, "enable");
	tap_str(t, vfiopm_power_get_acpi_path(power), "\\_SB_.PCI0.S10_", "ACPI node");
	tap_str(t, vfiopm_power_get_acpi_state(power), "D3cold", "its state");
	tap_str(t, vfiopm_power_get_acpi_real_state(power), "D0", "its real state");
	tap_ok(t, vfiopm_power_has_d3cold_resources(power), "it has power resources");
	tap_str(t, vfiopm_power_get_resource(power, 0), "LNXPOWER:00", "their names");
	tap_str(t, vfiopm_power_get_resource(power, 1), NULL, "NULL past the end");
	vfiopm_power_free(power);
}

static void parts(struct tap *t, const struct vfiopm_device *dev)
{
	struct vfiopm_power *power = NULL;
	int64_t n;

	vfiopm_power_new_parts(dev, VFIOPM_POWER_STATE, &power);
	tap_int(t, vfiopm_power_get_state(power), VFIOPM_STATE_D3COLD, "the part asked for");
	tap_str(t, vfiopm_power_get_control(power), NULL, "and no other");
	tap_int(t, vfiopm_power_get_active_time(power, &n), -ENODATA, "is measured");
	vfiopm_power_free(power);
}

static void asleep(struct tap *t, const struct tree *tree, const struct vfiopm_device *dev)
{
	static const struct {
		const char *status, *state;
		bool asleep;
	} cases[] = {
		{ "suspended", "D3hot", true },	  { "suspended", "D3cold", true },
		{ "suspended", "D0", false },	  { "suspended", "D2", false },
		{ "suspended", "unknown", false }, { "active", "D3hot", false },
		{ "resuming", "D3cold", false },  { "suspending", "D3hot", false },
		{ "error", "D3hot", false },	  { "unsupported", "D3cold", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vfiopm_power *power = NULL;

		tree_attr(tree, DEV, "power/runtime_status", cases[i].status);
		tree_attr(tree, DEV, "power_state", cases[i].state);
		vfiopm_power_new(dev, &power);
		tap_ok(t, vfiopm_power_is_asleep(power) == cases[i].asleep, "%s in %s is %s",
		       cases[i].status, cases[i].state, cases[i].asleep ? "asleep" : "not asleep");
		vfiopm_power_free(power);
	}
}

static void waits(struct tap *t, const struct tree *tree, const struct vfiopm_device *dev)
{
	struct vfiopm_power *power = NULL;

	tree_attr(tree, DEV, "power/runtime_status", "active");
	tree_attr(tree, DEV, "power_state", "D0");
	tap_int(t, vfiopm_power_wait_asleep(dev, VFIOPM_STATE_D3HOT, 30, &power), -ETIMEDOUT,
		"awake for all the time");
	tap_int(t, vfiopm_power_get_state(power), VFIOPM_STATE_D0, "the last look is handed out");
	vfiopm_power_free(power);
	tap_int(t, vfiopm_power_wait_active(dev, 30, NULL), 0, "active at once");
	tree_attr(tree, DEV, "power/runtime_status", "suspended");
	tap_int(t, vfiopm_power_wait_asleep(dev, VFIOPM_STATE_D3HOT, 3000, NULL), -EOPNOTSUPP,
		"suspended in D0: no PM capability");
	tap_int(t, vfiopm_power_wait_active(dev, 30, NULL), -ETIMEDOUT, "not active");
	tree_attr(tree, DEV, "power_state", "D3hot");
	tap_int(t, vfiopm_power_wait_asleep(dev, VFIOPM_STATE_D3HOT, 3000, NULL), 0, "in D3hot");
	tap_int(t, vfiopm_power_wait_asleep(dev, VFIOPM_STATE_D3COLD, 30, NULL), -ETIMEDOUT,
		"not in D3cold");
}

/* In the place of an attribute, whole at any time. */
static void replace(const struct tree *tree, const char *attr)
{
	char from[256], to[256];

	snprintf(from, sizeof(from), "%s/%s", tree->root, attr);
	snprintf(to, sizeof(to), "%s/sys/bus/pci/devices/" DEV "/%s", tree->root,
		 !strcmp(attr, "D0") ? "power_state" : "power/runtime_status");
	if (rename(from, to) < 0)
		_exit(1);
}

/* A wake in the kernel's order, some time after a byte came; the next one when told. */
static void wake_when_told(const struct tree *tree, int told)
{
	char byte;

	while (read(told, &byte, 1) == 1) {
		for (volatile int i = (unsigned char)byte * 64; i > 0; i--)
			;
		replace(tree, "resuming");
		replace(tree, "D0");
		replace(tree, "active");
	}
	_exit(0);
}

/* Status and state are two files: what is read of them while it wakes belongs together. */
static void waking(struct tap *t, const struct tree *tree, const struct vfiopm_device *dev)
{
	int torn = 0, tell[2];
	pid_t child;

	if (pipe(tell) < 0)
		tree_die("waking");
	child = fork();
	if (child == 0) {
		close(tell[1]);
		wake_when_told(tree, tell[0]);
	}
	close(tell[0]);
	for (int i = 0; i < 300; i++) {
		enum vfiopm_status status;
		char byte = (char)i;

		tree_attr(tree, DEV, "power/runtime_status", "suspended");
		tree_attr(tree, DEV, "power_state", "D3hot");
		tree_file(tree, "resuming", "resuming");
		tree_file(tree, "D0", "D0");
		tree_file(tree, "active", "active");
		if (write(tell[1], &byte, 1) != 1)
			tree_die("waking");
		do {
			struct vfiopm_power *power;

			if (vfiopm_power_new_parts(dev, VFIOPM_POWER_STATE, &power) < 0)
				tree_die("waking");
			status = vfiopm_power_get_status(power);
			if (status != VFIOPM_STATUS_RESUMING &&
			    vfiopm_power_is_asleep(power) != (status == VFIOPM_STATUS_SUSPENDED))
				torn++;
			vfiopm_power_free(power);
		} while (status != VFIOPM_STATUS_ACTIVE);
	}
	close(tell[1]);
	waitpid(child, NULL, 0);
	tap_int(t, torn, 0, "never seen suspended in D0, nor active in D3hot, while it wakes");
}

int main(void)
{
	struct vfiopm_power *power = NULL;
	struct vfiopm_device *dev;
	struct vfiopm_ctx *ctx;
	struct tap t = { 0 };
	struct tree tree;

	tree_new(&tree);
	tree_device(&tree, NULL, DEV);
	vfiopm_ctx_new(tree.root, &ctx);
	dev = device(ctx);
	names(&t);
	nothing(&t, dev);
	all(&t, &tree, dev);
	parts(&t, dev);
	asleep(&t, &tree, dev);
	waits(&t, &tree, dev);
	waking(&t, &tree, dev);
	tree_unlink(&tree, "sys/bus/pci/devices/" DEV);
	tap_int(&t, vfiopm_power_new(dev, &power), -ENODEV, "the device has gone");
	vfiopm_power_free(NULL);
	vfiopm_device_unref(dev);
	vfiopm_ctx_unref(ctx);
	tree_free(&tree);
	return tap_end(&t);
}
