// SPDX-License-Identifier: MIT
/* What every endpoint has in common. */
#include <stdlib.h>
#include <unistd.h>

#include "core/lib/time.h"
#include "transport/transport.h"

void *endpoint_new(const struct endpoint_spec *s, size_t size, const struct endpoint_ops *ops)
{
	struct vmgdb_endpoint *ep = calloc(1, size);

	if (!ep)
		return NULL;
	ep->ops = ops;
	ep->pfd.fd = -1;
	ep->pfd.events = POLLIN;
	ep->policy = s->policy;
	ep->policy.log = NULL;
	ep->policy.log_fd = -1;
	return ep;
}

void endpoint_free(struct vmgdb_endpoint *ep)
{
	if (ep->policy.log_fd >= 0)
		close(ep->policy.log_fd);
	free(ep->policy.log);
	free(ep);
}

void endpoint_backoff(struct vmgdb_endpoint *ep, int ms)
{
	ep->retry_at = time_ms() + ms;
	ep->pfd.fd = -1;
	ep->retry_ms = ms;
}

bool endpoint_backoff_pending(struct vmgdb_endpoint *ep)
{
	int left = time_left_ms(time_ms(), ep->retry_at);

	if (!left)
		return false;
	ep->retry_ms = left;
	return true;
}
