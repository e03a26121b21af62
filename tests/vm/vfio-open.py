#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""vfio-open.py ADDRESS...: open devices of one IOMMU group as a careless VMM does, without a word on
VFIO_PCI_REQ_IRQ_INDEX, say "open", and keep them until killed. --group: the group alone."""
import fcntl
import os
import signal
import sys

VFIO_SET_IOMMU = 0x3B66
VFIO_GROUP_SET_CONTAINER = 0x3B68
VFIO_GROUP_GET_DEVICE_FD = 0x3B6A
TYPE1V2 = 3

names = [a for a in sys.argv[1:] if not a.startswith("--")]
group = os.path.basename(os.readlink(f"/sys/bus/pci/devices/{names[0]}/iommu_group"))
container_fd = os.open("/dev/vfio/vfio", os.O_RDWR)
group_fd = os.open(f"/dev/vfio/{group}", os.O_RDWR)
fcntl.ioctl(group_fd, VFIO_GROUP_SET_CONTAINER, container_fd.to_bytes(4, "little"))
fcntl.ioctl(container_fd, VFIO_SET_IOMMU, TYPE1V2)
if "--group" not in sys.argv:
    for name in names:
        fcntl.ioctl(group_fd, VFIO_GROUP_GET_DEVICE_FD, name.encode() + b"\0")
print("open", flush=True)
signal.pause()
