// SPDX-License-Identifier: GPL-2.0-or-later
/* vfio-pm guest-table: the ACPI table with which a guest drives the sleep of its devices. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"

enum {
	KEY_ASL = KEY_VERB,
	KEY_DSDT,
	KEY_IOBASE,
	KEY_LIBVIRT,
	KEY_MACHINE,
	KEY_PORTS,
	KEY_QMP,
	KEY_SOCKET,
};

struct input {
	struct guest_table table;
	const char *output, *machine, *ports, *dsdt, *socket, *qmp;
	bool asl, libvirt;
};

static const struct argp_option options[] = {
	{ "output", 'o', "FILE", 0, "Where the compiled table goes", 0 },
	{ "asl", KEY_ASL, NULL, 0, "Print the table's text instead; nothing is compiled", 0 },
	{ "socket", KEY_SOCKET, "PATH", 0,
	  "Of the socket that QEMU makes for the listener (default "
	  "/run/vfio-pm/guest.sock)",
	  0 },
	{ "qmp", KEY_QMP, "PATH", 0, "Of a QMP socket for the listener, too", 0 },
	{ "libvirt", KEY_LIBVIRT, NULL, 0, "Print libvirt's XML instead of QEMU's options", 0 },
	{ "machine", KEY_MACHINE, "TYPE", 0, "QEMU's machine type (default q35, the only one)",
	  0 },
	{ "ports", KEY_PORTS, "HOTPLUG", 0,
	  "How the VM's ports are hot-plugged: off (the default), native; acpi can't work", 0 },
	{ "dsdt", KEY_DSDT, "FILE", 0,
	  "The VM's DSDT: refuse what it has no node for, or one that can be hot-plugged", 0 },
	{ "iobase", KEY_IOBASE, "PORT", 0,
	  "I/O port of the UART: 0xb00 (the default), or 0x2e8, COM4's own", 0 },
	{ 0 }
};

static void add_path(struct input *in, struct argp_state *state, const char *arg)
{
	struct vfiopm_guest_path path;

	if (vfiopm_guest_path_parse(arg, &path) < 0)
		argp_error(state,
			   "'%s' is no device of a guest: DD.F on the root complex, "
			   "DD.F/DD.F behind a port",
			   arg);
	if (in->table.count == GUEST_DEVICES_MAX)
		argp_error(state, "a table has at most %d devices", GUEST_DEVICES_MAX);
	for (size_t i = 0; i < in->table.count; i++)
		if (in->table.path[i].port == path.port && in->table.path[i].devfn == path.devfn)
			argp_error(state, "'%s' is there twice", arg);
	in->table.path[in->table.count++] = path;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct input *in = state->input;

	switch (key) {
	case 'o':
		in->output = arg;
		return 0;
	case KEY_ASL:
		in->asl = true;
		return 0;
	case KEY_SOCKET:
		in->socket = guest_socket_parse(state, arg);
		return 0;
	case KEY_QMP:
		in->qmp = guest_socket_parse(state, arg);
		return 0;
	case KEY_LIBVIRT:
		in->libvirt = true;
		return 0;
	case KEY_MACHINE:
		in->machine = arg;
		return 0;
	case KEY_PORTS:
		if (strcmp(arg, "off") && strcmp(arg, "native") && strcmp(arg, "acpi"))
			argp_error(state, "'%s' is neither off, native nor acpi", arg);
		in->ports = arg;
		return 0;
	case KEY_DSDT:
		in->dsdt = arg;
		return 0;
	case KEY_IOBASE:
		in->table.iobase = (unsigned int)strtoul(arg, NULL, 0);
		if (in->table.iobase != 0xb00 && in->table.iobase != 0x2e8)
			argp_error(state, "'%s' is neither 0xb00 nor 0x2e8", arg);
		return 0;
	case ARGP_KEY_ARG:
		add_path(in, state, arg);
		return 0;
	case ARGP_KEY_END:
		if (!in->table.count)
			argp_error(state, "which device of the guest?");
		if (!in->asl == !in->output)
			argp_error(state, in->asl ? "--asl, or --output, but not both" :
						    "where to? --output=FILE, or --asl");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

const struct argp guest_table_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "GUESTDEVICE...",
	.doc = "Write the ACPI table with which a guest drives the sleep of its devices, and print "
	       "the options of QEMU for it.\v"
	       "GUESTDEVICE is DD.F for a device on the root complex of the guest, DD.F/DD.F for "
	       "one behind a port: first the port's slot and function there, then the device's "
	       "own. The table has a power resource for each; `" PROGRAM " guest-listen' answers "
	       "it on the host. Tables for 1 to 8 devices of a q35 machine can be made. "
	       "vfio-pm-guest(7) tells how it works, from nothing to D3cold.",
};

static bool has_port(const struct guest_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->path[i].port != VFIOPM_NO_PORT)
			return true;
	return false;
}

/* What can be told without the VM. */
static int check(const struct input *in)
{
	bool q35 = strstr(in->machine, "q35") != NULL;

	if (!q35) {
		bool pc = !strcmp(in->machine, "pc") || strstr(in->machine, "i440fx");

		msg_error("cannot make a table for the machine '%s': %s", in->machine,
			  pc ? "its slots are hot-pluggable by ACPI, their nodes have _EJ0, and "
			       "Linux ignores the power methods of those" :
			       "its ACPI has no node for each slot to hang a power resource on");
		msg_hint("a q35 machine has what it takes");
		return EXIT_UNUSABLE;
	}
	if (!in->ports && !in->dsdt && has_port(&in->table))
		msg_hint("QEMU's ports are hot-plugged by ACPI unless told otherwise, and the "
			 "table passes over what is behind such a port: give the port hotplug=off "
			 "(libvirt: <target hotplug='off'/>) and say --ports=off, or have the "
			 "VM's DSDT looked at: --dsdt");
	if (in->ports && !strcmp(in->ports, "acpi") && has_port(&in->table)) {
		msg_error("cannot serve a device behind a port that is hot-plugged by ACPI: its "
			  "node has _EJ0, and Linux ignores the power methods of such a node");
		msg_hint("give the port hotplug=off (libvirt: <target hotplug='off'/>), or the "
			 "machine -global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off and "
			 "guest-table --ports=native");
		return EXIT_UNUSABLE;
	}
	return in->dsdt ? guest_check_dsdt(&in->table, in->dsdt) : EXIT_OK;
}

/*
 * The UART never raises its interrupt, but QEMU's lowers the line with each
 * access (hw/char/serial.c, serial_update_irq()), and what shares it would lose
 * its own: 3 and 4 are other UARTs', 10 and 11 PCI's. 7 is the parallel port's.
 */
#define UART_IRQ 7

static void print_argument(bool libvirt, const char *option, const char *value)
{
	if (libvirt)
		printf("  <qemu:arg value='%s'/>\n  <qemu:arg value='%s'/>\n", option, value);
	else
		printf("%s %s\n", option, value);
}

static void print_arguments(const struct input *in, const char *table)
{
	char value[PATH_MAX + 64];

	snprintf(value, sizeof(value), "file=%s", table);
	print_argument(in->libvirt, "-acpitable", value);
	snprintf(value, sizeof(value), "socket,id=vfio-pm,path=%s,server=on,wait=off",
		 in->socket);
	print_argument(in->libvirt, "-chardev", value);
	snprintf(value, sizeof(value), "isa-serial,chardev=vfio-pm,iobase=0x%x,irq=%d,index=3",
		 in->table.iobase, UART_IRQ);
	print_argument(in->libvirt, "-device", value);
	if (!in->qmp)
		return;
	snprintf(value, sizeof(value), "unix:%s,server=on,wait=off", in->qmp);
	print_argument(in->libvirt, "-qmp", value);
}

/* What is pasted is used from another folder. */
static int print_options(const struct input *in)
{
	char path[PATH_MAX];

	if (!realpath(in->output, path)) {
		msg_error("cannot find '%s': %s", in->output, strerror(errno));
		return EXIT_FAILED;
	}
	/* QEMU takes a list there, without quotes (hw/acpi/core.c, acpi_table_add()). */
	if (strchr(path, ':')) {
		msg_error("cannot tell QEMU of '%s': -acpitable ends a file's path at a colon",
			  path);
		msg_hint("the table is written; put it where no folder has a colon");
		return EXIT_UNUSABLE;
	}
	if (strpbrk(path, ",'&<> ") || strpbrk(in->socket, ",'&<> ") ||
	    (in->qmp && strpbrk(in->qmp, ",'&<> ")))
		msg_warn("a path has characters that must be quoted for QEMU, XML or a shell");
	if (!in->libvirt) {
		print_arguments(in, path);
		return EXIT_OK;
	}
	puts("<!-- in <domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'> "
	     "-->\n<qemu:commandline>");
	print_arguments(in, path);
	puts("</qemu:commandline>");
	return EXIT_OK;
}

int cmd_guest_table(struct app *app, int argc, char **argv)
{
	struct input in = {
		.table.iobase = 0xb00,
		.machine = "q35",
		.socket = "/run/vfio-pm/guest.sock",
	};
	int code;

	verb_parse(app, argc, argv, &in);
	code = check(&in);
	if (code != EXIT_OK)
		return code;
	if (in.asl) {
		guest_asl(&in.table, stdout);
		return EXIT_OK;
	}
	code = guest_compile(&in.table, in.output);
	return code == EXIT_OK ? print_options(&in) : code;
}
