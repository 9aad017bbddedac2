// SPDX-License-Identifier: MIT
/* Finding a virtio-serial port by name, in a folder made like /sys/class/virtio-ports. */
#define _GNU_SOURCE
#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport_help.h"
#include "transport/virtio_ports.h"

static const char *const ports[][2] = {
	{ "vport0p1", "org.vmgdb.0\n" },
	{ "vport0p2", "org.vmgdb.01\n" },
	{ "vport1p1", "\n" },
};

static const char *dir;

static void start(void)
{
	size_t i;

	dir = temp_dir();
	for (i = 0; i < 3; i++) {
		char path[64];
		FILE *f;

		snprintf(path, sizeof(path), "%s/%s", dir, ports[i][0]);
		cr_assert_eq(mkdir(path, 0755), 0);
		strcat(path, "/name");
		f = fopen(path, "w");
		cr_assert_not_null(f);
		fputs(ports[i][1], f);
		fclose(f);
	}
	char path[64];
	snprintf(path, sizeof(path), "%s/vport2p0", dir);
	cr_assert_eq(mkdir(path, 0755), 0);
}

static void stop(void)
{
	char path[64];
	size_t i;

	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s/name", dir, ports[i][0]);
		unlink(path);
		*strrchr(path, '/') = '\0';
		rmdir(path);
	}
	snprintf(path, sizeof(path), "%s/vport2p0", dir);
	rmdir(path);
	remove_temp_dir();
}

TestSuite(virtio_ports, .init = start, .fini = stop);

Test(virtio_ports, found, .description = "the port with exactly that name is found")
{
	char dev[64] = "";

	cr_expect_eq(virtio_port_find(dir, "org.vmgdb.0", dev, sizeof(dev)), 0);
	cr_expect_str_eq(dev, "/dev/vport0p1");
	cr_expect_eq(virtio_port_find(dir, "org.vmgdb.01", dev, sizeof(dev)), 0);
	cr_expect_str_eq(dev, "/dev/vport0p2");
}

Test(virtio_ports, missing, .description = "no such port and no ports at all are told apart")
{
	char dev[64];

	cr_expect_eq(virtio_port_find(dir, "org.vmgdb", dev, sizeof(dev)), -ENOENT);
	cr_expect_eq(virtio_port_find(dir, "org.vmgdb.012", dev, sizeof(dev)), -ENOENT);
	cr_expect_eq(virtio_port_find("/nonexistent", "x", dev, sizeof(dev)), -ENODEV);
}
