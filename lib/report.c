// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the rules read, as a tree that another machine reads as this one: the
 * devices around one device, their ACPI nodes, group and owner, and a few
 * facts of the system. Everything is on a list: no serial number, host name or
 * UUID is among it, and of the kernel's command line only parameters that are
 * known are handed on, since command lines carry secrets.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocker.h"

struct report {
	struct vfiopm_survey *survey;
	vfiopm_report_fn fn;
	void *data;
	unsigned int owned;	/* devices whose owner is in the report */
};

static int emit(struct report *r, enum vfiopm_report_type type, const char *path,
		const char *content)
{
	return r->fn(r->data, type, path, content);
}

static int emit_line(struct report *r, const char *path, const char *value)
{
	char *line;
	int ret;

	if (asprintf(&line, "%s\n", value) < 0)
		return -ENOMEM;
	ret = emit(r, VFIOPM_REPORT_FILE, path, line);
	free(line);
	return ret;
}

/* Why a file couldn't be read is kept in its place: see recorded_error() in blocker_look.c. */
static int emit_error(struct report *r, const char *path, int err)
{
	char target[32];

	switch (err) {
	case -EIO:
	case -EACCES:
	case -EPERM:
	case -EINVAL:
	case -ENODEV:
		snprintf(target, sizeof(target), "error:%s", strerrorname_np(-err));
		return emit(r, VFIOPM_REPORT_LINK, path, target);
	}
	return 0;
}

/* A file of one line, if it is there. */
static int copy_line(struct report *r, const char *path)
{
	char value[256];
	ssize_t n;

	n = sysfs_read(r->survey->ctx, path, value, sizeof(value));
	if (n < 0)
		return emit_error(r, path, (int)n);
	for (ssize_t i = 0; i < n; i++)
		if ((unsigned char)value[i] < ' ' || value[i] == 0x7f)
			return 0;
	return n > 0 ? emit_line(r, path, value) : 0;
}

/* A link as it stands: sysfs has relative ones only, which stay inside of a report. */
static int copy_link(struct report *r, const char *path)
{
	char dir[SYSFS_PATH_MAX], target[SYSFS_PATH_MAX];
	const char *base = strrchr(path, '/');
	ssize_t n;
	int fd;

	snprintf(dir, sizeof(dir), "%.*s", (int)(base - path), path);
	fd = sysfs_dir(r->survey->ctx, dir);
	if (fd < 0)
		return 0;
	n = sysfs_readlink_at(fd, base + 1, target, sizeof(target));
	close(fd);
	return n > 0 && target[0] != '/' ? emit(r, VFIOPM_REPORT_LINK, path, target) : 0;
}

/* ---- a folder, entry by entry ---- */

struct folder {
	struct report *r;
	const char *path;
	int (*take)(struct folder *folder, const char *name, const char *path);
};

static int take_entry(const char *name, void *data)
{
	struct folder *folder = data;
	char path[SYSFS_PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", folder->path, name) >= (int)sizeof(path))
		return 0;
	return folder->take(folder, name, path);
}

static int walk(struct report *r, const char *path,
		int (*take)(struct folder *folder, const char *name, const char *path))
{
	struct folder folder = { .r = r, .path = path, .take = take };
	int ret;

	ret = sysfs_foreach(r->survey->ctx, path, take_entry, &folder);
	/* What isn't there isn't in the report; what the caller refused ends it. */
	return ret == -ENOENT || ret == -ENOTDIR || ret == -EACCES || ret == -ELOOP ? 0 : ret;
}

/* ---- ACPI ---- */

static int take_resource_link(struct folder *folder, const char *name, const char *path)
{
	return strncmp(name, "LNXPOWER", 8) ? 0 : copy_link(folder->r, path);
}

static int report_node(struct report *r, const char *node)
{
	static const char *const files[] = { "path", "power_state", "real_power_state" };
	static const char *const lists[] = {
		"power_resources_D0", "power_resources_D1", "power_resources_D2",
		"power_resources_D3hot",
	};
	char path[SYSFS_PATH_MAX];
	int ret = 0, fd;

	for (size_t i = 0; i < ARRAY_SIZE(files) && ret == 0; i++) {
		snprintf(path, sizeof(path), "%s/%s", node, files[i]);
		ret = copy_line(r, path);
	}
	for (size_t i = 0; i < ARRAY_SIZE(lists) && ret == 0; i++) {
		snprintf(path, sizeof(path), "%s/%s", node, lists[i]);
		fd = sysfs_path(r->survey->ctx, path);
		if (fd < 0)
			continue;
		close(fd);
		ret = emit(r, VFIOPM_REPORT_FOLDER, path, NULL);
		if (ret == 0)
			ret = walk(r, path, take_resource_link);
	}
	snprintf(path, sizeof(path), "%s/eject", node);
	fd = sysfs_path(r->survey->ctx, path);
	if (fd >= 0) {
		close(fd);
		if (ret == 0)
			ret = emit(r, VFIOPM_REPORT_FILE, path, "");
	}
	snprintf(path, sizeof(path), "%s/physical_node", node);
	return ret == 0 ? copy_link(r, path) : ret;
}

static int real_path(const struct vfiopm_ctx *ctx, const char *path, char *buf, size_t size)
{
	char real[SYSFS_PATH_MAX];
	int fd, ret;

	fd = sysfs_dir(ctx, path);
	if (fd < 0)
		return fd;
	ret = sysfs_real_path(ctx, fd, real, sizeof(real));
	close(fd);
	/* Without the slash in front. */
	if (ret == 0)
		snprintf(buf, size, "%s", real + 1);
	return ret;
}

/* Nodes with power resources may share them with the device's. */
static int take_acpi_device(struct folder *folder, const char *name, const char *path)
{
	struct report *r = folder->r;
	char resources[SYSFS_PATH_MAX], node[SYSFS_PATH_MAX];
	int fd, ret;

	if (snprintf(resources, sizeof(resources), "%s/power_resources_D0", path) >=
	    (int)sizeof(resources))
		return 0;
	fd = sysfs_path(r->survey->ctx, resources);
	if (fd < 0)
		return 0;
	close(fd);
	if (real_path(r->survey->ctx, path, node, sizeof(node)) < 0)
		return 0;
	ret = copy_link(r, path);
	return ret == 0 ? report_node(r, node) : ret;
}

/* ---- a PCI device ---- */

static const char *const device_files[] = {
	"vendor", "device", "subsystem_vendor", "subsystem_device", "class", "revision",
};

static int take_vfio_dev(struct folder *folder, const char *name, const char *path)
{
	char attribute[SYSFS_PATH_MAX];
	int ret;

	if (strncmp(name, "vfio", 4))
		return 0;
	ret = emit(folder->r, VFIOPM_REPORT_FOLDER, path, NULL);
	if (ret == 0 &&
	    snprintf(attribute, sizeof(attribute), "%s/dev", path) < (int)sizeof(attribute))
		ret = copy_line(folder->r, attribute);
	return ret;
}

/* A device link: its own folder is elsewhere, and says whether it takes part in runtime PM. */
static int report_consumer(struct report *r, const char *path)
{
	char file[SYSFS_PATH_MAX], real[SYSFS_PATH_MAX];
	int ret = copy_link(r, path);

	if (ret < 0 || real_path(r->survey->ctx, path, real, sizeof(real)) < 0 ||
	    snprintf(file, sizeof(file), "%s/runtime_pm", real) >= (int)sizeof(file))
		return ret;
	return copy_line(r, file);
}

static int take_device_entry(struct folder *folder, const char *name, const char *path)
{
	struct report *r = folder->r;
	int ret;

	if (!strncmp(name, "virtfn", 6) || !strcmp(name, "physfn") || !strcmp(name, "driver") ||
	    !strcmp(name, "iommu_group") || !strcmp(name, "firmware_node"))
		return copy_link(r, path);
	if (!strncmp(name, "consumer:pci:", 13))
		return report_consumer(r, path);
	/* Its presence makes a PF; to read it takes the device lock. */
	if (!strcmp(name, "sriov_numvfs"))
		return emit(r, VFIOPM_REPORT_FILE, path, "");
	if (strstr(name, ":pcie"))
		return emit(r, VFIOPM_REPORT_FOLDER, path, NULL);
	if (strcmp(name, "vfio-dev"))
		return 0;
	ret = emit(r, VFIOPM_REPORT_FOLDER, path, NULL);
	return ret == 0 ? walk(r, path, take_vfio_dev) : ret;
}

static int report_facts(struct report *r, struct look *look, const char *dir)
{
	char path[SYSFS_PATH_MAX];
	int ret = 0;

	for (int attr = 0; attr < N_ATTRS && ret == 0; attr++) {
		const struct fact *fact;

		if (!attr_is_file((enum attr)attr) ||
		    !strncmp(attr_file((enum attr)attr), "firmware_node/", 14))
			continue;
		fact = look_fact(look, (enum attr)attr);
		if (snprintf(path, sizeof(path), "%s/%s", dir, attr_file((enum attr)attr)) >=
		    (int)sizeof(path))
			continue;
		ret = fact->value ? emit_line(r, path, fact->value) :
				    emit_error(r, path, fact->err);
	}
	for (size_t i = 0; i < ARRAY_SIZE(device_files) && ret == 0; i++)
		if (snprintf(path, sizeof(path), "%s/%s", dir, device_files[i]) <
		    (int)sizeof(path))
			ret = copy_line(r, path);
	return ret;
}

static int report_look(struct report *r, struct look *look)
{
	const char *dir = look->dev->syspath + 1;
	char path[SYSFS_PATH_MAX], node[SYSFS_PATH_MAX];
	int ret;

	if (look->reported)
		return 0;
	look->reported = true;
	device_path(look->dev, "", path, sizeof(path));
	ret = emit(r, VFIOPM_REPORT_FOLDER, dir, NULL);
	if (ret == 0)
		ret = copy_link(r, path);
	if (ret == 0)
		ret = report_facts(r, look, dir);
	if (ret == 0)
		ret = walk(r, dir, take_device_entry);
	device_path(look->dev, "firmware_node", path, sizeof(path));
	if (ret == 0 && real_path(r->survey->ctx, path, node, sizeof(node)) == 0)
		ret = report_node(r, node);
	return ret;
}

/*
 * A device and its VFs, and all below it where it is a bridge: who keeps that
 * awake is looked for there.
 */
static int report_tree(struct report *r, struct look *look)
{
	int ret = report_look(r, look);

	if (ret == 0 && look_vfs(look) == -ENOMEM)
		ret = -ENOMEM;
	for (size_t i = 0; ret == 0 && i < look->n_vfs; i++)
		ret = report_look(r, look->vfs[i]);
	if (ret < 0 || !vfiopm_device_is_bridge(look->dev))
		return ret;
	ret = survey_below(r->survey, look);
	for (size_t i = 0; ret == 0 && i < look->n_below; i++)
		ret = report_look(r, look->below[i]);
	return ret;
}

/* ---- group and owner ---- */

static int take_member(struct folder *folder, const char *name, const char *path)
{
	struct vfiopm_addr addr;
	struct look *look;
	int ret;

	if (vfiopm_addr_parse(name, &addr) < 0)
		return 0;
	ret = copy_link(folder->r, path);
	if (ret < 0)
		return ret;
	ret = survey_look(folder->r->survey, &addr, &look);
	if (ret < 0)
		return ret == -ENOMEM ? ret : 0;
	return report_look(folder->r, look);
}

static int report_group(struct report *r, const struct vfiopm_device *dev)
{
	char path[SYSFS_PATH_MAX];
	int ret;

	if (dev->group < 0)
		return 0;
	snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%d/name", dev->group);
	ret = copy_line(r, path);
	snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%d/devices", dev->group);
	return ret == 0 ? walk(r, path, take_member) : ret;
}

/* Of a process its name, its number and the node that it has open. */
static int report_owner(struct report *r, const struct vfiopm_device *dev)
{
	struct vfiopm_survey *survey = r->survey;
	const struct vfiopm_owner *owner;
	const char *node;
	char path[64];
	int pid, ret;

	owner = survey_owner(survey, dev);
	if (!owner)
		return 0;
	node = vfiopm_owner_get_via(owner) == VFIOPM_VIA_CDEV ?
		vfiopm_device_get_cdev_node(dev) : vfiopm_device_get_group_node(dev);
	if (!node)
		return 0;
	pid = (int)vfiopm_owner_get_pid(owner);
	snprintf(path, sizeof(path), "proc/%d/comm", pid);
	ret = emit_line(r, path, vfiopm_owner_get_comm(owner));
	/* One process may have several; which number it has there tells nothing. */
	snprintf(path, sizeof(path), "proc/%d/fd/%u", pid, 3 + r->owned++);
	return ret == 0 ? emit(r, VFIOPM_REPORT_LINK, path, node) : ret;
}

/* ---- the system ---- */

static int report_cmdline(struct report *r)
{
	const struct fact *cmdline = survey_fact(r->survey, FACT_CMDLINE);

	if (!cmdline->value)
		return emit_error(r, sysfact_file(FACT_CMDLINE), cmdline->err);
	/* A line of one blank stays readable, where an empty file counts as unreadable. */
	return emit_line(r, sysfact_file(FACT_CMDLINE), *cmdline->value ? cmdline->value : " ");
}

static int take_slot_file(struct folder *folder, const char *name, const char *path)
{
	if (!strcmp(name, "address"))
		return copy_line(folder->r, path);
	/* Their presence counts; to read them may ask the hardware. */
	for (size_t i = 0; i < N_HOTPLUG_SLOT_FILES; i++)
		if (!strcmp(name, hotplug_slot_files[i]))
			return emit(folder->r, VFIOPM_REPORT_FILE, path, "");
	return 0;
}

static int take_slot(struct folder *folder, const char *name, const char *path)
{
	return walk(folder->r, path, take_slot_file);
}

static int report_system(struct report *r)
{
	static const enum sysfact lines[] = { FACT_RELEASE, FACT_BIOS_DATE };
	int ret;

	ret = report_cmdline(r);
	for (size_t i = 0; i < ARRAY_SIZE(lines) && ret == 0; i++) {
		const struct fact *fact = survey_fact(r->survey, lines[i]);

		ret = fact->value ? emit_line(r, sysfact_file(lines[i]), fact->value) :
				    emit_error(r, sysfact_file(lines[i]), fact->err);
	}
	if (ret == 0 && survey_fact(r->survey, FACT_ACPI)->value)
		ret = emit(r, VFIOPM_REPORT_FOLDER, sysfact_file(FACT_ACPI), NULL);
	/* Which vfio-pm-pci is loaded, as far as its build says so. */
	if (ret == 0)
		ret = copy_line(r, "sys/module/vfio_pm_pci/version");
	if (ret == 0)
		ret = copy_line(r, "sys/module/vfio_pm_pci/srcversion");
	if (ret == 0)
		ret = walk(r, "sys/bus/pci/slots", take_slot);
	return ret == 0 ? walk(r, "sys/bus/acpi/devices", take_acpi_device) : ret;
}

/* Of the kernel's configuration the one line that counts. */
static int report_config(struct report *r)
{
	char file[128] = "";
	int set = survey_config_pm(r->survey, file, sizeof(file));

	if (set < 0)
		return 0;
	return emit_line(r, file, set ? "CONFIG_PM=y" : "# CONFIG_PM is not set");
}

/* The PCI devices that use power resources: another one's may be among them. */
static int report_users(struct report *r)
{
	struct vfiopm_survey *survey = r->survey;
	int ret = survey_users(survey);

	for (size_t i = 0; ret == 0 && i < survey->n_users; i++) {
		struct vfiopm_addr addr;
		struct look *look;

		if (!survey->users[i].physical ||
		    vfiopm_addr_parse(survey->users[i].physical, &addr) < 0)
			continue;
		ret = survey_look(survey, &addr, &look);
		if (ret == 0)
			ret = report_tree(r, look);
		else if (ret != -ENOMEM)
			ret = 0;
	}
	return ret;
}

static int report_device(struct report *r, struct vfiopm_device *dev)
{
	struct look *look;
	int ret;

	ret = survey_look_device(r->survey, dev, &look);
	if (ret == 0)
		ret = survey_ports(r->survey, look);
	if (ret == 0)
		ret = report_tree(r, look);
	for (size_t k = 0; ret == 0 && k < look->n_ports; k++)
		ret = report_tree(r, look->ports[k]);
	if (ret == 0 && look_consumers(look) == -ENOMEM)
		ret = -ENOMEM;
	for (size_t i = 0; ret == 0 && i < look->n_consumers; i++)
		ret = report_look(r, look->consumers[i]);
	if (ret == 0)
		ret = report_group(r, dev);
	if (ret == 0 && !look_has_pm(look))
		ret = report_config(r);
	return ret == 0 ? report_owner(r, dev) : ret;
}

int vfiopm_report_foreach(struct vfiopm_survey *survey, struct vfiopm_device *const *dev, size_t n,
			  vfiopm_report_fn fn, void *data)
{
	struct report r = { .survey = survey, .fn = fn, .data = data };
	int ret = report_system(&r);

	for (size_t i = 0; i < n && ret == 0; i++)
		ret = report_device(&r, dev[i]);
	return ret == 0 ? report_users(&r) : ret;
}
