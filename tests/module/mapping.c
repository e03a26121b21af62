// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mapping ADDRESS [BAR]	BAR mappings around low power
 * mapping --race ADDRESS SECONDS	entry and exit against mmap, touch and munmap
 * mapping --first ADDRESS ROUNDS	entry against the first mmap of an open
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "common.h"

static struct vt_dev dev;
static int bar;

static volatile uint32_t *map_bar(size_t size)
{
	volatile uint32_t *map = vt_map(&dev, bar, size);

	if (!map)
		vt_die("mmap of BAR %d", bar);
	return map;
}

static bool touches(const volatile void *place)
{
	uint32_t value;

	return vt_touch(place, &value);
}

/* Is it vfio-pci-core that takes the mappings away? */
static bool by_core(void)
{
	return !dev.ours || getenv("VT_BY_CORE");
}

static void plain(void)
{
	volatile uint32_t *map = map_bar(4096), *late;
	long long refused = dev.ours ? vt_account(&dev, "refused") : 0;
	uint32_t before, after;

	vt_ok(vt_touch(map, &before), "a touch works");
	vt_is(vt_entry(&dev), 0, "entry");
	vt_ok(!touches(map), "a touch while engaged is a SIGBUS");
	vt_ok(vt_wait_asleep(&dev, 3000), "asleep");
	vt_ok(!touches(map), "and while asleep");
	vt_ok(vt_asleep(&dev), "which doesn't wake");
	late = map_bar(4096);
	vt_ok(!touches(late), "so is one of a mapping made while asleep");
	vt_ok(vt_asleep(&dev), "which doesn't wake either");
	if (dev.ours)
		vt_is(vt_account(&dev, "refused"), refused + 3,
		      "three refused touches in the account");
	vt_is(vt_exit(&dev), 0, "exit");
	vt_ok(vt_touch(map, &after), "a touch works again");
	vt_is(after, before, "and reads the same");
	vt_ok(vt_touch(late, &after), "as does the later mapping");
	munmap((void *)map, 4096);
	munmap((void *)late, 4096);
}

/* An entry that is refused has taken the mappings away, and they come back. */
static void refused_entry(void)
{
	volatile uint32_t *map = map_bar(4096);

	vt_is(vt_entry(&dev), 0, "entry");
	vt_is(vt_entry(&dev), -EINVAL, "second entry");
	vt_ok(!touches(map), "still a SIGBUS");
	vt_is(vt_exit(&dev), 0, "exit");
	vt_ok(touches(map), "a touch works");
	munmap((void *)map, 4096);
}

static void forked(void)
{
	volatile uint32_t *map = map_bar(4096);
	int go[2], done[2], status;
	char byte;
	pid_t child;

	if (!touches(map) || pipe(go) || pipe(done))
		vt_die("fork test");
	child = fork();
	if (!child) {
		int wrong = !touches(map);

		if (write(done[1], "", 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(9);
		wrong |= touches(map) << 1;
		if (write(done[1], "", 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(9);
		_exit(wrong | !touches(map) << 2);
	}
	if (read(done[0], &byte, 1) != 1)
		vt_die("child");
	vt_is(vt_entry(&dev), 0, "entry with the mapping in two processes");
	if (write(go[1], "", 1) != 1 || read(done[0], &byte, 1) != 1)
		vt_die("child");
	vt_ok(!touches(map), "SIGBUS in the parent");
	vt_is(vt_exit(&dev), 0, "exit");
	if (write(go[1], "", 1) != 1)
		vt_die("child");
	waitpid(child, &status, 0);
	/* On 6.1 the core doesn't know of the pages that fork() has copied. */
	if (by_core() && WEXITSTATUS(status) == 2)
		printf("# the child's touch while engaged went through\n");
	else
		vt_is(status, 0, "the child worked, got its SIGBUS, works again");
	vt_ok(touches(map), "the parent works again");
	munmap((void *)map, 4096);
}

/* Pages move with their mapping. */
static void moved(void)
{
	volatile uint32_t *map = map_bar(4096), *to;
	bool refused;

	if (!touches(map))
		vt_die("mremap test");
	to = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	to = mremap((void *)map, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)to);
	if (to == MAP_FAILED)
		vt_die("mremap");
	vt_is(vt_entry(&dev), 0, "entry with a mapping that was moved");
	refused = !touches(to);
	if (by_core() && !refused)
		printf("# the touch while engaged went through\n");
	else
		vt_ok(refused, "SIGBUS where it is now");
	vt_is(vt_exit(&dev), 0, "exit");
	vt_ok(touches(to), "works again");
	munmap((void *)to, 4096);
}

/* A hole in the middle leaves two VMAs of one mapping. */
static void split(void)
{
	size_t size = dev.bar[bar].size;
	volatile char *map;
	volatile char *last;

	if (size < 3 * 4096) {
		vt_ok(true, "BAR too small to split");
		return;
	}
	if (size > 64 * 4096)
		size = 64 * 4096;
	map = (void *)map_bar(size);
	last = map + size - 4096;
	vt_ok(touches(map) && touches(last), "both ends of a larger mapping work");
	munmap((void *)(map + 4096), 4096);
	vt_ok(touches(map) && touches(last), "so do the two parts of the split one");
	vt_is(vt_entry(&dev), 0, "entry");
	vt_ok(!touches(map) && !touches(last), "SIGBUS in both parts");
	vt_is(vt_exit(&dev), 0, "exit");
	vt_ok(touches(map) && touches(last), "both work again");
	munmap((void *)map, size);
}

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

/*
 * Touching every 2 MiB of a large BAR lets the kernel use huge mappings: what
 * is next to the first touch needs no fault of its own. (6.1 maps all of a BAR
 * at the first fault.)
 */
static void large(void)
{
	size_t size = dev.bar[bar].size, step = 2 << 20, at, count = 0;
	const size_t room = 2 << 20;
	long before, once, again;
	char *area;
	volatile char *map;

	if (size < 2 * step) {
		vt_ok(true, "BAR too small for huge mappings");
		return;
	}
	/* Aligned, or no huge page fits. */
	area = mmap(NULL, size + room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	map = (void *)(((uintptr_t)area + room - 1) & ~(room - 1));
	if (mmap((void *)map, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, dev.fd,
		 dev.bar[bar].offset) == MAP_FAILED)
		vt_die("mmap of a large BAR");
	before = faults();
	for (at = 0; at < size; at += step)
		count += touches(map + at);
	vt_is(count, size / step, "every part of the large mapping works");
	once = faults() - before;
	before = faults();
	for (at = count = 0; at < size; at += step)
		count += touches(map + at + step / 2);
	vt_is(count, size / step, "and the middle of each");
	again = faults() - before;
	printf("# %zu parts of 2 MiB: %ld faults, %ld more in their middles\n", size / step, once,
	       again);
	vt_ok(again < 2, "by huge mappings: without a fault of its own");
	vt_is(vt_entry(&dev), 0, "entry");
	for (at = count = 0; at < size; at += step)
		count += touches(map + at);
	vt_is(count, 0, "none does while engaged");
	vt_is(vt_exit(&dev), 0, "exit");
	for (at = count = 0; at < size; at += step)
		count += touches(map + at);
	vt_is(count, size / step, "all do again");
	munmap(area, size + room);
}

static atomic_bool stop;
static atomic_ullong cycles, refused;

/* A thread's own handler: the touch may be refused at any time. */
static void *mapper(void *arg)
{
	size_t size = dev.bar[bar].size > 16 * 4096 ? 16 * 4096 : dev.bar[bar].size;

	while (!stop) {
		volatile uint32_t *map = map_bar(size);
		pid_t child;
		int status;

		/* Touched in a child too: a mapping of its own. */
		if (arg) {
			child = fork();
			if (!child) {
				signal(SIGBUS, SIG_DFL);
				(void)*map;
				_exit(0);
			}
			waitpid(child, &status, 0);
			if (status)
				refused++;
		} else {
			uint32_t word;
			ssize_t n;
			int pipefd[2];

			/* write(2) touches it without a signal: EFAULT instead. */
			if (pipe(pipefd))
				break;
			n = write(pipefd[1], (void *)map, sizeof(word));
			if (n != sizeof(word))
				refused++;
			close(pipefd[0]);
			close(pipefd[1]);
		}
		munmap((void *)map, size);
		cycles++;
	}
	return NULL;
}

static int race(unsigned int seconds)
{
	uint64_t end = vt_now_us() + seconds * 1000000ull;
	unsigned long long rounds = 0, failed = 0;
	pthread_t threads[3];
	unsigned long i;

	for (i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, mapper, (void *)(uintptr_t)(i == 2));
	while (vt_now_us() < end) {
		failed += vt_entry(&dev) != 0;
		if (rounds % 7 == 0)
			vt_sleep_ms(1);
		failed += vt_exit(&dev) != 0;
		rounds++;
	}
	stop = true;
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	printf("# %llu entries, %llu mappings, %llu touches refused, %u s\n", rounds,
	       (unsigned long long)cycles, (unsigned long long)refused, seconds);
	vt_is(failed, 0, "every entry and exit worked");
	vt_ok(rounds > 0 && cycles > 0, "both sides made progress");
	return vt_done();
}

static volatile uint32_t *first_map;
static atomic_ullong first_at; /* when the mapper comes, in us */

/* Comes in between, on the same processor, whatever the other task is doing. */
static void *first_mapper(void *arg)
{
	struct sched_param param = { .sched_priority = 1 };
	struct timespec time;
	uint64_t at;

	(void)arg;
	if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &param))
		vt_die("SCHED_FIFO");
	at = vt_now_us() + 3000;
	time.tv_sec = at / 1000000;
	time.tv_nsec = at % 1000000 * 1000;
	first_at = at;
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
	first_map = map_bar(4096);
	touches(first_map);
	return NULL;
}

/*
 * A kernel that isn't preempted goes to another task where it might sleep, and
 * a lock is such a place: what is looked at before a lock is old behind it.
 */
static int first(const char *address, unsigned int rounds)
{
	unsigned int i, through = 0, failed = 0;
	uint64_t at = 0, took = 100;
	pthread_t thread;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		vt_die("affinity");
	srand(getpid());
	for (i = 0; i < rounds; i++) {
		vt_open(&dev, address);
		vt_enable_memory(&dev);
		first_at = 0;
		pthread_create(&thread, NULL, first_mapper, NULL);
		while (!first_at)
			sched_yield();
		/* The entry begins up to as long before as it takes */
		at = first_at - rand() % (took + 1);
		while (vt_now_us() < at)
			;
		at = vt_now_us();
		failed += vt_entry(&dev) != 0;
		at = vt_now_us() - at;
		/* With the mapper in between it takes longer */
		if (at < 2 * took || i == 0)
			took = at;
		pthread_join(thread, NULL);
		through += touches(first_map);
		munmap((void *)first_map, 4096);
		vt_exit(&dev);
		vt_close(&dev);
	}
	printf("# %u opens, the last entry took %llu us\n", rounds, (unsigned long long)at);
	vt_is(failed, 0, "every entry worked");
	vt_is(through, 0, "no page of a first mapping outlives an entry");
	return vt_done();
}

int main(int argc, char **argv)
{
	bool racing = argc == 4 && !strcmp(argv[1], "--race");

	if (argc < 2)
		return 2;
	if (argc == 4 && !strcmp(argv[1], "--first")) {
		vt_open(&dev, argv[2]);
		bar = vt_first_bar(&dev);
		vt_close(&dev);
		if (bar < 0)
			vt_die("no BAR to map");
		return first(argv[2], strtoul(argv[3], NULL, 0));
	}
	vt_open(&dev, argv[racing ? 2 : 1]);
	bar = vt_first_bar(&dev);
	if (!racing && argc == 3)
		bar = atoi(argv[2]);
	if (bar < 0)
		vt_die("no BAR to map");
	printf("# %s on %s, BAR %d, %llu KiB\n", dev.address, dev.driver, bar,
	       (unsigned long long)dev.bar[bar].size / 1024);
	vt_enable_memory(&dev);
	if (racing)
		return race(strtoul(argv[3], NULL, 0));
	plain();
	refused_entry();
	forked();
	moved();
	split();
	large();
	vt_close(&dev);
	return vt_done();
}
