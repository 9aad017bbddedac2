// SPDX-License-Identifier: MIT
/* How the parser and the transports report what is wrong with a spec. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "transport/spec.h"

enum { SPEC_SHOWN = 100, SPEC_CUT = SPEC_SHOWN - 3 };

/* Long specs are cut, and say so: the reason always fits, and no path passes for another. */
static void start_error(const struct endpoint_spec *s, const char *fmt, va_list ap)
{
	bool cut = strlen(s->text) > SPEC_SHOWN;
	int n = snprintf(s->err, s->errlen, "endpoint '%.*s%s': ", cut ? SPEC_CUT : SPEC_SHOWN,
			 s->text, cut ? "..." : "");

	if (n > 0 && (size_t)n < s->errlen)
		vsnprintf(s->err + n, s->errlen - (size_t)n, fmt, ap);
}

int spec_error(const struct endpoint_spec *s, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	start_error(s, fmt, ap);
	va_end(ap);
	return err;
}

int spec_failed(const struct endpoint_spec *s, int err, const char *fmt, ...)
{
	char buf[64];
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	start_error(s, fmt, ap);
	va_end(ap);
	n = strnlen(s->err, s->errlen);
	if (n < s->errlen)
		snprintf(s->err + n, s->errlen - n, ": %s", strerror_r(-err, buf, sizeof(buf)));
	return err;
}
