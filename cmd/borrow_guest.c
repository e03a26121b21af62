// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guest whose device is borrowed, by what QEMU's monitor says: whether it
 * sleeps, how its CPUs are stopped, when it may go on.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "borrow_private.h"

/* ---- is it the owner's monitor? ---- */

/*
 * The socket's maker is the owner, or a manager that has handed it a socket
 * made by itself: then QEMU must say that the device is its own.
 */
static int check_monitor(const struct loan *loan)
{
	const char *path = loan->options->qmp;
	pid_t peer = vfiopm_qmp_get_peer(loan->qmp);
	char comm[64] = "";

	/* Without an owner nothing will be borrowed. */
	if (!loan->pid || peer == loan->pid ||
	    vfiopm_qmp_has_device(loan->qmp, vfiopm_device_get_addr(loan->dev)) == 1)
		return EXIT_OK;
	if (!peer || vfiopm_process_get_comm(loan->app->ctx, peer, comm, sizeof(comm)) < 0)
		app_cannot(loan->app, loan->what, loan->name,
			   "QMP socket '%s' isn't that of its owner '%s' (pid %d)", path,
			   loan->comm, (int)loan->pid);
	else
		app_cannot(loan->app, loan->what, loan->name,
			   "QMP socket '%s' belongs to '%s' (pid %d), the device to '%s' (pid %d)",
			   path, comm, (int)peer, loan->comm, (int)loan->pid);
	msg_hint("another guest's state says nothing of this one's: name its own socket");
	return EXIT_UNUSABLE;
}

int guest_ask(struct loan *loan)
{
	const char *path = loan->options->qmp;
	int code, r;

	if (!path)
		return EXIT_OK;
	r = vfiopm_qmp_open(path, 5000, &loan->qmp);
	if (r == 0) {
		code = check_monitor(loan);
		if (code != EXIT_OK)
			return code;
		r = vfiopm_qmp_get_guest(loan->qmp, &loan->guest);
	}
	if (r == 0)
		return EXIT_OK;
	app_cannot(loan->app, loan->what, loan->name, "no answer from QMP socket '%s': %s", path,
		   r == -EBUSY ? "another client has it" : strerror(-r));
	return EXIT_FAILED;
}

bool guest_is_same(const struct loan *loan)
{
	enum vfiopm_guest now;

	return !loan->qmp ||
	       (vfiopm_qmp_get_guest(loan->qmp, &now) == 0 && now == loan->guest);
}

/* ---- may it? ---- */

/* An access to config space ends the mode; a BAR's mapping has been taken away until then. */
static void warn_state_loss(const struct loan *loan, const char *who, const char *dies)
{
	msg_warn("'%s': %s will find a device that may have lost its state; until low power is "
		 "left (" PROGRAM " exit --borrow), "
		 "an access to a mapped BAR kills the %s (SIGBUS)",
		 loan->name, who, dies);
}

int guest_allows(const struct loan *loan, unsigned int *flags)
{
	if (loan->options->force || loan->options->state_loss_ok)
		*flags |= VFIOPM_ENTER_STATE_LOSS;
	if (!loan->qmp) {
		/* Not QEMU: nobody else knows whether its user can bear it. */
		if (loan->options->force && !loan->qemu) {
			warn_state_loss(loan, "its owner", "owner");
			*flags |= VFIOPM_ENTER_IN_USE;
		}
		return EXIT_OK;
	}
	switch (loan->guest) {
	case VFIOPM_GUEST_RUNNING:
		return EXIT_OK;
	case VFIOPM_GUEST_SUSPENDED:
		/* Its drivers reckon with power that is taken. */
		*flags |= VFIOPM_ENTER_IN_USE | VFIOPM_ENTER_STATE_LOSS;
		return EXIT_OK;
	case VFIOPM_GUEST_PAUSED:
		/* Else as one that runs: what its driver has suspended in time is taken. */
		if (loan->options->force) {
			warn_state_loss(loan, "the guest's driver", "VM");
			*flags |= VFIOPM_ENTER_IN_USE;
		}
		return EXIT_OK;
	case VFIOPM_GUEST_OTHER:
		break;
	}
	return loan_refuse(loan, EXIT_UNUSABLE, "its guest neither runs nor sleeps", NULL);
}

int guest_refuse_in_use(const struct loan *loan)
{
	if (loan->qmp && loan->guest == VFIOPM_GUEST_PAUSED)
		return loan_refuse(loan, EXIT_UNUSABLE,
				   "its guest is paused, it doesn't sleep: its driver would find a "
				   "device without state",
				   "put the guest to sleep (S3), or --force");
	if (loan->qmp || loan->qemu)
		return loan_refuse(loan, EXIT_UNUSABLE,
				   "its guest runs and uses it: it is in D0",
				   loan->qmp ? "let the guest's driver suspend the device, or put "
					       "the guest to sleep" :
					       "a guest that sleeps can be told by --qmp=SOCKET "
					       "only");
	return loan_refuse(loan, EXIT_UNUSABLE, "its owner uses it: it is in D0",
			   "--force, when the owner can bear a device that has lost its state");
}

/* ---- its CPUs, stopped by the monitor ---- */

static int qmp_stop(void *data, int64_t timeout_ms)
{
	struct loan *loan = data;

	return vfiopm_qmp_stop(loan->qmp);
}

static int qmp_holds(void *data)
{
	struct loan *loan = data;
	enum vfiopm_guest guest;
	int r = vfiopm_qmp_get_guest(loan->qmp, &guest);

	return r < 0 ? r : guest == VFIOPM_GUEST_PAUSED;
}

static int qmp_thaw(void *data)
{
	struct loan *loan = data;
	int r = vfiopm_qmp_cont(loan->qmp);
	char comm[64];

	/* Unless it has ended. */
	if (r < 0 &&
	    vfiopm_process_get_comm(loan->app->ctx, loan->pid, comm, sizeof(comm)) != -ESRCH) {
		msg_warn("'%s': its guest may still be stopped: %s", loan->name, strerror(-r));
		msg_hint("let it go on by the monitor's cont, or virsh resume");
	}
	return r;
}

static int qmp_get_thaw(void *data, const char **text, const char **answer)
{
	struct loan *loan = data;

	/* Not an id of the library's own commands: it would be an answer to these. */
	*text = "{\"execute\":\"cont\",\"id\":\"guard-cont\"}\n";
	*answer = "guard-cont";
	return vfiopm_qmp_get_fd(loan->qmp);
}

const struct vfiopm_freeze_ops guest_freeze_ops = { qmp_stop, qmp_holds, qmp_thaw, qmp_get_thaw };

/* ---- up again ---- */

static bool is_asleep(const struct loan *loan, const struct vfiopm_owners *owners,
		      const struct vfiopm_device *dev)
{
	const struct vfiopm_owner *owner = vfiopm_owners_find(owners, dev, 0);
	struct vfiopm_power *power;
	bool asleep;

	/* Not opened, it may sleep by the host's own will. */
	if (!owner || vfiopm_owner_get_pid(owner) != loan->pid || !vfiopm_device_is_enabled(dev) ||
	    vfiopm_power_new(dev, &power) < 0)
		return false;
	asleep = vfiopm_power_get_status(power) == VFIOPM_STATUS_SUSPENDED;
	vfiopm_power_free(power);
	return asleep;
}

/* A guest that runs may touch a BAR of any device: while one is in low power that is a SIGBUS. */
static int check_all_awake(const struct loan *loan)
{
	struct vfiopm_owners *owners;
	struct targets all;
	int code, r;

	r = vfiopm_owners_new(loan->app->ctx, &owners);
	if (r < 0)
		return loan_refuse(loan, EXIT_FAILED, strerror(-r), NULL);
	code = targets_all(loan->app, true, &all);
	for (size_t i = 0; i < all.count && code == EXIT_OK; i++) {
		const char *name = vfiopm_device_get_name(all.dev[i]);

		if (!is_asleep(loan, owners, all.dev[i]))
			continue;
		app_cannot(loan->app, loan->what, loan->name,
			   "its device '%s' is asleep, and an access to a BAR would kill the VM: "
			   "it is left as it is",
			   name);
		msg_hint(PROGRAM " exit --borrow --qmp=%s %s %s", loan->options->qmp, loan->name,
			 name);
		code = EXIT_UNUSABLE;
	}
	targets_free(&all);
	vfiopm_owners_free(owners);
	return code;
}

int guest_wake(struct loan *loan)
{
	int code, r;

	if (!loan->pid)
		return loan_refuse(loan, EXIT_UNUSABLE, "nobody has it open any more", NULL);
	if (loan->guest != VFIOPM_GUEST_SUSPENDED && loan->guest != VFIOPM_GUEST_PAUSED)
		return EXIT_OK;
	code = check_all_awake(loan);
	if (code != EXIT_OK)
		return code;
	r = loan->guest == VFIOPM_GUEST_SUSPENDED ? vfiopm_qmp_wakeup(loan->qmp) :
						    vfiopm_qmp_cont(loan->qmp);
	return r < 0 ? loan_refuse(loan, EXIT_FAILED, strerror(-r), NULL) : EXIT_OK;
}
