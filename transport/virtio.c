// SPDX-License-Identifier: MIT
/*
 * A virtio-serial port of this kernel: the VMM, or the debugger's bridge, runs in a guest, and the
 * other side is whoever is connected to the port's outer end.
 *
 * That a peer connects or disconnects shows only as POLLHUP cleared or set. On the VMM's side there is a
 * peer from its first byte on: an outer hypervisor may hold the outer end open for ever.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "transport/epoll_edge.h"
#include "transport/fdstream.h"
#include "transport/line.h"
#include "transport/virtio_ports.h"

enum { STEP_MS = 20, BUSY_MS = 1000, BACK_MS = 40, DOUBT_MS = 500, AT_ONCE_MS = 1 };

struct virtio {
	struct line line; /* first member */
	bool doubtful;	  /* nobody is there, but a peer may be about to connect */
	bool clean;	  /* nobody is there, and there is nothing to read */
	bool looked;	  /* the change that opening the port makes was seen */
	bool drained;	  /* the stream was read up to the last peer's end */
	unsigned int
		edges; /* changes since the last stream ended; the first is that its peer has left */
};

/*
 * The kernel learns of a peer's end by another queue than of its bytes. So POLLHUP can be set for a moment
 * when the next peer is served already. The stream goes on then: the session recognises the next debugger
 * by its packets, as on a serial line, and an end would lose bytes that are on their way.
 */
static bool is_back(const struct line *l)
{
	int i;

	for (i = 0; line_poll(l) & POLLHUP; i++) {
		if (i == BACK_MS / STEP_MS)
			return false;
		poll(NULL, 0, STEP_MS);
	}
	return true;
}

static ssize_t virtio_read(struct line *l, void *buf, size_t len)
{
	ssize_t n = fd_read(l->fd, FD_OTHER, buf, len);

	if (n == 0 && is_back(l))
		n = -EAGAIN;
	((struct virtio *)l)->drained = n == 0;
	return n;
}

static ssize_t virtio_write(struct line *l, const void *buf, size_t len)
{
	ssize_t n = line_write(l, buf, len);

	return n == -EPIPE && is_back(l) ? -EAGAIN : n;
}

static void virtio_begin(struct line *l)
{
	struct virtio *v = (struct virtio *)l;

	v->drained = false;
	v->edges = 0;
}

/* accept() is to be called when something changes, or after ms milliseconds. */
static int look_again(struct virtio *v, int ms)
{
	v->clean = false;
	endpoint_backoff(&v->line.ep, ms);
	v->line.ep.pfd.fd = v->line.edge;
	return -EAGAIN;
}

/* Discard what a peer that has left did not get read; as soon as something changes the bytes may be the
 * next peer's. -ENODEV: the port was unplugged. */
static int discard_input(struct virtio *v)
{
	char buf[4096];
	ssize_t n;

	do {
		if (edge_consume(v->line.edge))
			return look_again(v, AT_ONCE_MS);
		n = fd_read(v->line.fd, FD_OTHER, buf, sizeof(buf));
	} while (n > 0);
	return n == -ENODEV ? -ENODEV : -EAGAIN;
}

/*
 * POLLHUP is set, and there may be bytes to read. The kernel learns of a new peer and of its bytes by two
 * queues, so the bytes can be those of a peer that is about to show. When nothing has changed for a while
 * they are those of one that came and left between two polls.
 */
static int virtio_absent(struct line *l, short revents)
{
	struct virtio *v = (struct virtio *)l;

	(void)revents;
	if (v->clean)
		return -EAGAIN;
	if (!v->doubtful) {
		v->doubtful = true;
		return look_again(v, DOUBT_MS);
	}
	if (endpoint_backoff_pending(&v->line.ep))
		return -EAGAIN;
	v->line.ep.retry_ms = 0;
	v->doubtful = false;
	v->clean = true;
	return v->drained && v->edges < 2 ? -EAGAIN : discard_input(v);
}

static int virtio_prepare(struct line *l)
{
	struct virtio *v = (struct virtio *)l;

	if (!edge_consume(v->line.edge))
		return 0;
	v->edges++;
	if (v->looked)
		v->clean = v->doubtful = false; /* somebody may have come, and gone */
	v->looked = true;
	return 0;
}

static void virtio_present(struct line *l)
{
	struct virtio *v = (struct virtio *)l;

	l->ep.retry_ms = 0;
	v->clean = v->doubtful = false;
}

static const struct line_ops virtio_ops = {
	.prepare = virtio_prepare,
	.absent = virtio_absent,
	.present = virtio_present,
	.begin = virtio_begin,
	.wait = line_wait,
	.read = virtio_read,
	.write = virtio_write,
};

/* One process at a time: one that is just leaving is waited for. */
static int open_port(const char *dev)
{
	int fd, i;

	for (i = 0; i < BUSY_MS / STEP_MS; i++) {
		fd = open(dev, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0 || errno != EBUSY)
			return fd < 0 ? -errno : fd;
		poll(NULL, 0, STEP_MS);
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
	v = line_new(s, sizeof(*v), &virtio_ops);
	if (!v)
		return -ENOMEM;
	v->clean = true;
	v->line.fd = open_port(dev);
	ret = v->line.fd < 0 ? v->line.fd : line_open_edge(&v->line);
	if (ret) {
		line_close(&v->line.ep);
		return port_failed(s, dev, ret);
	}
	snprintf(v->line.ep.name, sizeof(v->line.ep.name), "virtio:%s", s->name);
	snprintf(v->line.stream.peer, sizeof(v->line.stream.peer), "%.60s", v->line.ep.name);
	v->line.stream.traits = STREAM_RELIABLE | STREAM_HANGUP;
	*out = &v->line.ep;
	return 0;
}
