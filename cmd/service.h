/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The service manager that runs us, if one does. */
#ifndef SERVICE_H
#define SERVICE_H

#include "cmd.h"

/* @state as sd_notify(3) takes it, e.g. "READY=1\nSTATUS=asleep". */
void service_notify(const char *state);

#endif /* SERVICE_H */
