// SPDX-License-Identifier: MIT
#include "transport/line.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "transport/epoll_edge.h"
#include "transport/fdstream.h"

enum { DRAIN_STEP_MS = 5 };

static struct line *line_of(struct stream *s)
{
	return (struct line *)((char *)s - offsetof(struct line, stream));
}

static ssize_t stream_read(struct stream *s, void *buf, size_t len)
{
	struct line *l = line_of(s);

	return l->ops->read(l, buf, len);
}

static ssize_t stream_write(struct stream *s, const void *buf, size_t len)
{
	struct line *l = line_of(s);

	return l->ops->write(l, buf, len);
}

static void stream_close(struct stream *s)
{
	struct line *l = line_of(s);

	l->busy = false;
	l->ops->wait(l);
}

static const struct stream_ops stream_ops = {
	.read = stream_read,
	.write = stream_write,
	.close = stream_close,
};

static void begin(struct line *l)
{
	if (l->ops->begin)
		l->ops->begin(l);
	l->busy = true;
	l->ep.pfd.fd = -1;
	l->stream.ops = &stream_ops;
	l->stream.rfd = l->stream.wfd = l->fd;
}

static int line_accept(struct vmgdb_endpoint *ep, struct stream **out)
{
	struct line *l = (struct line *)ep;
	short revents;
	int ret;

	if (l->busy)
		return -EAGAIN;
	ret = l->ops->prepare(l);
	if (ret)
		return ret;
	revents = line_poll(l);
	if (revents & (POLLHUP | POLLERR | POLLNVAL))
		return l->ops->absent(l, revents);
	if (l->ops->present)
		l->ops->present(l);
	if (!l->speaks_first && !(revents & POLLIN))
		return -EAGAIN;
	begin(l);
	*out = &l->stream;
	return 0;
}

void line_close(struct vmgdb_endpoint *ep)
{
	struct line *l = (struct line *)ep;

	if (l->ops->close)
		l->ops->close(l);
	if (l->edge >= 0)
		close(l->edge);
	if (l->fd >= 0)
		close(l->fd);
	endpoint_free(ep);
}

static const struct endpoint_ops endpoint_ops = {
	.accept = line_accept,
	.close = line_close,
};

void *line_new(const struct endpoint_spec *s, size_t size, const struct line_ops *ops)
{
	struct line *l = endpoint_new(s, size, &endpoint_ops);

	if (!l)
		return NULL;
	l->ops = ops;
	l->speaks_first = s->role != VMGDB_STUB;
	l->fd = l->edge = -1;
	return l;
}

/* A port can always be written to; but with POLLOUT, POLLHUP's clearing is a change as well. */
static short awaited(const struct line *l)
{
	return l->speaks_first ? POLLIN | POLLOUT : POLLIN;
}

int line_open_edge(struct line *l)
{
	l->ep.pfd.fd = l->edge = edge_open(l->fd, awaited(l));
	return l->edge < 0 ? l->edge : 0;
}

void line_wait(struct line *l)
{
	l->ep.pfd.fd = l->edge;
	edge_rearm(l->edge, l->fd, awaited(l));
}

short line_poll(const struct line *l)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0 ? p.revents : 0;
}

ssize_t line_write(struct line *l, const void *buf, size_t len)
{
	return fd_write(l->fd, FD_OTHER, buf, len);
}

void line_drain(int fd, unsigned long ioctl_request, int ms)
{
	int left = 1;

	for (; ms > 0 && left > 0; ms -= DRAIN_STEP_MS) {
		poll(NULL, 0, DRAIN_STEP_MS);
		if (ioctl(fd, ioctl_request, &left) < 0)
			return;
	}
}
