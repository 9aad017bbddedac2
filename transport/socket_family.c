// SPDX-License-Identifier: MIT
/* The families of inherited sockets. */
#include "transport/socket.h"

const struct socket_family *socket_family_of(int fd)
{
	switch (socket_option(fd, SO_DOMAIN)) {
	case AF_INET:
	case AF_INET6: return &tcp_family;
	case AF_UNIX: return &unix_family;
	case AF_VSOCK: return &vsock_family;
	default: return NULL;
	}
}
