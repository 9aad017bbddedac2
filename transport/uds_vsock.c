// SPDX-License-Identifier: MIT
/*
 * A guest's vsock port by way of its VMM's unix socket: Firecracker, cloud-hypervisor, and
 * vhost-device-vsock. The client sends "CONNECT PORT\n", the VMM answers "OK LOCAL_PORT\n"; what
 * follows comes from the guest.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "transport/socket.h"

static int failed(struct dialer *d, int err, const char *why)
{
	snprintf(d->ep.refused, sizeof(d->ep.refused), "%s: %.85s", d->ep.name, why);
	return err;
}

/* A few bytes on a new socket always fit. */
static int send_connect(struct dialer *d)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "CONNECT %u\n", d->port);

	if (send(d->fd, text, (size_t)len, MSG_NOSIGNAL) != len)
		return failed(d, -ECONNREFUSED, "it does not listen to CONNECT");
	d->asked = true;
	return 0;
}

static int check_answer(struct dialer *d)
{
	char why[128];

	if (strncmp(d->line, "OK ", 3) == 0)
		return 0;
	snprintf(why, sizeof(why), "it answered '%s'", d->line);
	return failed(d, -EACCES, why);
}

/* Read byte by byte: what follows the line belongs to the stream. */
static int read_answer(struct dialer *d)
{
	for (;;) {
		ssize_t n;
		char c;

		n = recv(d->fd, &c, 1, 0);
		if (n < 0)
			return -errno;
		if (n == 0)
			return failed(d, -ECONNREFUSED, "hung up: nobody listens on that port");
		if (c == '\n')
			return check_answer(d);
		if (d->got == sizeof(d->line) - 1)
			return failed(d, -EACCES, "its answer has no end");
		d->line[d->got++] = c < ' ' || c > '~' ? '?' : c;
		d->line[d->got] = '\0';
	}
}

static int handshake(struct dialer *d)
{
	int ret = d->asked ? 0 : send_connect(d);

	return ret ? ret : read_answer(d);
}

int uds_vsock_dial(const struct endpoint_spec *s, struct vmgdb_endpoint **out)
{
	union socket_address a;
	struct dialer *d;
	int ret;

	unix_address(s->name, &a);
	ret = socket_dial(s, &unix_family, &a, sizeof(a.un), out);
	if (ret)
		return ret;
	d = (struct dialer *)*out;
	d->handshake = handshake;
	d->port = s->number;
	snprintf(d->ep.name, sizeof(d->ep.name), "uds-vsock:%.107s:%u", s->name, s->number);
	return 0;
}
