// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * enter --borrow, exit --borrow: low power for a device that another process
 * has open and that knows nothing of it.
 *
 * Real hardware loses its state in D3cold. So the device must have been
 * suspended by its own driver, in the guest, or that guest must sleep; and its
 * owner is frozen from before that is looked at until the device has suspended:
 * an access in between would leave low power engaged without waking anything,
 * and the next access to a BAR would be a SIGBUS.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "borrow_private.h"
#include "result.h"

#define FREEZE_MS	1000	/* until every thread has stopped */
#define SUSPEND_MS	1000	/* until the device has suspended, the owner frozen */
#define GUARD_MS	5000	/* after which the owner goes on in any case */
#define KERNEL_MS	30000	/* until it must have answered */

enum { KEY_BORROW = 0x400, KEY_QMP };

static const struct argp_option options[] = {
	{ "borrow", KEY_BORROW, NULL, 0,
	  "Act on a device that another process has open, through that process", 0 },
	{ "qmp", KEY_QMP, "SOCKET", 0,
	  "With --borrow: the owner is a QEMU with this QMP socket. Tells whether its guest "
	  "sleeps; on exit the guest is woken or continued, once all its devices are awake", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct borrow_options *o = state->input;

	switch (key) {
	case KEY_BORROW:
		o->borrow = true;
		return 0;
	case KEY_QMP:
		o->qmp = arg;
		return 0;
	case ARGP_KEY_END:
		if (o->qmp && !o->borrow)
			argp_error(state, "--qmp goes with --borrow");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

const struct argp borrow_options_argp = { .options = options, .parser = parse };

/* ---- who, and why not ---- */

int loan_refuse(const struct loan *loan, int code, const char *why, const char *hint)
{
	app_cannot(loan->app, loan->what, loan->name, "%s", why);
	if (hint)
		msg_hint("%s", hint);
	return code;
}

/* The likeliest reason, when the device didn't follow. */
static int refuse_awake(const struct loan *loan)
{
	char *cause = NULL, *mend = NULL;

	if (vfiopm_explain_likeliest(loan->dev, VFIOPM_STATE_D3HOT, 0, &cause, &mend) != 1)
		cause = mend = NULL;
	app_cannot(loan->app, loan->what, loan->name,
		   "it didn't suspend within %d ms, low power is left: %s", SUSPEND_MS,
		   cause ? cause : "no reason found");
	if (mend)
		msg_hint("%s", mend);
	free(cause);
	free(mend);
	return EXIT_STATE;
}

static int refused(const struct loan *loan, enum vfiopm_refusal why)
{
	static const char again[] = "it opens or closes devices just now: try again";

	switch (why) {
	case VFIOPM_REFUSED_NO_OWNER:
	case VFIOPM_REFUSED_NOT_OPENED:
		return loan_refuse(loan, EXIT_UNUSABLE,
				   "nobody has it open: there is nobody to borrow from",
				   "without --borrow it is opened and held by " PROGRAM " itself");
	case VFIOPM_REFUSED_OWNER_HIDDEN:
		return loan_refuse(loan, EXIT_BUSY, "it is open, its owner isn't visible from here",
				   "borrowing takes root's rights, in the host's own namespaces");
	case VFIOPM_REFUSED_DENIED:
		return loan_refuse(loan, EXIT_FAILED, "no permission to look into its owner",
				   "run it as root (CAP_SYS_PTRACE); kernel.yama.ptrace_scope=3 "
				   "forbids it to all");
	case VFIOPM_REFUSED_SHARED:
		return loan_refuse(loan, EXIT_BUSY, "several processes have it open",
				   "all of them would have to be frozen; " PROGRAM
				   " owner shows them");
	case VFIOPM_REFUSED_UNCLEAR:
		return loan_refuse(loan, EXIT_BUSY,
				   "what its owner has open isn't what is enabled in its groups",
				   again);
	case VFIOPM_REFUSED_CHANGED:
		return loan_refuse(loan, EXIT_BUSY, "its owner has changed meanwhile", again);
	case VFIOPM_REFUSED_UNSUPPORTED:
		return loan_refuse(loan, EXIT_UNUSABLE,
				   "the kernel or the driver has no low power, pidfd_getfd or kcmp",
				   "all of it is there since Linux 6.1");
	case VFIOPM_REFUSED_NOT_ACTIVE:
		return loan_refuse(loan, EXIT_STATE, "it is between two states, or asleep", NULL);
	case VFIOPM_REFUSED_IN_USE:
		return guest_refuse_in_use(loan);
	case VFIOPM_REFUSED_NO_PM:
		return loan_refuse(loan, EXIT_STATE, "no PM capability: it stays in D0", NULL);
	case VFIOPM_REFUSED_STATE_LOSS:
		return loan_refuse(loan, EXIT_UNUSABLE,
				   "it promises to keep its state in D3hot (No_Soft_Reset), and "
				   "would lose it in D3cold",
				   "--state-loss-ok, when its driver copes with a device that "
				   "comes back reset");
	case VFIOPM_REFUSED_PME:
		return loan_refuse(loan, EXIT_UNUSABLE,
				   "its owner has armed it to wake by PME, which would be lost",
				   NULL);
	case VFIOPM_REFUSED_ENGAGED:
		return loan_refuse(loan, EXIT_UNUSABLE, "its owner has entered low power by itself",
				   NULL);
	case VFIOPM_REFUSED_STOPPED:
		return loan_refuse(loan, EXIT_BUSY, "somebody else has stopped its owner", NULL);
	case VFIOPM_REFUSED_NOT_FROZEN:
	case VFIOPM_REFUSED_THAWED:
		return loan_refuse(loan, EXIT_FAILED,
				   "its owner could not be kept frozen for long enough", NULL);
	case VFIOPM_REFUSED_FOREGROUND:
		return loan_refuse(loan, EXIT_UNUSABLE,
				   "its owner is the foreground job of a terminal, and its shell "
				   "would take the terminal from one that is stopped",
				   "start it by systemd-run --scope: in a cgroup of its own it is "
				   "stopped unnoticed");
	case VFIOPM_REFUSED_NOT_SUSPENDED:
		return refuse_awake(loan);
	case VFIOPM_REFUSED_NOT:
		break;
	}
	return loan_refuse(loan, EXIT_FAILED, vfiopm_refusal_name(why), NULL);
}

static int borrow(struct loan *loan, struct vfiopm_borrow **ret)
{
	enum vfiopm_refusal why = VFIOPM_REFUSED_NOT;
	int r;

	r = vfiopm_borrow_new(loan->dev, ret, &why);
	switch (r) {
	case 0:
		if (vfiopm_borrow_get_pid(*ret) == loan->pid &&
		    vfiopm_borrow_get_start_time(*ret) == loan->start_time)
			return EXIT_OK;
		/* What was found of the owner and its monitor is another process's by now. */
		vfiopm_borrow_free(*ret);
		return refused(loan, VFIOPM_REFUSED_CHANGED);
	case -ECANCELED:
		return refused(loan, why);
	case -EMEDIUMTYPE:
		app_cannot(loan->app, loan->what, loan->name, "it is on no VFIO driver");
		msg_hint(PROGRAM " bind %s", loan->name);
		return EXIT_UNUSABLE;
	case -ENODEV:
		return loan_refuse(loan, EXIT_NODEV, "the device has gone", NULL);
	}
	return loan_refuse(loan, EXIT_FAILED, strerror(-r), NULL);
}

/* Who has it, as far as /proc tells: no device is touched yet. */
static int find_owner(struct loan *loan)
{
	const struct vfiopm_owner *owner;
	struct vfiopm_owners *owners;
	int r;

	r = vfiopm_owners_new(loan->app->ctx, &owners);
	if (r < 0)
		return loan_refuse(loan, EXIT_FAILED, strerror(-r), NULL);
	owner = vfiopm_owners_find(owners, loan->dev, 0);
	if (owner) {
		loan->pid = vfiopm_owner_get_pid(owner);
		loan->start_time = vfiopm_owner_get_start_time(owner);
		snprintf(loan->comm, sizeof(loan->comm), "%s", vfiopm_owner_get_comm(owner));
	}
	vfiopm_owners_free(owners);
	loan->result->pid = loan->pid;
	if (!loan->pid || vfiopm_process_is_self_exe(loan->app->ctx, loan->pid) != 1)
		return EXIT_OK;
	app_cannot(loan->app, loan->what, loan->name, "'%s' of our own holds it (pid %d)",
		   loan->comm, (int)loan->pid);
	msg_hint("the same without --borrow");
	return EXIT_BUSY;
}

/* "qemu-system-x86_64", "qemu-kvm", or what these run, ".qemu-system-x86_64-wrapped" on NixOS. */
static bool is_qemu(struct app *app, pid_t pid)
{
	char exe[4096], *base;

	if (vfiopm_process_get_exe(app->ctx, pid, exe, sizeof(exe)) < 0)
		return false;
	base = strrchr(exe, '/');
	base = base ? base + 1 : exe;
	return strstr(base, "qemu-system-") || strstr(base, "qemu-kvm");
}

/* ---- down ---- */

/* Woken already, or its owner can't be stopped: what matters is that it isn't engaged. */
static void leave_anyhow(struct vfiopm_borrow *b)
{
	if (vfiopm_borrow_again(b, NULL) == 0)
		vfiopm_low_power_exit(vfiopm_borrow_get_handle(b));
	vfiopm_borrow_drop(b);
}

/*
 * A guest that runs has its CPUs stopped by its monitor. One that sleeps or is
 * paused stands still by itself, but may be woken, and its monitor can't be asked
 * while the owner is frozen: it is asked right before and right after. One that
 * has woken in between is still restoring its devices, by their config space.
 */
static int enter_borrowed(struct loan *loan, struct vfiopm_borrow *b,
			  struct vfiopm_freezer *freezer, unsigned int flags)
{
	static const char changed[] = "its guest has gone on or to sleep meanwhile";
	bool runs = loan->qmp && loan->guest == VFIOPM_GUEST_RUNNING;
	enum vfiopm_refusal why = VFIOPM_REFUSED_NOT;
	bool same;
	int fd, r;

	/* Nobody will read it: the mode is wanted, not the message. */
	fd = eventfd(0, EFD_CLOEXEC);
	if (fd < 0)
		return loan_refuse(loan, EXIT_FAILED, strerror(errno), NULL);
	if (runs)
		vfiopm_freezer_set_ops(freezer, &guest_freeze_ops, loan);
	else if (!guest_is_same(loan)) {
		close(fd);
		return loan_refuse(loan, EXIT_BUSY, changed, "try again");
	}
	r = vfiopm_borrow_enter(b, freezer, fd, FREEZE_MS, SUSPEND_MS, flags, &why);
	loan->frozen_us = vfiopm_freezer_get_pause(freezer);
	same = r < 0 || runs || guest_is_same(loan);
	if (!same && vfiopm_borrow_leave(b, freezer, fd, FREEZE_MS, NULL) <= 0)
		leave_anyhow(b);
	close(fd);
	if (r == -ECANCELED)
		return refused(loan, why);
	if (r < 0)
		return loan_refuse(loan, EXIT_FAILED, strerror(-r), NULL);
	return same ? EXIT_OK : loan_refuse(loan, EXIT_BUSY, changed, "try again");
}

static int put_to_sleep(struct loan *loan, unsigned int flags)
{
	struct vfiopm_freezer *freezer;
	struct vfiopm_borrow *b;
	int code, r;

	/* Before anything is borrowed: its guard must not hold what we duplicate. */
	r = vfiopm_freezer_new(loan->app->ctx, GUARD_MS, &freezer);
	if (r < 0)
		return loan_refuse(loan, EXIT_FAILED, strerror(-r), NULL);
	code = borrow(loan, &b);
	if (code == EXIT_OK) {
		code = enter_borrowed(loan, b, freezer, flags);
		loan->result->entered = code == EXIT_OK;
		vfiopm_borrow_free(b);
	}
	loan->how = vfiopm_freezer_get_how(freezer);
	vfiopm_freezer_free(freezer);
	return code;
}

static int tell_asleep(const struct loan *loan)
{
	struct vfiopm_power *power = NULL;
	int code = EXIT_OK, r;
	char text[32];

	r = vfiopm_power_wait_asleep(loan->dev, VFIOPM_STATE_D3HOT, loan->timeout_ms, &power);
	if (r < 0 && power) {
		app_remember(loan->app, "it was woken again, or never slept");
		msg_error("'%s' is not asleep: %s in %s%s", loan->name,
			  vfiopm_status_name(vfiopm_power_get_status(power)),
			  vfiopm_state_name(vfiopm_power_get_state(power)),
			  vfiopm_power_get_status(power) == VFIOPM_STATUS_ACTIVE ?
				  ": something has woken it again, which ended low power" : "");
		code = EXIT_STATE;
	} else if (r < 0) {
		app_cannot(loan->app, "look at", loan->name, "%s", strerror(-r));
		code = r == -ENODEV ? EXIT_NODEV : EXIT_FAILED;
	} else if (!loan->options->quiet) {
		printf("%s: asleep in %s; '%s' (pid %d) was frozen for %s (%s); its next access "
		       "wakes the device\n",
		       loan->name, vfiopm_state_name(vfiopm_power_get_state(power)), loan->comm,
		       (int)loan->pid,
		       format_time((loan->frozen_us + 500) / 1000, text, sizeof(text)),
		       loan->how == VFIOPM_FREEZE_OWN ? "qmp" : vfiopm_freeze_how_name(loan->how));
	}
	vfiopm_power_free(power);
	return code;
}

static int start_loan(struct loan *loan)
{
	int code = find_owner(loan);

	if (code != EXIT_OK)
		return code;
	loan->qemu = loan->pid && is_qemu(loan->app, loan->pid);
	return guest_ask(loan);
}

/* How it was before; a look at sysfs. */
static void note_before(struct loan *loan, const struct vfiopm_power *power)
{
	loan->result->status_before = vfiopm_power_get_status(power);
	loan->result->state_before = vfiopm_power_get_state(power);
}

static int do_enter(struct loan *loan)
{
	struct vfiopm_power *power;
	unsigned int flags = 0;
	bool asleep = false;
	int code;

	code = start_loan(loan);
	if (code != EXIT_OK)
		return code;
	/* Looking any closer would wake it. */
	if (vfiopm_power_new(loan->dev, &power) == 0) {
		note_before(loan, power);
		/* One that nobody has opened may sleep, too; its group's owner doesn't count. */
		asleep = loan->pid && vfiopm_device_is_enabled(loan->dev) &&
			 vfiopm_power_is_asleep(power);
		if (asleep && !loan->options->quiet)
			printf("%s: asleep already, in %s\n", loan->name,
			       vfiopm_state_name(vfiopm_power_get_state(power)));
		vfiopm_power_free(power);
	}
	if (asleep)
		return EXIT_OK;
	code = guest_allows(loan, &flags);
	if (code == EXIT_OK)
		code = put_to_sleep(loan, flags);
	return code == EXIT_OK ? tell_asleep(loan) : code;
}

/* ---- up ---- */

/* Of the header the class is the device's own; the IDs that VFIO shows are a copy. */
static bool reads_ones(struct vfiopm_borrow *b)
{
	uint8_t header[VFIOPM_HEADER_LEN];

	return vfiopm_borrow_read_header(b, header) < 0 ||
	       (header[PCI_CLASS_PROG] & header[PCI_CLASS_DEVICE] &
		header[PCI_CLASS_DEVICE + 1]) == 0xff;
}

/*
 * Why it isn't back, or NULL. The kernel takes a device that doesn't answer for
 * active, in D3cold (drivers/pci/pci.c, pci_power_up()). In D3hot its owner's own
 * driver has it.
 */
static const char *wake(struct loan *loan, struct vfiopm_borrow *b, struct vfiopm_power **ret)
{
	int r = vfiopm_low_power_exit(vfiopm_borrow_get_handle(b));

	if (r == 0)
		r = vfiopm_power_wait_active(loan->dev, 2000, ret);
	if (r < 0)
		return strerror(-r);
	if (vfiopm_power_get_state(*ret) == VFIOPM_STATE_D3COLD)
		return "it can't be reached (D3cold)";
	return reads_ones(b) ? "it reads all ones" : NULL;
}

static int do_exit(struct loan *loan)
{
	struct vfiopm_power *power = NULL;
	struct vfiopm_borrow *b;
	int64_t start = monotonic_us();
	const char *why;
	int code;

	code = start_loan(loan);
	if (code != EXIT_OK)
		return code;
	if (vfiopm_power_new(loan->dev, &power) == 0) {
		note_before(loan, power);
		vfiopm_power_free(power);
		power = NULL;
	}
	code = borrow(loan, &b);
	if (code != EXIT_OK)
		return code;
	why = wake(loan, b, &power);
	vfiopm_borrow_free(b);
	if (why) {
		app_cannot(loan->app, loan->what, loan->name, "it does not come back: %s", why);
		msg_hint("dmesg | grep %s", loan->name);
		vfiopm_power_free(power);
		return EXIT_FAILED;
	}
	if (!loan->options->quiet)
		printf("%s: awake in %s after %.1f ms, '%s' (pid %d) has it\n", loan->name,
		       vfiopm_state_name(vfiopm_power_get_state(power)),
		       (double)(monotonic_us() - start) / 1000, loan->comm, (int)loan->pid);
	vfiopm_power_free(power);
	return EXIT_OK;
}

static int do_wake(struct loan *loan)
{
	int code = start_loan(loan);

	return code == EXIT_OK ? guest_wake(loan) : code;
}

/* ---- in a child: what sleeps in the kernel must not take us with it ---- */

static int bounded(struct loan *loan, int (*fn)(struct loan *loan))
{
	const struct timespec step = { .tv_nsec = 2000000 };
	int64_t end = monotonic_us() + (KERNEL_MS + loan->timeout_ms) * 1000;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int code = fn(loan);

		vfiopm_qmp_close(loan->qmp);
		_exit(fflush(stdout) == 0 && !ferror(stdout) ? code : EXIT_FAILED);
	}
	if (pid < 0)
		return loan_refuse(loan, EXIT_FAILED, strerror(errno), NULL);
	while (monotonic_us() < end) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILED;
		nanosleep(&step, NULL);
	}
	/* Its end thaws the owner, if it can end; else the guard does after a while. */
	kill(pid, SIGKILL);
	app_cannot(loan->app, loan->what, loan->name, "the kernel has not answered for %d s",
		   KERNEL_MS / 1000);
	msg_hint("the request goes on in the background; dmesg | grep %s", loan->name);
	return EXIT_FAILED;
}

/* The child's findings come back through memory that both have. */
static void lend(struct loan *loan, int (*fn)(struct loan *loan), struct result *ret)
{
	struct cause *asked = loan->app->cause;
	int64_t start = monotonic_us();
	struct result *shared;

	loan->name = vfiopm_device_get_name(loan->dev);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED) {
		ret->code = loan_refuse(loan, EXIT_FAILED, strerror(errno), NULL);
		return;
	}
	loan->result = shared;
	loan->app->cause = &shared->cause;
	shared->code = bounded(loan, fn);
	shared->time_us = monotonic_us() - start;
	loan->app->cause = asked;
	*ret = *shared;
	munmap(shared, sizeof(*shared));
}

void borrow_enter(struct app *app, struct vfiopm_device *dev, const struct borrow_options *o,
		  int64_t timeout_ms, struct result *ret)
{
	struct loan loan = { .app = app, .dev = dev, .options = o, .timeout_ms = timeout_ms };

	loan.what = "borrow for low power";
	lend(&loan, do_enter, ret);
}

void borrow_exit(struct app *app, struct vfiopm_device *dev, const struct borrow_options *o,
		 struct result *ret)
{
	struct loan loan = { .app = app, .dev = dev, .options = o };

	loan.what = "borrow to leave low power on";
	lend(&loan, do_exit, ret);
}

void borrow_wake(struct app *app, struct vfiopm_device *dev, const struct borrow_options *o,
		 struct result *ret)
{
	struct loan loan = { .app = app, .dev = dev, .options = o };

	loan.what = "wake the guest of";
	lend(&loan, do_wake, ret);
}
