// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table that a guest's operating system calls: ASL text (ACPI 6.5, section
 * 19). Integers are 32 bits wide whatever this table's revision says, since
 * QEMU's DSDT is of revision 1, which decides for all tables (section 5.2.11.1);
 * a frame is therefore compared as two of them.
 */
#include <string.h>

#include "guest.h"

/* Milliseconds that the guest waits for an answer. */
#define WAIT_OFF 2000	/* a sleep that is lost costs watts only */
#define WAIT_ON 5000	/* of a device that surely sleeps: a listener that restarts is waited for */
#define WAIT_ON_AGAIN 1000 /* the same, when the last question found nobody */
#define WAIT_UNSURE 500	/* of one that may sleep */
#define WAIT_ABSENT 50	/* the last question found nobody, and little hangs on this one */

char *guest_node(const struct vfiopm_guest_path *path, char *buf)
{
	if (path->port == VFIOPM_NO_PORT)
		snprintf(buf, GUEST_NODE_LEN, "\\_SB.PCI0.S%02X", path->devfn);
	else
		snprintf(buf, GUEST_NODE_LEN, "\\_SB.PCI0.S%02X.S%02X", path->port, path->devfn);
	return buf;
}

/*
 * The UART, and the exchange of one question and its answer. A guest that starts
 * anew begins with another number than the one before it did, most likely: what
 * that one has left on the wire answers nothing, and no question is taken for a
 * repetition.
 */
static const char exchange[] =
	"    Scope (\\_SB)\n"
	"    {\n"
	"        OperationRegion (VPIO, SystemIO, $IOBASE, 8)\n"
	"        Field (VPIO, ByteAcc, NoLock, Preserve)\n"
	"        {\n"
	"            VPDA, 8, VPIE, 8, VPFC, 8, VPLC, 8, VPMC, 8, VPLS, 8\n"
	"        }\n"
	"        Mutex (VPMX, 0)\n"
	"        Name (VPSQ, 0)      // number of the question\n"
	"        Name (VPSD, 0)      // the first one was drawn\n"
	"        Name (VPPR, 1)      // the last question was answered\n"
	"\n"
	"        // Sums over a frame: version and kind, port, function, number.\n"
	"        Method (VPSM, 4, NotSerialized)\n"
	"        {\n"
	"            Local0 = (Arg0 + Arg1 + Arg2 + Arg3) & 0xFF\n"
	"            Local1 = ((Arg0 * 4) + (Arg1 * 3) + (Arg2 * 2) + Arg3) & 0xFF\n"
	"            Return ((Local0 << 8) | Local1)\n"
	"        }\n"
	"\n"
	"        // Send: version and kind, port, function.\n"
	"        Method (VPSE, 3, NotSerialized)\n"
	"        {\n"
	"            Local1 = 100\n"
	"            While (!(VPLS & 0x20) && (Local1 > 0))\n"
	"            {\n"
	"                Stall (50)\n"
	"                Local1--\n"
	"            }\n"
	"            Local0 = VPSM (Arg0, Arg1, Arg2, VPSQ)\n"
	"            VPDA = 0xF5\n"
	"            VPDA = 0xFA\n"
	"            VPDA = Arg0\n"
	"            VPDA = Arg1\n"
	"            VPDA = Arg2\n"
	"            VPDA = VPSQ\n"
	"            VPDA = (Local0 >> 8)\n"
	"            VPDA = (Local0 & 0xFF)\n"
	"        }\n"
	"\n"
	"        // Kind, port, function, milliseconds. 0: no answer, 1: done, 2: refused.\n"
	"        Method (VPTX, 4, NotSerialized)\n"
	"        {\n"
	"            VPIE = 0\n"
	"            VPLC = 3\n"
	"            VPFC = 1\n"
	"            VPMC = 3\n"
	"            Local5 = Timer\n"
	"            If (VPSD == 0)\n"
	"            {\n"
	"                VPSD = 1\n"
	"                VPSQ = (Local5 & 0xFF)\n"
	"            }\n"
	"            VPSQ = ((VPSQ + 1) & 0xFF)\n"
	"            Local1 = ((Arg2 << 24) | (VPSQ << 16) | VPSM (0x1D, Arg1, Arg2, VPSQ))\n"
	"            Local2 = ((Arg2 << 24) | (VPSQ << 16) | VPSM (0x1E, Arg1, Arg2, VPSQ))\n"
	"            Local3 = 0\n"
	"            Local4 = 0\n"
	"            Local6 = 2500000\n"
	"            Local7 = 0\n"
	"            VPSE ((0x10 | Arg0), Arg1, Arg2)\n"
	"            While (Local7 == 0)\n"
	"            {\n"
	"                Local0 = ((Timer - Local5) & 0xFFFFFFFF)\n"
	"                If (VPLS & 1)\n"
	"                {\n"
	"                    Local3 = (((Local3 << 8) | (Local4 >> 24)) & 0xFFFFFFFF)\n"
	"                    Local4 = (((Local4 << 8) | VPDA) & 0xFFFFFFFF)\n"
	"                    If ((Local3 == (0xF5FA1D00 | Arg1)) && (Local4 == Local1))\n"
	"                    {\n"
	"                        Local7 = 1\n"
	"                    }\n"
	"                    ElseIf ((Arg0 == 1) && (Local3 == (0xF5FA1E00 | Arg1)) && "
	"(Local4 == Local2))\n"
	"                    {\n"
	"                        Local7 = 2  // ON is asked until it is done\n"
	"                    }\n"
	"                    ElseIf (Local0 > (Arg3 * 20000))\n"
	"                    {\n"
	"                        Break       // noise without an end\n"
	"                    }\n"
	"                }\n"
	"                ElseIf (Local0 > (Arg3 * 10000))\n"
	"                {\n"
	"                    Break\n"
	"                }\n"
	"                ElseIf ((Arg0 == 2) && (Local0 > Local6))\n"
	"                {\n"
	"                    VPSE (0x12, Arg1, Arg2)\n"
	"                    Local6 = (Local0 + 2500000)\n"
	"                }\n"
	"                ElseIf (Local0 < 20000)\n"
	"                {\n"
	"                    Stall (20)\n"
	"                }\n"
	"                Else\n"
	"                {\n"
	"                    Sleep (1)\n"
	"                }\n"
	"            }\n"
	"            VPPR = (Local7 != 0)\n"
	"            Return (Local7)\n"
	"        }\n"
	"\n";

/*
 * What is remembered of a device: 0: surely not in low power, 1: perhaps, 2:
 * surely. After an OFF without an answer it is 1: the listener may act on it
 * after the guest has given up.
 */
static const char states[] =
	"        // Port, function. Returns what is known of the device then.\n"
	"        Method (VPOF, 2, Serialized)\n"
	"        {\n"
	"            Local0 = $WAIT_OFF\n"
	"            If (Acquire (VPMX, 0xFFFE))\n"
	"            {\n"
	"                Return (1)\n"
	"            }\n"
	"            If (VPPR == 0)\n"
	"            {\n"
	"                Local0 = $WAIT_ABSENT\n"
	"            }\n"
	"            Local1 = VPTX (1, Arg0, Arg1, Local0)\n"
	"            Release (VPMX)\n"
	"            If (Local1 == 2)\n"
	"            {\n"
	"                Return (0)\n"
	"            }\n"
	"            Return (Local1 + 1)\n"
	"        }\n"
	"\n"
	"        // Port, function, what was known of the device.\n"
	"        Method (VPON, 3, Serialized)\n"
	"        {\n"
	"            If (Acquire (VPMX, 0xFFFE))\n"
	"            {\n"
	"                Return (1)\n"
	"            }\n"
	"            If (Arg2 == 2)\n"
	"            {\n"
	"                Local0 = $WAIT_ON\n"
	"                If (VPPR == 0)\n"
	"                {\n"
	"                    Local0 = $WAIT_AGAIN\n"
	"                }\n"
	"            }\n"
	"            Else\n"
	"            {\n"
	"                Local0 = $WAIT_UNSURE\n"
	"                If (VPPR == 0)\n"
	"                {\n"
	"                    Local0 = $WAIT_ABSENT\n"
	"                }\n"
	"            }\n"
	"            Local1 = VPTX (2, Arg0, Arg1, Local0)\n"
	"            Release (VPMX)\n"
	"            If (Local1 == 1)\n"
	"            {\n"
	"                Return (0)\n"
	"            }\n"
	"            Return (1)\n"
	"        }\n"
	"    }\n";

/*
 * One device. In both lists the resource says: on in D0 and in D3hot, off only
 * in D3cold (section 7.3.11). A node with _EJ0 is left alone: Linux ignores the
 * power methods of those.
 */
static const char device[] =
	"\n"
	"    If (CondRefOf ($NODE))\n"
	"    {\n"
	"        If (!CondRefOf ($NODE._EJ0))\n"
	"        {\n"
	"            Scope ($NODE)\n"
	"            {\n";

/* QEMU has no node for it: it is made, if the one above it is there. One more condition. */
static const char missing_device[] =
	"    ElseIf (CondRefOf ($PARENT))\n"
	"    {\n"
	"        Scope ($PARENT)\n"
	"        {\n"
	"            Device (VP$FN_HEX)\n"
	"            {\n"
	"                Name (_ADR, $ADR)\n";

/* A port that QEMU has no node for, once for all devices below it. */
static const char missing_port[] =
	"\n"
	"    If (!CondRefOf ($NODE))\n"
	"    {\n"
	"        Scope (" GUEST_ROOT ")\n"
	"        {\n"
	"            Device (VQ$FN_HEX)\n"
	"            {\n"
	"                Name (_ADR, $ADR)\n"
	"            }\n"
	"        }\n"
	"    }\n";

static const char resource[] =
	"                PowerResource (VPMR, 0, 0)\n"
	"                {\n"
	"                    Name (VPST, 1)\n"
	"                    Name (VPEN, 1)\n"
	"                    Method (_STA, 0, NotSerialized)\n"
	"                    {\n"
	"                        Return (VPST)\n"
	"                    }\n"
	"                    Method (_ON, 0, Serialized)\n"
	"                    {\n"
	"                        VPEN = \\_SB.VPON ($PORT, $FN, VPEN)\n"
	"                        VPST = 1\n"
	"                    }\n"
	"                    Method (_OFF, 0, Serialized)\n"
	"                    {\n"
	"                        VPEN = \\_SB.VPOF ($PORT, $FN)\n"
	"                        VPST = 0\n"
	"                    }\n"
	"                }\n"
	"                Name (_PR0, Package () { VPMR })\n"
	"                Name (_PR3, Package () { VPMR })\n"
	"            }\n"
	"        }\n"
	"    }\n";

/* Linux would take the UART for a terminal: its node is hidden. */
static const char hide[] =
	"    If (CondRefOf (\\_SB.PCI0.$BRIDGE.COM4._STA))\n"
	"    {\n"
	"        \\_SB.PCI0.$BRIDGE.COM4._STA = 0\n"
	"    }\n";

/* The ISA bridge of q35 by the names that QEMU gives and gave it, and that of pc. */
static const char *const bridges[] = { "SF8", "ISA", "S08" };

/* What $NAME in a text stands for. */
struct word {
	const char *name;
	const char *value;
};

static void expand(FILE *out, const char *text, const struct word *words)
{
	while (*text) {
		size_t plain = strcspn(text, "$"), len = 0;
		const struct word *w = words;

		fwrite(text, 1, plain, out);
		text += plain;
		if (!*text)
			return;
		text++;
		while (w->name && strncmp(text, w->name, len = strlen(w->name)))
			w++;
		if (w->name) {
			fputs(w->value, out);
			text += len;
		}
	}
}

/* Its part of a name, and its address as _ADR has it. */
static void format_names(uint8_t devfn, char hex[8], char adr[16])
{
	snprintf(hex, 8, "%02X", devfn);
	snprintf(adr, 16, "0x%04X%04X", devfn >> 3, devfn & 7);
}

bool guest_makes_node(const struct vfiopm_guest_path *path)
{
	return ((path->port == VFIOPM_NO_PORT ? path->devfn : path->port) & 7) != 0;
}

static bool is_made_port(const struct vfiopm_guest_path *path)
{
	return path->port != VFIOPM_NO_PORT && guest_makes_node(path);
}

static bool is_first_below(const struct guest_table *table, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (table->path[j].port == table->path[i].port)
			return false;
	return true;
}

static void put_device(FILE *out, const struct vfiopm_guest_path *path)
{
	struct vfiopm_guest_path up = { .port = VFIOPM_NO_PORT, .devfn = path->port };
	bool below = path->port != VFIOPM_NO_PORT;
	char node[GUEST_NODE_LEN], parent[GUEST_NODE_LEN], port[8], fn[8], hex[8], adr[16];
	/* A name that starts another comes after it. */
	const struct word words[] = {
		{ "NODE", guest_node(path, node) },
		{ "PARENT", parent },
		{ "PORT", port },
		{ "FN_HEX", hex },
		{ "FN", fn },
		{ "ADR", adr },
		{ NULL },
	};

	snprintf(port, sizeof(port), "0x%02X", path->port);
	snprintf(fn, sizeof(fn), "0x%02X", path->devfn);
	format_names(path->devfn, hex, adr);
	expand(out, device, words);
	expand(out, resource, words);
	strcpy(parent, GUEST_ROOT);
	if (below)
		guest_node(&up, parent);
	if (below || guest_makes_node(path)) {
		expand(out, missing_device, words);
		expand(out, resource, words);
	}
	if (is_made_port(path)) {
		snprintf(parent, sizeof(parent), GUEST_ROOT ".VQ%02X", path->port);
		expand(out, missing_device, words);
		expand(out, resource, words);
	}
}

static void put_externals(FILE *out, const struct guest_table *table)
{
	char node[GUEST_NODE_LEN];

	fputs("    External (" GUEST_ROOT ", DeviceObj)\n", out);
	for (size_t i = 0; i < sizeof(bridges) / sizeof(bridges[0]); i++)
		fprintf(out, "    External (\\_SB.PCI0.%s.COM4._STA, IntObj)\n", bridges[i]);
	for (size_t i = 0; i < table->count; i++) {
		const struct vfiopm_guest_path *path = &table->path[i];
		struct vfiopm_guest_path up = { .port = VFIOPM_NO_PORT, .devfn = path->port };

		if (path->port != VFIOPM_NO_PORT && is_first_below(table, i))
			fprintf(out, "    External (%s, DeviceObj)\n", guest_node(&up, node));
		fprintf(out, "    External (%s, DeviceObj)\n", guest_node(path, node));
		fprintf(out, "    External (%s._EJ0, MethodObj)\n", node);
	}
}

static void put_missing_ports(FILE *out, const struct guest_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		struct vfiopm_guest_path up = { .port = VFIOPM_NO_PORT,
						.devfn = table->path[i].port };
		char node[GUEST_NODE_LEN], hex[8], adr[16];
		const struct word words[] = {
			{ "NODE", guest_node(&up, node) },
			{ "FN_HEX", hex },
			{ "ADR", adr },
			{ NULL },
		};

		if (is_made_port(&table->path[i]) && is_first_below(table, i)) {
			format_names(up.devfn, hex, adr);
			expand(out, missing_port, words);
		}
	}
}

void guest_asl(const struct guest_table *table, FILE *out)
{
	char iobase[16], off[16], on[16], again[16], unsure[16], absent[16];
	const struct word words[] = {
		{ "IOBASE", iobase },	    { "WAIT_OFF", off },       { "WAIT_ON", on },
		{ "WAIT_AGAIN", again },    { "WAIT_UNSURE", unsure }, { "WAIT_ABSENT", absent },
		{ NULL },
	};

	snprintf(iobase, sizeof(iobase), "0x%04X", table->iobase);
	snprintf(off, sizeof(off), "%d", WAIT_OFF);
	snprintf(on, sizeof(on), "%d", WAIT_ON);
	snprintf(again, sizeof(again), "%d", WAIT_ON_AGAIN);
	snprintf(unsure, sizeof(unsure), "%d", WAIT_UNSURE);
	snprintf(absent, sizeof(absent), "%d", WAIT_ABSENT);
	fputs("// Made by " PROGRAM " guest-table " VFIOPM_VERSION ": vfio-pm-guest(7)\n"
	      "DefinitionBlock (\"\", \"SSDT\", 2, \"VFIOPM\", \"GUESTPM\", 1)\n"
	      "{\n",
	      out);
	put_externals(out, table);
	for (size_t i = 0; i < sizeof(bridges) / sizeof(bridges[0]); i++)
		expand(out, hide,
		       (const struct word[]){ { "BRIDGE", bridges[i] }, { NULL } });
	expand(out, exchange, words);
	expand(out, states, words);
	put_missing_ports(out, table);
	for (size_t i = 0; i < table->count; i++)
		put_device(out, &table->path[i]);
	fputs("}\n", out);
}
