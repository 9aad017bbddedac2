/* SPDX-License-Identifier: MIT */
/* One side of the bridge: an endpoint, and the stream that it gave. */
#ifndef VMGDB_CONNECT_PEER_H
#define VMGDB_CONNECT_PEER_H

#include <poll.h>
#include <stdbool.h>

#include <vmgdb/endpoint.h>
#include "transport/stream.h"

struct peer {
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
int peer_open(struct peer *s);

/* For poll(): the endpoint while nobody is there. Shortens *timeout (ms, -1: none). */
struct pollfd peer_wait(const struct peer *s, int *timeout);

/* Whether accept is worth a call now. p: what peer_wait() gave, polled. */
bool peer_ready(const struct peer *s, const struct pollfd *p);

/* Take who waits there: 0, -EAGAIN, or another -errno; peer_reason() says why. */
int peer_accept(struct peer *s);
const char *peer_reason(const struct peer *s, int err);

/* Hang up on who is there. */
void peer_drop(struct peer *s);

/* Close all. */
void peer_close(struct peer *s);

#endif
