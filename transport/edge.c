/* SPDX-License-Identifier: MIT */
#include "transport/edge.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

int edge_open(int fd)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };
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

void edge_consume(int edge)
{
	struct epoll_event e;

	epoll_wait(edge, &e, 1, 0);
}

void edge_rearm(int edge, int fd)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };

	epoll_ctl(edge, EPOLL_CTL_MOD, fd, &e);
}
