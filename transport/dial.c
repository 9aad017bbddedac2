// SPDX-License-Identifier: MIT
/*
 * Endpoints that connect out. One connection at a time:
 *
 *	idle -> connecting -> handshake -> a stream -> idle
 *
 * A stub that dials tries for ever, less and less often; the debugger's side gets the error at once.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "transport/socket.h"

enum { FIRST_MS = 1, SHORTEST_MS = 100, LONGEST_MS = 2000 };

static void wait_for(struct dialer *d, short events)
{
	d->ep.pfd.fd = d->fd;
	d->ep.pfd.events = events;
	d->ep.retry_ms = 0;
}

static void close_connection(struct dialer *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

static void describe_failure(struct dialer *d, int err)
{
	const char *hint = d->family->hint ? d->family->hint(&d->to, err) : NULL;
	char buf[64];

	snprintf(d->ep.refused, sizeof(d->ep.refused), "can't reach %s: %.40s%s%.55s", d->ep.name,
		 strerror_r(-err, buf, sizeof(buf)), hint ? "; " : "", hint ? hint : "");
}

static int dial_failed(struct dialer *d, int err)
{
	close_connection(d);
	if (d->ep.refused[0] == '\0')
		describe_failure(d, err);
	endpoint_backoff(&d->ep, d->delay);
	d->delay = d->delay * 2 < LONGEST_MS ? d->delay * 2 : LONGEST_MS;
	return d->once || err == -EACCES ? err : -EAGAIN;
}

static int start(struct dialer *d)
{
	d->asked = false;
	d->got = 0;
	d->line[0] = '\0';
	d->ep.refused[0] = '\0';
	d->fd = socket_open(d->to.any.sa_family);
	if (d->fd < 0)
		return d->fd;
	socket_prepare(d->family, d->fd);
	if (connect(d->fd, &d->to.any, d->tolen) < 0 && errno != EINPROGRESS) {
		int err = -errno;

		close_connection(d);
		return err;
	}
	return 0;
}

/* 0 when connected, -EAGAIN when not yet. */
static int connected(struct dialer *d)
{
	struct pollfd p = { .fd = d->fd, .events = POLLOUT };

	if (poll(&p, 1, 0) <= 0) {
		wait_for(d, POLLOUT);
		return -EAGAIN;
	}
	return -socket_option(d->fd, SO_ERROR);
}

static int go_on_with_handshake(struct dialer *d)
{
	int ret = d->handshake(d);

	if (ret == -EAGAIN)
		wait_for(d, POLLIN);
	return ret;
}

static void dial_again(struct vmgdb_endpoint *ep)
{
	struct dialer *d = (struct dialer *)ep;

	d->busy = false;
	endpoint_backoff(ep, d->once ? FIRST_MS : SHORTEST_MS);
}

static int finish(struct dialer *d, struct stream **out)
{
	struct socket_peer peer;
	int fd = d->fd;

	if (!d->family->admit(fd, &d->allow, &peer)) {
		snprintf(d->ep.refused, sizeof(d->ep.refused), "%s is not allowed", peer.name);
		return -EACCES;
	}
	d->fd = -1;
	if (socket_stream(fd, &peer, dial_again, &d->ep, out) != 0)
		return -ENOMEM;
	d->busy = true;
	d->delay = SHORTEST_MS;
	wait_for(d, 0);
	return 0;
}

static int dialer_accept(struct vmgdb_endpoint *ep, struct stream **out)
{
	struct dialer *d = (struct dialer *)ep;
	int ret = 0;

	if (d->busy || (!d->once && endpoint_backoff_pending(ep)))
		return -EAGAIN;
	if (d->fd < 0)
		ret = start(d);
	if (ret == 0)
		ret = connected(d);
	if (ret == 0 && d->handshake)
		ret = go_on_with_handshake(d);
	if (ret == 0)
		ret = finish(d, out);
	/* -EAGAIN without a connection: the listener's queue is full */
	if (ret == 0 || (ret == -EAGAIN && d->fd >= 0))
		return ret;
	return dial_failed(d, ret);
}

static void dialer_close(struct vmgdb_endpoint *ep)
{
	close_connection((struct dialer *)ep);
	endpoint_free(ep);
}

static const struct endpoint_ops dialer_ops = {
	.accept = dialer_accept,
	.close = dialer_close,
};

int socket_dial(const struct endpoint_spec *s, const struct socket_family *family,
		const union socket_address *to, socklen_t tolen, struct vmgdb_endpoint **out)
{
	struct dialer *d = endpoint_new(s, sizeof(*d), &dialer_ops);

	if (!d)
		return -ENOMEM;
	d->family = family;
	d->to = *to;
	d->tolen = tolen;
	d->allow = s->allow;
	if (!s->allow.given)
		d->allow.given = d->allow.any = true;
	d->fd = -1;
	d->once = s->role != VMGDB_STUB;
	d->delay = SHORTEST_MS;
	family->name(to, d->ep.name, sizeof(d->ep.name));
	d->ep.retry_ms = FIRST_MS;
	*out = &d->ep;
	return 0;
}
