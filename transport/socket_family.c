// SPDX-License-Identifier: MIT
/* The families of inherited sockets. */
#include "transport/socket.h"

const struct socket_family *socket_family_of(int fd)
{
	socklen_t len = sizeof(int);
	int domain;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0)
		return NULL;
	switch (domain) {
	case AF_INET:
	case AF_INET6: return &tcp_family;
	case AF_UNIX: return &unix_family;
	case AF_VSOCK: return &vsock_family;
	default: return NULL;
	}
}
