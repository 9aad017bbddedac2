/* SPDX-License-Identifier: MIT */
/* A second debugger that comes while one is connected: it is told so, and is hung up on. */
#ifndef VMGDB_CONNECT_REFUSAL_H
#define VMGDB_CONNECT_REFUSAL_H

#include <poll.h>
#include <stdbool.h>

#include "transport/stream.h"

struct refusal {
	struct stream *stream; /* NULL: nobody is being refused */
	bool waits;	       /* somebody waits in the endpoint's queue */
	long long due;	       /* refuse, or hang up, at this time, ms */
};

/* For poll(): the endpoint, where the next one may come, or the one that is being refused. Shortens
 * *timeout (ms, -1: none). */
struct pollfd refusal_wait(const struct refusal *r, const struct vmgdb_endpoint *ep, int *timeout);

/*
 * What poll() has seen there. Who comes while the first one is about to leave waits a moment:
 * it is refused only if the first is still there then. A debugger reads the refusal only if what it sends meanwhile is read: so
 * its stream stays open until it has left, or a second has passed.
 */
void refusal_serve(struct refusal *r, struct vmgdb_endpoint *ep, short revents);

/* The first debugger has left: who waits in the queue is the next one. */
void refusal_forget(struct refusal *r);

/* Hang up at once. */
void refusal_end(struct refusal *r);

#endif
