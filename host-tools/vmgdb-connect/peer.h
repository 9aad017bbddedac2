/* SPDX-License-Identifier: MIT */
/* One of the two peers that the bridge connects: an endpoint, and the stream that it gave. */
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
	struct stream *stream;	   /* NULL: nobody is connected */
	bool read_over;		   /* the peer has left, or can't be read from any more */
	bool write_over;	   /* what is written to the peer is lost */
	bool finished;		   /* nothing more will be written, and the peer can see that */
	int shortage;		   /* the endpoint's, as it was last reported */
	long long due; /* call accept at this moment, also when poll() reports nothing */
};

/* Open the endpoint, unless it is open. Returns 0 or -errno, with the reason on stderr. */
int peer_open(struct peer *p);

/* For poll(): the endpoint to which the peer, or another one, may connect. Shortens *timeout (-1: none). */
struct pollfd peer_wait(const struct peer *p, int *timeout);

/* Whether accept, or opening the endpoint, is worth a call now. revents: of what peer_wait() gave. */
bool peer_ready(const struct peer *p, short revents);

/* Accept the peer that waits: 0, -EAGAIN, or another -errno, for which peer_reason() has a text. */
int peer_accept(struct peer *p);
const char *peer_reason(const struct peer *p, int err);

/* The exit status for what peer_open() or peer_accept() returned, which is not 0. */
int peer_exit_status(const struct peer *p, int err);

/* Whether others can connect while one is connected. If so, accept one: as peer_accept(). */
bool peer_listens(const struct peer *p);
int peer_accept_another(struct peer *p, struct stream **out);

/* Whether the peer is connected and can no longer be read from, or written to. */
bool peer_is_over(const struct peer *p);

/*
 * Whether the peer has left for good. A peer that only sends nothing more, as the reader of a pipe whose
 * other end printf had, may still read.
 */
bool peer_has_left(const struct peer *p);

/* Nothing more will be written: the peer sees the end, where its stream has one for each direction. */
void peer_finish(struct peer *p);

/* Close the connection. */
void peer_drop(struct peer *p);

/* Close all. */
void peer_close(struct peer *p);

#endif
