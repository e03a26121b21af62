// SPDX-License-Identifier: LGPL-2.1-or-later
/* The context: where "/" is, and where log lines go. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "private.h"

/* The root as the kernel names it, which is what its descriptors' paths begin with. */
static int name_root(struct vfiopm_ctx *ctx)
{
	char self[64], path[SYSFS_PATH_MAX];
	ssize_t n;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", ctx->root_fd);
	n = sysfs_readlink_at(AT_FDCWD, self, path, sizeof(path));
	if (n < 0)
		return (int)n;
	ctx->root = strdup(path);
	return ctx->root ? 0 : -ENOMEM;
}

int vfiopm_ctx_new(const char *root, struct vfiopm_ctx **ret)
{
	struct vfiopm_ctx *ctx;
	struct stat host, here;

	ctx = calloc(1, sizeof(*ctx));
	if (!ctx)
		return -ENOMEM;
	ctx->refs = 1;
	ctx->log_max = LOG_DEBUG;
	ctx->root_fd = open(root ? root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (ctx->root_fd < 0) {
		int r = -errno;

		free(ctx);
		return r;
	}
	/* "--sysroot=/" is no foreign root, whichever way it is spelled. */
	if (root && (stat("/", &host) < 0 || fstat(ctx->root_fd, &here) < 0 ||
		     host.st_dev != here.st_dev || host.st_ino != here.st_ino))
		ctx->foreign = true;
	if (ctx->foreign) {
		int r = name_root(ctx);

		if (r < 0) {
			vfiopm_ctx_unref(ctx);
			return r;
		}
	}
	*ret = ctx;
	return 0;
}

struct vfiopm_ctx *vfiopm_ctx_ref(struct vfiopm_ctx *ctx)
{
	ctx->refs++;
	return ctx;
}

void vfiopm_ctx_unref(struct vfiopm_ctx *ctx)
{
	if (!ctx || --ctx->refs > 0)
		return;
	close(ctx->root_fd);
	free(ctx->root);
	free(ctx);
}

bool vfiopm_ctx_is_foreign(const struct vfiopm_ctx *ctx)
{
	return ctx->foreign;
}

void vfiopm_ctx_set_log_fn(struct vfiopm_ctx *ctx, vfiopm_log_fn fn, void *data, int max_priority)
{
	ctx->log_fn = fn;
	ctx->log_data = data;
	ctx->log_max = max_priority;
}

void log_ctx(const struct vfiopm_ctx *ctx, int priority, const char *fmt, ...)
{
	va_list args;

	if (!ctx->log_fn || priority > ctx->log_max)
		return;
	va_start(args, fmt);
	ctx->log_fn(ctx->log_data, priority, fmt, args);
	va_end(args);
}
