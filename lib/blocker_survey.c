// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The survey: what explanations of several devices share. Facts of the system,
 * each device once, the bridges above it and the devices below, who uses which
 * ACPI power resource, who has what open.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocker.h"

static const char *const sysfacts[N_SYSFACTS] = {
	[FACT_CMDLINE] = "proc/cmdline",
	[FACT_RELEASE] = "proc/sys/kernel/osrelease",
	[FACT_BIOS_DATE] = "sys/class/dmi/id/bios_date",
	[FACT_ACPI] = "sys/firmware/acpi",
};

const char *sysfact_file(enum sysfact which)
{
	return sysfacts[which];
}

/* The parameters that the rules know, and what goes with them. */
static bool is_known_parameter(const char *word, size_t len)
{
	static const char *const known[] = {
		"pcie_port_pm=", "pcie_aspm=", "pcie_aspm.policy=", "pcie_ports=", "acpi=",
		"pci=", "intel_iommu=", "amd_iommu=", "iommu=", "iommu.passthrough=",
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (len > strlen(known[i]) && !strncmp(word, known[i], strlen(known[i])))
			return true;
	return false;
}

/* Command lines carry secrets, and explanations are shown around: the rest is dropped at once. */
static void keep_known_parameters(char *cmdline)
{
	char *out = cmdline;

	for (const char *word = cmdline; *word;) {
		size_t len = strcspn(word, " ");

		if (is_known_parameter(word, len)) {
			if (out != cmdline)
				*out++ = ' ';
			memmove(out, word, len);
			out += len;
		}
		word += len;
		word += strspn(word, " ");
	}
	*out = '\0';
}

const struct fact *survey_fact(struct vfiopm_survey *survey, enum sysfact which)
{
	struct fact *fact = &survey->facts[which];

	if (fact->read)
		return fact;
	fact->read = true;
	if (which == FACT_ACPI)
		fact->err = fact_read_there(survey->ctx, sysfacts[which], &fact->value);
	else
		fact->err = fact_read_text(survey->ctx, sysfacts[which], 4095, &fact->value);
	if (which == FACT_CMDLINE && fact->value)
		keep_known_parameters(fact->value);
	return fact;
}

int survey_has_parameter(struct vfiopm_survey *survey, const char *parameter)
{
	const struct fact *cmdline = survey_fact(survey, FACT_CMDLINE);
	size_t len = strlen(parameter);
	const char *at;

	if (!cmdline->value)
		return -1;
	for (at = cmdline->value; (at = strstr(at, parameter)); at += len)
		if ((at == cmdline->value || at[-1] == ' ') && (!at[len] || at[len] == ' '))
			return 1;
	return 0;
}

/* ---- looks, by address ---- */

static size_t hash_addr(const struct vfiopm_addr *addr)
{
	uint64_t key = (uint64_t)addr->domain << 16 | (uint64_t)addr->bus << 8 |
		       (uint64_t)addr->device << 3 | addr->function;

	return (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 24);
}

static struct look **survey_slot(struct vfiopm_survey *survey, const struct vfiopm_addr *addr)
{
	size_t i = hash_addr(addr);

	for (;; i++) {
		struct look **slot = &survey->table[i & (survey->size - 1)];

		if (!*slot || !vfiopm_addr_cmp(&(*slot)->dev->addr, addr))
			return slot;
	}
}

static int survey_grow(struct vfiopm_survey *survey)
{
	struct look **old = survey->table;
	size_t old_size = survey->size;

	if (survey->count * 2 < survey->size)
		return 0;
	survey->size = old_size ? old_size * 2 : 64;
	survey->table = calloc(survey->size, sizeof(*survey->table));
	if (!survey->table) {
		survey->table = old;
		survey->size = old_size;
		return -ENOMEM;
	}
	for (size_t i = 0; i < old_size; i++)
		if (old[i])
			*survey_slot(survey, &old[i]->dev->addr) = old[i];
	free(old);
	return 0;
}

int survey_look_device(struct vfiopm_survey *survey, struct vfiopm_device *dev, struct look **ret)
{
	struct look **slot, *look;
	int r;

	r = survey_grow(survey);
	if (r < 0)
		return r;
	slot = survey_slot(survey, &dev->addr);
	if (!*slot) {
		look = calloc(1, sizeof(*look));
		if (!look)
			return -ENOMEM;
		look->dir = -1;
		look->dev = vfiopm_device_ref(dev);
		look->survey = survey;
		*slot = look;
		survey->count++;
	}
	*ret = *slot;
	return 0;
}

int vfiopm_survey_set_willing(struct vfiopm_survey *survey, struct vfiopm_device *dev)
{
	struct look *look;
	int r;

	r = survey_look_device(survey, dev, &look);
	if (r == 0)
		look->willing = true;
	return r;
}

int vfiopm_survey_set_wakes(struct vfiopm_survey *survey, struct vfiopm_device *dev,
			    bool from_d3cold)
{
	struct look *look;
	int r;

	r = survey_look_device(survey, dev, &look);
	if (r == 0) {
		look->knows_wakes = true;
		look->wakes = from_d3cold;
	}
	return r;
}

int survey_look(struct vfiopm_survey *survey, const struct vfiopm_addr *addr, struct look **ret)
{
	struct vfiopm_device *dev;
	int r;

	if (survey->size) {
		struct look **slot = survey_slot(survey, addr);

		if (*slot) {
			*ret = *slot;
			return 0;
		}
	}
	r = vfiopm_device_new(survey->ctx, addr, &dev);
	if (r < 0)
		return r;
	r = survey_look_device(survey, dev, ret);
	vfiopm_device_unref(dev);
	return r;
}

static int append(struct look ***array, size_t *n, struct look *look)
{
	struct look **grown = *array;

	/* Powers of two from 4 on. */
	if (*n >= 4 ? !(*n & (*n - 1)) : !*n)
		grown = reallocarray(*array, *n ? *n * 2 : 4, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	*array = grown;
	grown[(*n)++] = look;
	return 0;
}

/* The path of a device in /sys/devices goes through its bridges. */
int survey_ports(struct vfiopm_survey *survey, struct look *look)
{
	char *path, *slash;
	int r = 0;

	if (look->have_ports)
		return 0;
	look->have_ports = true;
	path = strdup(look->dev->syspath);
	if (!path)
		return -ENOMEM;
	slash = strrchr(path, '/');
	while (r == 0 && slash && slash != path && look->n_ports < MAX_PORTS) {
		struct vfiopm_addr addr;
		struct look *port;

		*slash = '\0';
		slash = strrchr(path, '/');
		if (!slash || vfiopm_addr_parse(slash + 1, &addr) < 0)
			break;
		r = survey_look(survey, &addr, &port);
		if (r == 0)
			r = append(&look->ports, &look->n_ports, port);
	}
	free(path);
	return r == -ENOMEM ? r : 0;
}

struct child_walk {
	struct vfiopm_survey *survey;
	struct look *parent;
	int err;		/* of a child */
};

static int take_child(const char *name, void *data)
{
	struct child_walk *walk = data;
	struct vfiopm_addr addr;
	struct look *child;
	const char *service;
	int r;

	/*
	 * "0000:00:1c.0:pcie004": a service of the port; the first digit is the
	 * port's type, the last two are the kind, 04 is native hotplug
	 * (drivers/pci/pcie/portdrv.c, pcie_device_init()).
	 */
	service = strstr(name, ":pcie");
	if (service && strlen(service) == 8 && !strcmp(service + 6, "04") &&
	    strlen(name) < sizeof(walk->parent->hotplug_service))
		strcpy(walk->parent->hotplug_service, name);
	if (vfiopm_addr_parse(name, &addr) < 0)
		return 0;
	r = survey_look(walk->survey, &addr, &child);
	if (r == 0)
		r = append(&walk->parent->children, &walk->parent->n_children, child);
	/* What vanishes, or was made up, is passed over; what can't be looked at is not. */
	if (r < 0 && r != -ENODEV)
		walk->err = r;
	return r == -ENOMEM ? r : 0;
}

static int by_address(const void *a, const void *b)
{
	const struct look *const *x = a, *const *y = b;

	return vfiopm_addr_cmp(&(*x)->dev->addr, &(*y)->dev->addr);
}

/* Have @take see what is in the folder of @look, and put the @looks it found in order. */
static int look_folder(const struct look *look, int (*take)(const char *name, void *data),
		       void *data, struct look ***looks, const size_t *n)
{
	char path[SYSFS_PATH_MAX];
	int r;

	device_path(look->dev, "", path, sizeof(path));
	r = sysfs_foreach(look->dev->ctx, path, take, data);
	if (*n)
		qsort(*looks, *n, sizeof(**looks), by_address);
	return r;
}

int survey_children(struct vfiopm_survey *survey, struct look *look)
{
	struct child_walk walk = { .survey = survey, .parent = look };
	int r;

	if (look->have_children)
		return 0;
	look->have_children = true;
	r = look_folder(look, take_child, &walk, &look->children, &look->n_children);
	if (r == -ENOMEM)
		return r;
	look->children_err = r < 0 ? r : walk.err;
	return 0;
}

static int take_below(struct vfiopm_survey *survey, struct look *top, struct look *parent)
{
	int r = survey_children(survey, parent);

	for (size_t i = 0; r == 0 && i < parent->n_children; i++) {
		struct look *child = parent->children[i];

		if (child->walk == top->walk)
			continue;
		child->walk = top->walk;
		r = append(&top->below, &top->n_below, child);
	}
	return r;
}

/* Each look is met once, so that a tree made of loops ends. */
int survey_below(struct vfiopm_survey *survey, struct look *look)
{
	int r;

	if (look->have_below)
		return 0;
	look->have_below = true;
	look->walk = ++survey->walks;
	r = take_below(survey, look, look);
	for (size_t i = 0; r == 0 && i < look->n_below; i++)
		if (vfiopm_device_is_bridge(look->below[i]->dev))
			r = take_below(survey, look, look->below[i]);
	return r;
}

/* "consumer:pci:0000:01:00.1": a device link (drivers/base/core.c, devlink_add_symlinks()). */
static int take_consumer(const char *name, void *data)
{
	struct look *look = data, *consumer;
	char path[SYSFS_PATH_MAX], *runtime_pm = NULL;
	struct vfiopm_addr addr;
	int r;

	if (strncmp(name, "consumer:pci:", 13) || vfiopm_addr_parse(name + 13, &addr) < 0)
		return 0;
	device_path(look->dev, name, path, sizeof(path) - sizeof("/runtime_pm"));
	strcat(path, "/runtime_pm");
	r = fact_read_text(look->dev->ctx, path, 8, &runtime_pm);
	/* One that takes no part in runtime PM orders system sleep only. */
	if (r == 0 && !strcmp(runtime_pm, "0"))
		r = 1;
	free(runtime_pm);
	if (r == 1)
		return 0;
	r = survey_look(look->survey, &addr, &consumer);
	if (r == 0)
		r = append(&look->consumers, &look->n_consumers, consumer);
	return r == -ENOMEM ? r : 0;
}

int look_consumers(struct look *look)
{
	if (look->have_consumers)
		return 0;
	look->have_consumers = true;
	return look_folder(look, take_consumer, look, &look->consumers, &look->n_consumers);
}

static int take_vf(const char *name, void *data)
{
	struct look *look = data, *vf;
	char path[SYSFS_PATH_MAX], *target = NULL;
	struct vfiopm_addr addr;
	int r;

	if (strncmp(name, "virtfn", 6))
		return 0;
	device_path(look->dev, name, path, sizeof(path));
	r = fact_read_link(look->dev->ctx, path, &target);
	if (r == 0 && vfiopm_addr_parse(target, &addr) < 0)
		r = -EINVAL;
	free(target);
	if (r == 0)
		r = survey_look(look->survey, &addr, &vf);
	if (r == 0)
		r = append(&look->vfs, &look->n_vfs, vf);
	return r == -ENOMEM ? r : 0;
}

int look_vfs(struct look *look)
{
	if (look->have_vfs || !look_text(look, ATTR_NUMVFS))
		return 0;
	look->have_vfs = true;
	return look_folder(look, take_vf, look, &look->vfs, &look->n_vfs);
}

/* ---- who uses which ACPI power resource ---- */

struct user_walk {
	struct vfiopm_survey *survey;
	const char *node;
	int dir;
	int err;		/* why the node's state can't be read */
};

static int take_user(const char *resource, void *data)
{
	struct user_walk *walk = data;
	struct vfiopm_survey *survey = walk->survey;
	struct power_user *grown, *user;

	if (strncmp(resource, "LNXPOWER", 8))
		return 0;
	/* Powers of two from 64 on. */
	grown = survey->users;
	if (survey->n_users >= 64 ? !(survey->n_users & (survey->n_users - 1)) : !survey->n_users)
		grown = reallocarray(survey->users, survey->n_users ? survey->n_users * 2 : 64,
				     sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	survey->users = grown;
	user = &grown[survey->n_users++];
	*user = (struct power_user){ .err = walk->err };
	user->resource = strdup(resource);
	user->node = strdup(walk->node);
	fact_read_link_at(walk->dir, "physical_node", &user->physical);
	return user->resource && user->node ? 0 : -ENOMEM;
}

/* The resources that a node uses are those of the state that it is in. */
static int take_users_of(struct user_walk *walk)
{
	struct vfiopm_ctx *ctx = walk->survey->ctx;
	char state[17], list[40];
	ssize_t n;

	n = sysfs_read_at(ctx, walk->dir, "power_state", state, sizeof(state));
	/* A node that has no states, or has gone. */
	if (n == -ENOENT)
		return 0;
	walk->err = n < 0 ? (int)n : n == 0 ? -ENODATA : 0;
	if (!walk->err && !strcmp(state, "D3cold"))
		return 0;
	snprintf(list, sizeof(list), "power_resources_%.8s", walk->err ? "D0" : state);
	return sysfs_foreach_at(ctx, walk->dir, list, take_user, walk);
}

static int take_node(const char *name, void *data)
{
	struct user_walk walk = { .survey = data, .node = name };
	char path[SYSFS_PATH_MAX];
	int r;

	if (snprintf(path, sizeof(path), "sys/bus/acpi/devices/%s", name) >= (int)sizeof(path))
		return 0;
	walk.dir = sysfs_dir(walk.survey->ctx, path);
	if (walk.dir < 0)
		return 0;
	r = take_users_of(&walk);
	close(walk.dir);
	return r == -ENOMEM ? r : 0;
}

void survey_name_user(struct vfiopm_survey *survey, struct power_user *user)
{
	char path[SYSFS_PATH_MAX];

	if (user->named)
		return;
	user->named = true;
	snprintf(path, sizeof(path), "sys/bus/acpi/devices/%s/path", user->node);
	fact_read_text(survey->ctx, path, 255, &user->path);
}

static int by_resource(const void *a, const void *b)
{
	const struct power_user *x = a, *y = b;
	int r = strcmp(x->resource, y->resource);

	return r ? r : strcmp(x->node, y->node);
}

int survey_users(struct vfiopm_survey *survey)
{
	int r;

	if (survey->have_users)
		return survey->users_err;
	survey->have_users = true;
	r = sysfs_foreach(survey->ctx, "sys/bus/acpi/devices", take_node, survey);
	survey->users_err = r == -ENOENT ? 0 : r;
	if (survey->n_users && r != -ENOMEM)
		qsort(survey->users, survey->n_users, sizeof(survey->users[0]), by_resource);
	return survey->users_err;
}

size_t survey_first_user(const struct vfiopm_survey *survey, const char *resource)
{
	size_t low = 0, high = survey->n_users;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(survey->users[middle].resource, resource) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The processes are looked through once, when the first device is found open. */
const struct vfiopm_owner *survey_owner(struct vfiopm_survey *survey,
					const struct vfiopm_device *dev)
{
	if (!survey->have_owners) {
		survey->have_owners = true;
		if (vfiopm_owners_new(survey->ctx, &survey->owners) < 0)
			survey->owners = NULL;
	}
	return survey->owners ? vfiopm_owners_find(survey->owners, dev, 0) : NULL;
}

/* ---- the survey itself ---- */

int vfiopm_survey_new(struct vfiopm_ctx *ctx, struct vfiopm_survey **ret)
{
	struct vfiopm_survey *survey;

	survey = calloc(1, sizeof(*survey));
	if (!survey)
		return -ENOMEM;
	survey->refs = 1;
	survey->ctx = vfiopm_ctx_ref(ctx);
	*ret = survey;
	return 0;
}

struct vfiopm_survey *survey_ref(struct vfiopm_survey *survey)
{
	survey->refs++;
	return survey;
}

static void look_free(struct look *look)
{
	if (!look)
		return;
	for (size_t i = 0; i < N_ATTRS; i++)
		free(look->facts[i].value);
	for (size_t i = 0; i < look->n_resources; i++)
		free(look->resources[i]);
	free(look->resources);
	free(look->ports);
	free(look->children);
	free(look->below);
	free(look->consumers);
	free(look->vfs);
	vfiopm_device_unref(look->dev);
	free(look);
}

void vfiopm_survey_unref(struct vfiopm_survey *survey)
{
	if (!survey || --survey->refs > 0)
		return;
	for (size_t i = 0; i < survey->size; i++)
		look_free(survey->table[i]);
	free(survey->table);
	for (size_t i = 0; i < N_SYSFACTS; i++)
		free(survey->facts[i].value);
	for (size_t i = 0; i < survey->n_users; i++) {
		free(survey->users[i].resource);
		free(survey->users[i].node);
		free(survey->users[i].path);
		free(survey->users[i].physical);
	}
	free(survey->users);
	vfiopm_owners_free(survey->owners);
	vfiopm_ctx_unref(survey->ctx);
	free(survey);
}
