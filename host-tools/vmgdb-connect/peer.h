/* SPDX-License-Identifier: MIT */
/* One side of the bridge: an endpoint, and the stream that it gave. */
#ifndef VMGDB_CONNECT_SIDE_H
#define VMGDB_CONNECT_SIDE_H

#include <poll.h>
#include <stdbool.h>

#include <vmgdb/endpoint.h>
#include "transport/stream.h"

struct side {
	const char *spec;
	enum vmgdb_role role;
	struct vmgdb_endpoint *ep; /* NULL: closed */
	struct stream *stream;	   /* NULL: nobody is there */
	bool read_over;		   /* it has left, or can't be read from any more */
	bool write_over;	   /* what is written to it is lost */
	long long due;		   /* call accept at this time, ms, also when poll says nothing */
};

/* Milliseconds of a clock that never goes back. */
long long now_ms(void);

/* Open the endpoint, unless it is open. Returns 0 or -errno; the reason has been said. */
int side_open(struct side *s);

/* For poll(): the endpoint while nobody is there. Shortens *timeout (ms, -1: none). */
struct pollfd side_wait(const struct side *s, int *timeout);

/* Whether accept is worth a call now. p: what side_wait() gave, polled. */
bool side_ready(const struct side *s, const struct pollfd *p);

/* Take who waits there: 0, -EAGAIN, or another -errno; side_reason() says why. */
int side_accept(struct side *s);
const char *side_reason(const struct side *s, int err);

/* Hang up on who is there. */
void side_drop(struct side *s);

/* Close all. */
void side_close(struct side *s);

#endif
