// SPDX-License-Identifier: MIT
#include "transport/socket.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "transport/fdstream.h"

bool allow_list_has(const struct allow_list *allow, uint32_t id)
{
	size_t i;

	for (i = 0; i < allow->count; i++)
		if (allow->ids[i] == id)
			return true;
	return allow->any;
}

int socket_open(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

int socket_option(int fd, int name)
{
	socklen_t len = sizeof(int);
	int value = 0;

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -errno : value;
}

void socket_prepare(const struct socket_family *family, int fd)
{
	if (family->prepare)
		family->prepare(fd);
}

int socket_stream(int fd, const struct socket_peer *peer, void (*closed)(struct vmgdb_endpoint *ep),
		  struct vmgdb_endpoint *ep, struct stream **out)
{
	*out = fdstream_new(fd, fd, STREAM_RELIABLE | STREAM_HANGUP, closed, ep);
	if (!*out) {
		close(fd);
		return -ENOMEM;
	}
	(*out)->id = peer->id;
	snprintf((*out)->peer, sizeof((*out)->peer), "%s", peer->name);
	return 0;
}
