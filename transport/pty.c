// SPDX-License-Identifier: MIT
/*
 * A pseudo-terminal whose slave the debugger opens.
 *
 * There is a peer from its first byte on: debuggers send the first byte, and a process that merely opens the
 * slave for a moment (stty, a file manager) is none. The peer has left when the master reads EIO: no
 * process has the slave open. A debugger that leaves and comes back between two reads is noticed by
 * inotify, which counts opens and closes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "transport/epoll_edge.h"
#include "transport/fdstream.h"
#include "transport/line.h"
#include "transport/owned_path.h"

enum { DRAIN_MS = 200 };

struct pty {
	struct line line; /* first member; its descriptor is the master */
	int inotify; /* -1: this system has no more; all but the fastest return is seen without */
	unsigned int holders;
	bool left;	/* since the stream began nobody had the slave open for a moment */
	bool came_back; /* and then somebody did */
	struct owned_path link;
	char slave[32];
};

static void count_holders(struct pty *p, uint32_t mask)
{
	if (mask & IN_OPEN) {
		p->came_back = p->came_back || p->left;
		p->holders++;
	} else if ((mask & IN_CLOSE) && p->holders > 0) {
		p->holders--;
		p->left = p->left || p->holders == 0;
	}
}

/* Events on a file, unlike those on a directory, have no name: all are of one size. */
static void watch_holders(struct pty *p)
{
	struct inotify_event e[16];
	ssize_t n, i;

	do {
		n = read(p->inotify, e, sizeof(e));
		for (i = 0; i < n / (ssize_t)sizeof(e[0]); i++)
			count_holders(p, e[i].mask);
	} while (n == (ssize_t)sizeof(e));
}

static ssize_t pty_read(struct line *l, void *buf, size_t len)
{
	struct pty *p = (struct pty *)l;

	watch_holders(p);
	return p->came_back ? 0 : fd_read(l->fd, FD_OTHER, buf, len);
}

/* Raw, without echo, and nothing in the slave's input that was meant for an earlier debugger. On
 * the master these act on the slave; TCSAFLUSH is what reaches its line discipline. */
static int make_raw(int master)
{
	struct termios t;

	if (tcgetattr(master, &t) < 0)
		return -errno;
	cfmakeraw(&t);
	tcflush(master, TCOFLUSH);
	return tcsetattr(master, TCSAFLUSH, &t) < 0 ? -errno : 0;
}

/*
 * Discard what the last debugger left unread, or all that one sent which left before it was seen. The next
 * debugger may come at any moment: only what was there while nobody had the slave open is discarded.
 */
static void discard_input(const struct pty *p)
{
	char buf[4096];
	int n;

	while (ioctl(p->line.fd, FIONREAD, &n) == 0 && n > 0 && line_poll(&p->line) & POLLHUP) {
		size_t len = (size_t)n < sizeof(buf) ? (size_t)n : sizeof(buf);

		if (fd_read(p->line.fd, FD_OTHER, buf, len) <= 0)
			return;
	}
}

static int pty_prepare(struct line *l)
{
	struct pty *p = (struct pty *)l;

	edge_consume(l->edge);
	watch_holders(p);
	return 0;
}

/* Nobody has the slave open: the next debugger finds it as the first one did. */
static int pty_absent(struct line *l, short revents)
{
	struct pty *p = (struct pty *)l;

	if (revents & POLLIN)
		discard_input(p);
	make_raw(l->fd);
	p->holders = 0;
	p->left = false;
	return -EAGAIN;
}

static void pty_begin(struct line *l)
{
	struct pty *p = (struct pty *)l;

	if (p->left)
		make_raw(l->fd);
	p->left = p->came_back = false;
	if (p->holders == 0)
		p->holders = 1;
}

/*
 * The final flush: when the master is closed, what the debugger has not read yet is lost. What was
 * written just now is still on its way into the slave's queue.
 */
static void drain(const struct pty *p)
{
	int slave;

	if (p->line.fd < 0 || line_poll(&p->line) & POLLHUP)
		return;
	slave = open(p->slave, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (slave < 0)
		return;
	line_drain(slave, FIONREAD, DRAIN_MS);
	close(slave);
}

static void pty_close(struct line *l)
{
	struct pty *p = (struct pty *)l;

	drain(p);
	owned_path_remove(&p->link);
	if (p->inotify >= 0)
		close(p->inotify);
}

static const struct line_ops pty_ops = {
	.prepare = pty_prepare,
	.absent = pty_absent,
	.begin = pty_begin,
	.wait = line_wait,
	.read = pty_read,
	.write = line_write,
	.close = pty_close,
};

static int open_master(struct pty *p)
{
	int ret;

	p->line.fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (p->line.fd < 0)
		return -errno;
	if (grantpt(p->line.fd) < 0 || unlockpt(p->line.fd) < 0)
		return -errno;
	if (ptsname_r(p->line.fd, p->slave, sizeof(p->slave)) != 0 || chmod(p->slave, 0600) < 0)
		return -errno;
	p->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (p->inotify >= 0)
		inotify_add_watch(p->inotify, p->slave, IN_OPEN | IN_CLOSE);
	ret = line_open_edge(&p->line);
	return ret ? ret : make_raw(p->line.fd);
}

/* Remove a link that an earlier run left behind: to a pty that is gone, or to this one's number. */
static int remove_stale_link(const struct endpoint_spec *s, const char *slave)
{
	char target[32] = "";
	uint32_t number;

	if (readlink(s->name, target, sizeof(target) - 1) < 0 ||
	    strncmp(target, "/dev/pts/", 9) != 0 || !parse_number(target + 9, INT32_MAX, &number))
		return spec_error(s, -EEXIST, "'%s' exists and is not a link to a pty", s->name);
	if (strcmp(target, slave) != 0 && access(target, F_OK) == 0)
		return spec_error(s, -EEXIST, "'%s' is a link to %s, which is in use", s->name,
				  target);
	if (unlink(s->name) < 0)
		return spec_failed(s, -errno, "can't replace '%s'", s->name);
	return 0;
}

static int make_link(const struct endpoint_spec *s, struct pty *p)
{
	int ret = symlink(p->slave, s->name) < 0 ? -errno : 0;

	if (ret == -EEXIST) {
		ret = remove_stale_link(s, p->slave);
		if (ret)
			return ret;
		ret = symlink(p->slave, s->name) < 0 ? -errno : 0;
	}
	if (ret == 0)
		ret = owned_path_take(&p->link, s->name);
	return ret ? spec_failed(s, ret, "can't make the link '%s'", s->name) : 0;
}

int pty_listen(const struct endpoint_spec *s, struct vmgdb_endpoint **out)
{
	struct pty *p;
	int ret;

	if (s->role != VMGDB_STUB)
		return spec_error(s, -EINVAL,
				  "'pty' is for the VMM's side; the other opens it "
				  "as serial:/dev/pts/N");
	p = line_new(s, sizeof(*p), &pty_ops);
	if (!p)
		return -ENOMEM;
	p->inotify = -1;
	ret = open_master(p);
	if (ret)
		spec_failed(s, ret, "can't make a pty");
	else if (s->name[0])
		ret = make_link(s, p);
	if (ret) {
		line_close(&p->line.ep);
		return ret;
	}
	snprintf(p->line.ep.name, sizeof(p->line.ep.name), "pty%s%s", s->name[0] ? ":" : "",
		 s->name);
	snprintf(p->line.ep.attach, sizeof(p->line.ep.attach), "%s",
		 s->name[0] ? s->name : p->slave);
	snprintf(p->line.stream.peer, sizeof(p->line.stream.peer), "%s", p->slave);
	p->line.stream.traits = STREAM_RELIABLE | STREAM_HANGUP;
	*out = &p->line.ep;
	return 0;
}
