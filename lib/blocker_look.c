// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the rules look at: attributes of devices and of the system, each read
 * once for a survey and kept with the reason when it couldn't be read. Nothing
 * here resumes a device or its port, and nothing takes the device lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocker.h"

/* A word or a few; ACPI paths are the longest. */
#define ATTR_LEN_MAX 255

enum kind { KIND_TEXT, KIND_LINK, KIND_THERE };

static const struct {
	const char *file;
	enum kind kind;
	bool wakes;		/* a write resumes the device */
} attrs[N_ATTRS] = {
	[ATTR_STATUS] = { "power/runtime_status" },
	[ATTR_STATE] = { "power_state" },
	[ATTR_CONTROL] = { "power/control" },
	[ATTR_USAGE] = { "power/runtime_usage" },
	[ATTR_KIDS] = { "power/runtime_active_kids" },
	[ATTR_ENABLED] = { "power/runtime_enabled" },
	[ATTR_DELAY] = { "power/autosuspend_delay_ms" },
	[ATTR_ACTIVE_TIME] = { "power/runtime_active_time" },
	[ATTR_SUSPENDED_TIME] = { "power/runtime_suspended_time" },
	[ATTR_WAKEUP] = { "power/wakeup" },
	/* drivers/pci/pci-sysfs.c, d3cold_allowed_store() */
	[ATTR_D3COLD] = { "d3cold_allowed", KIND_TEXT, true },
	[ATTR_ENABLE] = { "enable" },
	[ATTR_RESET] = { "reset_method" },
	[ATTR_NUMVFS] = { "virtfn0", KIND_LINK },
	[ATTR_DRIVER] = { "driver", KIND_LINK },
	[ATTR_PHYSFN] = { "physfn", KIND_LINK },
	[ATTR_VFIO_DEV] = { "vfio-dev", KIND_THERE },
	[ATTR_NODE] = { "firmware_node", KIND_LINK },
	[ATTR_NODE_PATH] = { "firmware_node/path" },
	[ATTR_NODE_STATE] = { "firmware_node/power_state" },
	[ATTR_NODE_REAL] = { "firmware_node/real_power_state" },
	[ATTR_NODE_EJECT] = { "firmware_node/eject", KIND_THERE },
	[ATTR_NODE_D3HOT] = { "firmware_node/power_resources_D3hot", KIND_THERE },
	[ATTR_ACCOUNT] = { "vfio_pm/account", KIND_THERE },
};

static const char *const sysfacts[N_SYSFACTS] = {
	[FACT_CMDLINE] = "proc/cmdline",
	[FACT_RELEASE] = "proc/sys/kernel/osrelease",
	[FACT_BIOS_DATE] = "sys/class/dmi/id/bios_date",
	[FACT_ACPI] = "sys/firmware/acpi",
};

const char *attr_file(enum attr attr)
{
	return attrs[attr].file;
}

bool attr_wakes(enum attr attr)
{
	return attrs[attr].wakes;
}

const char *sysfact_file(enum sysfact which)
{
	return sysfacts[which];
}

const char *reason_of(int err)
{
	switch (err) {
	case -ENOENT:
	case -ENOTDIR:
		return "no such file";
	case -EACCES:
	case -EPERM:
		return "permission denied";
	case -ELOOP:
		return "a loop of links";
	case -ENODATA:
		return "the file is empty";
	case -EFBIG:
		return "the file is too long";
	case -EILSEQ:
		return "not a text";
	case -EINVAL:
		return "no value that this attribute can have";
	case -EISDIR:
	case -EMEDIUMTYPE:
		return "no regular file";
	case -EIO:
		return "input/output error";
	}
	return strerrordesc_np(-err) ? strerrordesc_np(-err) : "unknown error";
}

/*
 * Last component of a link's target, which isn't followed. The way to the link
 * is resolved inside the root.
 */
static ssize_t link_of(const struct vfiopm_ctx *ctx, const char *path, char *buf, size_t size)
{
	const char *base = strrchr(path, '/');
	char dir[SYSFS_PATH_MAX];
	ssize_t n;
	int fd;

	snprintf(dir, sizeof(dir), "%.*s", (int)(base - path), path);
	fd = sysfs_dir(ctx, dir);
	if (fd < 0)
		return fd;
	n = sysfs_link_at(fd, base + 1, buf, size);
	close(fd);
	return n;
}

/*
 * A report of another machine keeps the error of an attribute that couldn't be
 * read there as a dangling link "error:EIO" in its place: EIO of
 * autosuspend_delay_ms, for one, says that autosuspend isn't in use.
 */
static int recorded_error(const struct vfiopm_ctx *ctx, const char *path)
{
	static const int known[] = { EIO, EACCES, EPERM, EINVAL, ENODEV };
	char target[32];

	if (!ctx->foreign || link_of(ctx, path, target, sizeof(target)) < 0 ||
	    strncmp(target, "error:", 6))
		return -ENOENT;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(target + 6, strerrorname_np(known[i])))
			return -known[i];
	return -ENOENT;
}

static bool is_text(const char *value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)value[i] < ' ' || value[i] == 0x7f)
			return false;
	return true;
}

/* Attributes are short; of the kernel command line a page is kept. */
static int read_text(const struct vfiopm_ctx *ctx, const char *path, size_t limit, char **ret)
{
	char buf[4097];
	ssize_t n;

	n = sysfs_read(ctx, path, buf, limit + 1 < sizeof(buf) ? limit + 2 : sizeof(buf));
	if (n == -ENOENT)
		n = recorded_error(ctx, path);
	/* What sysfs.c says of a FIFO or a device below a foreign root. */
	if (n == -EINVAL && ctx->foreign)
		n = -EMEDIUMTYPE;
	if (n < 0)
		return (int)n;
	if (n == 0)
		return -ENODATA;
	if ((size_t)n > limit)
		return -EFBIG;
	if (!is_text(buf, (size_t)n))
		return -EILSEQ;
	*ret = strdup(buf);
	return *ret ? 0 : -ENOMEM;
}

static int read_link(const struct vfiopm_ctx *ctx, const char *path, char **ret)
{
	char name[256];
	ssize_t n;

	n = link_of(ctx, path, name, sizeof(name));
	if (n < 0)
		return n == -EINVAL ? -EMEDIUMTYPE : (int)n;
	if (!is_text(name, (size_t)n))
		return -EILSEQ;
	*ret = strdup(name);
	return *ret ? 0 : -ENOMEM;
}

static int read_there(const struct vfiopm_ctx *ctx, const char *path, char **ret)
{
	int fd = sysfs_path(ctx, path);

	if (fd < 0)
		return fd;
	close(fd);
	*ret = strdup("there");
	return *ret ? 0 : -ENOMEM;
}

const struct fact *look_fact(struct look *look, enum attr attr)
{
	struct fact *fact = &look->facts[attr];
	const struct vfiopm_ctx *ctx = look->dev->ctx;
	char path[SYSFS_PATH_MAX];

	if (fact->read)
		return fact;
	fact->read = true;
	device_path(look->dev, attrs[attr].file, path, sizeof(path));
	switch (attrs[attr].kind) {
	case KIND_TEXT:
		fact->err = read_text(ctx, path, ATTR_LEN_MAX, &fact->value);
		break;
	case KIND_LINK:
		fact->err = read_link(ctx, path, &fact->value);
		break;
	case KIND_THERE:
		fact->err = read_there(ctx, path, &fact->value);
		break;
	}
	return fact;
}

void look_forget(struct look *look, enum attr attr)
{
	struct fact *fact = &look->facts[attr];

	free(fact->value);
	*fact = (struct fact){ 0 };
}

const char *look_text(struct look *look, enum attr attr)
{
	return look_fact(look, attr)->value;
}

bool look_is(struct look *look, enum attr attr, const char *value)
{
	const char *text = look_text(look, attr);

	return text && !strcmp(text, value);
}

int look_number(struct look *look, enum attr attr, int64_t *ret)
{
	const struct fact *fact = look_fact(look, attr);
	long long value;
	char *end;

	if (fact->err)
		return fact->err;
	errno = 0;
	value = strtoll(fact->value, &end, 10);
	if (end == fact->value || *end || errno)
		return -EINVAL;
	*ret = value;
	return 0;
}

const struct fact *survey_fact(struct vfiopm_survey *survey, enum sysfact which)
{
	struct fact *fact = &survey->facts[which];

	if (fact->read)
		return fact;
	fact->read = true;
	if (which == FACT_ACPI)
		fact->err = read_there(survey->ctx, sysfacts[which], &fact->value);
	else
		fact->err = read_text(survey->ctx, sysfacts[which], 4095, &fact->value);
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
		look->dev = vfiopm_device_ref(dev);
		*slot = look;
		survey->count++;
	}
	*ret = *slot;
	return 0;
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
};

static int take_child(const char *name, void *data)
{
	struct child_walk *walk = data;
	struct vfiopm_addr addr;
	struct look *child;
	const char *service;
	int r;

	/*
	 * "0000:00:1c.0:pcie004": a service of the port; the last two digits are
	 * its kind, 04 is native hotplug (drivers/pci/pcie/portdrv.c,
	 * pcie_device_init()).
	 */
	service = strstr(name, ":pcie");
	if (service && strlen(service) == 8 && !strcmp(service + 6, "04"))
		walk->parent->native_hotplug = true;
	if (vfiopm_addr_parse(name, &addr) < 0)
		return 0;
	r = survey_look(walk->survey, &addr, &child);
	if (r == 0)
		r = append(&walk->parent->children, &walk->parent->n_children, child);
	/* What vanishes, or was made up, is passed over. */
	return r == -ENOMEM ? r : 0;
}

static int by_address(const void *a, const void *b)
{
	const struct look *const *x = a, *const *y = b;

	return vfiopm_addr_cmp(&(*x)->dev->addr, &(*y)->dev->addr);
}

int survey_children(struct vfiopm_survey *survey, struct look *look)
{
	struct child_walk walk = { .survey = survey, .parent = look };
	char path[SYSFS_PATH_MAX];
	int r;

	if (look->have_children)
		return 0;
	look->have_children = true;
	device_path(look->dev, "", path, sizeof(path));
	r = sysfs_foreach(survey->ctx, path, take_child, &walk);
	if (r == -ENOMEM)
		return r;
	look->children_err = r < 0 ? r : 0;
	if (look->n_children)
		qsort(look->children, look->n_children, sizeof(look->children[0]), by_address);
	return 0;
}

/* ---- who uses which ACPI power resource ---- */

struct user_walk {
	struct vfiopm_survey *survey;
	const char *node;
};

static int take_user(const char *resource, void *data)
{
	struct user_walk *walk = data;
	struct vfiopm_survey *survey = walk->survey;
	struct power_user *grown, *user;
	char path[SYSFS_PATH_MAX];

	if (strncmp(resource, "LNXPOWER", 8))
		return 0;
	grown = reallocarray(survey->users, survey->n_users + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	survey->users = grown;
	user = &grown[survey->n_users++];
	*user = (struct power_user){ 0 };
	user->resource = strdup(resource);
	user->node = strdup(walk->node);
	if (!user->resource || !user->node)
		return -ENOMEM;
	snprintf(path, sizeof(path), "sys/bus/acpi/devices/%s/path", walk->node);
	read_text(survey->ctx, path, 255, &user->path);
	snprintf(path, sizeof(path), "sys/bus/acpi/devices/%s/physical_node", walk->node);
	read_link(survey->ctx, path, &user->physical);
	return 0;
}

/* The resources that a node uses are those of the state that it is in. */
static int take_node(const char *name, void *data)
{
	struct user_walk walk = { .survey = data, .node = name };
	char path[SYSFS_PATH_MAX], *state = NULL;
	int r;

	if (snprintf(path, sizeof(path), "sys/bus/acpi/devices/%s/power_resources_D0", name) >=
	    (int)sizeof(path))
		return 0;
	r = sysfs_path(walk.survey->ctx, path);
	if (r < 0)
		return 0;
	close(r);
	snprintf(path, sizeof(path), "sys/bus/acpi/devices/%s/power_state", name);
	if (read_text(walk.survey->ctx, path, 16, &state) < 0)
		return 0;
	r = 0;
	if (strcmp(state, "D3cold")) {
		snprintf(path, sizeof(path), "sys/bus/acpi/devices/%s/power_resources_%.8s", name,
			 state);
		r = sysfs_foreach(walk.survey->ctx, path, take_user, &walk);
	}
	free(state);
	return r == -ENOMEM ? r : 0;
}

int survey_users(struct vfiopm_survey *survey)
{
	if (survey->have_users)
		return 0;
	survey->have_users = true;
	return sysfs_foreach(survey->ctx, "sys/bus/acpi/devices", take_node, survey) == -ENOMEM ?
		-ENOMEM : 0;
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
	free(look->ports);
	free(look->children);
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
