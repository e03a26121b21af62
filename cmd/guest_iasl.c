// SPDX-License-Identifier: GPL-2.0-or-later
/* ACPI's compiler and disassembler, iasl(1), as a child. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

/* A folder of our own for what iasl reads and writes. */
struct work {
	char dir[64];
	char text[80], table[80], log[80];
};

static int work_make(struct work *w)
{
	const char *tmp = getenv("TMPDIR");

	if (!tmp || strlen(tmp) > 40)
		tmp = "/tmp";
	snprintf(w->dir, sizeof(w->dir), "%s/vfio-pm-XXXXXX", tmp);
	if (!mkdtemp(w->dir)) {
		msg_error("cannot make a folder below '%s': %s", tmp, strerror(errno));
		return EXIT_FAILED;
	}
	snprintf(w->text, sizeof(w->text), "%s/t.dsl", w->dir);
	snprintf(w->table, sizeof(w->table), "%s/t.aml", w->dir);
	snprintf(w->log, sizeof(w->log), "%s/log", w->dir);
	return EXIT_OK;
}

static void work_remove(const struct work *w)
{
	unlink(w->text);
	unlink(w->table);
	unlink(w->log);
	rmdir(w->dir);
}

/* What iasl said, as far as it complained. */
static void show_log(const struct work *w)
{
	FILE *f = fopen(w->log, "re");
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		if (line[0] != '\n')
			fprintf(stderr, "  %s", line);
	if (f)
		fclose(f);
}

static bool has_warnings(const struct work *w)
{
	FILE *f = fopen(w->log, "re");
	bool found = false;
	char line[512];

	while (f && !found && fgets(line, sizeof(line), f))
		found = !strncmp(line, "Warning", strlen("Warning"));
	if (f)
		fclose(f);
	return found;
}

static int run_iasl(const struct work *w, const char *const argv[])
{
	posix_spawn_file_actions_t files;
	int r, status = -1;
	pid_t child;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, w->log, O_RDONLY | O_CREAT, 0600);
	posix_spawn_file_actions_addopen(&files, 1, w->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	posix_spawn_file_actions_adddup2(&files, 1, 2);
	r = posix_spawnp(&child, argv[0], &files, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&files);
	if (r == ENOENT) {
		msg_error("cannot run 'iasl', the ACPI compiler: it is not installed");
		msg_hint("apt install acpica-tools, or dnf install acpica-tools; or take the "
			 "text: " PROGRAM " guest-table --asl");
		return EXIT_FAILED;
	}
	if (r == 0 && waitpid(child, &status, 0) < 0)
		r = errno;
	if (r) {
		msg_error("cannot run 'iasl': %s", strerror(r));
		return EXIT_FAILED;
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		msg_error("iasl failed:");
		show_log(w);
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

/* Return: 0 or a positive errno. */
static int copy_bytes(FILE *in, FILE *out)
{
	char buf[16384];
	size_t n;

	errno = 0;
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
		if (fwrite(buf, 1, n, out) != n)
			return errno ? errno : EIO;
	return ferror(in) || fflush(out) ? (errno ? errno : EIO) : 0;
}

/*
 * A table that a VM uses is replaced as a whole or not at all; what is no file
 * of its own, /dev/stdout or a link, is written to.
 */
static FILE *open_beside(const char *path, char *beside, size_t size)
{
	mode_t mask = umask(0);
	struct stat st;
	FILE *f;
	int fd;

	umask(mask);
	beside[0] = '\0';
	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return fopen(path, "we");
	if ((size_t)snprintf(beside, size, "%s.XXXXXX", path) >= size) {
		beside[0] = '\0';
		errno = ENAMETOOLONG;
		return NULL;
	}
	fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0) {
		beside[0] = '\0';
		return NULL;
	}
	/* QEMU reads it as another user. */
	f = fchmod(fd, 0666 & ~mask) < 0 ? NULL : fdopen(fd, "w");
	if (!f)
		close(fd);
	return f;
}

static int copy(const char *from, const char *to)
{
	FILE *in = fopen(from, "re"), *out;
	char beside[PATH_MAX];
	int error;

	if (!in) {
		msg_error("cannot read '%s': %s", from, strerror(errno));
		return EXIT_FAILED;
	}
	out = open_beside(to, beside, sizeof(beside));
	error = out ? copy_bytes(in, out) : errno;
	fclose(in);
	if (out && fclose(out) && !error)
		error = errno;
	if (!error && beside[0] && rename(beside, to) < 0)
		error = errno;
	if (!error)
		return EXIT_OK;
	if (beside[0])
		unlink(beside);
	msg_error("cannot write '%s': %s", to, strerror(error));
	return EXIT_FAILED;
}

int guest_compile(const struct guest_table *table, const char *path)
{
	struct work w;
	FILE *f;
	int code;

	code = work_make(&w);
	if (code != EXIT_OK)
		return code;
	f = fopen(w.text, "we");
	if (f) {
		guest_asl(table, f);
		if (fclose(f))
			f = NULL;
	}
	if (!f) {
		msg_error("cannot write '%s': %s", w.text, strerror(errno));
		code = EXIT_FAILED;
	} else {
		/* Without its name and its remarks. */
		const char *const argv[] = { "iasl", "-vs", "-vr", "-p", w.table, w.text, NULL };

		code = run_iasl(&w, argv);
	}
	if (code == EXIT_OK && has_warnings(&w)) {
		msg_warn("iasl has doubts about the table, which is written all the same:");
		show_log(&w);
	}
	if (code == EXIT_OK)
		code = copy(w.table, path);
	work_remove(&w);
	return code;
}

/* ---- what a guest's DSDT has ---- */

#define DEPTH_MAX 64
#define NAME_LEN 512

/* Walks through disassembled text: which names are there, and below what. */
struct walk {
	char path[DEPTH_MAX][NAME_LEN];
	int depth;
	char opened[NAME_LEN];	/* a name whose brace comes on the next line */
	struct found {
		bool node, ejectable, parent;
	} found[GUEST_DEVICES_MAX];
};

/* "\_SB" and "PCI0" to "\_SB.PCI0"; a name with a backslash stands for itself, "_SB" for "\_SB". */
static void join(const char *above, const char *name, char *buf, size_t size)
{
	size_t room = size - 1, len = 0, n;

	if (name[0] != '\\') {
		len = strnlen(above, room - 1);
		memmove(buf, above, len);
		buf[len] = len ? '.' : '\\';
		len++;
	}
	n = strnlen(name, room - len);
	memmove(buf + len, name, n);
	buf[len + n] = '\0';
}

static void note(struct walk *w, const struct guest_table *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct vfiopm_guest_path *path = &table->path[i];
		struct vfiopm_guest_path up = { .port = VFIOPM_NO_PORT, .devfn = path->port };
		char node[GUEST_NODE_LEN], port[GUEST_NODE_LEN];
		size_t len;

		guest_node(path, node);
		guest_node(&up, port);
		len = strlen(node);
		if (!strcmp(name, node))
			w->found[i].node = true;
		if (!strncmp(name, node, len) && !strcmp(name + len, "._EJ0"))
			w->found[i].ejectable = true;
		/* What the table makes itself has its place below these. */
		if (path->port != VFIOPM_NO_PORT && !strcmp(name, port))
			w->found[i].parent = true;
		if (guest_makes_node(path) && !strcmp(name, GUEST_ROOT))
			w->found[i].parent = true;
	}
}

/* The first argument of "WORD (NAME": into @buf. */
static bool argument(const char *line, const char *word, char *buf, size_t size)
{
	size_t len = strlen(word), n;

	if (strncmp(line, word, len) || strncmp(line + len, " (", 2))
		return false;
	line += len + 2;
	n = strcspn(line, ",) \n");
	if (n >= size)
		return false;
	memcpy(buf, line, n);
	buf[n] = '\0';
	return true;
}

static void walk_line(struct walk *w, const struct guest_table *table, const char *line)
{
	const char *above = w->path[w->depth ? w->depth - 1 : 0];
	char name[64], whole[NAME_LEN];

	line += strspn(line, " \t");
	if (line[0] == '{' && w->depth < DEPTH_MAX) {
		memmove(w->path[w->depth++], w->opened[0] ? w->opened : above, NAME_LEN);
		w->opened[0] = '\0';
	} else if (line[0] == '}' && w->depth) {
		w->depth--;
	} else if (argument(line, "Scope", name, sizeof(name)) ||
		   argument(line, "Device", name, sizeof(name))) {
		join(above, name, whole, sizeof(whole));
		memcpy(w->opened, whole, sizeof(w->opened));
		note(w, table, whole);
	} else if (argument(line, "Method", name, sizeof(name))) {
		join(above, name, whole, sizeof(whole));
		note(w, table, whole);
	}
}

static int judge(const struct walk *w, const struct guest_table *table)
{
	int code = EXIT_OK;

	for (size_t i = 0; i < table->count; i++) {
		const struct found *f = &w->found[i];
		bool below = table->path[i].port != VFIOPM_NO_PORT;
		char text[VFIOPM_GUEST_PATH_LEN], node[GUEST_NODE_LEN];

		vfiopm_guest_path_format(&table->path[i], text);
		guest_node(&table->path[i], node);
		if (f->ejectable) {
			msg_cannot("serve", text,
				   "its node %s has _EJ0, being hot-pluggable by ACPI, and Linux "
				   "ignores the power methods of such a node", node);
			msg_hint(below ? "give the port hotplug=off (libvirt: <target "
					 "hotplug='off'/>), or put the device on the root complex" :
					 "put the device on the root complex of a q35 machine");
			code_merge(&code, EXIT_UNUSABLE);
		} else if (!f->node && !f->parent) {
			msg_cannot("serve", text, "this machine has no node %s", node);
			msg_hint("take the DSDT of the VM with the device in it, and the address "
				 "that `lspci -t' shows there");
			code_merge(&code, EXIT_UNUSABLE);
		}
	}
	return code;
}

/* By its header: ACPI 6.5, section 5.2.6. iasl takes a file of another kind for a program text. */
static bool is_dsdt(const char *path)
{
	FILE *f = fopen(path, "re");
	uint8_t header[36];
	struct stat st;
	bool is;

	is = f && fread(header, 1, sizeof(header), f) == sizeof(header) &&
	     fstat(fileno(f), &st) == 0 && !memcmp(header, "DSDT", 4) &&
	     ((uint32_t)header[4] | (uint32_t)header[5] << 8 | (uint32_t)header[6] << 16 |
	      (uint32_t)header[7] << 24) == (uint64_t)st.st_size;
	if (f)
		fclose(f);
	return is;
}

int guest_check_dsdt(const struct guest_table *table, const char *path)
{
	struct walk walk = { 0 };
	char line[512];
	struct work w;
	FILE *f;
	int code;

	code = work_make(&w);
	if (code != EXIT_OK)
		return code;
	code = copy(path, w.table);
	if (code == EXIT_OK && !is_dsdt(w.table)) {
		msg_error("cannot take '%s' for the VM's DSDT: it is no such table", path);
		msg_hint("a Linux guest has it, for root: /sys/firmware/acpi/tables/DSDT");
		code = EXIT_FAILED;
	}
	if (code == EXIT_OK) {
		const char *const argv[] = { "iasl", "-d", w.table, NULL };

		code = run_iasl(&w, argv);
	}
	f = code == EXIT_OK ? fopen(w.text, "re") : NULL;
	if (f) {
		while (fgets(line, sizeof(line), f))
			walk_line(&walk, table, line);
		fclose(f);
		code = judge(&walk, table);
	} else if (code == EXIT_OK) {
		msg_error("cannot read what iasl has made of '%s'", path);
		code = EXIT_FAILED;
	}
	work_remove(&w);
	return code;
}
