// SPDX-License-Identifier: MIT
#include "transport/backoff.h"

#include "core/lib/time.h"

void retry_in(struct retry *r, struct vmgdb_endpoint *ep, int ms)
{
	r->at = time_ms() + ms;
	ep->pfd.fd = -1;
	ep->retry_ms = ms;
}

bool retry_early(const struct retry *r, struct vmgdb_endpoint *ep)
{
	int left = time_left_ms(time_ms(), r->at);

	if (!left)
		return false;
	ep->retry_ms = left;
	return true;
}
