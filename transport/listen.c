// SPDX-License-Identifier: MIT
/* Endpoints that listen on a socket. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "transport/socket.h"

enum { SHORTAGE_MS = 500 };

struct listener {
	struct vmgdb_endpoint ep;
	const struct socket_family *family;
	int fd;
	struct allow_list allow;
	struct owned_path file;
};

/* Nobody can be accepted for now, while the socket stays readable: it is not polled for a while. */
static int pause_listening(struct listener *l, int err)
{
	l->ep.shortage = err;
	endpoint_backoff(&l->ep, SHORTAGE_MS);
	return -EAGAIN;
}

static int accept_failed(struct listener *l, int err)
{
	switch (err) {
	case -EAGAIN:
	case -EINTR:
	case -ECONNABORTED: return -EAGAIN; /* the peer has left the queue */
	case -EBADF:
	case -ENOTSOCK:
	case -EOPNOTSUPP: return err; /* the descriptor is no listener any more */
	default: return pause_listening(l, err);
	}
}

static int listener_accept(struct vmgdb_endpoint *ep, struct stream **out)
{
	struct listener *l = (struct listener *)ep;
	struct socket_peer peer;
	int fd;

	if (endpoint_backoff_pending(ep))
		return -EAGAIN;
	ep->pfd.fd = l->fd;
	ep->retry_ms = 0;
	fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return accept_failed(l, -errno);
	ep->shortage = 0;
	if (!l->family->admit(fd, &l->allow, &peer)) {
		snprintf(ep->refused, sizeof(ep->refused), "%s is not allowed", peer.name);
		close(fd);
		return -EACCES;
	}
	return socket_stream(fd, &peer, NULL, NULL, out) ? pause_listening(l, -ENOMEM) : 0;
}

static void listener_close(struct vmgdb_endpoint *ep)
{
	struct listener *l = (struct listener *)ep;

	owned_path_remove(&l->file);
	close(l->fd);
	endpoint_free(ep);
}

static const struct endpoint_ops listener_ops = {
	.accept = listener_accept,
	.close = listener_close,
};

static int start_listening(struct listener *l)
{
	union socket_address a;
	socklen_t len = sizeof(a);

	if (!l->family)
		return -EAFNOSUPPORT;
	socket_prepare(l->family, l->fd);
	if (listen(l->fd, SOMAXCONN) < 0 || getsockname(l->fd, &a.any, &len) < 0)
		return -errno;
	l->family->name(&a, l->ep.name, sizeof(l->ep.name));
	l->family->attach(&a, l->ep.attach, sizeof(l->ep.attach));
	l->ep.pfd.fd = l->fd;
	return 0;
}

int socket_listen(const struct endpoint_spec *s, const struct socket_family *family, int fd,
		  struct owned_path *file, struct vmgdb_endpoint **out)
{
	struct listener *l = endpoint_new(s, sizeof(*l), &listener_ops);
	int ret;

	if (!l) {
		if (file)
			owned_path_remove(file);
		close(fd);
		return -ENOMEM;
	}
	l->fd = fd;
	l->family = family;
	l->allow = s->allow;
	if (file)
		l->file = *file;
	ret = start_listening(l);
	if (ret) {
		listener_close(&l->ep);
		return spec_failed(s, ret, "can't listen");
	}
	*out = &l->ep;
	return 0;
}
