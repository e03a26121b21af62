// SPDX-License-Identifier: GPL-2.0-or-later
/* vfio-pm list: a line a device. */
#include <stdio.h>

#include "cmd.h"

const struct argp list_argp = { .doc = "List devices." };

int cmd_list(struct app *app, int argc, char **argv)
{
	struct vfiopm_device *dev;
	struct vfiopm_list *list;
	size_t i;

	verb_parse(app, argc, argv, NULL);
	if (vfiopm_list_new(app->ctx, false, &list) < 0)
		return EXIT_FAILED;
	vfiopm_list_foreach(list, i, dev)
		printf("%s\n", vfiopm_device_get_name(dev));
	vfiopm_list_free(list);
	return EXIT_OK;
}
