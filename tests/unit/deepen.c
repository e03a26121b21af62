// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the service makes of a device: looks at a tree of our own, with a clock of our own, and
 * borrowing replaced by what is counted here.
 */
#include <argp.h>
#include <errno.h>
#include <linux/pci_regs.h>

#include "private.h"
#include "tree.h"

static int borrowed;
static enum vfiopm_refusal borrow_refusal;

static int mock_borrow_new(struct vfiopm_device *dev, struct vfiopm_borrow **ret,
			   enum vfiopm_refusal *why)
{
	borrowed++;
	*why = borrow_refusal;
	return -ECANCELED;
}

#define vfiopm_borrow_new mock_borrow_new
#include "../../cmd/deepen_device.c"
#include "../../cmd/deepen_kernel.c"

#define NAME "0000:01:00.0"

static struct tree tree;
static int number, failures;
static int64_t now = 1000;
static bool deeper = true;
/* Of the events, one letter each, and of the last one. */
static char said[64];
static enum deepen_reason reason;
static int64_t asleep_ms;
static struct deepen_stats stats;

static void check(bool good, const char *name)
{
	printf("%sok %d %s\n", good ? "" : "not ", ++number, name);
	if (!good)
		printf("# said \"%s\", reason %d\n", said, reason);
	failures += !good;
}

void deepen_report(const struct deepen *s, const struct deepen_event *event)
{
	static const char letters[] = "w-DdWOLRT"; /* in the order of deepen_event_kind */
	size_t len = strlen(said);

	said[len] = letters[event->kind];
	said[len + 1] = '\0';
	reason = event->d->reason;
	asleep_ms = event->asleep_ms;
	stats = event->d->stats;
}

void stall_begin(struct stall *stall, const char *what, const char *name)
{
}

void stall_end(struct stall *stall)
{
}

int64_t monotonic_ms(void)
{
	return now;
}

bool deepen_rules_goes_deeper(struct deepen *s, struct deepen_device *d)
{
	return deeper;
}

enum deepen_reason deepen_rules_check(struct deepen *s, struct deepen_device *d, int64_t now_ms)
{
	return REASON_NONE;
}

void deepen_rules_note_entry(struct deepen_device *d, int64_t now_ms)
{
}

int64_t deepen_rules_backoff(const struct deepen *s, const struct deepen_device *d)
{
	return s->options.retry_ms;
}

static void shows(const char *status, const char *state)
{
	tree_attr(&tree, NAME, "power/runtime_status", status);
	tree_attr(&tree, NAME, "power_state", state);
}

static void account(int entries, int exits, int asleep_us, int limited)
{
	char text[128];

	snprintf(text, sizeof(text), "entries %d\nexits %d\nasleep_us %d\nrate_limited %d\n",
		 entries, exits, asleep_us, limited);
	tree_attr(&tree, NAME, "vfio_pm/account", text);
}

static void look(struct deepen *s, struct deepen_device *d, int64_t ms)
{
	now += ms;
	deepen_device_tick(s, d, now);
}

/* ---- by borrowing ---- */

static void test_retry(struct vfiopm_device *dev)
{
	struct deepen s = { .options = { .retry_ms = 60000 } };
	struct deepen_device *d;

	vfiopm_keeper_new(dev->ctx, &s.keeper);

	shows("active", "D0");
	borrow_refusal = VFIOPM_REFUSED_NOT_SUSPENDED;
	deepen_device_new(&s, dev, &d);
	for (int i = 0; i < 50; i++) {
		shows("active", "D3hot");
		look(&s, d, 10);
		shows("active", "D0");
		look(&s, d, 10);
	}
	check(borrowed == 1, "refused: an owner that toggles isn't disturbed again at once");
	shows("active", "D3hot");
	look(&s, d, 30000);
	check(borrowed == 1, "nor half of the time later");
	look(&s, d, 30000);
	check(borrowed == 2, "but when the time is over");
	deepen_device_free(&s, d);
	check(!strcmp(said, "wRRT"), "each is told once");
	vfiopm_keeper_free(s.keeper);
}

static void test_dry_run(struct vfiopm_device *dev)
{
	struct deepen s = { .options = { .retry_ms = 60000, .dry_run = true } };
	struct deepen_device *d;

	said[0] = '\0';
	borrowed = 0;
	shows("active", "D3hot");
	deepen_device_new(&s, dev, &d);
	look(&s, d, 10);
	look(&s, d, 90000);
	shows("active", "D0");
	look(&s, d, 10);
	shows("active", "D3hot");
	look(&s, d, 10);
	deepen_device_free(&s, d);
	check(!strcmp(said, "wddT") && !borrowed, "a dry run tells each D3hot once");
}

/* ---- the driver does it ---- */

static struct deepen_device *start(struct deepen *s, struct vfiopm_device *dev)
{
	struct deepen_device *d = NULL;

	said[0] = '\0';
	reason = REASON_NONE;
	tree_attr(&tree, NAME, "vfio_pm/deepen", "0");
	tree_attr(&tree, NAME, "vfio_pm/deepen_state_loss_ok", "0");
	tree_attr(&tree, NAME, "vfio_pm/deepen_rate", "12");
	tree_attr(&tree, NAME, "enable", "1");
	account(5, 5, 1000000, 0);
	shows("active", "D0");
	vfiopm_keeper_new(s->app->ctx, &s->keeper);
	deepen_device_new(s, dev, &d);
	look(s, d, 10);
	return d;
}

static void end(struct deepen *s, struct deepen_device *d)
{
	deepen_device_free(s, d);
	vfiopm_keeper_free(s->keeper);
}

static void test_sleep(struct deepen *s, struct vfiopm_device *dev)
{
	struct deepen_device *d = start(s, dev);

	check(d->phase == PHASE_IN_KERNEL, "the driver does it");
	/* Not settled yet, then as deep as it gets. */
	account(6, 5, 1000000, 0);
	shows("suspended", "D3hot");
	look(s, d, 500);
	account(6, 5, 1500000, 0);
	shows("suspended", "D3cold");
	look(s, d, 500);
	check(!strcmp(said, "wD") && deepen_device_is_asleep(d), "deepened");
	/* A stray wake, seen; the driver lets it sleep again. */
	account(6, 5, 2000000, 0);
	shows("active", "D0");
	look(s, d, 500);
	check(!deepen_device_is_asleep(d), "a stray wake");
	account(6, 5, 2400000, 0);
	shows("suspended", "D3cold");
	look(s, d, 500);
	check(!strcmp(said, "wD") && deepen_device_is_asleep(d), "after which it sleeps on");
	/* Awake and asleep again, unseen. */
	account(7, 6, 2700000, 0);
	look(s, d, 500);
	check(!strcmp(said, "wDWD") && d->stats.deepened == 2 && d->stats.woken == 1,
	      "a wake between two looks");
	account(7, 7, 3000000, 0);
	shows("active", "D0");
	look(s, d, 500);
	check(!strcmp(said, "wDWDW") && asleep_ms == 300, "woken");
	check(d->stats.asleep_ms == 2000, "the time asleep is the driver's");
	/* The sleep that is under way at the end. */
	account(8, 7, 3000000, 0);
	shows("suspended", "D3cold");
	look(s, d, 500);
	account(8, 7, 3500000, 0);
	now += 500;
	deepen_kernel_stop(s, d);
	check(d->stats.deepened == 3 && d->stats.asleep_ms == 2500, "the running sleep counts");
	end(s, d);
}

static void test_owner_gone(struct deepen *s, struct vfiopm_device *dev)
{
	struct deepen_device *d = start(s, dev);

	account(6, 5, 1000000, 0);
	shows("suspended", "D3cold");
	look(s, d, 500);
	/* With idle runtime PM it sleeps on. */
	account(6, 6, 1400000, 0);
	tree_attr(&tree, NAME, "enable", "0");
	look(s, d, 500);
	look(s, d, 500);
	check(!strcmp(said, "wDO") && asleep_ms == 400, "its owner let go of it");
	check(!deepen_device_is_asleep(d) && d->stats.woken == 0 && d->stats.asleep_ms == 400,
	      "and what comes after that isn't counted");
	end(s, d);
}

/* The driver leaves low power, wakes the device, closes it: in the middle of that it is open. */
static void test_closing(struct deepen *s, struct vfiopm_device *dev)
{
	struct deepen_device *d = start(s, dev);

	account(6, 5, 1000000, 0);
	shows("suspended", "D3cold");
	look(s, d, 500);
	account(6, 6, 1400000, 0);
	look(s, d, 10);
	check(!strcmp(said, "wD"), "low power is left, the device isn't awake: it is waited for");
	shows("active", "D0");
	tree_attr(&tree, NAME, "vfio_pm/account",
		  "entries 6\nexits 6\nclose 1\nasleep_us 1400000\n");
	look(s, d, 10);
	check(!strcmp(said, "wDO") && d->stats.woken == 0, "and the close is told as one");
	end(s, d);
}

static void test_shallow(struct deepen *s, struct vfiopm_device *dev)
{
	struct deepen_device *d = start(s, dev);

	account(6, 5, 1000000, 0);
	shows("suspended", "D3hot");
	for (int i = 1; i <= 10; i++) {
		account(6, 5, 1000000 + i * 500000, 0);
		look(s, d, 500);
	}
	check(!strcmp(said, "wR") && reason == REASON_NOTHING_GAINED, "D3hot is all it reaches");
	check(d->stats.deepened == 0 && d->stats.asleep_ms == 0, "which counts as nothing");
	deeper = false;
	end(s, d);
	deeper = true;
}

/* Between two looks, so that its depth was never seen. */
static void test_short(struct deepen *s, struct vfiopm_device *dev)
{
	struct deepen_device *d = start(s, dev);

	account(7, 7, 1200000, 0);
	look(s, d, 500);
	end(s, d);
	check(stats.deepened == 2 && stats.woken == 2 && stats.asleep_ms == 200,
	      "sleeps that were too short to be seen");
	deeper = false;
	d = start(s, dev);
	account(7, 7, 1200000, 0);
	end(s, d);
	check(!stats.deepened && !stats.asleep_ms, "which were no deeper than D3hot");
	deeper = true;
}

static void test_refused(struct deepen *s, struct vfiopm_device *dev)
{
	static uint8_t config[256];
	struct deepen_device *d = start(s, dev);

	/* PM at 0x40, No_Soft_Reset set */
	config[PCI_CAPABILITY_LIST] = 0x40;
	config[0x40] = PCI_CAP_ID_PM;
	config[0x44] = 0x0b;
	tree_bytes(&tree, "sys/bus/pci/devices/" NAME "/config", config, sizeof(config));
	shows("active", "D3hot");
	look(s, d, 500);
	tree_attr(&tree, NAME, "vfio_pm/deepen", "0");
	look(s, d, 500);
	check(!strcmp(said, "w"), "the dwell is waited for");
	look(s, d, 4500);
	check(!strcmp(said, "w") && vfiopm_in_kernel_get(dev, VFIOPM_IN_KERNEL_DEEPEN) == 1,
	      "the driver is asked to look again");
	look(s, d, 1000);
	check(!strcmp(said, "wR") && reason == REASON_REFUSAL &&
		      d->refusal == VFIOPM_REFUSED_STATE_LOSS,
	      "state-loss");
	for (int i = 0; i < 100; i++)
		look(s, d, 1000);
	check(!strcmp(said, "wR"), "told once");
	shows("active", "D0");
	look(s, d, 1000);
	/* Armed to signal PME */
	config[0x44] = 0x03;
	config[0x45] = 0x01;
	tree_bytes(&tree, "sys/bus/pci/devices/" NAME "/config", config, sizeof(config));
	shows("active", "D3hot");
	look(s, d, 1000);
	look(s, d, 5000);
	look(s, d, 1000);
	check(!strcmp(said, "wRR") && d->refusal == VFIOPM_REFUSED_PME, "pme");
	shows("active", "D0");
	look(s, d, 1000);
	account(5, 5, 1000000, 1);
	shows("active", "D3hot");
	look(s, d, 1000);
	look(s, d, 5000);
	look(s, d, 1000);
	check(!strcmp(said, "wRRR") && reason == REASON_RATE, "rate");
	tree_attr(&tree, NAME, "vfio_pm/deepen", "0");
	look(s, d, 30000);
	check(vfiopm_in_kernel_get(dev, VFIOPM_IN_KERNEL_DEEPEN) == 0, "the minute is waited for");
	look(s, d, 30000);
	check(vfiopm_in_kernel_get(dev, VFIOPM_IN_KERNEL_DEEPEN) == 1, "then it is asked again");
	account(6, 5, 1000000, 1);
	shows("suspended", "D3cold");
	look(s, d, 1000);
	check(!strcmp(said, "wRRRD"), "and takes it");
	end(s, d);
	check(vfiopm_in_kernel_get(dev, VFIOPM_IN_KERNEL_DEEPEN) == 0, "put back at the end");
}

int main(void)
{
	struct vfiopm_addr addr = { .bus = 1 };
	struct app app = { 0 };
	struct deepen s = { .app = &app, .options = { .dwell_ms = 5000, .rate = 12 } };
	struct vfiopm_device *dev;

	setvbuf(stdout, NULL, _IONBF, 0);
	tree_new(&tree);
	tree_device(&tree, NULL, NAME);
	shows("active", "D0");
	if (vfiopm_ctx_new(tree.root, &app.ctx) < 0 ||
	    vfiopm_device_new(app.ctx, &addr, &dev) < 0)
		return 1;
	/* It is ours: it may be written. */
	app.ctx->foreign = false;
	test_retry(dev);
	test_dry_run(dev);
	test_sleep(&s, dev);
	test_owner_gone(&s, dev);
	test_closing(&s, dev);
	test_shallow(&s, dev);
	test_short(&s, dev);
	test_refused(&s, dev);
	vfiopm_device_unref(dev);
	vfiopm_ctx_unref(app.ctx);
	tree_free(&tree);
	printf("1..%d\n", number);
	return failures > 0;
}
