// SPDX-License-Identifier: GPL-2.0-or-later
/* A small system in a tmpfs, made hostile by the fuzzer's input. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fuzz.h"

#define PORT "sys/devices/pci0000:00/0000:00:01.0"
#define FN0 PORT "/0000:01:00.0"
#define FN1 PORT "/0000:01:00.1"
#define ACPI "sys/devices/LNXSYSTM:00/device:01"

/* A path that ends in '/' is a folder, "@" starts a link's target. */
static const struct {
	const char *path, *value;
} nodes[] = {
	{ PORT "/vendor", "0x1b36\n" },
	{ PORT "/device", "0x000c\n" },
	{ PORT "/class", "0x060400\n" },
	{ PORT "/power_state", "D0\n" },
	{ PORT "/power/runtime_status", "active\n" },
	{ PORT "/power/control", "auto\n" },
	{ PORT "/d3cold_allowed", "1\n" },
	{ PORT "/driver", "@/sys/bus/pci/drivers/pcieport" },
	{ FN0 "/vendor", "0x8086\n" },
	{ FN0 "/device", "0x10d3\n" },
	{ FN0 "/subsystem_vendor", "0x8086\n" },
	{ FN0 "/subsystem_device", "0x0000\n" },
	{ FN0 "/class", "0x020000\n" },
	{ FN0 "/enable", "1\n" },
	{ FN0 "/power_state", "D3cold\n" },
	{ FN0 "/driver_override", "vfio-pci\n" },
	{ FN0 "/reset_method", "flr bus\n" },
	{ FN0 "/d3cold_allowed", "1\n" },
	{ FN0 "/numa_node", "-1\n" },
	{ FN0 "/power/runtime_status", "suspended\n" },
	{ FN0 "/power/control", "auto\n" },
	{ FN0 "/power/runtime_enabled", "enabled\n" },
	{ FN0 "/power/runtime_usage", "0\n" },
	{ FN0 "/power/runtime_active_kids", "0\n" },
	{ FN0 "/power/runtime_active_time", "12345\n" },
	{ FN0 "/power/runtime_suspended_time", "99999\n" },
	{ FN0 "/power/autosuspend_delay_ms", "100\n" },
	{ FN0 "/power/wakeup", "disabled\n" },
	{ FN0 "/config", "\x86\x80\xd3\x10" },
	{ FN0 "/vfio-dev/vfio0/dev", "511:0\n" },
	{ FN0 "/iommu_group", "@/sys/kernel/iommu_groups/7" },
	{ FN0 "/driver", "@../../../../bus/pci/drivers/vfio-pci" },
	{ FN0 "/firmware_node", "@/" ACPI },
	{ FN1 "/vendor", "0x8086\n" },
	{ FN1 "/device", "0x10d3\n" },
	{ FN1 "/class", "0x010802\n" },
	{ FN1 "/power_state", "D0\n" },
	{ FN1 "/power/runtime_status", "active\n" },
	{ FN1 "/power/control", "on\n" },
	{ FN1 "/physfn", "@../0000:01:00.0" },
	{ FN1 "/sriov_numvfs", "3\n" },
	{ FN1 "/iommu_group", "@/sys/kernel/iommu_groups/7" },
	{ FN1 "/driver", "@../../../../bus/pci/drivers/nvme" },
	{ FN1 "/virtfn0", "@../0000:01:00.0" },
	{ FN1 "/nvme/nvme0/nvme0n1/dev", "259:0\n" },
	{ FN1 "/nvme/nvme0/nvme0n1/nvme0n1p1/dev", "259:1\n" },
	{ FN1 "/nvme/nvme0/nvme0n1/nvme0n1p1/partition", "1\n" },
	{ FN1 "/nvme/nvme0/nvme0n1/nvme0n1p1/holders/dm-0", "@/sys/class/block/dm-0" },
	{ FN1 "/net/eth0/flags", "0x1003\n" },
	{ FN1 "/net/eth0/upper_br0", "@/sys/class/net/br0" },
	{ FN1 "/drm/card0-DP-1/status", "connected\n" },
	{ FN1 "/drm/card0-DP-1/enabled", "enabled\n" },
	{ FN1 "/mdev_supported_types/", "" },
	{ "sys/devices/virtual/block/dm-0/dev", "254:0\n" },
	{ "sys/devices/virtual/block/dm-0/dm/name", "vg-root\n" },
	{ "sys/devices/virtual/block/dm-0/dm/uuid", "LVM-abc\n" },
	{ "sys/devices/virtual/block/loop0/dev", "7:0\n" },
	{ "sys/devices/virtual/block/loop0/loop/backing_file", "/dev/nvme0n1p1\n" },
	{ "sys/devices/virtual/net/br0/flags", "0x1003\n" },
	{ "sys/class/block/nvme0n1", "@/" FN1 "/nvme/nvme0/nvme0n1" },
	{ "sys/class/block/nvme0n1p1", "@/" FN1 "/nvme/nvme0/nvme0n1/nvme0n1p1" },
	{ "sys/class/block/dm-0", "@/sys/devices/virtual/block/dm-0" },
	{ "sys/class/block/loop0", "@/sys/devices/virtual/block/loop0" },
	{ "sys/class/net/eth0", "@/" FN1 "/net/eth0" },
	{ "sys/class/net/br0", "@/sys/devices/virtual/net/br0" },
	{ "sys/class/drm/card0-DP-1", "@/" FN1 "/drm/card0-DP-1" },
	{ "sys/fs/btrfs/c0ffee/devices/nvme0n1p1", "@/sys/class/block/nvme0n1p1" },
	{ "sys/bus/pci/drivers/nvme/", "" },
	{ "run/udev/data/b259:1", "E:ID_FS_TYPE=zfs_member\n" },
	{ "proc/spl/kstat/zfs/tank/state", "ONLINE\n" },
	{ "proc/self/mountinfo", "40 28 254:0 / /srv\\040x rw shared:1 - ext4 /dev/dm-0 rw\n" },
	{ "proc/swaps", "Filename\n/dev/loop0 partition 1 0 -2\n" },
	{ "proc/net/route", "Iface\nbr0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\n" },
	{ ACPI "/path", "\\_SB_.PCI0.S08_.S00_\n" },
	{ ACPI "/power_state", "D3cold\n" },
	{ ACPI "/real_power_state", "D3hot\n" },
	{ ACPI "/power_resources_D3hot/LNXPOWER:00", "@/sys/devices" },
	{ "sys/bus/pci/devices/0000:00:01.0", "@../../../devices/pci0000:00/0000:00:01.0" },
	{ "sys/bus/pci/devices/0000:01:00.0", "@/" FN0 },
	{ "sys/bus/pci/devices/0000:01:00.1", "@/" FN1 },
	{ "sys/bus/pci/drivers/vfio-pci/", "" },
	{ "sys/bus/pci/drivers/pcieport/", "" },
	{ "sys/kernel/iommu_groups/7/type", "DMA\n" },
	{ "sys/kernel/iommu_groups/7/devices/0000:01:00.0", "@/" FN0 },
	{ "sys/kernel/iommu_groups/7/devices/0000:01:00.1", "@/" FN1 },
	{ "sys/module/vfio_pci/parameters/disable_idle_d3", "Y\n" },
	{ "sys/class/dmi/id/bios_date", "04/01/2014\n" },
	{ "proc/cmdline", "quiet pcie_port_pm=off\n" },
	{ "proc/mounts", "/dev/sda1 / ext4 rw 0 0\n" },
	{ "proc/42/comm", "qemu\n" },
	{ "proc/42/stat", "42 (qemu) S 1 42 42 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 999 0 0\n" },
	{ "proc/42/status", "Name:\tqemu\nUid:\t0\t0\t0\t0\n" },
	{ "proc/42/maps", "7f0000000000-7f0000001000 rw-s 00000000 00:0e 9 /dev/vfio/7\n" },
	{ "proc/42/fdinfo/9", "pos:\t0\nvfio-device-syspath: /sys/devices/x\n" },
	{ "proc/42/fd/9", "@/dev/vfio/7" },
	{ "proc/42/exe", "@/usr/bin/qemu-system-x86_64" },
	{ "dev/vfio/7", "" },
};

#define N_NODES (sizeof(nodes) / sizeof(nodes[0]))

/* Where links lead that the input makes: out of the tree, round in circles, to what blocks. */
static const char *const targets[] = {
	"/etc/passwd",
	"../../../../../../../../../../../../etc/passwd",
	"/proc/self/environ",
	"/dev/zero",
	"/dev/stdin",
	".",
	"..",
	"/",
	"self",
	"/proc/42/fd/9",
	"/" FN0,
	"/sys/bus/pci/devices/0000:01:00.0",
	"/proc/self/fd/0",
	"/proc/1/root/etc/passwd",
};

unsigned int input_byte(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->data++;
}

size_t input_text(struct input *in, char *buf, size_t max)
{
	size_t n = input_byte(in);

	n = n < max ? n : max - 1;
	n = n < in->left ? n : in->left;
	memcpy(buf, in->data, n);
	buf[n] = '\0';
	in->data += n;
	in->left -= n;
	return n;
}

static char root[64];

static int drop(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void remove_root(void)
{
	if (root[0])
		nftw(root, drop, 16, FTW_DEPTH | FTW_PHYS);
}

const char *tree_root(void)
{
	if (!root[0]) {
		snprintf(root, sizeof(root), "%s/vfio-pm-fuzz-XXXXXX",
			 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
		if (!mkdtemp(root))
			abort();
		atexit(remove_root);
	}
	return root;
}

static void make_parents(int dir, const char *path)
{
	char part[256];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		mkdirat(dir, part, 0755);
	}
}

static bool make_file(int dir, const char *path, const char *value, size_t len, off_t size)
{
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK, 0644);

	if (fd < 0)
		return false;
	if (write(fd, value, len) < 0 || (size && ftruncate(fd, size) < 0))
		abort();
	close(fd);
	return true;
}

static bool make_node(int dir, const char *path, const char *value)
{
	if (value[0] == '@')
		return symlinkat(value + 1, dir, path) == 0;
	if (path[strlen(path) - 1] == '/')
		return mkdirat(dir, path, 0755) == 0;
	return make_file(dir, path, value, strlen(value), 0);
}

/* One of the files, or one beside it with a name of the input's, becomes something else. */
static void make_hostile(int dir, struct input *in)
{
	const char *like = nodes[input_byte(in) % N_NODES].path;
	unsigned int kind = input_byte(in);
	char path[512], text[128], whole[256];
	size_t n;

	n = input_text(in, text, sizeof(text));
	snprintf(path, sizeof(path), "%s", like);
	if (kind & 0x80) {
		/* Its folder, as a whole or with one more entry. */
		char *slash = strrchr(path, '/');

		if (kind & 0x40 && text[0] && !strchr(text, '/'))
			snprintf(slash + 1, 200, "%s", text);
		else
			*slash = '\0';
	}
	if (strstr(path, "..") || !path[0])
		return;
	snprintf(whole, sizeof(whole), "%s/%s", root, path);
	nftw(whole, drop, 16, FTW_DEPTH | FTW_PHYS);
	switch (kind % 8) {
	case 0:
		(void)!symlinkat(targets[input_byte(in) % (sizeof(targets) / sizeof(targets[0]))],
				 dir, path);
		break;
	case 1:
		if (text[0])
			(void)!symlinkat(text, dir, path);
		break;
	case 2:
		mkfifoat(dir, path, 0644);
		break;
	case 3:
		mkdirat(dir, path, 0755);
		break;
	case 4:
		make_file(dir, path, text, n, (off_t)1 << 30);
		break;
	case 5:
		/* Needs root; /dev/full, which reads as endless zeros. */
		mknodat(dir, path, S_IFCHR | 0666, makedev(1, 7));
		break;
	case 6:
		break;
	default:
		make_file(dir, path, text, n, 0);
	}
}

void tree_build(struct input *in)
{
	unsigned int changes;
	int dir;

	remove_root();
	mkdir(tree_root(), 0755);
	dir = open(root, O_PATH | O_DIRECTORY);
	if (dir < 0)
		abort();
	for (size_t i = 0; i < N_NODES; i++) {
		if (make_node(dir, nodes[i].path, nodes[i].value))
			continue;
		make_parents(dir, nodes[i].path);
		make_node(dir, nodes[i].path, nodes[i].value);
	}
	for (changes = input_byte(in) % 16; changes > 0; changes--)
		make_hostile(dir, in);
	close(dir);
}
