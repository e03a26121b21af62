// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The account that the driver vfio-pm-pci keeps of a device: vfio_pm/account
 * and vfio_pm/last_wake, lines "KEY VALUE" (module/ABI-sysfs-vfio_pm). To read
 * them wakes nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

struct vfiopm_account {
	char *counts;		/* one read of the file: a consistent snapshot */
	char *last_wake;	/* lines cut; NULL when it could not be read */
	size_t wake_size;
	int wake_error;
};

/* The keys that are wakes, in the file's order. */
static const char *const causes[] = {
	"config_read", "config_write", "region", "ioctl", "feature", "open", "close", "host",
};

const char *vfiopm_account_cause(size_t i)
{
	return i < ARRAY_SIZE(causes) ? causes[i] : NULL;
}

/* The rest of the line that begins with @key, or NULL. */
static const char *line_of(const char *text, const char *key)
{
	size_t len = strlen(key);

	while (text && *text) {
		if (!strncmp(text, key, len) && text[len] == ' ')
			return text + len + 1;
		text = strchrnul(text, '\n');
		text += *text == '\n';
	}
	return NULL;
}

static int read_text(const struct vfiopm_device *dev, int dir, const char *file, char **ret)
{
	char text[SYSFS_VALUE_MAX];
	ssize_t n = sysfs_read_at(dev->ctx, dir, file, text, sizeof(text));

	if (n < 0)
		return (int)n;
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

/* So that a value can be handed out as a string of its own. */
static void cut_lines(struct vfiopm_account *account)
{
	account->wake_size = strlen(account->last_wake);
	for (char *c = account->last_wake; *c; c++)
		if (*c == '\n')
			*c = '\0';
}

static int account_read(const struct vfiopm_device *dev, bool wake, struct vfiopm_account **ret)
{
	struct vfiopm_account *account;
	int dir, r;

	dir = device_open_dir(dev);
	if (dir < 0)
		return dir;
	account = calloc(1, sizeof(*account));
	r = account ? read_text(dev, dir, "vfio_pm/account", &account->counts) : -ENOMEM;
	if (r == 0 && wake) {
		account->wake_error =
			read_text(dev, dir, "vfio_pm/last_wake", &account->last_wake);
		if (account->last_wake)
			cut_lines(account);
	}
	close(dir);
	if (r < 0) {
		vfiopm_account_free(account);
		return r;
	}
	*ret = account;
	return 0;
}

int vfiopm_account_new(const struct vfiopm_device *dev, struct vfiopm_account **ret)
{
	return account_read(dev, true, ret);
}

int vfiopm_account_new_counts(const struct vfiopm_device *dev, struct vfiopm_account **ret)
{
	int r = account_read(dev, false, ret);

	if (r == 0)
		(*ret)->wake_error = -ENOENT;
	return r;
}

void vfiopm_account_free(struct vfiopm_account *account)
{
	if (!account)
		return;
	free(account->counts);
	free(account->last_wake);
	free(account);
}

int vfiopm_account_get(const struct vfiopm_account *account, const char *key, int64_t *ret)
{
	const char *value = line_of(account->counts, key);
	int64_t number;
	char *end;

	if (!value)
		return -ENOENT;
	errno = 0;
	number = strtoll(value, &end, 10);
	if (errno || end == value || (*end && *end != '\n'))
		return -EIO;
	*ret = number;
	return 0;
}

bool vfiopm_account_is_engaged(const struct vfiopm_account *account)
{
	int64_t entries = 0, exits = 0;

	return vfiopm_account_get(account, "entries", &entries) == 0 &&
	       vfiopm_account_get(account, "exits", &exits) == 0 && entries > exits;
}

int vfiopm_account_has_last_wake(const struct vfiopm_account *account)
{
	if (!account->last_wake)
		return account->wake_error;
	return vfiopm_account_get_last_wake(account, "cause") != NULL;
}

const char *vfiopm_account_get_last_wake(const struct vfiopm_account *account, const char *key)
{
	size_t len = strlen(key);

	for (size_t at = 0; at < account->wake_size; at += strlen(account->last_wake + at) + 1) {
		const char *line = account->last_wake + at;

		if (!strncmp(line, key, len) && line[len] == ' ')
			return line + len + 1;
	}
	return NULL;
}
