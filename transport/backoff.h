/* SPDX-License-Identifier: MIT */
/*
 * When accept() is to try again. The caller may call it earlier than retry_ms says, whenever it goes
 * round its loop for another reason. Private.
 */
#ifndef VMGDB_TRANSPORT_BACKOFF_H
#define VMGDB_TRANSPORT_BACKOFF_H

#include <stdbool.h>

#include "transport/stream.h"

struct backoff {
	long long at; /* ms of the monotonic clock */
};

/* Nothing is polled: accept() tries again in ms milliseconds. */
void backoff_start(struct backoff *b, struct vmgdb_endpoint *ep, int ms);

/* Whether that time has not come yet; then ep->retry_ms is what is left of it. */
bool backoff_pending(const struct backoff *b, struct vmgdb_endpoint *ep);

#endif
