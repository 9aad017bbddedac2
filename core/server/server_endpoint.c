// SPDX-License-Identifier: MIT
#include "core/server/server_endpoint.h"

#include <stdarg.h>
#include <stdio.h>

enum { WARNINGS_MAX = 20, WARNINGS_MS = 10000 };

static bool may_warn(struct server_endpoint *at)
{
	long long now = time_cached_ms(at->clock);

	if (now - at->warned >= WARNINGS_MS) {
		at->warned = now;
		at->warnings = 0;
	}
	return at->warnings++ < WARNINGS_MAX;
}

void server_endpoint_warn(struct server_endpoint *at, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	if (!may_warn(at))
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	engine_log(at->engine, VMGDB_LOG_WARNING, "%s: %s%s", at->ep->name, line,
		   at->warnings == WARNINGS_MAX ? " (more like this are not logged for a while)"
						: "");
}
