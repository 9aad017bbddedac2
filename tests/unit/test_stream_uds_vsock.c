// SPDX-License-Identifier: MIT
/* The CONNECT handshake with a VMM that the test simulates. */
#define _GNU_SOURCE
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "transport_help.h"

static char path[64];
static int listener;
static struct vmgdb_endpoint *ep;

static void start(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(path, sizeof(path), "%s/fc.sock", temp_dir());
	strcpy(a.sun_path, path);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(listener, 8), 0);
	ep = open_endpoint(VMGDB_DEBUGGER, "uds-vsock:%s:1234", path);
}

static void stop(void)
{
	vmgdb_endpoint_close(ep);
	close(listener);
	unlink(path);
	remove_temp_dir();
}

TestSuite(uds_vsock, .init = start, .fini = stop);

/* The VMM's end of a connection, after it has read the request. */
static int answer_call(void)
{
	static const char expected[] = "CONNECT 1234\n";
	char buf[64] = "";
	struct stream *s;
	int fd;

	cr_assert_eq(accept_within(ep, 50, &s), -EAGAIN);
	fd = accept(listener, NULL, NULL);
	cr_assert(fd >= 0);
	cr_expect_eq(read(fd, buf, sizeof(buf) - 1), sizeof(expected) - 1);
	cr_expect_str_eq(buf, expected);
	return fd;
}

static void put(int fd, const char *text)
{
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

Test(uds_vsock, exchange, .description = "after OK the connection is a stream like any other")
{
	char name[96];
	struct stream *s;
	int fd = answer_call();

	snprintf(name, sizeof(name), "uds-vsock:%s:1234", path);
	cr_expect_str_eq(ep->name, name);
	put(fd, "OK 1073741824\n");
	s = accept_one(ep);
	cr_expect_eq(s->traits, STREAM_RELIABLE | STREAM_HANGUP);
	exchange(s, fd);
	close(fd);
	expect_gone(s);
	s->ops->close(s);
}

Test(uds_vsock, same_segment, .description = "bytes that arrive with OK belong to the stream")
{
	char buf[32] = "";
	struct stream *s;
	int fd = answer_call();

	put(fd, "OK 5\n\nOK 6\n$x#78");
	s = accept_one(ep);
	cr_expect_eq(read_soon(s, buf, sizeof(buf) - 1), 11);
	cr_expect_str_eq(buf, "\nOK 6\n$x#78");
	s->ops->close(s);
	close(fd);
}

Test(uds_vsock, bytewise,
     .description = "OK may arrive byte by byte, and waiting for it does not spin")
{
	static const char ok[] = "OK 5\n";
	struct stream *s = NULL;
	int fd = answer_call(), i;

	for (i = 0; i < 4; i++) {
		put(fd, (char[]){ ok[i], '\0' });
		cr_expect_leq(wakeups(ep, 20), 2);
	}
	put(fd, "\n$");
	s = accept_one(ep);
	cr_expect_eq(read_soon(s, &(char){ 0 }, 1), 1);
	say_hello(s, fd);
	s->ops->close(s);
	close(fd);
}

static void expect_refused(const char *answer, int err, const char *why)
{
	int before = count_fds(), fd = answer_call();
	struct stream *s;

	put(fd, answer);
	shutdown(fd, SHUT_WR);
	cr_expect_eq(accept_within(ep, 5000, &s), err);
	cr_expect(strstr(ep->refused, why), "%s", ep->refused);
	cr_expect(read(fd, &(char){ 0 }, 1) <= 0, "the connection is closed");
	close(fd);
	cr_expect_eq(count_fds(), before);
}

Test(uds_vsock, refused, .description = "any other answer is a refusal, reported with its text")
{
	char endless[200];

	expect_refused("NO such port\n", -EACCES, "it answered 'NO such port'");
	expect_refused("OKAY 5\n", -EACCES, "it answered 'OKAY 5'");
	expect_refused("\n", -EACCES, "it answered ''");
	expect_refused("bad\x1b[2J\n", -EACCES, "it answered 'bad?[2J'");
	expect_refused("", -ECONNREFUSED, "nobody listens on that port");
	expect_refused("OK 5", -ECONNREFUSED, "hung up");
	memset(endless, 'x', sizeof(endless));
	endless[sizeof(endless) - 1] = '\0';
	expect_refused(endless, -EACCES, "its answer has no end");
}

Test(uds_vsock, closed_amid,
     .description =
	     "an endpoint that is closed in the middle of the handshake leaves nothing behind")
{
	int fd = answer_call();

	put(fd, "OK");
	vmgdb_endpoint_close(ep);
	ep = NULL;
	cr_expect(read(fd, &(char){ 0 }, 1) <= 0);
	close(fd);
}

Test(uds_vsock, no_server, .description = "without a VMM the endpoint can't be reached")
{
	struct vmgdb_endpoint *none = open_endpoint(VMGDB_DEBUGGER, "uds-vsock:%s.x:1", path);
	struct stream *s;

	cr_expect_eq(accept_within(none, 5000, &s), -ENOENT);
	vmgdb_endpoint_close(none);
}
