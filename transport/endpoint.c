/* SPDX-License-Identifier: MIT */
/* The public calls, and what every endpoint has in common. */
#define _GNU_SOURCE
#include <vmgdb/endpoint.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/stream.h"
#include "transport/transport.h"

/* A kind that can only be dialled needs no "dial" to be. */
static int open_kind(const struct endpoint_spec *s, const struct transport *kind,
		     struct vmgdb_endpoint **out)
{
	endpoint_opener *opener = s->dial || !kind->listen ? kind->dial : kind->listen;

	if (s->role == VMGDB_ACCEPT && !kind->listen)
		return spec_error(s, -EINVAL, "'%s' can only be dialled", kind->kind);
	if (!opener)
		return spec_error(s, -EINVAL, "'%s' can't be dialled", kind->kind);
	return opener(s, out);
}

int vmgdb_endpoint_open(const char *spec, enum vmgdb_role role, struct vmgdb_endpoint **out,
			char *err, size_t errlen)
{
	struct endpoint_spec s = {
		.text = spec,
		.role = role,
		.dial = role == VMGDB_DEBUGGER,
		.baud = 115200,
		.err = err,
		.errlen = errlen,
	};
	const struct transport *kind;
	int ret;

	*out = NULL;
	if (errlen > 0)
		err[0] = '\0';
	ret = spec_parse(&s, &kind);
	if (ret == 0)
		ret = open_kind(&s, kind, out);
	if (ret == -ENOMEM)
		spec_error(&s, ret, "out of memory");
	free(s.policy.log);
	return ret;
}

const char *vmgdb_endpoint_name(const struct vmgdb_endpoint *ep)
{
	return ep->name;
}

const char *vmgdb_endpoint_attach(const struct vmgdb_endpoint *ep)
{
	return ep->attach;
}

void vmgdb_endpoint_close(struct vmgdb_endpoint *ep)
{
	if (ep)
		ep->ops->close(ep);
}

const char *vmgdb_endpoint_help(unsigned int i)
{
	unsigned int n;

	for (n = 0; transports[n].kind; n++)
		if (n == i)
			return transports[n].help;
	return option_help(i - n);
}

void *endpoint_new(const struct endpoint_spec *s, size_t size, const struct endpoint_ops *ops)
{
	struct vmgdb_endpoint *ep = calloc(1, size);

	if (!ep)
		return NULL;
	ep->ops = ops;
	ep->pfd.fd = -1;
	ep->pfd.events = POLLIN;
	ep->policy = s->policy;
	if (!s->policy.log)
		return ep;
	ep->policy.log = strdup(s->policy.log);
	if (ep->policy.log)
		return ep;
	free(ep);
	return NULL;
}

void endpoint_free(struct vmgdb_endpoint *ep)
{
	free(ep->policy.log);
	free(ep);
}

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
