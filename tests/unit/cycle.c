// SPDX-License-Identifier: GPL-2.0-or-later
/* The parts of cycle and monitor that judge: figures, registers, trace events. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "../../cmd/cycle_journal.c"
#include "../../cmd/cycle_verify.c"
#include "../../cmd/stats.c"
#include "../../cmd/transitions.c"

static int number, failures;

static void check(bool good, const char *name)
{
	printf("%sok %d %s\n", good ? "" : "not ", ++number, name);
	failures += !good;
}

static void test_stats(void)
{
	struct stats stats = { 0 };
	struct summary s;

	stats_summarize(&stats, &s);
	check(s.count == 0 && s.max == 0, "no values, no figures");
	for (int64_t i = 200; i > 0; i--)
		stats_add(&stats, i);
	stats_summarize(&stats, &s);
	check(s.count == 200 && s.min == 1 && s.max == 200, "extremes");
	check(s.median == 100 && s.p95 == 190 && s.p99 == 198, "ranks are measured values");
	stats_free(&stats);
	stats_add(&stats, 7);
	stats_summarize(&stats, &s);
	check(s.min == 7 && s.median == 7 && s.p99 == 7 && s.max == 7, "a single value");
	stats_free(&stats);
}

/* As a child leaves it that is killed: what it has mapped isn't mapped here. */
static void test_journal(void)
{
	struct journal *j = mmap(NULL, sizeof(*j), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct stats stats;
	int64_t took[N_PHASES] = { 0 };
	pid_t pid;

	check(j != MAP_FAILED && journal_open(j) == 0 && journal_attach(j) == 0 &&
		      journal_stats(j, 0, PHASE_EXIT, &stats) == 0 && stats.count == 0,
	      "a journal without rows");
	pid = fork();
	if (pid == 0) {
		for (int64_t i = 0; i < 5 * ROOM; i++) {
			took[PHASE_ENTRY] = i;
			took[PHASE_EXIT] = i % 3 ? -1 : 7;
			if (journal_add(j, (size_t)i % 2, took) < 0)
				_exit(1);
		}
		raise(SIGKILL);
	}
	waitpid(pid, NULL, 0);
	check(journal_attach(j) == 0 && j->count == 5 * ROOM, "all rows are there after a fork");
	check(journal_stats(j, 1, PHASE_ENTRY, &stats) == 0 && stats.count == 5 * ROOM / 2 &&
		      stats.values[0] == 1 && stats.values[stats.count - 1] == 5 * ROOM - 1,
	      "one device's times, in order");
	stats_free(&stats);
	check(journal_stats(j, 0, PHASE_EXIT, &stats) == 0 && stats.count == (5 * ROOM + 5) / 6,
	      "what wasn't measured is none");
	stats_free(&stats);
	journal_close(j);
	munmap(j, sizeof(*j));
}

static void put16(uint8_t *config, size_t at, uint16_t value)
{
	config[at] = (uint8_t)value;
	config[at + 1] = (uint8_t)(value >> 8);
}

#define MSI (PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT)

/* PM at 0x40, MSI at 0x50, PCI Express at 0x70; AER at 0x100, L1 substates at 0x200. */
static void make_config(uint8_t *config)
{
	memset(config, 0, CONFIG_MAX);
	put16(config, 0, 0x8086);
	put16(config, 2, 0x10d3);
	put16(config, PCI_COMMAND, 0x0406);
	put16(config, PCI_STATUS, PCI_STATUS_CAP_LIST);
	config[PCI_CAPABILITY_LIST] = 0x40;
	put16(config, 0x40, 0x5001);
	put16(config, 0x50, 0x7005);
	put16(config, 0x50 + PCI_MSI_FLAGS, MSI);
	put16(config, 0x70, 0x0010);
	put16(config, 0x70 + PCI_EXP_FLAGS, 2);
	put16(config, 0x100, PCI_EXT_CAP_ID_ERR);
	put16(config, 0x102, 0x2002);
	put16(config, 0x200, PCI_EXT_CAP_ID_L1SS);
	put16(config, 0x202, 0x0001);
	put16(config, 0x70 + PCI_EXP_LNKSTA, 0x0041);
	put16(config, PCI_BASE_ADDRESS_0 + 2, 0xfebc);
}

static bool differs(const uint8_t *before, size_t at, uint16_t value, const char *expected)
{
	uint8_t after[CONFIG_MAX];
	char why[256] = "";

	memcpy(after, before, sizeof(after));
	put16(after, at, value);
	if (verify_config(before, after, sizeof(after), why, sizeof(why)))
		return !expected;
	if (!expected || strncmp(why, expected, strlen(expected)))
		printf("# %s\n", why);
	return expected && !strncmp(why, expected, strlen(expected));
}

static void test_verify(void)
{
	uint8_t before[CONFIG_MAX], dead[256];
	char why[256];

	make_config(before);
	check(differs(before, 0, 0x8086, NULL), "the same is the same");
	check(differs(before, PCI_COMMAND, 0,
		      "command register (at 0x4): expected 0x0006, found 0x0000"),
	      "command register");
	check(differs(before, PCI_COMMAND, 0x0006, NULL), "INTx is VFIO's and the kernel's");
	check(differs(before, PCI_BASE_ADDRESS_0 + 2, 0, "BAR 0 (at 0x10): expected 0xfebc0000"),
	      "BAR");
	check(differs(before, PCI_STATUS, PCI_STATUS_CAP_LIST | 0x2000, NULL),
	      "an error bit of the status register isn't the sleep's business");
	check(differs(before, 0x40 + PCI_PM_CTRL, 3, "PM control"), "left in D3hot");
	check(differs(before, 0x40 + PCI_PM_CTRL, PCI_PM_CTRL_PME_STATUS, NULL), "PME status");
	check(differs(before, 0x50 + PCI_MSI_FLAGS, MSI & ~PCI_MSI_FLAGS_ENABLE, "MSI control"),
	      "MSI");
	check(differs(before, 0x50 + PCI_MSI_ADDRESS_HI, 1, "upper MSI address") &&
		      differs(before, 0x50 + PCI_MSI_DATA_64, 1, "MSI data (at 0x5c)") &&
		      differs(before, 0x50 + PCI_MSI_MASK_64, 1, "MSI mask (at 0x60)") &&
		      differs(before, 0x50 + PCI_MSI_PENDING_64, 1, NULL),
	      "MSI of 64 bits: address, data, mask, not what is pending");
	put16(before, 0x50 + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_MASKBIT);
	check(differs(before, 0x50 + PCI_MSI_DATA_32, 1, "MSI data (at 0x58)") &&
		      differs(before, 0x50 + PCI_MSI_MASK_32, 1, "MSI mask (at 0x5c)") &&
		      differs(before, 0x50 + PCI_MSI_MASK_64, 1, NULL),
	      "MSI of 32 bits");
	put16(before, 0x50 + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE);
	check(differs(before, 0x50 + PCI_MSI_MASK_32, 1, NULL), "MSI without masks");
	check(differs(before, 0x70 + PCI_EXP_DEVCTL2, 1, "device control 2") &&
		      differs(before, 0x70 + PCI_EXP_LNKCTL2, 1, "link control 2"),
	      "PCI Express 2");
	put16(before, 0x70 + PCI_EXP_FLAGS, 1);
	check(differs(before, 0x70 + PCI_EXP_DEVCTL2, 1, NULL), "which version 1 hasn't got");
	check(differs(before, 0x100 + PCI_ERR_UNCOR_MASK, 1,
		      "uncorrectable error mask (at 0x108)") &&
		      differs(before, 0x100 + PCI_ERR_UNCOR_STATUS, 1, NULL) &&
		      differs(before, 0x200 + PCI_L1SS_CTL1, 1,
			      "L1 substates control 1 (at 0x208)"),
	      "extended capabilities, in their list");
	check(differs(before, 0x102, 0x3002, "extended capability at 0x100"), "the list itself");
	check(differs(before, 0x70 + PCI_EXP_LNKSTA, 0x0021, "link width"), "link width");
	check(differs(before, 0x70 + PCI_EXP_LNKSTA, 0x0042, "link speed"), "link speed");
	check(differs(before, 0x40, 0x6001, "capability at 0x40"), "capability list");
	memset(dead, 0xff, sizeof(dead));
	check(!verify_config(before, dead, 256, why, sizeof(why)) && strstr(why, "all ones"),
	      "all ones");
	check(config_loses_state(before, 256), "No_Soft_Reset clear");
	put16(before, 0x40 + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
	check(!config_loses_state(before, 256), "No_Soft_Reset set");
	/* A list that leads to itself ends all the same. */
	put16(before, 0x40, 0x4009);
	put16(before, 0x202, 0x1001);
	check(config_loses_state(before, CONFIG_MAX) &&
		      verify_config(before, before, CONFIG_MAX, why, 256),
	      "a loop of capabilities ends");
	check(verify_config(before, before, 64, why, sizeof(why)), "the header alone");
}

struct feed {
	enum rpm_kind kind;
	int pid;
	const char *name;
	int flags;
	int64_t ret;
	/* "+NAME PID" resumed, "-NAME" suspended, "?NAME" maybe; NULL: nothing */
	const char *expected;
};

static bool feed_all(const struct feed *feed)
{
	struct transitions *t;
	uint64_t ns = 0;
	bool good = true;

	transitions_new(&t);
	for (; feed->name; feed++) {
		struct rpm_event event = { .ns = ++ns, .kind = feed->kind, .pid = feed->pid,
					   .flags = feed->flags, .ret = feed->ret };
		struct transition out;
		char text[64] = "";

		snprintf(event.name, sizeof(event.name), "%s", feed->name);
		if (transitions_feed(t, &event, &out) == 1) {
			if (out.active)
				snprintf(text, sizeof(text), "+%s %d", out.name, out.pid);
			else
				snprintf(text, sizeof(text), "%c%s", out.maybe ? '?' : '-',
					 out.name);
		}
		if (strcmp(text, feed->expected ? feed->expected : "")) {
			printf("# event %d: got '%s'\n", (int)ns, text);
			good = false;
		}
	}
	transitions_free(t);
	return good;
}

static void test_transitions(void)
{
	static const struct feed nested[] = {
		{ RPM_RESUME, 9, "dev", 4, 0, NULL },
		{ RPM_RESUME, 9, "port", 0, 0, NULL },
		{ RPM_RETURN, 9, "port", 0, 0, "+port 9" },
		{ RPM_IDLE, 9, "dev", 1, 0, NULL },
		{ RPM_RETURN, 9, "dev", 0, 0, NULL },
		{ RPM_RETURN, 9, "dev", 0, 0, "+dev 9" },
		{ 0 }
	};
	static const struct feed queued[] = {
		{ RPM_RESUME, 9, "dev", 1, 0, NULL },
		{ RPM_RETURN, 9, "dev", 0, 0, NULL },
		{ RPM_RESUME, 70, "dev", 2, 0, NULL },
		{ RPM_RETURN, 70, "dev", 0, 0, "+dev 9" },
		{ 0 }
	};
	static const struct feed no_ops[] = {
		{ RPM_RESUME, 9, "dev", 4, 0, NULL },
		{ RPM_RETURN, 9, "dev", 0, 1, NULL },
		{ RPM_SUSPEND, 9, "dev", 9, 0, NULL },
		{ RPM_RETURN, 9, "dev", 0, 0, NULL },
		{ RPM_SUSPEND, 9, "dev", 8, 0, NULL },
		{ RPM_RETURN, 9, "dev", 0, -16, NULL },
		{ RPM_RETURN, 9, "dev", 0, 0, NULL },
		{ 0 }
	};
	static const struct feed mixed[] = {
		{ RPM_SUSPEND, 70, "dev", 2, 0, NULL },
		{ RPM_RESUME, 9, "other", 4, 0, NULL },
		{ RPM_RETURN, 70, "dev", 0, 0, "-dev" },
		{ RPM_SUSPEND, 70, "third", 8, 0, NULL },
		{ RPM_RETURN, 9, "other", 0, 0, "+other 9" },
		{ RPM_RETURN, 70, "third", 0, 0, "?third" },
		{ 0 }
	};
	static const struct feed lost[] = {
		{ RPM_RESUME, 9, "dev", 4, 0, NULL },
		{ RPM_LOST, 0, "-", 0, 12, NULL },
		{ RPM_RETURN, 9, "dev", 0, 0, NULL },
		{ 0 }
	};

	check(feed_all(nested), "a resume that resumes the parent, and asks for idle");
	check(feed_all(queued), "a queued resume is its asker's, not the worker's");
	check(feed_all(no_ops), "active already, queued, refused, a return without a call");
	check(feed_all(mixed), "two tasks at once; autosuspend may only have set its timer");
	check(feed_all(lost), "after a loss nothing is made up");
}

int main(void)
{
	test_stats();
	test_journal();
	test_verify();
	test_transitions();
	printf("1..%d\n", number);
	return failures != 0;
}
