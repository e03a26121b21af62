// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Names of devices: the only user of libpci.
 *
 * libpci parses the whole pci.ids, 1.3 MB, into a hash before its first answer:
 * 25 million instructions. The file is sorted, so a name is found in it by
 * halving, for a hundredth of that. What it doesn't know, the hardware database
 * of udev may, which libpci asks when its own list is empty. Only where pci.ids
 * is compressed, libpci loads it, on a miss of the database.
 * Nothing here opens a device: pci_init(), which would, is never called.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pci/pci.h>

#include "names.h"

struct span {
	const char *at, *end;
};

struct name_db {
	struct pci_access *hwdb;	/* with an empty list; NULL: not asked yet */
	struct pci_access *list;	/* with the real one, which it loads when asked */
	const char *text;		/* pci.ids as it is, NULL: not mapped */
	size_t size;
	bool compressed;
	/* The vendor that was asked for last: devices of a system have few. */
	unsigned int vendor;		/* 0: none yet */
	struct span vendor_name;	/* NULL: not in the text */
	struct span section;		/* its devices */
};

static void quiet(char *fmt, ...)
{
}

/* pci_init() would set what libpci calls to tell of progress and errors. */
static struct pci_access *access_new(void)
{
	struct pci_access *access = pci_alloc();

	if (access) {
		access->warning = quiet;
		access->debug = quiet;
	}
	return access;
}

/* Where libpci would look: a compressed list, or else the same name without ".gz". */
static void map_list(struct name_db *names)
{
	char path[256];
	struct stat st;
	void *text;
	size_t len;
	int fd;

	snprintf(path, sizeof(path), "%s", names->list->id_file_name);
	len = strlen(path);
	if (len > 3 && !strcmp(path + len - 3, ".gz")) {
		names->compressed = access(path, R_OK) == 0;
		if (names->compressed)
			return;
		path[len - 3] = '\0';
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (text != MAP_FAILED) {
			names->text = text;
			names->size = (size_t)st.st_size;
		}
	}
	close(fd);
}

struct name_db *name_db_new(void)
{
	struct name_db *names;

	names = calloc(1, sizeof(*names));
	if (!names)
		return NULL;
	names->list = access_new();
	if (!names->list) {
		free(names);
		return NULL;
	}
	map_list(names);
	return names;
}

void name_db_free(struct name_db *names)
{
	if (!names)
		return;
	pci_cleanup(names->list);
	if (names->hwdb)
		pci_cleanup(names->hwdb);
	if (names->text)
		munmap((void *)names->text, names->size);
	free(names);
}

static const char *line_end(const char *at, const char *end)
{
	const char *newline = memchr(at, '\n', (size_t)(end - at));

	return newline ? newline : end;
}

/*
 * The ID of a line behind @tabs tabs; -1: a comment, or of another level. The
 * classes come behind all vendors, and start with "C ".
 */
static long line_id(const char *at, const char *end, size_t tabs)
{
	char digits[5] = "", *stop;
	long id;

	if ((size_t)(end - at) < tabs + 6)
		return -1;
	for (size_t i = 0; i < tabs; i++)
		if (at[i] != '\t')
			return -1;
	if (at[tabs] == '\t' || at[tabs] == '#' || at[tabs] == '\n')
		return -1;
	if (!tabs && *at == 'C')
		return LONG_MAX;
	memcpy(digits, at + tabs, 4);
	id = strtol(digits, &stop, 16);
	return stop == digits + 4 && at[tabs + 4] == ' ' ? id : -1;
}

/*
 * The first line of that level, in sorted @text, whose ID is at least @id, by
 * halving the text; its end when there is none. From the middle it goes back to
 * a line of the level, so no part is looked at twice, however long a section is.
 */
static const char *lower_bound(struct span text, size_t tabs, long id)
{
	const char *low = text.at, *high = text.end, *found = text.end;

	while (low < high) {
		const char *middle = low + (high - low) / 2, *line = middle;
		long here;

		for (;;) {
			const char *newline = memrchr(low, '\n', (size_t)(line - low));

			line = newline ? newline + 1 : low;
			here = !tabs && *line == '\t' ? -1 : line_id(line, text.end, tabs);
			if (here >= 0 || line == low)
				break;
			line--;
		}
		if (here >= id) {
			found = line;
			high = line;
		} else {
			/* Behind the middle's line; both ends stay at the start of a line. */
			low = line_end(middle, text.end);
			low += low < text.end;
		}
	}
	return found;
}

static void find_vendor(struct name_db *names, unsigned int vendor)
{
	struct span all = { names->text, names->text + names->size };
	const char *line = lower_bound(all, 0, vendor);

	names->vendor = vendor;
	names->vendor_name = (struct span){ NULL, NULL };
	if (line_id(line, all.end, 0) != (long)vendor)
		return;
	names->vendor_name = (struct span){ line + 6, line_end(line, all.end) };
	names->section.at = names->vendor_name.end + (names->vendor_name.end < all.end);
	all.at = names->section.at;
	names->section.end = lower_bound(all, 0, (long)vendor + 1);
}

/* 1: found; 0: the vendor is known, the device isn't; -1: neither. */
static int ask_text(struct name_db *names, unsigned int vendor, unsigned int device, char *buf,
		    size_t size)
{
	const struct span *name = &names->vendor_name, *section = &names->section;
	const char *line;

	if (!names->text)
		return -1;
	if (vendor != names->vendor || !vendor)
		find_vendor(names, vendor);
	if (!name->at)
		return -1;
	line = lower_bound(*section, 1, device);
	if (line_id(line, section->end, 1) != (long)device) {
		snprintf(buf, size, "%.*s Device %04x", (int)(name->end - name->at), name->at,
			 device);
		return 0;
	}
	snprintf(buf, size, "%.*s %.*s", (int)(name->end - name->at), name->at,
		 (int)(line_end(line, section->end) - line - 7), line + 7);
	return 1;
}

static bool ask_libpci(struct pci_access *access, unsigned int vendor, unsigned int device,
		       char *buf, size_t size)
{
	const int flags = PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE | PCI_LOOKUP_NO_NUMBERS;

	return pci_lookup_name(access, buf, (int)size, flags, vendor, device);
}

static bool ask_hwdb(struct name_db *names, unsigned int vendor, unsigned int device, char *buf,
		     size_t size)
{
	if (!names->hwdb) {
		names->hwdb = access_new();
		if (!names->hwdb)
			return false;
		/* libpci frees the copy. */
		pci_set_name_list_path(names->hwdb, strdup(""), 1);
	}
	return ask_libpci(names->hwdb, vendor, device, buf, size);
}

const char *name_db_lookup(struct name_db *names, unsigned int vendor, unsigned int device,
			   char *buf, size_t size)
{
	char other[256];
	size_t len;
	int known;

	known = ask_text(names, vendor, device, buf, size);
	if (known > 0)
		return buf;
	if (ask_hwdb(names, vendor, device, other, sizeof(other)) ||
	    (names->compressed && ask_libpci(names->list, vendor, device, other, sizeof(other)))) {
		snprintf(buf, size, "%s", other);
		return buf;
	}
	if (known == 0)
		return buf;
	if (!names->hwdb || !pci_lookup_name(names->hwdb, other, sizeof(other),
					     PCI_LOOKUP_VENDOR | PCI_LOOKUP_NO_NUMBERS, vendor))
		return NULL;
	len = strnlen(other, sizeof(other) - 16);
	snprintf(other + len, sizeof(other) - len, " Device %04x", device);
	snprintf(buf, size, "%s", other);
	return buf;
}
