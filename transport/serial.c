// SPDX-License-Identifier: MIT
/*
 * A serial line. Nothing shows who is at its other end, or whether anybody is: on the VMM's side
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
#include <unistd.h>

#include "transport/fdstream.h"
#include "transport/line.h"
#include "transport/parmrk.h"

enum { REOPEN_MS = 1000, DRAIN_MS = 500 };

struct serial {
	struct line line; /* first member */
	bool final;	  /* a device that has gone is not waited for */
	bool hw_flow;
	speed_t speed;
	struct termios before;
	enum parmrk_state parmrk;
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

/* 8N1, no modem control lines, BREAK and 0377 marked (parmrk.h). */
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
	if (tcsetattr(l->line.fd, TCSANOW, &t) < 0 || tcgetattr(l->line.fd, &t) < 0)
		return -errno;
	/* tcsetattr() is content when any part could be set */
	if (cfgetospeed(&t) != l->speed)
		return -ERANGE;
	return tcflush(l->line.fd, TCIOFLUSH) < 0 ? -errno : 0;
}

static void serial_wait(struct line *line)
{
	if (line->fd < 0) {
		endpoint_backoff(&line->ep, REOPEN_MS);
		return;
	}
	line->ep.pfd.fd = line->fd;
	line->ep.pfd.events = line->speaks_first ? POLLOUT : POLLIN;
	line->ep.retry_ms = 0;
}

/* flock() keeps off processes that lock the line as well, also those of root; TIOCEXCL keeps off all others
 * but root's. */
static int take_line(struct serial *l)
{
	int ret;

	if (flock(l->line.fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (tcgetattr(l->line.fd, &l->before) < 0 || ioctl(l->line.fd, TIOCEXCL) < 0)
		return -errno;
	ret = make_raw(l);
	if (ret)
		ioctl(l->line.fd, TIOCNXCL);
	return ret;
}

static int open_line(struct serial *l)
{
	int ret;

	l->line.fd = open(l->device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	ret = l->line.fd < 0 ? -errno : take_line(l);
	if (ret && l->line.fd >= 0) {
		close(l->line.fd);
		l->line.fd = -1;
	}
	serial_wait(&l->line);
	return ret;
}

/* The last reply is still in the UART, and is sent at the speed of the line. */
static void serial_close(struct line *line)
{
	if (line->fd < 0)
		return;
	line_drain(line->fd, TIOCOUTQ, DRAIN_MS);
	ioctl(line->fd, TIOCNXCL);
	tcsetattr(line->fd, TCSANOW, &((struct serial *)line)->before);
	close(line->fd);
	line->fd = -1;
}

static ssize_t serial_read(struct line *line, void *buf, size_t len)
{
	struct serial *l = (struct serial *)line;
	ssize_t n;

	do {
		n = fd_read(line->fd, FD_OTHER, buf, len);
		if (n <= 0)
			return n;
		n = (ssize_t)parmrk_decode(&l->parmrk, buf, (size_t)n);
	} while (n == 0);
	return n;
}

static int serial_prepare(struct line *line)
{
	struct serial *l = (struct serial *)line;
	int ret;

	if (endpoint_backoff_pending(&line->ep))
		return -EAGAIN;
	ret = line->fd < 0 ? open_line(l) : 0;
	return ret && !l->final ? -EAGAIN : ret;
}

static int serial_absent(struct line *line, short revents)
{
	(void)revents;
	serial_close(line);
	serial_wait(line);
	return ((struct serial *)line)->final ? -EIO : -EAGAIN;
}

static void serial_begin(struct line *line)
{
	((struct serial *)line)->parmrk = PARMRK_DATA;
}

static const struct line_ops serial_ops = {
	.prepare = serial_prepare,
	.absent = serial_absent,
	.begin = serial_begin,
	.wait = serial_wait,
	.read = serial_read,
	.write = line_write,
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
	l = line_new(s, sizeof(*l), &serial_ops);
	if (!l)
		return -ENOMEM;
	l->speed = speed;
	l->hw_flow = s->hw_flow;
	/* the number of a pty that has gone may be another's tomorrow */
	l->final = l->line.speaks_first || strncmp(s->name, "/dev/pts/", 9) == 0;
	memcpy(l->device, s->name, sizeof(l->device));
	snprintf(l->line.stream.peer, sizeof(l->line.stream.peer), "%.60s", l->device);
	ret = open_line(l);
	if (ret) {
		line_close(&l->line.ep);
		return line_failed(s, ret);
	}
	snprintf(l->line.ep.name, sizeof(l->line.ep.name), "serial:%s", l->device);
	*out = &l->line.ep;
	return 0;
}
