// SPDX-License-Identifier: GPL-2.0-or-later
/* Devices and lists of them. */
#include <errno.h>

#include "private.h"
#include "tap.h"
#include "tree.h"

#define PORT "0000:00:1c.0"
#define SWITCH "0000:01:00.0"
#define DEV "0000:02:00.0"
#define SIBLING "0000:02:00.3"

static struct vfiopm_device *device(struct vfiopm_ctx *ctx, const char *name)
{
	struct vfiopm_device *dev = NULL;
	struct vfiopm_addr addr;

	vfiopm_addr_parse(name, &addr);
	vfiopm_device_new(ctx, &addr, &dev);
	return dev;
}

static void build(const struct tree *tree)
{
	tree_device(tree, NULL, PORT);
	tree_device(tree, PORT, SWITCH);
	tree_device(tree, PORT "/" SWITCH, DEV);
	tree_device(tree, PORT "/" SWITCH, SIBLING);
	tree_device(tree, NULL, "0000:00:02.0");
	tree_attr(tree, PORT, "class", "0x060400\n");
	tree_attr(tree, SWITCH, "class", "0x060400\n");
	tree_attr(tree, DEV, "vendor", "0x8086\n");
	tree_attr(tree, DEV, "device", "0x10d3\n");
	tree_attr(tree, DEV, "subsystem_vendor", "0x1043\n");
	tree_attr(tree, DEV, "subsystem_device", "nonsense\n");
	tree_attr(tree, DEV, "class", "0x020000\n");
	tree_attr(tree, DEV, "vfio-dev/vfio3/dev", "511:3\n");
	tree_attr(tree, DEV, "driver_override", "vfio-pci\n");
	tree_attr(tree, SIBLING, "driver_override", "(null)\n");
	tree_attr(tree, DEV, "sriov_numvfs", "2\n");
	tree_link(tree, "sys/bus/pci/devices/" DEV "/virtfn0", "../x");
	tree_link(tree, "sys/bus/pci/devices/" DEV "/virtfn1", "../y");
	tree_link(tree, "sys/bus/pci/devices/" DEV "/driver", "/sys/bus/pci/drivers/vfio-pci");
	tree_link(tree, "sys/bus/pci/devices/" SIBLING "/driver", "/sys/bus/pci/drivers/xhci_hcd");
	tree_link(tree, "sys/bus/pci/devices/" SIBLING "/physfn", "../" DEV);
	tree_link(tree, "sys/bus/pci/devices/" DEV "/iommu_group", "/sys/kernel/iommu_groups/17");
	tree_link(tree, "sys/bus/pci/devices/" SIBLING "/iommu_group", "../../x");
	tree_link(tree, "sys/kernel/iommu_groups/17/devices/" DEV,
		  "/sys/devices/pci0000:00/" PORT "/" SWITCH "/" DEV);
	tree_link(tree, "sys/kernel/iommu_groups/17/devices/" PORT,
		  "/sys/devices/pci0000:00/" PORT);
	tree_file(tree, "sys/bus/pci/devices/not-an-address", "");
}

static void identity(struct tap *t, struct vfiopm_ctx *ctx)
{
	struct vfiopm_device *dev = device(ctx, DEV), *again;
	char *override = NULL;

	tap_str(t, vfiopm_device_get_name(dev), DEV, "name");
	tap_str(t, vfiopm_device_get_syspath(dev),
		"/sys/devices/pci0000:00/" PORT "/" SWITCH "/" DEV, "path inside the root");
	tap_int(t, vfiopm_device_get_vendor(dev), 0x8086, "vendor");
	tap_int(t, vfiopm_device_get_device(dev), 0x10d3, "device");
	tap_int(t, vfiopm_device_get_subvendor(dev), 0x1043, "subsystem vendor");
	tap_int(t, vfiopm_device_get_subdevice(dev), 0xffff, "what isn't readable is ffff");
	tap_int(t, vfiopm_device_get_class(dev), 0x020000, "class");
	tap_ok(t, !vfiopm_device_is_bridge(dev), "no bridge");
	tap_str(t, vfiopm_device_get_driver(dev), "vfio-pci", "driver");
	tap_ok(t, vfiopm_device_is_vfio(dev), "on a VFIO driver");
	tap_int(t, vfiopm_device_get_group(dev), 17, "group");
	tap_str(t, vfiopm_device_get_group_node(dev), "/dev/vfio/17", "the group's node");
	tap_str(t, vfiopm_device_get_cdev_node(dev), "/dev/vfio/devices/vfio3", "its own node");
	tap_int(t, vfiopm_device_get_numvfs(dev), 2, "VFs, by their links");
	tap_str(t, vfiopm_device_get_physfn(dev), NULL, "no VF");
	tap_int(t, vfiopm_device_read_override(dev, &override), 0, "override");
	tap_str(t, override, "vfio-pci", "its value");
	free(override);
	tap_int(t, vfiopm_device_refresh(dev, &again), 0, "a new snapshot");
	tap_str(t, vfiopm_device_get_name(again), DEV, "of the same device");
	vfiopm_device_unref(again);
	vfiopm_device_unref(dev);

	dev = device(ctx, SIBLING);
	tap_ok(t, !vfiopm_device_is_vfio(dev), "on a driver of the host");
	tap_int(t, vfiopm_device_get_group(dev), -1, "a link that is no number is no group");
	tap_str(t, vfiopm_device_get_group_node(dev), NULL, "no node");
	tap_str(t, vfiopm_device_get_cdev_node(dev), NULL, "no own node");
	tap_str(t, vfiopm_device_get_physfn(dev), DEV, "a VF");
	tap_int(t, vfiopm_device_get_numvfs(dev), -1, "no PF");
	tap_int(t, vfiopm_device_get_vendor(dev), 0xffff, "no vendor");
	tap_int(t, vfiopm_device_read_override(dev, &override), 0, "no override");
	tap_str(t, override, NULL, "is NULL");
	vfiopm_device_unref(dev);
}

/* The alias has all of it; where it is cut short or isn't one, each file is asked. */
static void aliases(struct tap *t, const struct tree *tree, struct vfiopm_ctx *ctx)
{
	static const char whole[] = "pci:v00008086d000010D3sv00001043sd00008369bc02sc00i01";
	static const char *const broken[] = {
		"pci:v00008086d000010D3", "pci:v00008086d000010D3sv00001043sd00008369bc02sc00i01x",
		"pci:v10008086d000010D3sv00001043sd00008369bc02sc00i01", "usb:v8086p10D3", "",
	};
	struct vfiopm_device *dev;

	tree_attr(tree, DEV, "modalias", whole);
	tree_attr(tree, DEV, "vendor", "0x1234\n");
	dev = device(ctx, DEV);
	tap_int(t, vfiopm_device_get_vendor(dev), 0x8086, "vendor in the alias");
	tap_int(t, vfiopm_device_get_device(dev), 0x10d3, "device");
	tap_int(t, vfiopm_device_get_subvendor(dev), 0x1043, "subsystem vendor");
	tap_int(t, vfiopm_device_get_subdevice(dev), 0x8369, "subsystem device");
	tap_int(t, vfiopm_device_get_class(dev), 0x020001, "class");
	vfiopm_device_unref(dev);
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		tree_attr(tree, DEV, "modalias", broken[i]);
		dev = device(ctx, DEV);
		tap_int(t, vfiopm_device_get_vendor(dev), 0x1234, broken[i]);
		vfiopm_device_unref(dev);
	}
	tree_attr(tree, DEV, "vendor", "0x8086\n");
	tree_unlink(tree, "sys/bus/pci/devices/" DEV "/modalias");
}

static void noiommu(struct tap *t, const struct tree *tree, struct vfiopm_ctx *ctx)
{
	struct vfiopm_device *dev;

	tree_file(tree, "sys/kernel/iommu_groups/17/name", "vfio-noiommu\n");
	dev = device(ctx, DEV);
	tap_ok(t, vfiopm_device_is_noiommu(dev), "VFIO's own kind of group");
	tap_str(t, vfiopm_device_get_group_node(dev), "/dev/vfio/noiommu-17", "its node");
	vfiopm_device_unref(dev);
	tree_unlink(tree, "sys/kernel/iommu_groups/17/name");
	tree_unlink(tree, "sys/bus/pci/devices/" DEV "/vfio-dev/vfio3/dev");
	dev = device(ctx, DEV);
	tap_str(t, vfiopm_device_get_cdev_node(dev), NULL, "a kernel without the device cdev");
	vfiopm_device_unref(dev);
}

static void lists(struct tap *t, const struct tree *tree, struct vfiopm_ctx *ctx)
{
	static const struct {
		const char *spec;
		int r;
		size_t count;
	} specs[] = {
		{ DEV, 0, 1 },
		{ "02:00.3", 0, 1 },
		{ "8086:10d3", 0, 1 },
		{ "group:17", 0, 1 },	/* the bridge in it is no endpoint */
		{ "/sys/bus/pci/devices/" DEV, 0, 1 },
		{ "/sys/devices/pci0000:00/" PORT "/", 0, 1 },
		{ "03:00.0", -ENODEV, 0 },
		{ "dead:beef", -ENODEV, 0 },
		{ "group:18", -ENODEV, 0 },
		{ "/sys/bus/pci/devices/0000:03:00.0", -ENODEV, 0 },
		{ "/sys/class/net/eth0/device", 0, 1 },
		{ "//sys/class/net/eth0/device/../" DEV "/", 0, 1 },
		{ "/sys/class/net/eth1/device", -ENODEV, 0 },
		{ "/sys/class/net/eth0/device/net", -EINVAL, 0 },
		/* What isn't there, and what is only called so. */
		{ "/sys/nonsense/" DEV, -ENODEV, 0 },
		{ "/sys/bus/other/" DEV, -EINVAL, 0 },
		{ "/sys/class/net/loop/device", -ENODEV, 0 },
		{ "group:-1", -EINVAL, 0 },
		{ "group:", -EINVAL, 0 },
		{ "group:99999999999", -EINVAL, 0 },
		{ "/etc/passwd", -EINVAL, 0 },
		{ "/dev/" DEV, -EINVAL, 0 },
		{ "/", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "eth0", -EINVAL, 0 },
	};
	struct vfiopm_device *dev = device(ctx, DEV), *port = device(ctx, PORT);
	struct vfiopm_list *list;

	tree_link(tree, "sys/class/net/eth0/device", "/sys/bus/pci/devices/" DEV);
	tree_dir(tree, "sys/bus/pci/devices/" DEV "/net");
	tree_link(tree, "sys/class/net/loop/device", "../loop/device");
	tree_dir(tree, "sys/bus/other/" DEV);
	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		list = NULL;
		tap_ok(t, vfiopm_list_new_from_spec(ctx, specs[i].spec, &list) == specs[i].r &&
			       (!list || vfiopm_list_count(list) == specs[i].count),
		       "'%s'", specs[i].spec);
		vfiopm_list_free(list);
	}
	vfiopm_list_new(ctx, false, &list);
	tap_int(t, (long long)vfiopm_list_count(list), 5, "all devices, and nothing else");
	tap_str(t, vfiopm_device_get_name(vfiopm_list_get(list, 0)), "0000:00:02.0", "in order");
	tap_ok(t, !vfiopm_list_get(list, 5), "NULL past the end");
	vfiopm_list_free(list);
	vfiopm_list_new(ctx, true, &list);
	tap_int(t, (long long)vfiopm_list_count(list), 1, "those on a VFIO driver");
	vfiopm_list_free(list);
	vfiopm_list_new_group(ctx, 17, &list);
	tap_int(t, (long long)vfiopm_list_count(list), 2, "a group, bridges too");
	vfiopm_list_free(list);
	vfiopm_list_new_upstream(dev, &list);
	tap_int(t, (long long)vfiopm_list_count(list), 2, "bridges above");
	tap_str(t, vfiopm_device_get_name(vfiopm_list_get(list, 0)), SWITCH, "nearest first");
	tap_str(t, vfiopm_device_get_name(vfiopm_list_get(list, 1)), PORT, "then the root port");
	vfiopm_list_free(list);
	vfiopm_list_new_upstream(port, &list);
	tap_int(t, (long long)vfiopm_list_count(list), 0, "none above a root port");
	vfiopm_list_free(list);
	vfiopm_list_new_siblings(dev, &list);
	tap_int(t, (long long)vfiopm_list_count(list), 1, "siblings");
	tap_str(t, vfiopm_device_get_name(vfiopm_list_get(list, 0)), SIBLING, "not itself");
	vfiopm_list_free(list);
	vfiopm_list_new_children(port, &list);
	tap_int(t, (long long)vfiopm_list_count(list), 1, "children of a bridge, directly below");
	vfiopm_list_free(list);
	vfiopm_device_unref(port);
	vfiopm_device_unref(dev);
}

int main(void)
{
	struct vfiopm_device *dev;
	struct vfiopm_ctx *ctx;
	struct tap t = { 0 };
	struct tree tree;

	tree_new(&tree);
	vfiopm_ctx_new(tree.root, &ctx);
	tap_ok(&t, !device(ctx, DEV), "no sysfs, no device");
	build(&tree);
	identity(&t, ctx);
	aliases(&t, &tree, ctx);
	lists(&t, &tree, ctx);
	noiommu(&t, &tree, ctx);
	/* The context outlives its creator's reference. */
	dev = device(ctx, DEV);
	vfiopm_ctx_unref(ctx);
	tap_int(&t, vfiopm_device_get_vendor(dev), 0x8086, "a device keeps its context");
	vfiopm_device_unref(dev);
	vfiopm_device_unref(NULL);
	vfiopm_list_free(NULL);
	tree_free(&tree);
	return tap_end(&t);
}
