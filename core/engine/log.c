// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>

#include "core/engine/state.h"

void engine_log(const struct engine *e, enum vmgdb_log_level level, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	if (!e->config.log)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	e->config.log(e->config.opaque, level, line);
}
