/* SPDX-License-Identifier: MIT */
/* An endpoint, and what the server keeps about it. */
#ifndef VMGDB_CORE_SERVER_ENDPOINT_H
#define VMGDB_CORE_SERVER_ENDPOINT_H

#include <stddef.h>

#include "core/engine/engine.h"
#include "core/lib/time.h"
#include "core/server/transcript.h"
#include "transport/stream.h"

struct server_endpoint {
	struct vmgdb_endpoint *ep;
	struct engine *engine;
	struct time_cache *clock; /* of the server's loop */
	struct transcript transcript;
	int shortage;	       /* as ep->shortage: what the log says */
	size_t slot;	       /* in the server's pfds, of this round; 0: none */
	long long warned;      /* when the first of these warnings was logged */
	unsigned int warnings; /* since then */
};

/*
 * A warning that a peer can cause again and again, "NAME: ...": a few are logged, then none for some
 * seconds.
 */
void server_endpoint_warn(struct server_endpoint *at, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
