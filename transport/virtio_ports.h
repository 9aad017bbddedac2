/* SPDX-License-Identifier: MIT */
/* The virtio-serial ports of this kernel. Private. */
#ifndef VMGDB_TRANSPORT_VIRTIO_PORTS_H
#define VMGDB_TRANSPORT_VIRTIO_PORTS_H

#include <stddef.h>

/*
 * The device node of the port called name ("/dev/vport0p1") into dev. dir: /sys/class/virtio-ports.
 * Returns 0, -ENOENT when there is no port of that name, -ENODEV when there are no ports at all.
 */
int virtio_port_find(const char *dir, const char *name, char *dev, size_t len);

#endif
