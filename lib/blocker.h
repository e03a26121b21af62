/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the rules share: looks at devices, findings, routes.
 * blocker_look.c reads, blocker_*.c judge, blocker.c asks and answers.
 */
#ifndef VFIOPM_BLOCKER_H
#define VFIOPM_BLOCKER_H

#include "private.h"

/* ---- blocker_look.c: files, each read once, with the reason when it can't be ---- */

/* What the rules read of a PCI device; the table in blocker_look.c names the files. */
enum attr {
	ATTR_STATUS,
	ATTR_STATE,
	ATTR_CONTROL,
	ATTR_USAGE,
	ATTR_KIDS,
	ATTR_ENABLED,
	ATTR_DELAY,
	ATTR_ACTIVE_TIME,
	ATTR_SUSPENDED_TIME,
	ATTR_WAKEUP,
	ATTR_D3COLD,
	ATTR_ENABLE,
	ATTR_RESET,
	ATTR_NUMVFS,
	ATTR_DRIVER,
	ATTR_PHYSFN,
	ATTR_VFIO_DEV,
	ATTR_NODE,
	ATTR_NODE_PATH,
	ATTR_NODE_STATE,
	ATTR_NODE_REAL,
	ATTR_NODE_EJECT,
	ATTR_NODE_D3HOT,
	ATTR_ACCOUNT,
	N_ATTRS
};

/* @value is NULL exactly when @err is a negative errno. */
struct fact {
	bool read;
	int err;
	char *value;
};

struct look {
	struct vfiopm_device *dev;
	int dir;		/* its folder while it is explained, -1 else */
	struct fact facts[N_ATTRS];
	/* Its ACPI node's power resources for D3, listed when ATTR_NODE_D3HOT is read. */
	char **resources;
	size_t n_resources;
	int resources_err;
	/* Bridges above, nearest first; devices below. Filled when asked for. */
	struct look **ports, **children;
	size_t n_ports, n_children;
	bool have_ports, have_children, have_below, reported, waited_for;
	/* All below it, however far down; see survey_below(). */
	struct look **below;
	size_t n_below;
	unsigned int walk;
	char hotplug_service[40];	/* of a port whose hotplug the kernel handles, or "" */
	int children_err;
	/* Devices that the kernel has linked to this one as their supplier. */
	struct look **consumers;
	size_t n_consumers;
	bool have_consumers;
	/* Its virtual functions. */
	struct look **vfs;
	size_t n_vfs;
	bool have_vfs;
	/* See look_in_use(). */
	bool have_in_use, in_use;
	struct vfiopm_survey *survey;
	/* While it is waited for, blocker_scene.c: in which turn, what came of it, how often. */
	unsigned int turn, turns;
	bool waits;
	int64_t moved;		/* when it was last seen in a transition */
	bool stuck;		/* in a transition for as long as is waited for one */
	bool silent;		/* seemed lost for as long as is waited for that */
	bool willing;		/* see vfiopm_survey_set_willing() */
	bool knows_wakes, wakes; /* see vfiopm_survey_set_wakes() */
	enum vfiopm_status settled;	/* when the devices of the survey had been waited for */
	/* See look_culprit(). */
	bool have_culprit;
	struct look *culprit;
};

/* One file of the system, not of a device. */
enum sysfact {
	FACT_CMDLINE,
	FACT_RELEASE,
	FACT_BIOS_DATE,
	FACT_ACPI,
	N_SYSFACTS
};

/* An ACPI node that uses a power resource in the state that it is in. */
struct power_user {
	char *resource;
	char *node;		/* in /sys/bus/acpi/devices */
	int err;		/* why its state can't be read: it may be a user */
	char *physical;		/* address or name of its device, or NULL */
	bool named;		/* by survey_name_user(): */
	char *path;		/* its full ACPI name, or NULL */
};

struct vfiopm_survey {
	unsigned int refs;
	struct vfiopm_ctx *ctx;
	struct look **table;	/* open addressing by PCI address */
	size_t size, count;
	struct fact facts[N_SYSFACTS];
	struct power_user *users;
	size_t n_users;
	int users_err;
	unsigned int walks;	/* of survey_below(), which marks what it has met */
	unsigned int turn;	/* of those who wait */
	bool have_users, have_owners;
	struct vfiopm_owners *owners;
};

/*
 * Read a text of at most @limit characters, the last component of a link, or
 * whether something is there. @path: relative to the root.
 */
int fact_read_text(const struct vfiopm_ctx *ctx, const char *path, size_t limit, char **ret);
int fact_read_link(const struct vfiopm_ctx *ctx, const char *path, char **ret);
int fact_read_link_at(int dir, const char *link, char **ret);
int fact_read_there(const struct vfiopm_ctx *ctx, const char *path, char **ret);

/* ---- blocker_survey.c: what explanations share ---- */

struct vfiopm_survey *survey_ref(struct vfiopm_survey *survey);
/* The look at a device; -ENODEV, -ENOMEM. It belongs to the survey. */
int survey_look(struct vfiopm_survey *survey, const struct vfiopm_addr *addr, struct look **ret);
int survey_look_device(struct vfiopm_survey *survey, struct vfiopm_device *dev,
		       struct look **ret);
/* Fill ports or children. -ENOMEM only; what can't be listed is in children_err. */
int survey_ports(struct vfiopm_survey *survey, struct look *look);
int survey_children(struct vfiopm_survey *survey, struct look *look);
/* All devices below a bridge, the nearest first. -ENOMEM only. */
int survey_below(struct vfiopm_survey *survey, struct look *look);
/* Fill the consumers of a look, 0; -ENOMEM, or why they can't be listed. */
int look_consumers(struct look *look);
/* The same of its virtual functions. */
int look_vfs(struct look *look);
/* Find out who uses which resource; -ENOMEM, or why that can't be listed. */
int survey_users(struct vfiopm_survey *survey);
/* The first of those who use @resource, which stand together; or n_users, or another's. */
size_t survey_first_user(const struct vfiopm_survey *survey, const char *resource);
void survey_name_user(struct vfiopm_survey *survey, struct power_user *user);
/* Who has a device open, NULL: nobody, or nobody who can be seen. */
const struct vfiopm_owner *survey_owner(struct vfiopm_survey *survey,
					const struct vfiopm_device *dev);
const struct fact *survey_fact(struct vfiopm_survey *survey, enum sysfact which);
const char *sysfact_file(enum sysfact which);
/* Is "NAME=VALUE" a parameter of the kernel command line? -1: can't be read. */
int survey_has_parameter(struct vfiopm_survey *survey, const char *parameter);

const struct fact *look_fact(struct look *look, enum attr attr);
/* Hold the device's folder open: each file is a short way from there. */
void look_open(struct look *look);
void look_close(struct look *look);
/* Forget a value, to read it again. */
void look_forget(struct look *look, enum attr attr);
/* Forget all that changes when a device falls asleep or wakes. */
void look_again(struct look *look);
void look_pause(long ms);
/* NULL when it can't be read. */
const char *look_text(struct look *look, enum attr attr);
bool look_is(struct look *look, enum attr attr, const char *value);
/* VFIOPM_STATUS_UNKNOWN: it can't be read, or is none of those. */
enum vfiopm_status look_status(struct look *look);
/* 0, or why not: -EINVAL for something that is no number. */
int look_number(struct look *look, enum attr attr, int64_t *ret);
const char *attr_file(enum attr attr);
/* In the folder of a slot that a hotplug driver has, blocker_bridge.c. */
#define N_HOTPLUG_SLOT_FILES 2
extern const char *const hotplug_slot_files[N_HOTPLUG_SLOT_FILES];
/* A file that is read, not a link or a folder whose presence counts? */
bool attr_is_file(enum attr attr);
bool attr_wakes(enum attr attr);
/* Why a file can't be read, in words: "no such file". */
const char *reason_of(int err);

/* ---- blocker.c: asking, and the answer ---- */

/*
 * A device gets to sleep by one of several routes: D3hot by its own PM
 * capability; D3cold by the power resources of its own ACPI node; D3cold by
 * those of a port above, which powers off everything below it. A finding says
 * which of them it concerns.
 */
#define ROUTE_NATIVE	(1u << 0)
#define ROUTE_OWN	(1u << 1)
#define ROUTE_PORT(k)	((k) < MAX_PORTS ? 1u << (2 + (k)) : 0)
#define ROUTES_ALL	(~0u)
#define ROUTES_PORTS(k)	((k) < MAX_PORTS ? ~0u << (2 + (k)) : 0)	/* port k and those above */
#define ROUTES_COLD	(~ROUTE_NATIVE)
#define MAX_PORTS	30u

enum mend_order {
	ORDER_BOOT,		/* undoes all that follows */
	ORDER_LET_GO,		/* a removal waits for who has it open */
	ORDER_REMOVE,		/* what is removed comes back by a rescan, without a driver */
	ORDER_RESCAN,
	ORDER_BIND,		/* a new driver sets control anew */
	ORDER_DEVICE,
	ORDER_D3COLD,		/* wakes, so before what lets sleep */
	ORDER_AUTOSUSPEND,
	ORDER_CONTROL,
	ORDER_ENTER,
	ORDER_LOOK,		/* no cure: where to look next */
};

struct vfiopm_mend {
	enum vfiopm_mend_kind kind;
	enum mend_order order;
	char *text, *undo;
	char *path, *value, *old;	/* a knob: relative to the root */
	bool wakes;
	bool needed;		/* what it is for does stand in the way */
	bool near;		/* a knob of the device, its siblings or the bridges above */
};

#define EVIDENCE_MAX 8

struct evidence {
	char *file, *value;
};

struct scene;

struct rule {
	const char *id;
	enum vfiopm_topic topic;
	const char *source;
	void (*judge)(struct scene *s);
};

struct vfiopm_finding {
	const struct rule *rule;
	enum vfiopm_verdict verdict;
	unsigned int routes;
	bool matters, curable;
	char subject[VFIOPM_ADDR_LEN];
	char *text, *reason;
	struct evidence evidence[EVIDENCE_MAX];
	size_t n_evidence;
	struct vfiopm_mend **mends;
	size_t n_mends;
};

/* What was seen while the device was watched. */
struct watch {
	int64_t ms, suspended_ms;
	unsigned int changes;	/* of the runtime status, as far as seen */
	bool done, timed;	/* timed: the kernel's residency could be read */
	char causes[256];	/* what the module's account says of that time, or "" */
	char who[64];		/* the last that woke it meanwhile, or "" */
};

struct vfiopm_explanation {
	struct vfiopm_survey *survey;
	struct vfiopm_device *dev;
	struct vfiopm_finding **findings;
	size_t n_findings;
	const struct vfiopm_mend **mends;
	size_t n_mends;
	enum vfiopm_outcome outcome;
	enum vfiopm_state want, reachable, state;
	enum vfiopm_status status;
	char *sentence;
};

/* blocker_watch.c: look at the device for @ms milliseconds. */
void watch_device(struct scene *s, int64_t ms);
/* Did it fall asleep while it was watched, and wake? */
bool watch_saw_sleep(const struct scene *s);
int explanation_add(struct vfiopm_explanation *e, struct vfiopm_finding *f);
void finding_free(struct vfiopm_finding *f);
/* Its text, with the subject in front where that isn't the device itself; NULL: no memory. */
char *finding_phrase(const struct vfiopm_explanation *e, const struct vfiopm_finding *f);

/* What the rules look at, while they do. */
struct scene {
	struct vfiopm_survey *survey;
	struct look *look;
	struct look **ports;
	size_t n_ports;
	enum vfiopm_state want, state;
	unsigned int flags;
	unsigned int routes;	/* those to the wanted state that this platform has */
	bool vfio, suspended, asleep, active, open, foreign;
	bool usage_known;
	int64_t pins;		/* runtime_usage less what is accounted for otherwise */
	bool busy, lost, waits;
	unsigned int told_wakeup;	/* routes of the ports that stay awake for a wakeup */
	const struct look *passing;	/* beside the way, awake for a moment */
	struct watch watch;
	const struct rule *rule;	/* the one that judges */
	struct vfiopm_explanation *out;
	int err;		/* -ENOMEM: the answer is thrown away */
};

/*
 * Add a finding about @subject (NULL: the system). NULL is returned when it
 * isn't wanted or memory has run out; what follows takes NULL.
 */
struct vfiopm_finding *found(struct scene *s, enum vfiopm_verdict verdict, unsigned int routes,
			     const struct look *subject, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
#define blocks(s, routes, subject, ...) \
	found((s), VFIOPM_VERDICT_BLOCKS, (routes), (subject), __VA_ARGS__)
#define passes(s, routes, subject, ...) \
	found((s), VFIOPM_VERDICT_PASSES, (routes), (subject), __VA_ARGS__)
/* @err: why it couldn't be measured; quoted with the attribute. */
struct vfiopm_finding *unmeasured(struct scene *s, unsigned int routes, struct look *subject,
				  enum attr attr, const char *what);
/* The same for another reason than a file that can't be read. */
struct vfiopm_finding *untold(struct scene *s, unsigned int routes, const struct look *subject,
			      const char *reason, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
void quote(struct scene *s, struct vfiopm_finding *f, struct look *look, enum attr attr);
/* @file: relative to the root. */
void quote_consumer(struct scene *s, struct vfiopm_finding *f, struct look *supplier,
		    struct look *consumer);
void quote_file(struct scene *s, struct vfiopm_finding *f, const char *file, const char *value);
void quote_fact(struct scene *s, struct vfiopm_finding *f, enum sysfact which);
void mend_knob(struct scene *s, struct vfiopm_finding *f, struct look *look, enum attr attr,
	       const char *value);
void mend_command(struct scene *s, struct vfiopm_finding *f, enum mend_order order,
		  const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void mend_advice(struct scene *s, struct vfiopm_finding *f, enum mend_order order,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* ---- blocker_remove.c ---- */

/* vfio-pci-core enables a device while it is open (vfio_pci_core_enable()). */
bool look_is_open(struct look *look);
/* Take @look out of the kernel's hands and have it found anew, and the device bound again. */
void mend_remove(struct scene *s, struct vfiopm_finding *f, struct look *look);
/*
 * Bind @look to a VFIO driver, after what `vfio-pm bind` refuses it for, where that can be seen
 * without opening anything.
 */
void mend_bind(struct scene *s, struct vfiopm_finding *f, struct look *look);
/* Disable the VFs of @pf. */
void mend_vfs(struct scene *s, struct vfiopm_finding *f, struct look *pf);

/* ---- blocker_awake.c: other devices ---- */

bool look_is_awake(struct look *look);
bool look_in_transition(struct look *look);
/* A port that the kernel doesn't take into D3? */
bool look_is_refused(struct look *look);
/*
 * Active devices below it that are none of PCI, a keyboard at a USB controller:
 * they hold no usage count. 0 for a bridge, whose own are looked at one by one,
 * and where it can't be read.
 */
int64_t look_active_kids(struct look *look);
/* Would it sleep by itself, nobody using it just now? What is below a bridge is another matter. */
bool look_may_sleep(struct look *look);
/*
 * Who keeps @look awake, for longer than a moment: itself or a device below it.
 * NULL: nobody, as far as can be seen.
 */
struct look *look_culprit(struct scene *s, struct look *look);
#define AWAKE_TEXT_MAX 192
void describe_awake(struct look *look, char *buf, size_t size);
void quote_awake(struct scene *s, struct vfiopm_finding *f, struct look *look);
/* What lets a device on whatever driver, or a bridge and what is below it, sleep. */
void mend_awake(struct scene *s, struct vfiopm_finding *f, struct look *look);
/* What lets the active devices below @look sleep. */
void mend_kids(struct scene *s, struct vfiopm_finding *f, struct look *look);
#define HOTPLUG_MEND \
	"turn hotplug of this slot off in the firmware, or else boot with pcie_ports=native"

/* For one that is open and has not entered low power. */
void mend_open(struct scene *s, struct vfiopm_finding *f, struct look *look);
/* Usage count of @look that control, VFs, a negative delay and consumers don't account for. */
int look_pins(struct look *look, int64_t *ret);
/* The same with what its consumers account for. */
int look_held(struct look *look, int64_t *ret);
bool look_is_vfio(struct look *look);
/* Another function of the device's slot, or itself? */
bool is_sibling(const struct scene *s, const struct look *look);
/* Do the ports and what is below them count for the answer, or is all to be told? */
bool wants_ports(const struct scene *s);
/* Not for an answer in brief that has nothing to do with @routes. */
bool wants_routes(const struct scene *s, unsigned int routes);
/* Has a rule so far found something in the way of one of @routes? */
bool is_blocked(const struct vfiopm_explanation *e, unsigned int routes);

/* ---- blocker_scene.c ---- */

/* Every way to D3cold that the platform has. */
unsigned int scene_cold_routes(const struct scene *s);
/* The device, its ports, and the ways to the wanted state. */
int scene_set(struct scene *s, struct vfiopm_device *dev, enum vfiopm_state want);
void scene_settle(struct scene *s);
/* Forget what changes of the device and the ports above it. */
void scene_look_again(struct scene *s);
/* Recorded as D3cold, and neither its own power resources nor a port above has cut its power? */
bool scene_seems_lost(struct scene *s);
void scene_judge(struct scene *s);

/* ---- the rules; the table in blocker.c has them in the order of the answer ---- */

void rule_driver(struct scene *s);		/* blocker_device.c */
void rule_features(struct scene *s);
void rule_status(struct scene *s);
void rule_sriov(struct scene *s);
void rule_vf(struct scene *s);
void rule_control(struct scene *s);
void rule_autosuspend(struct scene *s);
void rule_consumer(struct scene *s);		/* blocker_awake.c */
void rule_user_d3hot(struct scene *s);
void rule_owner(struct scene *s);
void rule_idle(struct scene *s);
void rule_usage(struct scene *s);
void rule_lost(struct scene *s);
void rule_pm_capability(struct scene *s);
void rule_no_d3(struct scene *s);
void rule_d3cold_allowed(struct scene *s);
void rule_busy(struct scene *s);		/* blocker_watch.c */
void rule_group(struct scene *s);		/* blocker_slot.c */
void rule_sibling(struct scene *s);
void rule_sibling_d3cold(struct scene *s);
void rule_wakeup(struct scene *s);
void rule_sibling_wakeup(struct scene *s);
void rule_bridge_child(struct scene *s);
void rule_bridge_awake(struct scene *s);
void rule_bridge_status(struct scene *s);	/* blocker_bridge.c */
void rule_bridge_control(struct scene *s);
void rule_bridge_autosuspend(struct scene *s);
void rule_bridge_d3cold(struct scene *s);
void rule_bridge_driver(struct scene *s);
void rule_port_pm(struct scene *s);
void rule_hotplug(struct scene *s);
void rule_bios_year(struct scene *s);
void rule_bridge_refused(struct scene *s);
void rule_bridge_usage(struct scene *s);
void rule_config_pm(struct scene *s);		/* blocker_platform.c */
void rule_acpi(struct scene *s);
void rule_power_resource(struct scene *s);
void rule_eject(struct scene *s);
void rule_acpi_state(struct scene *s);
void rule_shared_resource(struct scene *s);
void rule_acpi_choice(struct scene *s);
void rule_aspm(struct scene *s);
void rule_measured(struct scene *s);		/* blocker.c */

/* Are there any runtime PM attributes? */
bool look_has_pm(struct look *look);
/*
 * CONFIG_PM of the running kernel: 1 set, 0 not set, -errno: not to be found
 * out. @file becomes the file that tells, or stays as it is.
 */
int survey_config_pm(struct vfiopm_survey *survey, char *file, size_t size);
/* Does the ACPI node of this device name power resources for D3? */
bool look_has_resources(struct look *look);
/*
 * Could they not be switched on when the device was to wake? The state of the
 * node is unknown then, and acpi_power_transition() of drivers/acpi/power.c
 * refuses each further change: nothing tries again before the next boot.
 */
bool look_is_unpowered(struct look *look);
/* What tells so, and that only a boot helps. */
void mend_unpowered(struct scene *s, struct vfiopm_finding *f, struct look *look);
/*
 * Is the power of a device that shows D3cold really off? Its node, or that of
 * a port above it, has switched its resources off; they stay on while another
 * device uses them.
 */
enum power { POWER_OFF, POWER_KEPT, POWER_UNTOLD };
enum power scene_power(struct scene *s);

#endif /* VFIOPM_BLOCKER_H */
