#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# check: group=slow timeout=4000
# A minute of fuzzing, an hour in `make soak`: what users type as addresses, states and times.
# No crash, no hang, no leak, nothing opened outside of the root.
exec bash "$(dirname "$0")/../fuzz/run.sh" address
