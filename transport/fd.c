// SPDX-License-Identifier: MIT
/* Descriptors that this process was started with, or was handed: fd:N. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/inherited_fd.h"
#include "transport/socket.h"

static bool is_listening(int fd)
{
	socklen_t len = sizeof(int);
	int on = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on;
}

static int open_listening(const struct endpoint_spec *s, int fd, struct vmgdb_endpoint **out)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return spec_failed(s, -errno, "descriptor %d", fd);
	return socket_listen(s, socket_family_of(fd), fd, NULL, out);
}

int fd_open(const struct endpoint_spec *s, struct vmgdb_endpoint **out)
{
	int fd = (int)s->number;
	int ret;

	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return spec_failed(s, -errno, "descriptor %d", fd);
	if (is_listening(fd))
		ret = open_listening(s, fd, out);
	else
		ret = inherited_open(s, fd, fd, out);
	if (ret == 0)
		snprintf((*out)->name, sizeof((*out)->name), "fd:%d", fd);
	return ret;
}
