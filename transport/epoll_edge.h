/* SPDX-License-Identifier: MIT */
/*
 * Waiting on a descriptor that reports POLLHUP for as long as nobody is at its other end: poll() on it
 * would return at once, for ever. An epoll descriptor in edge-triggered mode reports changes only, and
 * can itself be polled. Private.
 */
#ifndef VMGDB_TRANSPORT_EPOLL_EDGE_H
#define VMGDB_TRANSPORT_EPOLL_EDGE_H

#include <stdbool.h>

/*
 * A descriptor that becomes readable when something changes on fd that ends in POLLHUP or one of
 * events (POLLIN, POLLOUT); or -errno.
 */
int edge_open(int fd, short events);

/* Forget the changes so far; whether there were any. */
bool edge_consume(int edge);

/* Make the present state of fd count as a change. */
void edge_rearm(int edge, int fd, short events);

#endif
