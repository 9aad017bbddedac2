/* SPDX-License-Identifier: MIT */
/*
 * One connection: a stream of bytes and, as soon as the peer has sent something, the session that it
 * carries.
 *
 *	SILENT --first bytes--> OPEN --the session ends--> CLOSING --all written--> LINGERING --> GONE
 *
 * The peer's leaving ends each of them at once. All of it belongs to the server thread.
 */
#ifndef VMGDB_CORE_CONNECTION_H
#define VMGDB_CORE_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/rsp/session.h"
#include "core/server/server_endpoint.h"

enum { READ_SIZE = 65536 }; /* of a connection's buffer */

enum connection_state {
	CONNECTION_SILENT,    /* the peer has sent nothing: it costs a descriptor and this struct */
	CONNECTION_OPEN,      /* there is a session */
	CONNECTION_CLOSING,   /* nothing more is read; the last reply is yet to be written */
	CONNECTION_LINGERING, /* the peer sees the end; what it still sends is discarded */
	CONNECTION_GONE,      /* to be closed */
};

struct connection {
	struct connection *next;
	struct server_endpoint *at;
	struct stream *stream;
	enum connection_state state;
	long long since;    /* when it was accepted */
	long long deadline; /* the accept timeout while it waits; the end of lingering */
	long long sent;	    /* when bytes of an unreliable link were written last */
	size_t slot;	    /* in the server's pfds, of this round; 0: none */
	bool waits;	    /* what is in buf waits until the attached debugger has left */
	bool blocked;	    /* the session does not take what is in buf for now */
	bool attached; /* the session's debugger was attached when the connection was served last */
	bool parted; /* the debugger has said what becomes of the VM, or another has taken it over */
	bool replied; /* something was written: the peer is to read that before the end */

	struct session *session; /* NULL before and after OPEN and CLOSING */
	uint8_t *buf;
	size_t in, fed; /* bytes in buf, and how many of them the session has taken */
};

/* A silent connection over stream, which it takes over. NULL: no memory; the stream is the caller's. */
struct connection *connection_new(struct server_endpoint *at, struct stream *stream);

/* Its debugger is attached to the VM. */
bool connection_is_attached(const struct connection *c);

/* Add it to the descriptors that are polled: c->slot. Returns the timeout that it needs, or -1. */
int connection_poll(struct connection *c, struct pollfd *pfds, size_t *npfds);

/* Read what has come, if c->slot is ready. */
void connection_receive(struct connection *c, const struct pollfd *pfds);

/* Bytes to the session, unless c->waits; its replies, and what the engine has to report, to the peer. */
void connection_serve(struct connection *c);

/* Write what is to be written, as far as the peer takes it. Returns whether there is more to write. */
bool connection_flush(struct connection *c);

/* The session of an attached debugger ends, for another one takes the VM over: it stays stopped, without
 * breakpoints. */
void connection_displace(struct connection *c);

/* Write "too many connections", as far as the stream takes it, and then the end. */
void connection_refuse(struct connection *c);

/*
 * Close and free it. If its debugger is attached it has left without a word: on-disconnect= says what
 * becomes of the VM; and also if nobody else can come here and no debugger has (vmgdb_endpoint.once),
 * unless the VM is another debugger's. alone: there is none.
 */
void connection_close(struct connection *c, bool alone);

/* Close and free it; the VM stays as it is. */
void connection_free(struct connection *c);

#endif
