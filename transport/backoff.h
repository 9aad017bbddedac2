/* SPDX-License-Identifier: MIT */
/*
 * "Not before": accept() may be called earlier than retry_ms says, when the caller goes round its
 * loop for another reason. Private.
 */
#ifndef VMGDB_TRANSPORT_RETRY_H
#define VMGDB_TRANSPORT_RETRY_H

#include <stdbool.h>

#include "transport/stream.h"

struct retry {
	long long at; /* ms of the monotonic clock */
};

/* Nothing to poll for: to be called again in ms. */
void retry_in(struct retry *r, struct vmgdb_endpoint *ep, int ms);

/* Whether it is too early; then ep->retry_ms is what is left to wait. */
bool retry_early(const struct retry *r, struct vmgdb_endpoint *ep);

#endif
