#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=slow timeout=4000
# Some seconds of fuzzing, an hour in `make soak`: any bytes from a guest, any outcome of what they
# ask for. No crash, no hang, and no guest that is told "done" for what wasn't.
seconds=${VFIO_PM_FUZZ_SECONDS:-10}
[ "${VFIO_PM_SCALE:-5}" -lt 100 ] || seconds=3600
exec bash "$(dirname "$0")/../fuzz/run.sh" guest "$seconds"
