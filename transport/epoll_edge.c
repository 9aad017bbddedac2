// SPDX-License-Identifier: MIT
#include "transport/epoll_edge.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

static struct epoll_event edges(short events)
{
	uint32_t in = events & POLLIN ? EPOLLIN : 0;
	uint32_t out = events & POLLOUT ? EPOLLOUT : 0;

	return (struct epoll_event){ .events = in | out | EPOLLET };
}

int edge_open(int fd, short events)
{
	struct epoll_event e = edges(events);
	int edge = epoll_create1(EPOLL_CLOEXEC);

	if (edge < 0)
		return -errno;
	if (epoll_ctl(edge, EPOLL_CTL_ADD, fd, &e) < 0) {
		int err = -errno;

		close(edge);
		return err;
	}
	return edge;
}

bool edge_consume(int edge)
{
	struct epoll_event e;

	return epoll_wait(edge, &e, 1, 0) > 0;
}

void edge_rearm(int edge, int fd, short events)
{
	struct epoll_event e = edges(events);

	epoll_ctl(edge, EPOLL_CTL_MOD, fd, &e);
}
