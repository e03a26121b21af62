#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=slow timeout=4000
# A minute of fuzzing, an hour in `make soak`: any bytes from a guest, any outcome of what they ask
# for. No crash, no hang, and no guest that is told "done" for what wasn't.
exec bash "$(dirname "$0")/../fuzz/run.sh" guest
