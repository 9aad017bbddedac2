/* SPDX-License-Identifier: MIT */
/*
 * Turning a debugger away that comes while another one is connected. gdb shows the text of an error
 * packet (GDB manual, "Standard Replies", E.errtext) when it is the reply to gdb's first packet; what is
 * sent before that packet, gdb discards. So the refusal is the reply to the first packet; after it the
 * peer may take a moment to read it and leave, for closing while its bytes are unread would destroy it.
 */
#ifndef VMGDB_CONNECT_REFUSAL_H
#define VMGDB_CONNECT_REFUSAL_H

#include <poll.h>
#include <stdbool.h>

#include "transport/stream.h"

struct refusal {
	struct stream *stream; /* NULL: nobody is being turned away */
	bool sent;
	long long deadline; /* of this wait: for the first packet, or for the peer to leave */
};

/* Takes the stream over. */
void refusal_start(struct refusal *r, struct stream *stream);

/* For poll(). Shortens *timeout. */
struct pollfd refusal_wait(const struct refusal *r, int *timeout);

/* After poll(): revents of what refusal_wait() gave. */
void refusal_advance(struct refusal *r, short revents);

void refusal_close(struct refusal *r);

#endif
