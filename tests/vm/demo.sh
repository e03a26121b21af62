#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What `make demo` plays, inside the test VM: disable_idle_d3=1, nothing bound yet.

. "${BASH_SOURCE[0]%/*}/lib.bash"

echo "Linux $(uname -r) on an emulated machine with an IOMMU."
