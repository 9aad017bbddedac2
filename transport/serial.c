/* SPDX-License-Identifier: MIT */
/*
 * A serial line. Nothing tells who is at its other end, or whether anybody is: on the VMM's side
 * there is a peer from its first byte on, until the stream is closed. A device that goes away (a USB
 * adapter is pulled out) is opened again when it comes back.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "transport/fdstream.h"
#include "transport/backoff.h"
#include "transport/transport.h"
#include "transport/parmrk.h"

enum { REOPEN_MS = 1000, DRAIN_MS = 500, DRAIN_STEP_MS = 5 };

struct serial {
	struct vmgdb_endpoint ep;
	struct stream stream;
	bool busy;
	bool speaks_first; /* we are the debugger's side: do not wait for a byte */
	bool final;	   /* a device that has gone is not waited for */
	bool hw_flow;
	speed_t speed;
	int fd; /* -1: the device has gone */
	struct retry retry;
	struct termios before;
	enum unmark_state state;
	char device[SPEC_NAME_MAX + 1];
};

static const struct {
	unsigned int baud;
	speed_t speed;
} speeds[] = {
	{ 50, B50 },	       { 75, B75 },	      { 110, B110 },	     { 134, B134 },
	{ 150, B150 },	       { 200, B200 },	      { 300, B300 },	     { 600, B600 },
	{ 1200, B1200 },       { 1800, B1800 },	      { 2400, B2400 },	     { 4800, B4800 },
	{ 9600, B9600 },       { 19200, B19200 },     { 38400, B38400 },     { 57600, B57600 },
	{ 115200, B115200 },   { 230400, B230400 },   { 460800, B460800 },   { 500000, B500000 },
	{ 576000, B576000 },   { 921600, B921600 },   { 1000000, B1000000 }, { 1152000, B1152000 },
	{ 1500000, B1500000 }, { 2000000, B2000000 }, { 2500000, B2500000 }, { 3000000, B3000000 },
	{ 3500000, B3500000 }, { 4000000, B4000000 },
};

static speed_t find_speed(unsigned int baud)
{
	size_t i;

	for (i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++)
		if (speeds[i].baud == baud)
			return speeds[i].speed;
	return B0;
}

static struct serial *serial_of(struct stream *s)
{
	return (struct serial *)((char *)s - offsetof(struct serial, stream));
}

/* 8N1, no modem control lines, BREAK and 0377 marked (unmark.h). */
static int make_raw(struct serial *l)
{
	struct termios t = l->before;

	cfmakeraw(&t);
	t.c_iflag = (t.c_iflag & ~(tcflag_t)(IGNBRK | BRKINT | INPCK | IGNPAR)) | PARMRK;
	t.c_cflag &= ~(tcflag_t)(CSTOPB | CRTSCTS | HUPCL);
	t.c_cflag |= CLOCAL | CREAD | (l->hw_flow ? CRTSCTS : 0);
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	cfsetispeed(&t, l->speed);
	cfsetospeed(&t, l->speed);
	if (tcsetattr(l->fd, TCSANOW, &t) < 0 || tcgetattr(l->fd, &t) < 0)
		return -errno;
	/* tcsetattr() is content when any part could be set */
	if (cfgetospeed(&t) != l->speed)
		return -ERANGE;
	return tcflush(l->fd, TCIOFLUSH) < 0 ? -errno : 0;
}

static void wait_for_peer(struct serial *l)
{
	if (l->fd < 0) {
		retry_in(&l->retry, &l->ep, REOPEN_MS);
		return;
	}
	l->ep.pfd.fd = l->fd;
	l->ep.pfd.events = l->speaks_first ? POLLOUT : POLLIN;
	l->ep.retry_ms = 0;
}

/* flock() keeps those off who ask, also root; TIOCEXCL those who don't, but not root. */
static int take_line(struct serial *l)
{
	int ret;

	if (flock(l->fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (tcgetattr(l->fd, &l->before) < 0 || ioctl(l->fd, TIOCEXCL) < 0)
		return -errno;
	ret = make_raw(l);
	if (ret)
		ioctl(l->fd, TIOCNXCL);
	return ret;
}

static int open_line(struct serial *l)
{
	int ret;

	l->fd = open(l->device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	ret = l->fd < 0 ? -errno : take_line(l);
	if (ret && l->fd >= 0) {
		close(l->fd);
		l->fd = -1;
	}
	wait_for_peer(l);
	return ret;
}

/* The last reply is still in the UART: leave it its speed, for a while. */
static void drain(int fd)
{
	const struct timespec step = { .tv_nsec = DRAIN_STEP_MS * 1000000L };
	int i, left;

	for (i = 0; i < DRAIN_MS / DRAIN_STEP_MS; i++) {
		if (ioctl(fd, TIOCOUTQ, &left) < 0 || left == 0)
			return;
		nanosleep(&step, NULL);
	}
}

static void close_line(struct serial *l)
{
	if (l->fd < 0)
		return;
	drain(l->fd);
	ioctl(l->fd, TIOCNXCL);
	tcsetattr(l->fd, TCSANOW, &l->before);
	close(l->fd);
	l->fd = -1;
}

static short poll_line(const struct serial *l)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0 ? p.revents : 0;
}

static ssize_t serial_read(struct stream *s, void *buf, size_t len)
{
	struct serial *l = serial_of(s);
	ssize_t n;

	do {
		n = fd_read(l->fd, FD_OTHER, buf, len);
		if (n <= 0)
			return n;
		n = (ssize_t)unmark(&l->state, buf, (size_t)n);
	} while (n == 0);
	return n;
}

static ssize_t serial_write(struct stream *s, const void *buf, size_t len)
{
	return fd_write(s->wfd, FD_OTHER, buf, len);
}

static void serial_stream_close(struct stream *s)
{
	struct serial *l = serial_of(s);

	l->busy = false;
	wait_for_peer(l);
}

static const struct stream_ops serial_stream_ops = {
	.read = serial_read,
	.write = serial_write,
	.close = serial_stream_close,
};

static void start_stream(struct serial *l)
{
	l->busy = true;
	l->state = UNMARK_PLAIN;
	l->ep.pfd.fd = -1;
	l->stream.ops = &serial_stream_ops;
	l->stream.rfd = l->stream.wfd = l->fd;
	snprintf(l->stream.peer, sizeof(l->stream.peer), "%.60s", l->device);
}

static int serial_accept(struct vmgdb_endpoint *ep, struct stream **out)
{
	struct serial *l = (struct serial *)ep;
	short events;

	if (l->busy || retry_early(&l->retry, ep))
		return -EAGAIN;
	if (l->fd < 0) {
		int ret = open_line(l);

		if (ret)
			return l->final ? ret : -EAGAIN;
	}
	events = poll_line(l);
	if (events & (POLLHUP | POLLERR | POLLNVAL)) {
		close_line(l);
		wait_for_peer(l);
		return l->final ? -EIO : -EAGAIN;
	}
	if (!l->speaks_first && !(events & POLLIN))
		return -EAGAIN;
	start_stream(l);
	*out = &l->stream;
	return 0;
}

static void serial_close(struct vmgdb_endpoint *ep)
{
	close_line((struct serial *)ep);
	endpoint_free(ep);
}

static const struct endpoint_ops serial_ops = {
	.accept = serial_accept,
	.close = serial_close,
};

static int line_failed(const struct endpoint_spec *s, int err)
{
	switch (err) {
	case -ENOTTY: return spec_error(s, err, "'%s' is not a serial line", s->name);
	case -ERANGE: return spec_error(s, err, "'%s' has no speed %u", s->name, s->baud);
	case -EBUSY: return spec_error(s, err, "'%s' is in use by another process", s->name);
	default: return spec_failed(s, err, "can't open '%s'", s->name);
	}
}

int serial_open(const struct endpoint_spec *s, struct vmgdb_endpoint **out)
{
	speed_t speed = find_speed(s->baud);
	struct serial *l;
	int ret;

	if (speed == B0)
		return spec_error(s, -EINVAL, "option 'baud': %u is no usual speed", s->baud);
	l = endpoint_new(s, sizeof(*l), &serial_ops);
	if (!l)
		return -ENOMEM;
	l->speed = speed;
	l->hw_flow = s->hw_flow;
	l->speaks_first = s->role != VMGDB_STUB;
	/* the number of a pty that has gone may be another's tomorrow */
	l->final = l->speaks_first || strncmp(s->name, "/dev/pts/", 9) == 0;
	memcpy(l->device, s->name, sizeof(l->device));
	ret = open_line(l);
	if (ret) {
		serial_close(&l->ep);
		return line_failed(s, ret);
	}
	snprintf(l->ep.name, sizeof(l->ep.name), "serial:%s", l->device);
	*out = &l->ep;
	return 0;
}
