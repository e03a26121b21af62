// SPDX-License-Identifier: GPL-2.0-or-later
/* The file of udev rules: what is put in, and what is taken out again. */
#include <errno.h>

#include "../../lib/private.h"
#include "tap.h"
#include "tree.h"

#define RULES "etc/udev/rules.d/90-vfio-pm.rules"
#define RULE(address, device) \
	"ACTION==\"bind\", SUBSYSTEM==\"pci\", KERNEL==\"" address "\", " \
	"ATTR{vendor}==\"0x8086\", ATTR{device}==\"" device "\", ATTR{power/control}=\"on\"\n"

static const char head[] =
	"# Written by \"vfio-pm policy --persist\", one line a device; "
	"\"vfio-pm policy --forget\" removes it.\n";

/* Does the file hold that? NULL: there is none. */
static bool holds(const struct tree *tree, const char *expected)
{
	char path[128], text[4096] = "";
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/" RULES, tree->root);
	f = fopen(path, "r");
	if (!f)
		return !expected;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	if (!expected || strcmp(text, expected))
		printf("# %s\n", text);
	return expected && !strcmp(text, expected);
}

static void test_rules(struct tap *t, const struct tree *tree, struct vfiopm_device *dev)
{
	const struct vfiopm_addr *addr = vfiopm_device_get_addr(dev);
	struct vfiopm_ctx *ctx = vfiopm_device_get_ctx(dev);
	struct vfiopm_addr absent;
	char text[2048];

	vfiopm_addr_parse("0000:7f:00.0", &absent);
	tap_ok(t, vfiopm_policy_forget(dev) == 0, "no file, nothing to forget");
	snprintf(text, sizeof(text), "%s%s", head, RULE("0000:00:01.0", "0x10d3"));
	tap_ok(t, vfiopm_policy_persist(dev, 1, -1) == 0 && holds(tree, text), "persisted");
	tap_ok(t, vfiopm_policy_forget_address(ctx, addr, true) == 1 && holds(tree, text),
	       "only counted");
	tap_ok(t, vfiopm_policy_forget(dev) == 1 && holds(tree, NULL), "forgotten, with the file");
	/* Two devices that were there before, one that is elsewhere, and one that has gone. */
	snprintf(text, sizeof(text), "%s%s%s%s%s%s", RULE("0000:00:01.0", "0xdead"), "# mine\n",
		 RULE("0000:00:01.0", "0xbeef"), RULE("0000:00:01.1", "0x10d3"),
		 RULE("0000:7f:00.0", "0x10d3"), RULE("0000:00:01.0", "0x10d3"));
	tree_file(tree, RULES, text);
	tap_ok(t, vfiopm_policy_forget_address(ctx, addr, false) == 3 &&
			  holds(tree, "# mine\n" RULE("0000:00:01.1", "0x10d3")
					      RULE("0000:7f:00.0", "0x10d3")),
	       "all of an address go, others stay");
	tap_ok(t, vfiopm_policy_forget_address(ctx, &absent, false) == 1 &&
			  holds(tree, "# mine\n" RULE("0000:00:01.1", "0x10d3")),
	       "of a device that isn't there");
	tap_ok(t, vfiopm_policy_forget_address(ctx, &absent, false) == 0, "once");
	ctx->foreign = true;
	tap_ok(t, vfiopm_policy_forget_address(ctx, &absent, true) == -EROFS, "a foreign root");
}

int main(void)
{
	struct vfiopm_device *dev = NULL;
	struct vfiopm_addr addr;
	struct vfiopm_ctx *ctx;
	struct tap t = { 0 };
	struct tree tree;

	tree_new(&tree);
	tree_dir(&tree, "etc");
	tree_device(&tree, NULL, "0000:00:01.0");
	tree_attr(&tree, "0000:00:01.0", "vendor", "0x8086\n");
	tree_attr(&tree, "0000:00:01.0", "device", "0x10d3\n");
	vfiopm_addr_parse("0000:00:01.0", &addr);
	if (vfiopm_ctx_new(tree.root, &ctx) < 0 || vfiopm_device_new(ctx, &addr, &dev) < 0)
		tree_die("device");
	ctx->foreign = false;
	test_rules(&t, &tree, dev);
	vfiopm_device_unref(dev);
	vfiopm_ctx_unref(ctx);
	tree_free(&tree);
	return tap_end(&t);
}
