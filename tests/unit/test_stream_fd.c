// SPDX-License-Identifier: MIT
/* Inherited descriptors: fd:N and stdio. */
#define _GNU_SOURCE
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "transport_help.h"

Test(fd, socketpair, .description = "a connected socket is one stream, then the endpoint is done")
{
	int before = count_fds(), sv[2];
	struct vmgdb_endpoint *ep;
	struct stream *s, *none;
	char name[32];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	ep = open_endpoint(VMGDB_STUB, "fd:%d", sv[0]);
	snprintf(name, sizeof(name), "fd:%d", sv[0]);
	cr_expect_str_eq(ep->name, name);
	cr_expect_str_eq(ep->attach, "");
	cr_expect_eq(fcntl(sv[0], F_GETFD), FD_CLOEXEC);
	s = accept_one(ep);
	cr_expect_eq(s->traits, STREAM_RELIABLE | STREAM_HANGUP);
	cr_expect_eq(accept_within(ep, 50, &none), -EAGAIN);
	exchange(s, sv[1]);
	close(sv[1]);
	expect_gone(s);
	s->ops->close(s);
	cr_expect_eq(ep->ops->accept(ep, &none), -ESHUTDOWN);
	vmgdb_endpoint_close(ep);
	cr_expect_eq(count_fds(), before);
}

Test(fd, unused,
     .description =
	     "an endpoint that is closed before its stream was accepted closes the descriptor")
{
	int before = count_fds(), sv[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	vmgdb_endpoint_close(open_endpoint(VMGDB_STUB, "fd:%d", sv[0]));
	cr_expect_eq(read(sv[1], &(char){ 0 }, 1), 0);
	close(sv[1]);
	cr_expect_eq(count_fds(), before);
}

Test(fd, listening,
     .description = "fd:N accepts connections of a listening socket: socket activation")
{
	int before = count_fds(), l = socket(AF_UNIX, SOCK_STREAM, 0), i;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct vmgdb_endpoint *ep;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/s", temp_dir());
	cr_assert_eq(bind(l, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(l, 1), 0);
	ep = open_endpoint(VMGDB_STUB, "fd:%d", l);
	cr_expect_str_eq(ep->attach, a.sun_path);
	for (i = 0; i < 50; i++) {
		int fd = dial_unix(a.sun_path);
		struct stream *s = accept_one(ep);

		say_hello(s, fd);
		close(fd);
		expect_gone(s);
		s->ops->close(s);
	}
	vmgdb_endpoint_close(ep);
	cr_expect_eq(count_fds(), before);
	cr_expect_eq(unlink(a.sun_path), 0, "its maker removes it");
	remove_temp_dir();
}

Test(fd, stopped_listening,
     .description =
	     "accept is retried, with a delay, on a listener that another process has shut down")
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int l = socket(AF_INET, SOCK_STREAM, 0), other = dup(l), fd;
	socklen_t len = sizeof(a);
	struct vmgdb_endpoint *ep;
	struct stream *s;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(bind(l, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(l, 1), 0);
	ep = open_endpoint(VMGDB_STUB, "fd:%d", l);
	cr_assert_eq(shutdown(other, SHUT_RD), 0);
	cr_expect_leq(wakeups(ep, 1000), 4);
	cr_expect_eq(ep->shortage, -EINVAL);
	cr_assert_eq(listen(other, 1), 0);
	cr_assert_eq(getsockname(other, (struct sockaddr *)&a, &len), 0);
	fd = dial_tcp(ntohs(a.sin_port));
	s = accept_one(ep);
	cr_expect_eq(ep->shortage, 0);
	say_hello(s, fd);
	s->ops->close(s);
	close(fd);
	close(other);
	vmgdb_endpoint_close(ep);
}

Test(fd, not_open, .description = "a number that no descriptor has is refused")
{
	const char *err = open_refused(-EBADF, "fd:987");

	cr_expect_str_eq(err, "endpoint 'fd:987': descriptor 987: Bad file descriptor");
}

/* fd is refused for what it is, and stays open as it was; then it is closed. */
static void expect_misfit(int fd, const char *what)
{
	char expected[160];

	cr_assert(fd >= 0, "%s: %s", what, strerror(errno));
	snprintf(expected, sizeof(expected), "endpoint 'fd:%d': descriptor %d is %s", fd, fd, what);
	cr_expect_str_eq(open_refused(-EINVAL, "fd:%d", fd), expected);
	cr_expect_eq(fcntl(fd, F_GETFD), 0);
	close(fd);
}

Test(fd, no_stream_file,
     .description = "a file without a peer is refused, and the error says what it is")
{
	int p[2];

	expect_misfit(open("/dev/null", O_RDWR), "a device other than a terminal");
	expect_misfit(memfd_create("x", 0), "a regular file");
	expect_misfit(open("/", O_RDONLY), "a directory");
	expect_misfit(open("/", O_PATH), "a directory");
	expect_misfit(epoll_create1(0), "neither a socket nor a terminal");
	expect_misfit(eventfd(0, 0), "neither a socket nor a terminal");
	cr_assert_eq(pipe(p), 0);
	expect_misfit(p[0], "one end of a pipe");
	expect_misfit(p[1], "one end of a pipe");
}

Test(fd, no_stream_socket,
     .description = "a socket that carries no byte stream to a peer is refused")
{
	static const char type[] = "a socket that is not of type SOCK_STREAM";
	static const char peer[] = "a socket that neither is connected nor listens";
	int sv[2];

	expect_misfit(socket(AF_INET, SOCK_DGRAM, 0), type);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, sv), 0);
	expect_misfit(sv[0], type);
	close(sv[1]);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	expect_misfit(sv[0], type);
	close(sv[1]);
	expect_misfit(socket(AF_NETLINK, SOCK_RAW, 0), type);
	expect_misfit(socket(AF_INET, SOCK_STREAM, 0), peer);
	expect_misfit(socket(AF_UNIX, SOCK_STREAM, 0), peer);
}

Test(fd, terminal,
     .description = "both ends of a pty are accepted, but not one that is open one way")
{
	static const char one_way[] = "a terminal that is not open for reading and writing";
	int before = count_fds(), m = posix_openpt(O_RDWR | O_NOCTTY);
	struct vmgdb_endpoint *ep;
	struct stream *s;

	cr_assert(m >= 0 && unlockpt(m) == 0);
	expect_misfit(open(ptsname(m), O_RDONLY | O_NOCTTY), one_way);
	expect_misfit(open(ptsname(m), O_WRONLY | O_NOCTTY), one_way);
	ep = open_endpoint(VMGDB_STUB, "fd:%d", open(ptsname(m), O_RDWR | O_NOCTTY));
	s = accept_one(ep);
	s->ops->close(s);
	vmgdb_endpoint_close(ep);
	ep = open_endpoint(VMGDB_STUB, "fd:%d", m);
	vmgdb_endpoint_close(ep);
	cr_expect_eq(count_fds(), before);
}

/* Standard input and output become pipes; *to and *from are their other ends. */
static struct vmgdb_endpoint *stdio_on_pipes(int *to, int *from)
{
	struct vmgdb_endpoint *ep;
	int in[2], out[2], saved_in = dup(0), saved_out = dup(1);

	cr_assert_eq(pipe(in), 0);
	cr_assert_eq(pipe(out), 0);
	dup2(in[0], 0);
	dup2(out[1], 1);
	ep = open_endpoint(VMGDB_STUB, "stdio");
	dup2(saved_in, 0);
	dup2(saved_out, 1);
	close(saved_in);
	close(saved_out);
	close(in[0]);
	close(out[1]);
	*to = in[1];
	*from = out[0];
	return ep;
}

Test(stdio, pipes, .description = "standard input and output are the two halves of a stream")
{
	int before = count_fds(), to, from;
	struct vmgdb_endpoint *ep = stdio_on_pipes(&to, &from);
	struct stream *s = accept_one(ep);
	char buf[8];

	cr_expect_str_eq(ep->name, "stdio");
	cr_expect_str_eq(s->peer, "stdio");
	cr_expect_neq(s->rfd, s->wfd);
	cr_expect(s->rfd > 2 && s->wfd > 2, "duplicates");
	cr_assert_eq(write(to, "+$?#3f", 6), 6);
	cr_expect_eq(read_soon(s, buf, sizeof(buf)), 6);
	cr_assert_eq(s->ops->write(s, "$S05#b8", 7), 7);
	cr_expect_eq(read(from, buf, sizeof(buf)), 7);
	close(to);
	expect_gone(s);
	s->ops->close(s);
	close(from);
	vmgdb_endpoint_close(ep);
	cr_expect_eq(count_fds(), before);
}

Test(stdio, backpressure, .description = "a pipe that is full gives -EAGAIN")
{
	int to, from;
	struct vmgdb_endpoint *ep = stdio_on_pipes(&to, &from);
	struct stream *s = accept_one(ep);
	char buf[4096] = "";
	ssize_t n;

	while ((n = s->ops->write(s, buf, sizeof(buf))) > 0)
		;
	cr_expect_eq(n, -EAGAIN);
	cr_expect_eq(s->ops->read(s, buf, 1), -EAGAIN);
	s->ops->close(s);
	vmgdb_endpoint_close(ep);
	close(to);
	close(from);
}

static void expect_no_sigpipe(struct stream *s)
{
	sigset_t pending;

	cr_expect_eq(s->ops->write(s, "x", 1), -EPIPE);
	sigpending(&pending);
	cr_expect_not(sigismember(&pending, SIGPIPE));
}

Test(stdio, no_sigpipe, .description = "a pipe whose reader has gone is an error, not a signal")
{
	int to, from;
	struct vmgdb_endpoint *ep = stdio_on_pipes(&to, &from);
	struct stream *s = accept_one(ep);
	sigset_t mask;

	close(from);
	expect_no_sigpipe(s);
	sigemptyset(&mask);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	cr_expect_not(sigismember(&mask, SIGPIPE), "the thread's mask is as it was");
	s->ops->close(s);
	vmgdb_endpoint_close(ep);
	close(to);
}

Test(stdio, flags_kept, .description = "the flags of a terminal shared with a shell are restored")
{
	int m = posix_openpt(O_RDWR | O_NOCTTY), saved_in = dup(0), saved_out = dup(1), t;
	struct vmgdb_endpoint *ep;
	struct stream *s;

	cr_assert(m >= 0 && unlockpt(m) == 0);
	t = open(ptsname(m), O_RDWR | O_NOCTTY);
	dup2(t, 0);
	dup2(t, 1);
	ep = open_endpoint(VMGDB_STUB, "stdio");
	dup2(saved_in, 0);
	dup2(saved_out, 1);
	cr_expect_eq(fcntl(t, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	s = accept_one(ep);
	cr_expect_eq(s->traits, 0, "it could be a serial line");
	s->ops->close(s);
	vmgdb_endpoint_close(ep);
	cr_expect_eq(fcntl(t, F_GETFL) & O_NONBLOCK, 0);
	close(t);
	close(m);
	close(saved_in);
	close(saved_out);
}
