// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The service manager: sd_notify(3). Its library is loaded by the one verb that
 * runs as a service, and only when one listens: linked, it would bring five
 * more libraries into every look at a device, a third of the whole command's
 * instructions.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "service.h"

void service_notify(const char *state)
{
	int (*notify)(int unset_environment, const char *state);
	void *library;

	if (!getenv("NOTIFY_SOCKET"))
		return;
	library = dlopen("libsystemd.so.0", RTLD_NOW);
	if (!library) {
		msg_warn("cannot tell the service manager: %s", dlerror());
		return;
	}
	/* The form that POSIX gives for dlsym(3): ISO C knows no such cast. */
	*(void **)&notify = dlsym(library, "sd_notify");
	if (notify)
		notify(0, state);
	dlclose(library);
}
