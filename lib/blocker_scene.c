// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The scene before the rules look at it: what changes by itself within moments
 * is waited for, and what several rules go by is found out once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocker.h"

/* Every way to D3cold that the platform has. */
unsigned int scene_cold_routes(const struct scene *s)
{
	unsigned int routes = 0;

	if (look_has_resources(s->look))
		routes |= ROUTE_OWN;
	for (size_t k = 0; k < s->n_ports; k++)
		if (look_has_resources(s->ports[k]))
			routes |= ROUTE_PORT(k);
	return routes;
}

int scene_set(struct scene *s, struct vfiopm_device *dev, enum vfiopm_state want)
{
	int r;

	r = survey_look_device(s->survey, dev, &s->look);
	if (r < 0)
		return r;
	r = survey_ports(s->survey, s->look);
	if (r < 0)
		return r;
	s->ports = s->look->ports;
	s->n_ports = s->look->n_ports;
	s->want = want;
	if (want == VFIOPM_STATE_UNKNOWN)
		s->want = scene_cold_routes(s) ? VFIOPM_STATE_D3COLD : VFIOPM_STATE_D3HOT;
	s->routes = scene_cold_routes(s);
	if (s->want < VFIOPM_STATE_D3COLD)
		s->routes |= ROUTE_NATIVE;
	else if (!s->routes)
		s->routes = ROUTE_NATIVE | ROUTE_OWN;
	return 0;
}

bool look_is_vfio(struct look *look)
{
	return look->dev->vfio;
}

int look_held(struct look *look, int64_t *ret)
{
	int64_t usage, delay;
	int r;

	r = look_number(look, ATTR_USAGE, &usage);
	if (r < 0)
		return r;
	if (look_is(look, ATTR_CONTROL, "on"))
		usage--;
	/* A PF with VFs holds a reference of its own (vfio_pci_core_sriov_configure()). */
	if (look_is_vfio(look) && look_text(look, ATTR_NUMVFS))
		usage--;
	/* So does a negative delay (update_autosuspend()). */
	if (look_number(look, ATTR_DELAY, &delay) == 0 && delay < 0)
		usage--;
	/* Its owner's, which an entry gives back (vfio_pci_runtime_pm_entry()). */
	if (look->willing)
		usage--;
	*ret = usage;
	return 0;
}

int look_pins(struct look *look, int64_t *ret)
{
	int64_t usage;
	int r;

	r = look_held(look, &usage);
	if (r < 0)
		return r;
	/* And each device that depends on it and is awake: see rule_consumer(). */
	if (usage > 0 && look_consumers(look) == -ENOMEM)
		return -ENOMEM;
	for (size_t i = 0; i < look->n_consumers && usage > 0; i++)
		usage -= look_is_awake(look->consumers[i]);
	*ret = usage;
	return 0;
}

static enum vfiopm_state state_of(struct look *look)
{
	const char *text = look_text(look, ATTR_STATE);
	enum vfiopm_state state = VFIOPM_STATE_UNKNOWN;

	if (text)
		vfiopm_state_parse(text, &state);
	return state;
}

enum vfiopm_status look_status(struct look *look)
{
	const char *text = look_text(look, ATTR_STATUS);

	for (int i = VFIOPM_STATUS_ACTIVE; text && i <= VFIOPM_STATUS_UNSUPPORTED; i++)
		if (!strcmp(text, vfiopm_status_name((enum vfiopm_status)i)))
			return (enum vfiopm_status)i;
	return VFIOPM_STATUS_UNKNOWN;
}

/* Without a count of the awake children they are looked at themselves. */
static bool has_awake_child(struct scene *s, struct look *port)
{
	int64_t kids;

	if (look_number(port, ATTR_KIDS, &kids) == 0)
		return kids != 0;
	if (survey_children(s->survey, port) < 0)
		s->err = -ENOMEM;
	for (size_t i = 0; i < port->n_children; i++)
		if (look_is_awake(port->children[i]))
			return true;
	return false;
}

/* A kernel without the counts shows no reason why it shouldn't be. */
static bool port_is_due(struct scene *s, struct look *port)
{
	int64_t pins;

	return look_is(port, ATTR_STATUS, "active") && look_is(port, ATTR_CONTROL, "auto") &&
	       (look_pins(port, &pins) < 0 || pins <= 0) && !has_awake_child(s, port);
}

/*
 * A resume from D3cold waits for the link and for the device to answer: a second
 * or so on real platforms (drivers/pci/pci.c, pci_bridge_wait_for_secondary_bus()).
 * Looked at often enough to see one transition end, where the next one follows at
 * once.
 */
#define TRANSITION_STEP_MS 1
#define TRANSITION_MS 5000

/* A transition, the kernel's asynchronous idle check, or an access that was just at work. */
#define PASSING_MS 150
#define PASSING_STEP_MS 10
/* Usage counts of accesses are gone by then. */
#define ACCESS_MS 20
/* Who sleeps seconds after its last use is waited for only where somebody reads the answer. */
#define DELAY_MAX_MS 5000

/* How long another device is to be given to go to sleep: 0 when it is of no use. */
static int64_t patience_for(struct scene *s, struct look *look, int64_t waited)
{
	int64_t delay = 0, pins = 0;

	if (look->waited_for || look->willing || !look_is_awake(look) ||
	    look_is(look, ATTR_CONTROL, "on"))
		return 0;
	if (look_pins(look, &pins) < 0)
		return PASSING_MS;
	if (pins > 0)
		return waited < ACCESS_MS ? ACCESS_MS : 0;
	if (s->flags & VFIOPM_EXPLAIN_BRIEF || look_number(look, ATTR_DELAY, &delay) < 0 ||
	    delay < 0 || delay > DELAY_MAX_MS)
		delay = 0;
	return PASSING_MS + delay;
}

static bool waits_for_transition(struct scene *s, int64_t waited)
{
	bool moves = look_in_transition(s->look);

	/* Once: who has been waited for isn't waited for again. */
	if (moves && s->look->stuck)
		return false;
	s->look->stuck = moves && waited + TRANSITION_STEP_MS >= TRANSITION_MS;
	return moves;
}

#define COUNT_STEP_MS 3
#define COUNT_MS 12

static bool waits_for_count(struct scene *s, int64_t waited)
{
	int64_t pins;

	return look_is(s->look, ATTR_STATUS, "active") && look_pins(s->look, &pins) == 0 &&
	       pins > 0;
}

/* Look again at those of @look that may be awake for a moment only; true: go on. */
static bool waits_for_other(struct scene *s, struct look *look, int64_t waited)
{
	if (look->turn == s->survey->turn)
		return look->waits;
	look->turn = s->survey->turn;
	/* Who is in a transition holds a usage count until it is over. */
	if (!look->waited_for && look_in_transition(look) && waited < TRANSITION_MS) {
		look->moved = waited;
		look->waits = true;
	} else {
		waited -= look->moved;
		look->waits = patience_for(s, look, waited) > waited;
	}
	if (look->waits)
		look_again(look);
	else
		look->waited_for = true;
	return look->waits;
}

/*
 * A device beside the way, or one that depends on this one, is awake for a
 * moment when somebody has just used it: to be accused it has to stay so.
 */
static bool waits_for_others(struct scene *s, int64_t waited)
{
	bool waits = false;

	if (look_consumers(s->look) == -ENOMEM)
		s->err = -ENOMEM;
	for (size_t i = 0; i < s->look->n_consumers; i++)
		waits |= waits_for_other(s, s->look->consumers[i], waited);
	for (size_t k = 0; k < s->n_ports && wants_ports(s); k++) {
		struct look *port = s->ports[k];

		if (look_is(port, ATTR_STATUS, "suspended"))
			continue;
		if (survey_children(s->survey, port) < 0)
			s->err = -ENOMEM;
		for (size_t i = 0; i < port->n_children; i++)
			if (port->children[i] != s->look &&
			    (!k || port->children[i] != s->ports[k - 1]))
				waits |= waits_for_other(s, port->children[i], waited);
	}
	return waits;
}

#define PORT_STEP_MS 10
/* One that doesn't go to sleep is waited for once, not for each device. */
#define PORT_TURNS 100
#define PORT_TRANSITION_TURNS (TRANSITION_MS / PORT_STEP_MS)

static bool waits_for_ports(struct scene *s, int64_t waited)
{
	if (!look_is(s->look, ATTR_STATUS, "suspended"))
		return false;
	for (size_t k = 0; k < s->n_ports; k++) {
		struct look *port = s->ports[k];

		if (port->waited_for || (!port_is_due(s, port) && !look_in_transition(port)))
			continue;
		if (port->turn != s->survey->turn) {
			port->turn = s->survey->turn;
			port->waited_for = ++port->turns > (look_in_transition(port) ?
								    PORT_TRANSITION_TURNS :
								    PORT_TURNS);
			port->stuck = port->waited_for && look_in_transition(port);
		}
		if (!port->waited_for)
			return true;
	}
	return false;
}

bool scene_seems_lost(struct scene *s)
{
	if (!look_is(s->look, ATTR_STATE, "D3cold") ||
	    !(look_text(s->look, ATTR_NODE) ||
	      (s->n_ports && look_text(s->ports[0], ATTR_NODE))) ||
	    (look_has_resources(s->look) && !look_is(s->look, ATTR_NODE_STATE, "D0") &&
	     !look_is_unpowered(s->look)))
		return false;
	for (size_t k = 0; k < s->n_ports; k++)
		if (look_is(s->ports[k], ATTR_STATE, "D3cold") ||
		    !look_text(s->ports[k], ATTR_STATE))
			return false;
	return true;
}

/* Odd, so as not to keep step with whoever wakes the device all the time. */
#define LOST_STEP_MS 17
#define LOST_MS 1020

/* One that is on its way up looks lost, too: it has power, and no state yet. */
static bool waits_for_power(struct scene *s, int64_t waited)
{
	bool lost = look_is_vfio(s->look) && look_is(s->look, ATTR_STATUS, "suspended") &&
		    scene_seems_lost(s);

	if (lost && s->look->silent)
		return false;
	s->look->silent = lost && waited + LOST_STEP_MS >= LOST_MS;
	return lost;
}

void scene_look_again(struct scene *s)
{
	look_again(s->look);
	for (size_t k = 0; k < s->n_ports; k++)
		look_again(s->ports[k]);
}

/* While @waits says so of one of the scenes: all wait together, and look again. */
static void wait_while(struct scene *scenes, size_t n,
		       bool (*waits)(struct scene *s, int64_t waited), int64_t step, int64_t most)
{
	bool more = true;

	for (int64_t waited = 0; more && waited < most; waited += step) {
		more = false;
		scenes[0].survey->turn++;
		for (size_t i = 0; i < n; i++) {
			scenes[i].waits = !scenes[i].err && waits(&scenes[i], waited);
			more |= scenes[i].waits;
		}
		if (!more)
			return;
		look_pause(step);
		for (size_t i = 0; i < n; i++) {
			if (scenes[i].waits)
				scene_look_again(&scenes[i]);
		}
	}
}

#define SETTLE_ROUNDS 3

/*
 * What changes by itself within moments is waited for, so that nothing is
 * accused for being looked at too early: a transition takes tens of
 * milliseconds, a port suspends 100 ms after its last child
 * (drivers/pci/pcie/portdrv.c), an access by the user holds a usage count for
 * as long as it takes.
 */
static void settle(struct scene *scenes, size_t n)
{
	bool moves = true;

	/* While a port is waited for, what is below it begins to move. */
	for (int round = 0; moves && round < SETTLE_ROUNDS; round++) {
		wait_while(scenes, n, waits_for_transition, TRANSITION_STEP_MS, TRANSITION_MS);
		wait_while(scenes, n, waits_for_count, COUNT_STEP_MS, COUNT_MS);
		wait_while(scenes, n, waits_for_others, PASSING_STEP_MS, INT64_MAX);
		wait_while(scenes, n, waits_for_ports, PORT_STEP_MS, INT64_MAX);
		wait_while(scenes, n, waits_for_power, LOST_STEP_MS, LOST_MS);
		moves = false;
		for (size_t i = 0; i < n; i++)
			moves |= look_in_transition(scenes[i].look) && !scenes[i].look->stuck;
	}
}

void scene_settle(struct scene *s)
{
	enum vfiopm_status settled = s->look->settled;

	if (s->foreign)
		return;
	/* One that has moved since the devices of the survey were given the time takes its own. */
	if (settled) {
		look_forget(s->look, ATTR_STATUS);
		if (look_status(s->look) == settled)
			return;
	}
	settle(s, 1);
}

int vfiopm_survey_settle(struct vfiopm_survey *survey, struct vfiopm_device *const *dev, size_t n,
			 enum vfiopm_state want, unsigned int flags)
{
	struct scene *scenes;
	struct look *look;
	int r = 0;

	/* What is in the survey already isn't looked for again below a port. */
	for (size_t i = 0; i < n && r == 0; i++)
		r = survey_look_device(survey, dev[i], &look);
	if (r < 0 || survey->ctx->foreign || !n)
		return r;
	scenes = calloc(n, sizeof(*scenes));
	if (!scenes)
		return -ENOMEM;
	for (size_t i = 0; i < n && r == 0; i++) {
		scenes[i] = (struct scene){ .survey = survey, .flags = flags };
		r = scene_set(&scenes[i], dev[i], want);
	}
	if (r == 0)
		settle(scenes, n);
	for (size_t i = 0; i < n && r == 0; i++) {
		r = scenes[i].err;
		scenes[i].look->settled = look_status(scenes[i].look);
	}
	free(scenes);
	return r;
}

/*
 * The state that goes with the status: between two reads of a live device it
 * may have woken.
 */
static void read_state(struct scene *s)
{
	char status[32];

	for (int i = 0; i < 5; i++) {
		snprintf(status, sizeof(status), "%.31s",
			 look_text(s->look, ATTR_STATUS) ? look_text(s->look, ATTR_STATUS) : "");
		s->state = state_of(s->look);
		if (s->foreign || !status[0])
			return;
		look_forget(s->look, ATTR_STATUS);
		if (look_is(s->look, ATTR_STATUS, status))
			return;
		look_forget(s->look, ATTR_STATE);
	}
}

bool watch_saw_sleep(const struct scene *s)
{
	return s->watch.changes >= 2 && s->watch.timed && s->watch.suspended_ms > 0;
}

void scene_judge(struct scene *s)
{
	int64_t pins;

	read_state(s);
	s->vfio = look_is_vfio(s->look);
	s->suspended = look_is(s->look, ATTR_STATUS, "suspended");
	s->active = look_is(s->look, ATTR_STATUS, "active");
	s->asleep = s->suspended && s->state >= VFIOPM_STATE_D3HOT;
	s->open = look_is_open(s->look);
	s->usage_known = look_pins(s->look, &pins) == 0;
	s->pins = s->usage_known ? pins : 0;
	/* What was seen to sleep isn't pinned: a count at the moment is who keeps it busy. */
	if (watch_saw_sleep(s) && s->pins > 0)
		s->pins = 0;
}

bool look_has_resources(struct look *look)
{
	return look_text(look, ATTR_NODE_D3HOT) != NULL;
}

/* As acpi_power_state_string() of drivers/acpi/device_pm.c writes ACPI_STATE_UNKNOWN. */
bool look_is_unpowered(struct look *look)
{
	return look_has_resources(look) && look_is(look, ATTR_NODE_STATE, "(unknown)");
}
