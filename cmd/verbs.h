/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verbs, in the order of the help: one row each, from which main.c makes
 * its table and cmd.h the prototypes. VERB(NAME, FLAGS, SUMMARY) stands for
 * cmd_NAME() and NAME_argp; NAMED_VERB() for a verb whose name is no word of C.
 */
#define VERB(name, flags, summary) NAMED_VERB(name, #name, flags, summary)
VERB(list, 0, "list devices and their power states")
VERB(status, 0, "show all that is known of devices")
VERB(enter, VERB_WRITES, "put devices into low power and keep them there")
VERB(exit, VERB_WRITES, "take devices out of low power and let go of them")
VERB(hold, VERB_WRITES, "the same as enter, in the foreground")
VERB(cycle, VERB_WRITES, "sleep and wake again and again, verified each time")
VERB(run, VERB_WRITES, "keep devices in low power while a command runs")
VERB(wait, 0, "wait until a device is in a state")
VERB(monitor, 0, "follow changes of state, driver and owner")
VERB(owner, 0, "show who has a device open")
VERB(policy, 0, "show or set what the host allows")
VERB(bind, 0, "give devices to a VFIO driver")
VERB(unbind, VERB_WRITES, "give devices back to the host")
VERB(explain, 0, "say why a device does not sleep")
VERB(report, 0, "write what explain reads to an archive that travels")
VERB(deepen, VERB_WRITES, "take what owners put into D3hot further down")
NAMED_VERB(guest_table, "guest-table", VERB_WRITES, "write the ACPI table that a guest calls")
NAMED_VERB(guest_listen, "guest-listen", VERB_WRITES, "do what a guest's ACPI table asks for")
VERB(help, 0, "show the help of a verb")
#undef VERB
