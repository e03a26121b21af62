// SPDX-License-Identifier: GPL-2.0-or-later
/* Writes tar archives: the ustar header of POSIX.1-2001, "pax" for what is too long for it. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tar.h"

#define BLOCK 512

struct header {
	char name[100];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char checksum[8];
	char type;
	char linkname[100];
	char magic[6];
	char version[2];
	char uname[32];
	char gname[32];
	char devmajor[8];
	char devminor[8];
	char prefix[155];
	char pad[12];
};

_Static_assert(sizeof(struct header) == BLOCK, "a header is a block");

/* Octal, as wide as the field less its terminating zero. */
static void put_octal(char *field, size_t size, uint64_t value)
{
	for (size_t i = size - 1; i-- > 0; value >>= 3)
		field[i] = (char)('0' + (value & 7));
}

static int put(struct tar *tar, const void *data, size_t size)
{
	static const char zeros[BLOCK];
	size_t rest = (BLOCK - size % BLOCK) % BLOCK;

	if ((size && fwrite(data, 1, size, tar->out) != size) ||
	    (rest && fwrite(zeros, 1, rest, tar->out) != rest))
		return errno ? -errno : -EIO;
	return 0;
}

/* A name that fits as it is, or split at a slash into prefix and name. */
static int put_name(struct header *h, const char *path)
{
	size_t len = strlen(path);
	const char *slash;

	if (len <= sizeof(h->name)) {
		memcpy(h->name, path, len);
		return 0;
	}
	/* The first slash that leaves a name which fits: the shortest prefix. */
	slash = strchr(path + len - sizeof(h->name) - 1, '/');
	if (!slash || !slash[1] || (size_t)(slash - path) > sizeof(h->prefix))
		return -ENAMETOOLONG;
	memcpy(h->prefix, path, (size_t)(slash - path));
	memcpy(h->name, slash + 1, strlen(slash + 1));
	return 0;
}

static int put_header(struct tar *tar, const struct header *h)
{
	struct header copy = *h;
	const unsigned char *bytes = (const unsigned char *)&copy;
	unsigned int sum = 0;

	memset(copy.checksum, ' ', sizeof(copy.checksum));
	for (size_t i = 0; i < BLOCK; i++)
		sum += bytes[i];
	put_octal(copy.checksum, 7, sum);
	copy.checksum[6] = '\0';
	return put(tar, &copy, BLOCK);
}

static void prepare(const struct tar *tar, struct header *h, char type, unsigned int mode,
		    size_t size)
{
	memset(h, 0, sizeof(*h));
	put_octal(h->mode, sizeof(h->mode), mode);
	put_octal(h->uid, sizeof(h->uid), 0);
	put_octal(h->gid, sizeof(h->gid), 0);
	put_octal(h->size, sizeof(h->size), size);
	put_octal(h->mtime, sizeof(h->mtime), (uint64_t)tar->mtime);
	put_octal(h->devmajor, sizeof(h->devmajor), 0);
	put_octal(h->devminor, sizeof(h->devminor), 0);
	h->type = type;
	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
}

/* "LEN path=VALUE\n", where LEN counts itself. */
static int add_record(FILE *records, const char *key, const char *value)
{
	size_t body = strlen(key) + strlen(value) + 3, len = body + 1;
	char digits[24];

	while (len != body + (size_t)snprintf(digits, sizeof(digits), "%zu", len))
		len = body + strlen(digits);
	return fprintf(records, "%zu %s=%s\n", len, key, value) < 0 ? -ENOMEM : 0;
}

static int put_extended(struct tar *tar, const char *path, const char *target)
{
	struct header h;
	char *text = NULL;
	size_t size = 0;
	FILE *records;
	int r = 0;

	records = open_memstream(&text, &size);
	if (!records)
		return -ENOMEM;
	if (path)
		r = add_record(records, "path", path);
	if (target && r == 0)
		r = add_record(records, "linkpath", target);
	if (fclose(records) != 0 && r == 0)
		r = -ENOMEM;
	if (r == 0) {
		prepare(tar, &h, 'x', 0644, size);
		memcpy(h.name, "PaxHeader", 9);
		r = put_header(tar, &h);
	}
	if (r == 0)
		r = put(tar, text, size);
	free(text);
	return r;
}

static int put_entry(struct tar *tar, char type, unsigned int mode, const char *path,
		     const char *target, const void *content, size_t size)
{
	const char *long_path = NULL, *long_target = NULL;
	struct header h;
	int r;

	prepare(tar, &h, type, mode, size);
	if (put_name(&h, path) < 0) {
		long_path = path;
		memcpy(h.name, path, sizeof(h.name));
	}
	if (target) {
		size_t len = strlen(target);

		if (len > sizeof(h.linkname)) {
			long_target = target;
			len = sizeof(h.linkname);
		}
		memcpy(h.linkname, target, len);
	}
	if (long_path || long_target) {
		r = put_extended(tar, long_path, long_target);
		if (r < 0)
			return r;
	}
	r = put_header(tar, &h);
	return r < 0 || !size ? r : put(tar, content, size);
}

int tar_file(struct tar *tar, const char *path, const void *content, size_t size)
{
	return put_entry(tar, '0', 0644, path, NULL, content, size);
}

int tar_link(struct tar *tar, const char *path, const char *target)
{
	return put_entry(tar, '2', 0777, path, target, NULL, 0);
}

int tar_folder(struct tar *tar, const char *path)
{
	return put_entry(tar, '5', 0755, path, NULL, NULL, 0);
}

int tar_end(struct tar *tar)
{
	static const char zeros[2 * BLOCK];

	if (put(tar, zeros, sizeof(zeros)) < 0 || fflush(tar->out) != 0)
		return errno ? -errno : -EIO;
	return 0;
}
