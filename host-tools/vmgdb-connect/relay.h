/* SPDX-License-Identifier: MIT */
/* One direction of the bridge: what one peer has sent and the other has not taken yet. */
#ifndef VMGDB_CONNECT_RELAY_H
#define VMGDB_CONNECT_RELAY_H

#include <stdbool.h>
#include <stddef.h>

#include "host-tools/vmgdb-connect/peer.h"

enum { RELAY_SIZE = 65536 };

struct relay {
	size_t start, end; /* of what waits to be written, in buf */
	char buf[RELAY_SIZE];
};

/* How much waits to be written. */
static inline size_t relay_waiting(const struct relay *r)
{
	return r->end - r->start;
}

void relay_clear(struct relay *r);

/* Whether from is to be read: there is room. When there is none, it has to wait. */
bool relay_wants(const struct relay *r, const struct peer *from);

/* Read what from has sent, as far as there is room. Returns whether there was something. */
bool relay_fill(struct relay *r, struct peer *from);

/* Whether nothing waits that to could still take. */
bool relay_delivered(const struct relay *r, const struct peer *to);

/* Write what waits, as far as to takes it. revents: what poll() reported of its wfd. Returns whether some
 * was taken. */
bool relay_drain(struct relay *r, struct peer *to, short revents);

#endif
