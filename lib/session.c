// SPDX-License-Identifier: LGPL-2.1-or-later
/* The SSH session that the caller sits in. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

/* A login shell in a multiplexer in a sudo in a script ... */
#define ANCESTORS_MAX 64
/* The kernel takes at most a quarter of the stack for it; ours is near its front. */
#define ENVIRON_MAX (4u << 20)

/* "CLIENT PORT SERVER PORT" (ssh(1), ENVIRONMENT): the third. */
static char *third_word(const char *text)
{
	for (int i = 0; i < 2; i++) {
		text = strchr(text, ' ');
		if (!text)
			return NULL;
		text++;
	}
	return strndup(text, strcspn(text, " "));
}

static char *from_environ(struct vfiopm_ctx *ctx, pid_t pid)
{
	static const char key[] = "SSH_CONNECTION=";
	char path[64], *text, *found = NULL;
	const char *at;
	size_t len;

	snprintf(path, sizeof(path), "proc/%d/environ", (int)pid);
	if (sysfs_read_all(ctx, path, ENVIRON_MAX, &text) < 0)
		return NULL;
	/* Strings one after the other; sysfs_read_all() adds another zero. */
	for (at = text; (len = strlen(at)) > 0 && !found; at += len + 1)
		if (!strncmp(at, key, sizeof(key) - 1))
			found = third_word(at + sizeof(key) - 1);
	free(text);
	return found;
}

static pid_t parent_of(struct vfiopm_ctx *ctx, pid_t pid)
{
	char path[64], stat[512];
	const char *after;
	int parent;

	snprintf(path, sizeof(path), "proc/%d/stat", (int)pid);
	if (sysfs_read(ctx, path, stat, sizeof(stat)) < 0)
		return 0;
	/* The name in parentheses may hold anything, parentheses as well. */
	after = strrchr(stat, ')');
	return after && sscanf(after, ") %*c %d", &parent) == 1 ? parent : 0;
}

int vfiopm_session_address(struct vfiopm_ctx *ctx, char **ret)
{
	const char *own = getenv("SSH_CONNECTION");
	pid_t pid = getppid();
	char *found;

	found = own ? third_word(own) : NULL;
	for (int i = 0; !found && i < ANCESTORS_MAX && pid > 1; i++) {
		found = from_environ(ctx, pid);
		pid = parent_of(ctx, pid);
	}
	if (!found)
		return -ENOENT;
	*ret = found;
	return 0;
}
