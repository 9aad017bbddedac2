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
	LINGERING_MAX = 16, /* besides: that only see the end */
	SLOW_MS = 10000,    /* after which a connection that is not attached makes room */
};

/*
 * Make a connection of a stream that at has accepted. Where there are too many, the one makes room that
 * has been there longest without a packet, or else one that is slow to attach; where there is none, the
 * new one is refused. So while nobody is attached a debugger gets in, whatever other peers do, if it
 * sends its first packet before CONNECTIONS_ENDPOINT more have come. The only peer of an endpoint
 * neither makes room nor is refused. Who is closed reads the reason, unless LINGERING_MAX more are
 * closed before.
 */
void admission_accept(struct server *s, struct server_endpoint *at, struct stream *stream);

/* Descriptors are short: close a connection that only sees the end, or else one that would make room. */
void admission_make_room(struct server *s);

/* The connection whose debugger is attached, or NULL. */
struct connection *admission_attached(const struct server *s);

/*
 * Whether the bytes of c wait: another debugger is attached, and may be about to leave. Where c may take
 * the VM over, and has sent a packet, that debugger is displaced when it has not left in time.
 */
bool admission_waits(struct server *s, struct connection *c);

#endif
