/* SPDX-License-Identifier: MIT */
/* One direction of the bridge: what one side said and the other has not taken yet. */
#ifndef VMGDB_CONNECT_FLOW_H
#define VMGDB_CONNECT_FLOW_H

#include <stddef.h>

#include "host-tools/vmgdb-connect/peer.h"

enum { FLOW_SIZE = 65536 };

struct flow {
	size_t start, end; /* of what is waiting, in buf */
	char buf[FLOW_SIZE];
};

static inline size_t flow_waiting(const struct flow *f)
{
	return f->end - f->start;
}

/* Whether from is to be read: there is room. When there is none, it has to wait. */
bool flow_wants(const struct flow *f, const struct side *from);

/* Read what from has to say, as far as there is room. */
void flow_fill(struct flow *f, struct side *from);

/* Write what waits, as far as to takes it. revents: what poll() said of its wfd. */
void flow_drain(struct flow *f, struct side *to, short revents);

#endif
