// SPDX-License-Identifier: MIT
#include "transport/inherited_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "transport/fdstream.h"
#include "transport/socket.h"

struct inherited {
	struct vmgdb_endpoint ep;
	int rfd, wfd; /* -1 once the stream was given and closed */
	int rflags, wflags;
	unsigned int traits;
	bool given;
};

/* Sockets take MSG_DONTWAIT with each call. Other files are non-blocking as a whole, for all processes
 * that share them. */
static int make_nonblocking(int fd, int *flags)
{
	*flags = fcntl(fd, F_GETFL);
	if (*flags < 0)
		return -errno;
	if (fd_type(fd) == FD_SOCKET)
		return 0;
	return fcntl(fd, F_SETFL, *flags | O_NONBLOCK) < 0 ? -errno : 0;
}

static void put_flags_back(struct vmgdb_endpoint *ep)
{
	struct inherited *h = (struct inherited *)ep;

	fcntl(h->wfd, F_SETFL, h->wflags);
	fcntl(h->rfd, F_SETFL, h->rflags);
	h->rfd = h->wfd = -1;
}

static void name_peer(const struct inherited *h, struct stream *s)
{
	const struct allow_list anyone = { .given = true, .any = true };
	const struct socket_family *family = socket_family_of(h->rfd);
	struct socket_peer peer = { 0 };

	if (family) {
		socket_prepare(family, h->rfd);
		family->admit(h->rfd, &anyone, &peer);
	} else {
		snprintf(peer.name, sizeof(peer.name), "%.60s", h->ep.name);
	}
	s->id = peer.id;
	memcpy(s->peer, peer.name, sizeof(s->peer));
}

static int inherited_accept(struct vmgdb_endpoint *ep, struct stream **out)
{
	struct inherited *h = (struct inherited *)ep;
	if (h->given)
		return h->rfd < 0 ? -ESHUTDOWN : -EAGAIN;
	*out = fdstream_new(h->rfd, h->wfd, h->traits, put_flags_back, ep);
	if (!*out)
		return -ENOMEM;
	name_peer(h, *out);
	h->given = true;
	ep->pfd.fd = -1;
	return 0;
}

static void inherited_close(struct vmgdb_endpoint *ep)
{
	struct inherited *h = (struct inherited *)ep;

	if (h->rfd >= 0) {
		int rfd = h->rfd, wfd = h->wfd;

		put_flags_back(ep);
		fd_close_both(rfd, wfd);
	}
	endpoint_free(ep);
}

static const struct endpoint_ops inherited_ops = {
	.accept = inherited_accept,
	.close = inherited_close,
};

/* A terminal may be a serial line, which drops bytes and shows no hang-up. */
static unsigned int traits_of(int rfd, int wfd)
{
	return isatty(rfd) || isatty(wfd) ? 0 : STREAM_RELIABLE | STREAM_HANGUP;
}

int inherited_open(const struct endpoint_spec *s, int rfd, int wfd, struct vmgdb_endpoint **out)
{
	struct inherited *h = endpoint_new(s, sizeof(*h), &inherited_ops);
	int ret;

	if (!h) {
		fd_close_both(rfd, wfd);
		return -ENOMEM;
	}
	h->rfd = rfd;
	h->wfd = wfd;
	h->traits = traits_of(rfd, wfd);
	h->ep.once = true;
	ret = make_nonblocking(rfd, &h->rflags);
	if (ret == 0)
		ret = make_nonblocking(wfd, &h->wflags);
	if (ret) {
		inherited_close(&h->ep);
		return spec_failed(s, ret, "can't use it");
	}
	/* It can be written to now: accept is to be called at once. */
	h->ep.pfd.fd = wfd;
	h->ep.pfd.events = POLLOUT;
	*out = &h->ep;
	return 0;
}
