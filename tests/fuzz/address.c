// SPDX-License-Identifier: GPL-2.0-or-later
/* What users type: addresses, ID pairs, states, times. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "fuzz.h"
#include "private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), again[VFIOPM_ADDR_LEN];
	struct vfiopm_addr addr, second;
	unsigned int vendor, device;
	enum vfiopm_state state;
	int64_t ms = -1;

	assert(text);
	if (vfiopm_addr_parse(text, &addr) == 0) {
		/* What was taken is written and read back as the same address. */
		vfiopm_addr_format(&addr, again);
		assert(strlen(again) < sizeof(again));
		assert(vfiopm_addr_parse(again, &second) == 0);
		assert(vfiopm_addr_cmp(&addr, &second) == 0);
	}
	if (parse_id_pair(text, &vendor, &device) == 0)
		assert(strlen(text) == 9 && vendor <= 0xffff && device <= 0xffff);
	if (vfiopm_state_parse(text, &state) == 0)
		assert(!strcasecmp(vfiopm_state_name(state), text));
	if (parse_time(text, &ms) == 0)
		assert(ms >= 0 && ms <= INT64_C(366) * 86400000);
	else
		assert(ms == -1);
	free(text);
	return 0;
}
