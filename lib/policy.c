// SPDX-License-Identifier: LGPL-2.1-or-later
/* Host policy: the kernel's attributes now, and a udev rule for the next bind. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "private.h"

#define RULES_DIR "etc/udev/rules.d"
#define RULES_NAME "90-vfio-pm.rules"
/* udevd reads files that end in ".rules" only. */
#define RULES_TEMP ".90-vfio-pm.new"
#define RULES_MAX (1u << 20)

static const char rules_head[] =
	"# Written by \"vfio-pm policy --persist\", one line a device; "
	"\"vfio-pm policy --forget\" removes it.\n";

static const char key_control[] = "ATTR{power/control}=\"";
static const char key_d3cold[] = "ATTR{d3cold_allowed}=\"";

static int write_attribute(const struct vfiopm_device *dev, const char *name, const char *value)
{
	int dir, r;

	if (dev->ctx->foreign)
		return -EROFS;
	dir = device_open_dir(dev);
	if (dir < 0)
		return dir;
	r = sysfs_write_at(dev->ctx, dir, name, value);
	close(dir);
	return r;
}

int vfiopm_policy_set_control(const struct vfiopm_device *dev, bool on)
{
	return write_attribute(dev, "power/control", on ? "on" : "auto");
}

int vfiopm_policy_set_d3cold(const struct vfiopm_device *dev, bool allow)
{
	return write_attribute(dev, "d3cold_allowed", allow ? "1" : "0");
}

#define RULE_ADDRESS "ACTION==\"bind\", SUBSYSTEM==\"pci\", KERNEL==\"%s\", "

/* The part of a rule that says which device it is for. */
static int rule_match(const struct vfiopm_device *dev, char **ret)
{
	char *text;

	if (asprintf(&text, RULE_ADDRESS "ATTR{vendor}==\"0x%04x\", ATTR{device}==\"0x%04x\", ",
		     dev->name, vfiopm_device_get_vendor(dev), vfiopm_device_get_device(dev)) < 0)
		return -ENOMEM;
	*ret = text;
	return 0;
}

/* The whole file; empty when there is none. */
static int read_rules(const struct vfiopm_ctx *ctx, char **ret)
{
	char *text;
	ssize_t n;

	text = malloc(RULES_MAX);
	if (!text)
		return -ENOMEM;
	n = sysfs_read(ctx, RULES_DIR "/" RULES_NAME, text, RULES_MAX);
	if (n == -ENOENT || n == -ENOTDIR)
		n = 0;
	if (n < 0 || n == RULES_MAX - 1) {
		free(text);
		return n < 0 ? (int)n : -EFBIG;
	}
	text[n] = '\0';
	*ret = text;
	return 0;
}

/* Value of the first character after @key in @rule, -1: the key isn't there. */
static int value_after(const char *rule, const char *end, const char *key)
{
	const char *at = memmem(rule, (size_t)(end - rule), key, strlen(key));

	return at && at + strlen(key) < end ? at[strlen(key)] : -1;
}

static void parse_rule(const char *rule, const char *end, int *control_on, int *d3cold_allowed)
{
	const char *control = memmem(rule, (size_t)(end - rule), key_control,
				     strlen(key_control));
	int d3cold = value_after(rule, end, key_d3cold);

	*control_on = -1;
	if (control)
		*control_on = !strncmp(control + strlen(key_control), "on\"", 3);
	*d3cold_allowed = d3cold == '0' ? 0 : d3cold == '1' ? 1 :
							      -1;
}

/* Find the line that starts with @match. */
static bool find_rule(const char *text, const char *match, const char **start, const char **end)
{
	const char *line = text;

	while (*line) {
		const char *newline = strchrnul(line, '\n');

		if (!strncmp(line, match, strlen(match))) {
			*start = line;
			*end = newline;
			return true;
		}
		line = *newline ? newline + 1 : newline;
	}
	return false;
}

int vfiopm_policy_get_persisted(const struct vfiopm_device *dev, int *control_on,
				int *d3cold_allowed)
{
	const char *start, *end;
	char *text, *match;
	int r;

	r = read_rules(dev->ctx, &text);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	r = rule_match(dev, &match);
	if (r < 0) {
		free(text);
		return r;
	}
	if (find_rule(text, match, &start, &end)) {
		parse_rule(start, end, control_on, d3cold_allowed);
		r = 1;
	}
	free(match);
	free(text);
	return r;
}

unsigned int vfiopm_policy_get_drift(const struct vfiopm_device *dev,
				     const struct vfiopm_power *power)
{
	const char *control = vfiopm_power_get_control(power);
	int control_on, d3cold_allowed;
	unsigned int drift = 0;
	int64_t d3cold;

	if (vfiopm_policy_get_persisted(dev, &control_on, &d3cold_allowed) != 1)
		return 0;
	if (control_on >= 0 && control && strcmp(control, control_on ? "on" : "auto"))
		drift |= VFIOPM_DRIFT_CONTROL;
	if (d3cold_allowed >= 0 && vfiopm_power_get_d3cold_allowed(power, &d3cold) == 0 &&
	    d3cold != d3cold_allowed)
		drift |= VFIOPM_DRIFT_D3COLD;
	return drift;
}

static int write_all(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		text += n;
		len -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* A reader sees the old file or the new one, also after a crash. */
static int replace_rules(int dir, const char *text)
{
	int fd, r;

	if (!*text || !strcmp(text, rules_head))
		return unlinkat(dir, RULES_NAME, 0) < 0 && errno != ENOENT ? -errno : 0;
	if (unlinkat(dir, RULES_TEMP, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dir, RULES_TEMP, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text);
	close(fd);
	if (r == 0 && renameat(dir, RULES_TEMP, dir, RULES_NAME) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir, RULES_TEMP, 0);
	return r;
}

/* Open the folder and lock it: two writers take turns. */
static int lock_rules(const struct vfiopm_ctx *ctx, bool make)
{
	int dir;

	if (make) {
		mkdirat(ctx->root_fd, "etc/udev", 0755);
		mkdirat(ctx->root_fd, RULES_DIR, 0755);
	}
	dir = sysfs_dir(ctx, RULES_DIR);
	if (dir < 0)
		return dir;
	if (flock(dir, LOCK_EX) < 0) {
		int r = -errno;

		close(dir);
		return r;
	}
	return dir;
}

static char *compose_rule(const char *match, int control_on, int d3cold_allowed)
{
	char control[64] = "", d3cold[64] = "", *line;

	if (control_on >= 0)
		snprintf(control, sizeof(control), "%s%s\"", key_control,
			 control_on ? "on" : "auto");
	if (d3cold_allowed >= 0)
		snprintf(d3cold, sizeof(d3cold), "%s%s%d\"", *control ? ", " : "", key_d3cold,
			 d3cold_allowed);
	return asprintf(&line, "%s%s%s\n", match, control, d3cold) < 0 ? NULL : line;
}

/* Put @rule (NULL: nothing) in the place of the line that starts with @match. */
static int edit_rules(int dir, const char *text, const char *match, const char *rule)
{
	const char *start, *end;
	char *edited;
	int r;

	if (!find_rule(text, match, &start, &end)) {
		start = end = text + strlen(text);
	} else if (*end) {
		end++;
	}
	/* The reader cuts the last newline. */
	r = asprintf(&edited, "%s%.*s%s%s%s%s", *text ? "" : rules_head, (int)(start - text), text,
		     start > text && start[-1] != '\n' ? "\n" : "", rule ? rule : "", end,
		     *end ? "\n" : "");
	if (r < 0)
		return -ENOMEM;
	r = replace_rules(dir, edited);
	free(edited);
	return r;
}

int vfiopm_policy_persist(const struct vfiopm_device *dev, int control_on, int d3cold_allowed)
{
	int dir, r, had_control = -1, had_d3cold = -1;
	char *text = NULL, *match = NULL, *rule = NULL;
	const char *start, *end;

	if (control_on < 0 && d3cold_allowed < 0)
		return -EINVAL;
	if (dev->ctx->foreign)
		return -EROFS;
	dir = lock_rules(dev->ctx, true);
	if (dir < 0)
		return dir;
	r = read_rules(dev->ctx, &text);
	if (r == 0)
		r = rule_match(dev, &match);
	if (r == 0) {
		if (find_rule(text, match, &start, &end))
			parse_rule(start, end, &had_control, &had_d3cold);
		rule = compose_rule(match, control_on >= 0 ? control_on : had_control,
				    d3cold_allowed >= 0 ? d3cold_allowed : had_d3cold);
		r = rule ? edit_rules(dir, text, match, rule) : -ENOMEM;
	}
	free(rule);
	free(match);
	free(text);
	close(dir);
	return r;
}

/* Cut all lines that start with @match out of @text; returns how many there were. */
static int cut_rules(char *text, const char *match)
{
	const char *start, *end;
	int n = 0;

	while (find_rule(text, match, &start, &end)) {
		if (*end)
			end++;
		memmove(text + (start - text), end, strlen(end) + 1);
		n++;
	}
	return n;
}

static int forget_below(const struct vfiopm_ctx *ctx, int dir, const char *match, bool dry_run)
{
	char *text;
	int n, r;

	r = read_rules(ctx, &text);
	if (r < 0)
		return r;
	n = cut_rules(text, match);
	if (n && !dry_run)
		/* Nothing is put in, but for the newline that the reader has cut. */
		r = edit_rules(dir, text, match, NULL);
	free(text);
	return r < 0 ? r : n;
}

int vfiopm_policy_forget_address(struct vfiopm_ctx *ctx, const struct vfiopm_addr *addr,
				 bool dry_run)
{
	char name[VFIOPM_ADDR_LEN], match[128];
	int dir, r;

	if (ctx->foreign)
		return -EROFS;
	dir = lock_rules(ctx, false);
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	/* Of whatever device: who asks may have swapped it since. */
	snprintf(match, sizeof(match), RULE_ADDRESS, vfiopm_addr_format(addr, name));
	r = forget_below(ctx, dir, match, dry_run);
	close(dir);
	return r;
}

int vfiopm_policy_forget(const struct vfiopm_device *dev)
{
	int r = vfiopm_policy_forget_address(dev->ctx, &dev->addr, false);

	return r > 0 ? 1 : r;
}
