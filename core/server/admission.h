/* SPDX-License-Identifier: MIT */
/* Who may connect, and who may attach: limits, turns, takeovers. */
#ifndef VMGDB_CORE_ADMISSION_H
#define VMGDB_CORE_ADMISSION_H

#include "core/server/connection.h"
#include "core/server/server.h"

/* Limits of what peers can make the server hold. docs/transports.md has them. */
enum {
	CONNECTIONS_ENDPOINT = 16,
	CONNECTIONS_ALL = 64,
	SLOW_MS = 10000, /* after which a connection that is not attached makes room */
};

/*
 * Make a connection of a stream that at has accepted. Where there are too many, the one makes room that
 * has been silent longest, or else one that is slow to attach; where there is none, the new one is
 * refused.
 */
void admission_accept(struct server *s, struct server_endpoint *at, struct stream *stream);

/* Close a connection that would make room. False: there is none. */
bool admission_make_room(struct server *s);

/*
 * Whether the bytes of c wait: another debugger is attached, and may be about to leave. Where c may take
 * the VM over, and has sent a packet, that debugger is displaced when it has not left in time.
 */
bool admission_waits(struct server *s, struct connection *c);

#endif
