/* SPDX-License-Identifier: MIT */
/* One direction of the bridge: what one side said and the other has not taken yet. */
#ifndef VMGDB_CONNECT_RELAY_H
#define VMGDB_CONNECT_RELAY_H

#include <stddef.h>

#include "host-tools/vmgdb-connect/peer.h"

enum { RELAY_SIZE = 65536 };

struct relay {
	size_t start, end; /* of what is waiting, in buf */
	char buf[RELAY_SIZE];
};

static inline size_t relay_waiting(const struct relay *f)
{
	return f->end - f->start;
}

/* Whether from is to be read: there is room. When there is none, it has to wait. */
bool relay_wants(const struct relay *f, const struct peer *from);

/* Read what from has to say, as far as there is room. */
void relay_fill(struct relay *f, struct peer *from);

/* Write what waits, as far as to takes it. revents: what poll() said of its wfd. */
void relay_drain(struct relay *f, struct peer *to, short revents);

#endif
