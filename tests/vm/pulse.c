// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pulse: an interrupt a second of the machine's real-time clock, in the background until it is
 * killed.
 *
 * QEMU 7.2's emulated VMRUN and VMEXIT change the set of what is asked of a processor
 * (interrupt_request, target/i386/tcg/sysemu/svm_helper.c) without the lock, and without an atomic
 * operation. What another thread of QEMU adds at that moment is lost. When it is the timer of the
 * local APIC, which is set anew by its own interrupt only, nothing that waits for a time in that
 * machine goes on, until some other interrupt makes the APIC say again what it has pending. (Seen
 * in a machine that stood still for 38 minutes: its timer's vector in the IRR, nothing asked of the
 * processor; a key pressed, and it went on.) Hence another interrupt, of a clock of its own.
 *
 * Of a real one: with an HPET the kernel makes the clock's interrupts of the HPET's, and calls
 * some lost (arch/x86/kernel/hpet.c), so the machine has none. The HPET's own would be taken on
 * one of the pins 16 to 23, with another polarity than QEMU's tables give these: a PCI device that
 * has the same pin can't be enabled then (EBUSY, mp_check_pin_attr()).
 */
#include <err.h>
#include <fcntl.h>
#include <linux/rtc.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(void)
{
	int fd;

	/* Whoever started it reads one of these to its end. */
	closefrom(STDERR_FILENO + 1);
	fd = open("/dev/rtc0", O_RDONLY);
	if (fd < 0)
		err(1, "/dev/rtc0");
	if (ioctl(fd, RTC_UIE_ON, 0) < 0)
		err(1, "interrupts of /dev/rtc0");
	/* The descriptor is inherited: the interrupts stay on. */
	if (daemon(0, 0) < 0)
		err(1, "daemon");
	for (;;)
		pause();
}
