/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events vfio_pm:*. The device is domain, bus and devfn, which costs no
 * string and reads the same on every kernel.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vfio_pm

#if !defined(VFIO_PM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VFIO_PM_TRACE_H

#include <linux/pci.h>
#include <linux/tracepoint.h>

#include "vfio_pm_pci.h"

TRACE_DEFINE_ENUM(LP_CONFIG_READ);
TRACE_DEFINE_ENUM(LP_CONFIG_WRITE);
TRACE_DEFINE_ENUM(LP_REGION);
TRACE_DEFINE_ENUM(LP_IOCTL);
TRACE_DEFINE_ENUM(LP_FEATURE);
TRACE_DEFINE_ENUM(LP_OPEN);
TRACE_DEFINE_ENUM(LP_CLOSE);
TRACE_DEFINE_ENUM(LP_HOST);
TRACE_DEFINE_ENUM(LP_EXIT_ASKED);
TRACE_DEFINE_ENUM(LP_EXIT_WAKE);
TRACE_DEFINE_ENUM(LP_EXIT_ACCESS);
TRACE_DEFINE_ENUM(LP_EXIT_CLOSE);
TRACE_DEFINE_ENUM(LP_EXIT_RESET);

#define lp_show_reasons(reasons)				\
	__print_flags(reasons, "|",				\
		      { 1, "user" },				\
		      { 2, "deepen" })

#define lp_show_why(why)					\
	__print_symbolic(why,					\
		{ LP_EXIT_ASKED, "asked" },			\
		{ LP_EXIT_WAKE, "wake" },			\
		{ LP_EXIT_ACCESS, "access" },			\
		{ LP_EXIT_CLOSE, "close" },			\
		{ LP_EXIT_RESET, "reset" })

#define lp_show_cause(cause)					\
	__print_symbolic(cause,					\
		{ LP_CONFIG_READ, "config_read" },		\
		{ LP_CONFIG_WRITE, "config_write" },		\
		{ LP_REGION, "region" },			\
		{ LP_IOCTL, "ioctl" },				\
		{ LP_FEATURE, "feature" },			\
		{ LP_OPEN, "open" },				\
		{ LP_CLOSE, "close" },				\
		{ LP_HOST, "host" })

#define LP_DEV_FIELDS						\
		__field(u32, domain)				\
		__field(u8, bus)				\
		__field(u8, devfn)

#define LP_DEV_ASSIGN						\
		__entry->domain = pci_domain_nr(pdev->bus);	\
		__entry->bus = pdev->bus->number;		\
		__entry->devfn = pdev->devfn

#define LP_DEV_FMT "%04x:%02x:%02x.%x"
#define LP_DEV_ARGS						\
		__entry->domain, __entry->bus,			\
		__entry->devfn >> 3, __entry->devfn & 7

TRACE_EVENT(vfio_pm_entry,
	TP_PROTO(struct pci_dev *pdev, unsigned int reasons, bool wakeup),
	TP_ARGS(pdev, reasons, wakeup),
	TP_STRUCT__entry(
		LP_DEV_FIELDS
		__field(u32, reasons)
		__field(bool, wakeup)
	),
	TP_fast_assign(
		LP_DEV_ASSIGN;
		__entry->reasons = reasons;
		__entry->wakeup = wakeup;
	),
	TP_printk(LP_DEV_FMT " reason=%s wakeup=%d", LP_DEV_ARGS,
		  lp_show_reasons(__entry->reasons), __entry->wakeup)
);

TRACE_EVENT(vfio_pm_exit,
	TP_PROTO(struct pci_dev *pdev, unsigned int reasons,
		 enum lp_exit_why why, bool left),
	TP_ARGS(pdev, reasons, why, left),
	TP_STRUCT__entry(
		LP_DEV_FIELDS
		__field(u32, reasons)
		__field(u32, why)
		__field(bool, left)
	),
	TP_fast_assign(
		LP_DEV_ASSIGN;
		__entry->reasons = reasons;
		__entry->why = why;
		__entry->left = left;
	),
	TP_printk(LP_DEV_FMT " reason=%s why=%s left=%d", LP_DEV_ARGS,
		  lp_show_reasons(__entry->reasons),
		  lp_show_why(__entry->why), __entry->left)
);

TRACE_EVENT(vfio_pm_sleep,
	TP_PROTO(struct pci_dev *pdev, bool engaged),
	TP_ARGS(pdev, engaged),
	TP_STRUCT__entry(
		LP_DEV_FIELDS
		__field(bool, engaged)
	),
	TP_fast_assign(
		LP_DEV_ASSIGN;
		__entry->engaged = engaged;
	),
	TP_printk(LP_DEV_FMT " engaged=%d", LP_DEV_ARGS, __entry->engaged)
);

TRACE_EVENT(vfio_pm_wake,
	TP_PROTO(struct pci_dev *pdev, const struct lp_wake *wake),
	TP_ARGS(pdev, wake),
	TP_STRUCT__entry(
		LP_DEV_FIELDS
		__field(u32, cause)
		__field(u64, detail)
		__field(s32, tgid)
		__array(char, comm, TASK_COMM_LEN)
	),
	TP_fast_assign(
		LP_DEV_ASSIGN;
		__entry->cause = wake->cause;
		__entry->detail = wake->detail;
		__entry->tgid = wake->tgid;
		memcpy(__entry->comm, wake->comm, TASK_COMM_LEN);
	),
	TP_printk(LP_DEV_FMT " cause=%s detail=0x%llx pid=%d comm=%s",
		  LP_DEV_ARGS, lp_show_cause(__entry->cause),
		  __entry->detail, __entry->tgid, __entry->comm)
);

TRACE_EVENT(vfio_pm_refused,
	TP_PROTO(struct pci_dev *pdev, unsigned long pgoff),
	TP_ARGS(pdev, pgoff),
	TP_STRUCT__entry(
		LP_DEV_FIELDS
		__field(unsigned long, pgoff)
	),
	TP_fast_assign(
		LP_DEV_ASSIGN;
		__entry->pgoff = pgoff;
	),
	TP_printk(LP_DEV_FMT " pgoff=0x%lx", LP_DEV_ARGS, __entry->pgoff)
);

#endif /* VFIO_PM_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
