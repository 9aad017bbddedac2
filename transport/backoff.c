/* SPDX-License-Identifier: MIT */
#include "transport/backoff.h"

#include <time.h>

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

void retry_in(struct retry *r, struct vmgdb_endpoint *ep, int ms)
{
	r->at = now_ms() + ms;
	ep->pfd.fd = -1;
	ep->retry_ms = ms;
}

bool retry_early(const struct retry *r, struct vmgdb_endpoint *ep)
{
	long long left = r->at - now_ms();

	if (left <= 0)
		return false;
	ep->retry_ms = (int)left;
	return true;
}
