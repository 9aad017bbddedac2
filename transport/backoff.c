// SPDX-License-Identifier: MIT
#include "transport/backoff.h"

#include "core/lib/time.h"

void backoff_start(struct backoff *b, struct vmgdb_endpoint *ep, int ms)
{
	b->at = time_ms() + ms;
	ep->pfd.fd = -1;
	ep->retry_ms = ms;
}

bool backoff_pending(const struct backoff *b, struct vmgdb_endpoint *ep)
{
	int left = time_left_ms(time_ms(), b->at);

	if (!left)
		return false;
	ep->retry_ms = left;
	return true;
}
