// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mktree DIR COUNT [awake|acpi]: a system of COUNT devices on vfio-pci below DIR, for the
 * tests of size. Ten thousand take seconds, where the builder in fixture.bash
 * would take minutes. Each second device shares a slot and a group with the
 * one before; a port is above each bus of 32 devices. All sleep, or all are
 * kept awake; with "acpi" each device and port has a node with a power resource,
 * which the two functions of a slot share.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "mktree: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void dir(const char *fmt, ...)
{
	char path[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	if (mkdir(path, 0777) < 0 && errno != EEXIST)
		die(path);
}

static void file(const char *base, const char *name, const char *value)
{
	char path[512];
	size_t len = strlen(value);
	int fd;

	snprintf(path, sizeof(path), "%s/%s", base, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (fd < 0 || write(fd, value, len) != (ssize_t)len || write(fd, "\n", 1) != 1)
		die(path);
	close(fd);
}

static void link_to(const char *target, const char *fmt, ...)
{
	char path[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	if (symlink(target, path) < 0)
		die(path);
}

struct value {
	const char *name, *value;
};

static const struct value common[] = {
	{ "subsystem_vendor", "0x8086" },
	{ "subsystem_device", "0x0000" },
	{ "revision", "0x00" },
	{ "driver_override", "vfio-pci" },
	{ "d3cold_allowed", "1" },
	{ "reset_method", "flr bus" },
	{ "power/runtime_active_time", "61250" },
	{ "power/runtime_suspended_time", "3538750" },
	{ "power/runtime_active_kids", "0" },
	{ "power/runtime_enabled", "enabled" },
	{ "power/wakeup", "disabled" },
	{ NULL },
};

static const struct value endpoint[] = {
	{ "vendor", "0x8086" },
	{ "device", "0x10d3" },
	{ "class", "0x020000" },
	{ "modalias", "pci:v00008086d000010D3sv00008086sd00000000bc02sc00i00" },
	{ "power_state", "D3cold" },
	{ "power/control", "auto" },
	{ "power/runtime_status", "suspended" },
	{ "power/runtime_usage", "0" },
	{ "enable", "0" },
	{ NULL },
};

static const struct value endpoint_awake[] = {
	{ "vendor", "0x8086" },
	{ "device", "0x10d3" },
	{ "class", "0x020000" },
	{ "modalias", "pci:v00008086d000010D3sv00008086sd00000000bc02sc00i00" },
	{ "power_state", "D0" },
	{ "power/control", "on" },
	{ "power/runtime_status", "active" },
	{ "power/runtime_usage", "1" },
	{ "enable", "0" },
	{ NULL },
};

static const struct value port[] = {
	{ "vendor", "0x1b36" },
	{ "device", "0x000c" },
	{ "class", "0x060400" },
	{ "modalias", "pci:v00001B36d0000000Csv00008086sd00000000bc06sc04i00" },
	{ "power_state", "D3hot" },
	{ "power/control", "auto" },
	{ "power/runtime_status", "suspended" },
	{ "power/runtime_usage", "0" },
	{ "enable", "1" },
	{ NULL },
};

static const struct value port_awake[] = {
	{ "vendor", "0x1b36" },
	{ "device", "0x000c" },
	{ "class", "0x060400" },
	{ "modalias", "pci:v00001B36d0000000Csv00008086sd00000000bc06sc04i00" },
	{ "power_state", "D0" },
	{ "power/control", "auto" },
	{ "power/runtime_status", "active" },
	{ "power/runtime_usage", "0" },
	{ "enable", "1" },
	{ NULL },
};

static void device(const char *below, const char *addr, const char *driver,
		   const struct value *values)
{
	char path[512], target[600];

	snprintf(path, sizeof(path), "%s/%s", below, addr);
	dir("%s", path);
	dir("%s/power", path);
	for (const struct value *v = common; v->name; v++)
		file(path, v->name, v->value);
	for (const struct value *v = values; v->name; v++)
		file(path, v->name, v->value);
	/* `below` is sys/devices/pci…: two folders up from sys/bus/pci/devices is sys. */
	snprintf(target, sizeof(target), "../../../%s", path + strlen("sys/"));
	link_to(target, "sys/bus/pci/devices/%s", addr);
	snprintf(target, sizeof(target), "/sys/bus/pci/drivers/%s", driver);
	link_to(target, "%s/driver", path);
}

/* The ACPI node of the device in @path, with power resource number @resource. */
static void node(const char *path, unsigned long resource)
{
	static unsigned long count;
	static const char *const lists[] = { "power_resources_D0", "power_resources_D3hot" };
	char base[64], target[600];

	snprintf(base, sizeof(base), "sys/devices/LNXSYSTM:00/device:%05lx", count);
	dir("%s", base);
	file(base, "path", "\\_SB_.PCI0.S28_");
	file(base, "power_state", "D0");
	file(base, "real_power_state", "D0");
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		dir("%s/%s", base, lists[i]);
		snprintf(target, sizeof(target), "/sys/devices/LNXSYSTM:00/LNXPOWER:%05lx",
			 resource);
		link_to(target, "%s/%s/LNXPOWER:%05lx", base, lists[i], resource);
	}
	snprintf(target, sizeof(target), "/%s", path);
	link_to(target, "%s/physical_node", base);
	snprintf(target, sizeof(target), "/%s", base);
	link_to(target, "%s/firmware_node", path);
	link_to(target, "sys/bus/acpi/devices/device:%05lx", count++);
}

int main(int argc, char **argv)
{
	static const char *const skeleton[] = {
		"sys",
		"sys/bus",
		"sys/bus/acpi",
		"sys/bus/acpi/devices",
		"sys/bus/pci",
		"sys/bus/pci/devices",
		"sys/bus/pci/drivers",
		"sys/bus/pci/drivers/vfio-pci",
		"sys/bus/pci/drivers/pcieport",
		"sys/devices",
		"sys/devices/LNXSYSTM:00",
		"sys/kernel",
		"sys/kernel/iommu_groups",
		"proc",
	};
	bool acpi = argc == 4 && !strcmp(argv[3], "acpi");
	bool awake = acpi || (argc == 4 && !strcmp(argv[3], "awake"));
	unsigned long count;

	if (argc != 3 && !awake) {
		fprintf(stderr, "usage: mktree DIR COUNT [awake|acpi]\n");
		return 2;
	}
	count = strtoul(argv[2], NULL, 10);
	if (mkdir(argv[1], 0777) < 0 && errno != EEXIST)
		die(argv[1]);
	if (chdir(argv[1]) < 0)
		die(argv[1]);
	for (size_t i = 0; i < sizeof(skeleton) / sizeof(skeleton[0]); i++)
		dir("%s", skeleton[i]);
	for (unsigned long i = 0; i < count; i++) {
		/* 32 devices a bus, 128 buses a domain; bus 0 has the ports */
		unsigned long bus_index = i / 32, domain = bus_index / 128;
		unsigned int bus = (unsigned int)(bus_index % 128) + 1;
		char below[256], addr[32], path[512], group[64], target[600];

		snprintf(below, sizeof(below), "sys/devices/pci%04lx:00", domain);
		if (i % 32 == 0) {
			dir("%s", below);
			snprintf(addr, sizeof(addr), "%04lx:00:%02x.%x", domain, (bus - 1) / 8,
				 (bus - 1) % 8);
			device(below, addr, "pcieport", awake ? port_awake : port);
			snprintf(path, sizeof(path), "%s/%s", below, addr);
			if (acpi)
				node(path, count + bus_index);
		}
		snprintf(below, sizeof(below), "sys/devices/pci%04lx:00/%04lx:00:%02x.%x", domain,
			 domain, (bus - 1) / 8, (bus - 1) % 8);
		snprintf(addr, sizeof(addr), "%04lx:%02x:%02lx.%lx", domain, bus, i % 32 / 2,
			 i % 2);
		device(below, addr, "vfio-pci", awake ? endpoint_awake : endpoint);
		snprintf(path, sizeof(path), "%s/%s", below, addr);
		if (acpi)
			node(path, i / 2);
		dir("%s/vfio-dev", path);
		dir("%s/vfio-dev/vfio%lu", path, i);
		snprintf(group, sizeof(group), "sys/kernel/iommu_groups/%lu", i / 2);
		dir("%s", group);
		dir("%s/devices", group);
		file(group, "type", "DMA-FQ");
		snprintf(group, sizeof(group), "/sys/kernel/iommu_groups/%lu", i / 2);
		link_to(group, "%s/iommu_group", path);
		snprintf(target, sizeof(target), "/%s", path);
		link_to(target, "sys/kernel/iommu_groups/%lu/devices/%s", i / 2, addr);
	}
	return 0;
}
