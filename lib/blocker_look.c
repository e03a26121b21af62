// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the rules look at: attributes of a device, each read once and kept with
 * the reason when it couldn't be read. Nothing here resumes a device or its
 * port, and nothing takes the device lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
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

const char *attr_file(enum attr attr)
{
	return attrs[attr].file;
}

bool attr_is_file(enum attr attr)
{
	return attrs[attr].kind == KIND_TEXT;
}

bool attr_wakes(enum attr attr)
{
	return attrs[attr].wakes;
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
 * A report of another machine keeps the error of an attribute that couldn't be
 * read there as a dangling link "error:EIO" in its place: EIO of
 * autosuspend_delay_ms, for one, says that autosuspend isn't in use.
 */
static int recorded_error(const char *target)
{
	static const int known[] = { EIO, EACCES, EPERM, EINVAL, ENODEV };

	if (strncmp(target, "error:", 6))
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

/* Judge what sysfs_read() has put into @buf. */
static int take_text(const struct vfiopm_ctx *ctx, const char *buf, ssize_t n, size_t limit,
		     char **ret)
{
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

static int read_text_at(const struct vfiopm_ctx *ctx, int dir, const char *name, size_t limit,
			char **ret)
{
	char buf[ATTR_LEN_MAX + 2], target[32];
	ssize_t n;

	n = sysfs_read_at(ctx, dir, name, buf, sizeof(buf));
	if (n == -ENOENT && ctx->foreign && sysfs_link_at(dir, name, target, sizeof(target)) > 0)
		n = recorded_error(target);
	return take_text(ctx, buf, n, limit, ret);
}

int fact_read_link_at(int dir, const char *link, char **ret)
{
	char name[256];
	ssize_t n;

	n = sysfs_link_at(dir, link, name, sizeof(name));
	if (n < 0)
		return n == -EINVAL ? -EMEDIUMTYPE : (int)n;
	if (!is_text(name, (size_t)n))
		return -EILSEQ;
	*ret = strdup(name);
	return *ret ? 0 : -ENOMEM;
}

static int there(bool is_there, char **ret)
{
	if (!is_there)
		return -ENOENT;
	*ret = strdup("there");
	return *ret ? 0 : -ENOMEM;
}

/* The folder of @path, whose last component is set in @name. */
static int open_folder(const struct vfiopm_ctx *ctx, const char *path, const char **name)
{
	const char *base = strrchr(path, '/');
	char dir[SYSFS_PATH_MAX];

	snprintf(dir, sizeof(dir), "%.*s", (int)(base - path), path);
	*name = base + 1;
	return sysfs_dir(ctx, dir);
}

int fact_read_text(const struct vfiopm_ctx *ctx, const char *path, size_t limit, char **ret)
{
	char buf[4097], target[32];
	const char *name;
	ssize_t n;
	int dir;

	n = sysfs_read(ctx, path, buf, limit + 2 < sizeof(buf) ? limit + 2 : sizeof(buf));
	if (n == -ENOENT && ctx->foreign) {
		dir = open_folder(ctx, path, &name);
		if (dir >= 0) {
			if (sysfs_link_at(dir, name, target, sizeof(target)) > 0)
				n = recorded_error(target);
			close(dir);
		}
	}
	return take_text(ctx, buf, n, limit, ret);
}

/* The link itself isn't followed; the way to it is resolved inside the root. */
int fact_read_link(const struct vfiopm_ctx *ctx, const char *path, char **ret)
{
	const char *name;
	int dir, r;

	dir = open_folder(ctx, path, &name);
	if (dir < 0)
		return dir;
	r = fact_read_link_at(dir, name, ret);
	close(dir);
	return r;
}

int fact_read_there(const struct vfiopm_ctx *ctx, const char *path, char **ret)
{
	int fd = sysfs_path(ctx, path);

	if (fd < 0)
		return fd;
	close(fd);
	return there(true, ret);
}

void look_open(struct look *look)
{
	char path[SYSFS_PATH_MAX];

	device_path(look->dev, "", path, sizeof(path));
	look->dir = sysfs_dir(look->dev->ctx, path);
}

void look_close(struct look *look)
{
	if (look->dir >= 0)
		close(look->dir);
	look->dir = -1;
}

static int take_resource(const char *name, void *data)
{
	struct look *look = data;
	char **grown = reallocarray(look->resources, look->n_resources + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	look->resources = grown;
	grown[look->n_resources] = strdup(name);
	return grown[look->n_resources++] ? 0 : -ENOMEM;
}

/* Whether the folder is there, by a list of it where that can be had. */
static void read_resources(struct look *look, const char *path, struct fact *fact)
{
	const struct vfiopm_ctx *ctx = look->dev->ctx;

	look->resources_err = sysfs_foreach(ctx, path, take_resource, look);
	if (!look->resources_err || look->resources_err == -ENOENT)
		fact->err = there(!look->resources_err, &fact->value);
	else
		fact->err = fact_read_there(ctx, path, &fact->value);
}

/* An ACPI node is elsewhere, behind a link. */
static void read_node_fact(struct look *look, enum attr attr, struct fact *fact)
{
	const struct vfiopm_ctx *ctx = look->dev->ctx;
	char path[SYSFS_PATH_MAX];

	device_path(look->dev, attrs[attr].file, path, sizeof(path));
	if (attrs[attr].kind == KIND_TEXT)
		fact->err = fact_read_text(ctx, path, ATTR_LEN_MAX, &fact->value);
	else if (attr == ATTR_NODE_D3HOT)
		read_resources(look, path, fact);
	else
		fact->err = fact_read_there(ctx, path, &fact->value);
}

/* In the device's own folder: no link is on the way, and no walk where it is held open. */
static void read_fact(struct look *look, enum attr attr, struct fact *fact)
{
	const struct vfiopm_ctx *ctx = look->dev->ctx;
	int dir = look->dir < 0 ? ctx->root_fd : look->dir;
	const char *file = attrs[attr].file;
	char path[SYSFS_PATH_MAX];

	if (look->dir < 0)
		file = device_attr(look->dev, file, path, sizeof(path));
	switch (attrs[attr].kind) {
	case KIND_TEXT:
		fact->err = read_text_at(ctx, dir, file, ATTR_LEN_MAX, &fact->value);
		break;
	case KIND_LINK:
		fact->err = fact_read_link_at(dir, file, &fact->value);
		break;
	case KIND_THERE:
		fact->err = there(sysfs_exists_at(dir, file), &fact->value);
		break;
	}
}

static bool is_of_node(enum attr attr)
{
	return !strncmp(attrs[attr].file, "firmware_node/", 14);
}

const struct fact *look_fact(struct look *look, enum attr attr)
{
	struct fact *fact = &look->facts[attr];

	if (fact->read)
		return fact;
	fact->read = true;
	if (!is_of_node(attr))
		read_fact(look, attr, fact);
	else if (look_fact(look, ATTR_NODE)->err == -ENOENT)
		fact->err = -ENOENT;
	else
		read_node_fact(look, attr, fact);
	return fact;
}

void look_forget(struct look *look, enum attr attr)
{
	struct fact *fact = &look->facts[attr];

	free(fact->value);
	*fact = (struct fact){ 0 };
}

void look_again(struct look *look)
{
	look_forget(look, ATTR_STATUS);
	look_forget(look, ATTR_STATE);
	look_forget(look, ATTR_USAGE);
	look_forget(look, ATTR_KIDS);
	look_forget(look, ATTR_NODE_STATE);
	look_forget(look, ATTR_NODE_REAL);
	for (size_t i = 0; i < look->n_consumers; i++) {
		look_forget(look->consumers[i], ATTR_STATUS);
		look_forget(look->consumers[i], ATTR_USAGE);
	}
}

void look_pause(long ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
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
