/* SPDX-License-Identifier: MIT */
/*
 * A virtio-serial port of this kernel: the VMM, or the debugger's bridge, runs in a guest, and the
 * other side is whoever is connected to the port's outer end.
 *
 * Its coming and going shows only as POLLHUP cleared and set. On the VMM's side there is a peer from
 * its first byte on: an outer hypervisor may hold the outer end open for ever.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "transport/epoll_edge.h"
#include "transport/fdstream.h"
#include "transport/backoff.h"
#include "transport/transport.h"
#include "transport/virtio_ports.h"

enum { STEP_MS = 20, BUSY_MS = 1000, BACK_MS = 40, DOUBT_MS = 500, AT_ONCE_MS = 1 };

struct virtio {
	struct vmgdb_endpoint ep;
	struct stream stream;
	bool busy;
	bool speaks_first;
	bool doubtful;	    /* nobody is there, but a peer may be just coming */
	bool clean;	    /* nobody is there, and nothing to be read: as at the beginning */
	bool looked;	    /* the edge that opening makes was seen */
	bool drained;	    /* the last peer's end was read: it has left nothing */
	unsigned int edges; /* since then; the first is that it is not there */
	struct retry retry;
	int fd;
	int edge;
};

static struct virtio *virtio_of(struct stream *s)
{
	return (struct virtio *)((char *)s - offsetof(struct virtio, stream));
}

/* A port can always be written to; but with POLLOUT, POLLHUP's clearing is a change as well. */
static short awaited(const struct virtio *v)
{
	return v->speaks_first ? POLLIN | POLLOUT : POLLIN;
}

static void wait_a_step(void)
{
	const struct timespec step = { .tv_nsec = STEP_MS * 1000000L };

	nanosleep(&step, NULL);
}

/*
 * The kernel learns of a peer's end by another queue than of bytes: when the next peer is served
 * already, the end can show after all, for no time. That is no end: the next one is known by what it
 * says, as on a serial line, and would lose what is on its way.
 */
static bool is_back(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int i;

	for (i = 0; poll(&p, 1, 0) < 0 || p.revents & POLLHUP; i++) {
		if (i == BACK_MS / STEP_MS)
			return false;
		wait_a_step();
	}
	return true;
}

static ssize_t virtio_read(struct stream *s, void *buf, size_t len)
{
	ssize_t n = fd_read(s->rfd, FD_OTHER, buf, len);

	if (n == 0 && is_back(s->rfd))
		n = -EAGAIN;
	virtio_of(s)->drained = n == 0;
	return n;
}

static ssize_t virtio_write(struct stream *s, const void *buf, size_t len)
{
	ssize_t n = fd_write(s->wfd, FD_OTHER, buf, len);

	return n == -EPIPE && is_back(s->wfd) ? -EAGAIN : n;
}

static void virtio_stream_close(struct stream *s)
{
	struct virtio *v = virtio_of(s);

	v->busy = false;
	v->edges = 0;
	v->ep.pfd.fd = v->edge;
	edge_rearm(v->edge, v->fd, awaited(v));
}

static const struct stream_ops virtio_stream_ops = {
	.read = virtio_read,
	.write = virtio_write,
	.close = virtio_stream_close,
};

static void start_stream(struct virtio *v)
{
	v->busy = true;
	v->drained = false;
	v->ep.pfd.fd = -1;
	v->stream.ops = &virtio_stream_ops;
	v->stream.rfd = v->stream.wfd = v->fd;
	v->stream.traits = STREAM_RELIABLE | STREAM_HANGUP;
	snprintf(v->stream.peer, sizeof(v->stream.peer), "%.60s", v->ep.name);
}

/* Look again when something happens, and after so many milliseconds. */
static int look_again(struct virtio *v, int ms)
{
	v->clean = false;
	retry_in(&v->retry, &v->ep, ms);
	v->ep.pfd.fd = v->edge;
	return -EAGAIN;
}

/* Somebody was there and left this unread; but what comes in this moment is another's. -ENODEV:
 * unplugged. */
static int discard_input(struct virtio *v)
{
	char buf[4096];
	ssize_t n;

	do {
		if (edge_consume(v->edge))
			return look_again(v, AT_ONCE_MS);
		n = fd_read(v->fd, FD_OTHER, buf, sizeof(buf));
	} while (n > 0);
	return n == -ENODEV ? -ENODEV : -EAGAIN;
}

/*
 * POLLHUP, and perhaps something to read. The kernel learns of a new peer and of its bytes by two
 * queues, so these bytes can be those of a peer that is just coming: only when nothing has happened
 * for a while are they of one that came and left unseen.
 */
static int wait_for_peer(struct virtio *v)
{
	if (v->clean)
		return -EAGAIN;
	if (!v->doubtful) {
		v->doubtful = true;
		return look_again(v, DOUBT_MS);
	}
	if (retry_early(&v->retry, &v->ep))
		return -EAGAIN;
	v->ep.retry_ms = 0;
	v->doubtful = false;
	v->clean = true;
	return v->drained && v->edges < 2 ? -EAGAIN : discard_input(v);
}

static int virtio_accept(struct vmgdb_endpoint *ep, struct stream **out)
{
	struct virtio *v = (struct virtio *)ep;
	struct pollfd p = { .fd = v->fd, .events = POLLIN };

	if (v->busy)
		return -EAGAIN;
	if (edge_consume(v->edge)) {
		v->edges++;
		if (v->looked)
			v->clean = v->doubtful = false; /* somebody may have come, and gone */
		v->looked = true;
	}
	poll(&p, 1, 0);
	if (p.revents & POLLHUP)
		return wait_for_peer(v);
	v->ep.retry_ms = 0;
	v->clean = v->doubtful = false;
	if (!v->speaks_first && !(p.revents & POLLIN))
		return -EAGAIN;
	start_stream(v);
	*out = &v->stream;
	return 0;
}

static void virtio_close(struct vmgdb_endpoint *ep)
{
	struct virtio *v = (struct virtio *)ep;

	if (v->edge >= 0)
		close(v->edge);
	if (v->fd >= 0)
		close(v->fd);
	endpoint_free(ep);
}

static const struct endpoint_ops virtio_ops = {
	.accept = virtio_accept,
	.close = virtio_close,
};

/* One process at a time: one that is just leaving is waited for. */
static int open_port(const char *dev)
{
	int fd, i;

	for (i = 0; i < BUSY_MS / STEP_MS; i++) {
		fd = open(dev, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0 || errno != EBUSY)
			return fd < 0 ? -errno : fd;
		wait_a_step();
	}
	return -EBUSY;
}

static int find_port(const struct endpoint_spec *s, char *dev, size_t len)
{
	int ret;

	if (strchr(s->name, '/')) {
		snprintf(dev, len, "%s", s->name);
		return 0;
	}
	ret = virtio_port_find("/sys/class/virtio-ports", s->name, dev, len);
	if (ret == -ENODEV)
		return spec_error(s, ret,
				  "this kernel has no virtio-serial ports "
				  "(is the module virtio_console loaded?)");
	if (ret)
		return spec_error(s, ret, "no virtio-serial port is called '%.60s'", s->name);
	return 0;
}

static int port_failed(const struct endpoint_spec *s, const char *dev, int err)
{
	if (err == -EBUSY)
		return spec_error(s, err, "'%.60s' is in use by another process", dev);
	return spec_failed(s, err, "can't open '%.60s'", dev);
}

int virtio_open(const struct endpoint_spec *s, struct vmgdb_endpoint **out)
{
	char dev[SPEC_NAME_MAX + 1];
	struct virtio *v;
	int ret;

	ret = find_port(s, dev, sizeof(dev));
	if (ret)
		return ret;
	v = endpoint_new(s, sizeof(*v), &virtio_ops);
	if (!v)
		return -ENOMEM;
	v->edge = -1;
	v->clean = true;
	v->speaks_first = s->role != VMGDB_STUB;
	v->fd = open_port(dev);
	ret = v->fd < 0 ? v->fd : 0;
	if (ret == 0) {
		v->edge = edge_open(v->fd, awaited(v));
		ret = v->edge < 0 ? v->edge : 0;
	}
	if (ret) {
		virtio_close(&v->ep);
		return port_failed(s, dev, ret);
	}
	snprintf(v->ep.name, sizeof(v->ep.name), "virtio:%s", s->name);
	v->ep.pfd.fd = v->edge;
	*out = &v->ep;
	return 0;
}
