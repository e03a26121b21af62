// SPDX-License-Identifier: GPL-2.0-or-later
/* vf_token PF: the VFs of a PF that is open take its token, with either driver. */
#include "common.h"

#define TOKEN "11111111-2222-3333-4444-555555555555"
#define OTHER "11111111-2222-3333-4444-666666666666"

/* The first VF: its address, once its driver has it. */
static void first_vf(const char *pf, char *vf, size_t size)
{
	char path[256], link[256];
	unsigned int i;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/virtfn0", pf);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		vt_die("%s", path);
	link[n] = '\0';
	snprintf(vf, size, "%s", strrchr(link, '/') + 1);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", vf);
	for (i = 0; i < 100 && access(path, F_OK); i++)
		vt_sleep_ms(50);
}

static int token(const char *address)
{
	char name[128], vf[32];
	struct vt_dev pf, dev;
	int ret;

	snprintf(name, sizeof(name), "%s vf_token=" TOKEN, address);
	ret = vt_try_open_as(&pf, address, name);
	vt_is(ret, 0, "the PF opened with a token");
	if (ret)
		return vt_done();
	vt_is(vt_sysfs_write(address, "sriov_numvfs", "1"), 0, "a VF");
	first_vf(address, vf, sizeof(vf));

	vt_is(vt_try_open(&dev, vf), -EACCES, "the VF without a token");
	vt_ok(!strcmp(dev.driver, pf.driver), "the VF is on its PF's driver");
	snprintf(name, sizeof(name), "%s vf_token=" OTHER, vf);
	vt_is(vt_try_open_as(&dev, vf, name), -EACCES, "the VF with another token");
	snprintf(name, sizeof(name), "%s vf_token=" TOKEN, vf);
	ret = vt_try_open_as(&dev, vf, name);
	vt_is(ret, 0, "the VF with the token");
	if (!ret) {
		vt_is(vt_entry(&dev), 0, "entry on a VF");
		vt_is(vt_exit(&dev), 0, "exit");
		vt_close(&dev);
	}
	vt_is(vt_sysfs_write(address, "sriov_numvfs", "0"), 0, "no VF");
	vt_close(&pf);
	return vt_done();
}

int main(int argc, char **argv)
{
	return argc == 2 ? token(argv[1]) : 2;
}
