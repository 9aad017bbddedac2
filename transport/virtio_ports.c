// SPDX-License-Identifier: MIT
#include "transport/virtio_ports.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* DIR/PORT/name holds the name and a newline. */
static bool is_called(int dir, const char *port, const char *name)
{
	char path[300], found[256];
	size_t want = strlen(name);
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/name", port);
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, found, sizeof(found));
	close(fd);
	if (n > 0 && found[n - 1] == '\n')
		n--;
	return n == (ssize_t)want && memcmp(found, name, want) == 0;
}

int virtio_port_find(const char *dir, const char *name, char *dev, size_t len)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	int ret = -ENODEV;

	if (!d)
		return -ENODEV;
	while (ret != 0 && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		ret = -ENOENT;
		if (is_called(dirfd(d), e->d_name, name)) {
			snprintf(dev, len, "/dev/%s", e->d_name);
			ret = 0;
		}
	}
	closedir(d);
	return ret;
}
