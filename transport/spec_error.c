// SPDX-License-Identifier: MIT
/* How the parser and the transports report what is wrong with a spec. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "transport/spec.h"

/* Long specs are cut, so that the reason always fits. */
static void start_error(const struct endpoint_spec *s, const char *fmt, va_list ap)
{
	int n = snprintf(s->err, s->errlen, "endpoint '%.100s': ", s->text);

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
