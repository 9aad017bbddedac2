// SPDX-License-Identifier: MIT
#include "transport/fdstream.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct fdstream {
	struct stream s;
	enum fd_type rtype, wtype;
	void (*closed)(struct vmgdb_endpoint *ep);
	struct vmgdb_endpoint *ep;
};

enum fd_type fd_type(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
		return FD_SOCKET;
	return S_ISFIFO(st.st_mode) ? FD_PIPE : FD_OTHER;
}

/* MSG_NOSIGNAL is for sockets only: elsewhere SIGPIPE is blocked during the write, and one that this
 * write has raised is taken from the queue. */
static ssize_t write_pipe(int fd, const void *buf, size_t len)
{
	static const struct timespec now;
	sigset_t sigpipe, old, before;
	ssize_t n;
	int err;

	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	sigpending(&before);
	pthread_sigmask(SIG_BLOCK, &sigpipe, &old);
	n = write(fd, buf, len);
	err = errno;
	if (n < 0 && err == EPIPE && !sigismember(&before, SIGPIPE))
		sigtimedwait(&sigpipe, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = err;
	return n;
}

ssize_t fd_read(int fd, enum fd_type type, void *buf, size_t len)
{
	ssize_t n;

	do
		n = type == FD_SOCKET ? recv(fd, buf, len, MSG_DONTWAIT) : read(fd, buf, len);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EIO && type == FD_OTHER)
		return 0;
	return n < 0 ? -errno : n;
}

/* A queue that is full stays so when nobody is there to read. */
static int why_full(int fd, enum fd_type type)
{
	struct pollfd p = { .fd = fd };

	if (type == FD_OTHER && poll(&p, 1, 0) > 0 && p.revents & POLLHUP)
		return -EPIPE;
	return -EAGAIN;
}

ssize_t fd_write(int fd, enum fd_type type, const void *buf, size_t len)
{
	ssize_t n;

	do {
		if (type == FD_SOCKET)
			n = send(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		else if (type == FD_PIPE)
			n = write_pipe(fd, buf, len);
		else
			n = write(fd, buf, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? why_full(fd, type) : -errno;
	return n;
}

static ssize_t fdstream_read(struct stream *s, void *buf, size_t len)
{
	return fd_read(s->rfd, ((struct fdstream *)s)->rtype, buf, len);
}

static ssize_t fdstream_write(struct stream *s, const void *buf, size_t len)
{
	return fd_write(s->wfd, ((struct fdstream *)s)->wtype, buf, len);
}

static int fdstream_finish(struct stream *s)
{
	if (((struct fdstream *)s)->wtype != FD_SOCKET)
		return -EOPNOTSUPP;
	return shutdown(s->wfd, SHUT_WR) < 0 ? -errno : 0;
}

void fd_close_both(int rfd, int wfd)
{
	close(rfd);
	if (wfd != rfd)
		close(wfd);
}

static void fdstream_close(struct stream *s)
{
	struct fdstream *f = (struct fdstream *)s;

	if (f->closed)
		f->closed(f->ep);
	fd_close_both(s->rfd, s->wfd);
	free(f);
}

static const struct stream_ops fdstream_ops = {
	.read = fdstream_read,
	.write = fdstream_write,
	.finish = fdstream_finish,
	.close = fdstream_close,
};

struct stream *fdstream_new(int rfd, int wfd, unsigned int traits,
			    void (*closed)(struct vmgdb_endpoint *ep), struct vmgdb_endpoint *ep)
{
	struct fdstream *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->s.ops = &fdstream_ops;
	f->s.rfd = rfd;
	f->s.wfd = wfd;
	f->s.traits = traits;
	f->rtype = fd_type(rfd);
	f->wtype = fd_type(wfd);
	f->closed = closed;
	f->ep = ep;
	return &f->s;
}
