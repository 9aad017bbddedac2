// SPDX-License-Identifier: MIT
/* The public calls. */
#include <vmgdb/endpoint.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "transport/parser.h"

static int open_kind(const struct endpoint_spec *s, struct vmgdb_endpoint **out)
{
	endpoint_opener *opener = s->dial ? s->kind->dial : s->kind->listen;

	if (opener)
		return opener(s, out);
	if (s->dial)
		return spec_error(s, -EINVAL, "'%s' can't be dialled", s->kind->kind);
	return spec_error(s, -EINVAL, "'%s' can only be dialled, by the debugger's side",
			  s->kind->kind);
}

/*
 * The transcript of the endpoint's sessions. It is opened last, so that a spec that is refused leaves no
 * file behind, and non-blocking, so that a FIFO or a terminal holds up nobody.
 */
static int open_transcript(struct endpoint_spec *s, struct vmgdb_endpoint *ep)
{
	const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	char *log = s->policy.log;

	if (!log)
		return 0;
	ep->policy.log_fd = open(log, flags, 0600);
	if (ep->policy.log_fd < 0)
		return spec_failed(s, -errno, "option 'log': can't open '%.80s'", log);
	ep->policy.log = log;
	s->policy.log = NULL;
	return 0;
}

static int open_endpoint(struct endpoint_spec *s, struct vmgdb_endpoint **out)
{
	struct vmgdb_endpoint *ep;
	int ret = open_kind(s, &ep);

	if (ret)
		return ret;
	ret = open_transcript(s, ep);
	if (ret)
		ep->ops->close(ep);
	else
		*out = ep;
	return ret;
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
	int ret;

	*out = NULL;
	if (errlen > 0)
		err[0] = '\0';
	ret = spec_parse(&s);
	if (ret == 0)
		ret = open_endpoint(&s, out);
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
