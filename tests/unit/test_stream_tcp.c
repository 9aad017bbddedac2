// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport_help.h"

static int port_of(const struct vmgdb_endpoint *ep)
{
	int port;

	cr_assert_eq(sscanf(vmgdb_endpoint_attach(ep), "127.0.0.1:%d", &port), 1, "%s", ep->attach);
	return port;
}

Test(tcp, listen, .description = "port 0 is replaced, on loopback only, in name and attach")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "0");
	char name[64];

	snprintf(name, sizeof(name), "tcp:127.0.0.1:%d", port_of(ep));
	cr_expect(port_of(ep) > 0);
	cr_expect_str_eq(vmgdb_endpoint_name(ep), name);
	cr_expect_eq(fcntl(ep->pfd.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	cr_expect_eq(fcntl(ep->pfd.fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	vmgdb_endpoint_close(ep);
}

Test(tcp, attach_any, .description = "a listener on all addresses has its port in its name")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "tcp:0.0.0.0:0");

	cr_expect_eq(strncmp(ep->name, "tcp:0.0.0.0:", 12), 0, "%s", ep->name);
	cr_expect(port_of(ep) > 0);
	vmgdb_endpoint_close(ep);
}

static bool have_ipv6(void)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	bool have = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

	close(fd);
	return have;
}

Test(tcp, ipv6, .description = "an IPv6 address in brackets")
{
	struct vmgdb_endpoint *ep, *d;
	struct stream *s, *c;

	if (!have_ipv6())
		cr_skip_test("no ::1 on this machine");
	ep = open_endpoint(VMGDB_STUB, "tcp:[::1]:0");
	cr_expect_eq(strncmp(ep->attach, "[::1]:", 6), 0, "%s", ep->attach);
	d = open_endpoint(VMGDB_DEBUGGER, "%s", ep->name);
	c = accept_one(d);
	s = accept_one(ep);
	say_hello(s, c->rfd);
	c->ops->close(c);
	s->ops->close(s);
	vmgdb_endpoint_close(d);
	vmgdb_endpoint_close(ep);
}

Test(tcp, exchange, .description = "1 MiB of random bytes each way arrives unchanged")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "tcp:0");
	int fd = dial_tcp(port_of(ep));
	struct stream *s = accept_one(ep);
	socklen_t len = sizeof(int);
	int on = 0;

	cr_expect_eq(s->traits, STREAM_RELIABLE | STREAM_HANGUP);
	cr_expect_eq(strncmp(s->peer, "127.0.0.1:", 10), 0, "%s", s->peer);
	cr_expect_eq(getsockopt(s->rfd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
	cr_expect(on, "Nagle's algorithm is off");
	cr_expect_eq(fcntl(s->rfd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	exchange(s, fd);
	s->ops->close(s);
	close(fd);
	vmgdb_endpoint_close(ep);
}

static int option_of(int fd, int level, int option)
{
	socklen_t len = sizeof(int);
	int value = -1;

	cr_assert_eq(getsockopt(fd, level, option, &value, &len), 0);
	return value;
}

static void expect_noticed(const struct stream *s)
{
	int probes = option_of(s->rfd, IPPROTO_TCP, TCP_KEEPINTVL) *
		     option_of(s->rfd, IPPROTO_TCP, TCP_KEEPCNT);

	cr_expect_eq(option_of(s->rfd, SOL_SOCKET, SO_KEEPALIVE), 1);
	cr_expect_leq(option_of(s->rfd, IPPROTO_TCP, TCP_KEEPIDLE) + probes, 30);
	cr_expect_eq(option_of(s->rfd, IPPROTO_TCP, TCP_USER_TIMEOUT), 30000);
}

Test(tcp, vanished,
     .description =
	     "keepalive and the user timeout detect within half a minute that a machine has vanished")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "tcp:0");
	struct vmgdb_endpoint *d = open_endpoint(VMGDB_DEBUGGER, "%s", ep->name);
	struct stream *c = accept_one(d), *s = accept_one(ep);

	expect_noticed(s);
	expect_noticed(c);
	c->ops->close(c);
	s->ops->close(s);
	vmgdb_endpoint_close(d);
	vmgdb_endpoint_close(ep);
}

Test(tcp, queue, .description = "100 connections are established while none is accepted yet")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "tcp:0");
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct pollfd p[100];
	int i;

	a.sin_port = htons((uint16_t)port_of(ep));
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (i = 0; i < 100; i++) {
		p[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		p[i].events = POLLOUT;
		connect(p[i].fd, (struct sockaddr *)&a, sizeof(a));
	}
	for (i = 0; i < 100; i++) {
		cr_expect(poll(&p[i], 1, 500) == 1 && !(p[i].revents & (POLLERR | POLLHUP)),
			  "connection %d", i);
		close(p[i].fd);
	}
	vmgdb_endpoint_close(ep);
}

Test(tcp, finish, .description = "the peer reads all bytes that were written, while it still sends")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "tcp:0");
	int fd = dial_tcp(port_of(ep));
	struct stream *s = accept_one(ep);
	char buf[8];

	cr_expect_eq(s->ops->write(s, "bye", 3), 3);
	cr_expect_eq(s->ops->finish(s), 0);
	cr_expect_eq(write(fd, "late", 4), 4);
	cr_expect_eq(recv(fd, buf, 3, MSG_WAITALL), 3);
	cr_expect_eq(read(fd, buf, sizeof(buf)), 0);
	cr_expect_eq(read_soon(s, buf, sizeof(buf)), 4);
	close(fd);
	expect_gone(s);
	s->ops->close(s);
	vmgdb_endpoint_close(ep);
}

Test(tcp, loopback, .description = "a peer on this machine is identified as local")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "tcp:0");
	int fd = dial_tcp(port_of(ep));
	struct stream *s = accept_one(ep);

	cr_expect_eq(s->id.kind, PEER_TCP_LOOPBACK);
	s->ops->close(s);
	close(fd);
	vmgdb_endpoint_close(ep);
}

Test(tcp, leave, .description = "50 debuggers one after the other; each disconnect is detected")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "tcp:0");
	int before = count_fds();
	int i;

	for (i = 0; i < 50; i++) {
		int fd = dial_tcp(port_of(ep));
		struct stream *s = accept_one(ep);

		say_hello(s, fd);
		close(fd);
		expect_gone(s);
		s->ops->close(s);
	}
	cr_expect_eq(count_fds(), before);
	vmgdb_endpoint_close(ep);
	cr_expect_eq(count_fds(), before - 1);
}

Test(tcp, second, .description = "a second debugger is accepted while the first one is connected")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "tcp:0");
	int fd1 = dial_tcp(port_of(ep)), fd2 = dial_tcp(port_of(ep));
	struct stream *s1 = accept_one(ep), *s2 = accept_one(ep);

	s2->ops->close(s2);
	cr_expect_eq(read(fd2, &(char){ 0 }, 1), 0);
	say_hello(s1, fd1);
	close(fd1);
	close(fd2);
	s1->ops->close(s1);
	vmgdb_endpoint_close(ep);
}

Test(tcp, no_sigpipe, .description = "writing to a peer that has gone is an error, not a signal")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "tcp:0");
	int fd = dial_tcp(port_of(ep));
	struct stream *s = accept_one(ep);
	ssize_t n = 0;
	int i;

	close(fd);
	for (i = 0; i < 100 && n >= 0; i++)
		n = s->ops->write(s, "x", 1);
	cr_expect(n == -EPIPE || n == -ECONNRESET, "%zd", n);
	s->ops->close(s);
	vmgdb_endpoint_close(ep);
}

Test(tcp, in_use, .description = "a port that another socket listens on is refused")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "tcp:0");
	const char *err = open_refused(-EADDRINUSE, "tcp:%d", port_of(ep));

	cr_expect(strstr(err, "Address already in use"), "%s", err);
	vmgdb_endpoint_close(ep);
}

Test(tcp, shortage, .description = "out of descriptors, the listener waits instead of spinning")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "tcp:0");
	int fd = dial_tcp(port_of(ep)), lowest_free = dup(fd);
	struct rlimit before, none;
	struct stream *s;

	close(lowest_free);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)lowest_free;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	cr_expect_leq(wakeups(ep, 1000), 4);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	s = accept_one(ep);
	say_hello(s, fd);
	s->ops->close(s);
	close(fd);
	vmgdb_endpoint_close(ep);
}

Test(tcp, dial,
     .description = "the debugger's side connects, and gets an error when nothing listens")
{
	struct vmgdb_endpoint *ep = open_endpoint(VMGDB_STUB, "tcp:0");
	struct vmgdb_endpoint *d = open_endpoint(VMGDB_DEBUGGER, "tcp:%d", port_of(ep));
	struct stream *c = accept_one(d), *s = accept_one(ep), *none;

	cr_expect_str_eq(d->attach, "");
	cr_expect_str_eq(d->name, ep->name);
	cr_expect_eq(d->ops->accept(d, &none), -EAGAIN, "one at a time");
	say_hello(s, c->rfd);
	c->ops->close(c);
	expect_gone(s);
	s->ops->close(s);
	vmgdb_endpoint_close(ep);
	cr_expect_eq(accept_within(d, 5000, &none), -ECONNREFUSED);
	cr_expect(strstr(d->refused, "Connection refused"), "%s", d->refused);
	vmgdb_endpoint_close(d);
}

Test(tcp, dial_stub,
     .description = "a stub that dials retries until a listener accepts, and after each debugger")
{
	struct vmgdb_endpoint *l = open_endpoint(VMGDB_ACCEPT, "tcp:0");
	int port = port_of(l), i;
	struct vmgdb_endpoint *d;
	struct stream *c, *s;

	vmgdb_endpoint_close(l);
	d = open_endpoint(VMGDB_STUB, "tcp:%d,dial", port);
	cr_expect_leq(wakeups(d, 1000), 12, "it tries less and less often");
	l = open_endpoint(VMGDB_ACCEPT, "tcp:%d", port);
	for (i = 0; i < 2; i++) {
		c = accept_one(d);
		s = accept_one(l);
		say_hello(c, s->rfd);
		s->ops->close(s);
		expect_gone(c);
		c->ops->close(c);
	}
	vmgdb_endpoint_close(l);
	vmgdb_endpoint_close(d);
}

Test(tcp, close_while_dialling, .description = "an endpoint can be closed at any time")
{
	struct vmgdb_endpoint *l = open_endpoint(VMGDB_ACCEPT, "tcp:0"), *d;
	int before = count_fds();
	struct stream *s;

	d = open_endpoint(VMGDB_STUB, "tcp:%d,dial", port_of(l));
	vmgdb_endpoint_close(d);
	d = open_endpoint(VMGDB_STUB, "tcp:%d,dial", port_of(l));
	if (d->ops->accept(d, &s) == 0)
		s->ops->close(s);
	vmgdb_endpoint_close(d);
	cr_expect_eq(count_fds(), before);
	vmgdb_endpoint_close(l);
}
