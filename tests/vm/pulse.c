// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pulse: two interrupts a second of the machine's HPET, in the background until it is killed.
 *
 * QEMU 7.2's emulated VMRUN and VMEXIT change the set of what is asked of a processor
 * (interrupt_request, target/i386/tcg/sysemu/svm_helper.c) without the lock, and without an atomic
 * operation. What another thread of QEMU adds at that moment is lost. When it is the timer of the
 * local APIC, which is set anew by its own interrupt only, nothing that waits for a time in that
 * machine goes on, until some other interrupt makes the APIC say again what it has pending. (Seen
 * in a machine that stood still for 38 minutes: its timer's vector in the IRR, nothing asked of the
 * processor; a key pressed, and it went on.) Hence another interrupt: a periodic one, which needs
 * nobody to set it anew.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/hpet.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(void)
{
	int fd;

	/* Whoever started it reads one of these to its end. */
	closefrom(STDERR_FILENO + 1);
	fd = open("/dev/hpet", O_RDONLY);
	if (fd < 0)
		err(1, "/dev/hpet");
	if (ioctl(fd, HPET_IRQFREQ, 2) < 0 || ioctl(fd, HPET_EPI, 0) < 0 ||
	    ioctl(fd, HPET_IE_ON, 0) < 0)
		err(1, "a periodic interrupt of /dev/hpet");
	/* The descriptor is inherited: the interrupts stay on. */
	if (daemon(0, 0) < 0)
		err(1, "daemon");
	for (;;)
		pause();
}
