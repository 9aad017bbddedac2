/* SPDX-License-Identifier: MIT */
/*
 * Debuggers that connect while another one is connected. gdb shows the text of an error packet (GDB manual,
 * "Standard Replies", E.errtext) when it is the reply to gdb's first packet; what is sent before that
 * packet, gdb discards. So each client gets the refusal in reply to its first packet, or after a second
 * without one. Then the bridge writes nothing more, and the client has up to a second to read the refusal
 * and leave: closing the connection while the client's bytes are unread would destroy the refusal.
 */
#ifndef VMGDB_CONNECT_REFUSAL_H
#define VMGDB_CONNECT_REFUSAL_H

#include <poll.h>
#include <stdbool.h>

#include "transport/stream.h"

enum { REFUSALS_MAX = 8 };

/* One client that is being refused. */
struct refusal {
	struct stream *stream; /* NULL: this slot is free */
	bool sent;
	long long
		deadline; /* for the first packet; once the refusal is sent, for the client to leave */
};

struct refusals {
	struct refusal clients[REFUSALS_MAX];
};

/* Takes the stream over. When no slot is free, the client with the earliest deadline is disconnected. */
void refusal_add(struct refusals *r, struct stream *stream);

/* Fill pfds, which has REFUSALS_MAX slots. Shortens *timeout. */
void refusal_poll(const struct refusals *r, struct pollfd *pfds, int *timeout);

/* After poll(): do what the clients' bytes and the time ask for. */
void refusal_serve(struct refusals *r, const struct pollfd *pfds);

/* Disconnect all. */
void refusal_close(struct refusals *r);

#endif
