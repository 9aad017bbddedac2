// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* nftw */
#include "transport_help.h"

#include <criterion/criterion.h>
#include <criterion/hooks.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { LIMIT_MS = 5000, EXCHANGE = 1 << 20 };

static const char BASE[] = "VMGDB_TEST_BASE"; /* an environment variable: a folder for all tests */

static char dir[64];

/*
 * Criterion runs each test in a process of its own, and these hooks in the one that starts them. So
 * nothing is left of a test that crashes or takes too long.
 */
ReportHook(PRE_ALL)(struct criterion_test_set *tests)
{
	const char *tmp = getenv("TMPDIR");
	char base[48];

	(void)tests;
	/* tests/check removes its TMPDIR also when this program is killed; sockets need short paths */
	if (!tmp || strlen(tmp) > 24)
		tmp = "/tmp";
	snprintf(base, sizeof(base), "%s/vmgdb-XXXXXX", tmp);
	/* a test may let another user into its own folder */
	if (mkdtemp(base) && chmod(base, 0711) == 0)
		setenv(BASE, base, 1);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
	const char *base = getenv(BASE);

	(void)stats;
	if (base)
		nftw(base, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *temp_dir(void)
{
	const char *base = getenv(BASE);

	if (dir[0])
		return dir;
	cr_assert_not_null(base, "the folder for all tests could not be made");
	snprintf(dir, sizeof(dir), "%s/XXXXXX", base);
	cr_assert_not_null(mkdtemp(dir));
	return dir;
}

void remove_temp_dir(void)
{
	cr_expect_eq(rmdir(dir), 0, "%s: %s", dir, strerror(errno));
}

struct vmgdb_endpoint *open_endpoint(enum vmgdb_role role, const char *fmt, ...)
{
	struct vmgdb_endpoint *ep = NULL;
	char spec[256], err[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(spec, sizeof(spec), fmt, ap);
	va_end(ap);
	cr_assert_eq(vmgdb_endpoint_open(spec, role, &ep, err, sizeof(err)), 0, "%s", err);
	return ep;
}

const char *open_refused(int err, const char *fmt, ...)
{
	static char text[256];
	struct vmgdb_endpoint *ep;
	char spec[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(spec, sizeof(spec), fmt, ap);
	va_end(ap);
	cr_assert_eq(vmgdb_endpoint_open(spec, VMGDB_STUB, &ep, text, sizeof(text)), err, "%s",
		     text);
	cr_assert_null(ep);
	return text;
}

long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static int wait_ms(const struct vmgdb_endpoint *ep, long long end)
{
	long long left = end - now_ms();

	if (left < 0)
		left = 0;
	return ep->retry_ms && ep->retry_ms < left ? ep->retry_ms : (int)left;
}

int accept_within(struct vmgdb_endpoint *ep, int ms, struct stream **out)
{
	long long end = now_ms() + ms;

	for (;;) {
		int ready = poll(&ep->pfd, 1, wait_ms(ep, end));
		int ret = -EAGAIN;

		if (ready > 0 || ep->retry_ms)
			ret = ep->ops->accept(ep, out);
		if (ret != -EAGAIN || now_ms() >= end)
			return ret;
	}
}

struct stream *accept_one(struct vmgdb_endpoint *ep)
{
	struct stream *s = NULL;
	int ret = accept_within(ep, LIMIT_MS, &s);

	cr_assert_eq(ret, 0, "accept: %s %s", strerror(-ret), ep->refused);
	return s;
}

int wakeups(struct vmgdb_endpoint *ep, int ms)
{
	long long end = now_ms() + ms;
	struct stream *s;
	int n;

	for (n = 0; now_ms() < end; n++) {
		poll(&ep->pfd, 1, wait_ms(ep, end));
		cr_assert_eq(ep->ops->accept(ep, &s), -EAGAIN);
	}
	return n;
}

ssize_t read_soon(struct stream *s, void *buf, size_t len)
{
	struct pollfd p = { .fd = s->rfd, .events = POLLIN };

	poll(&p, 1, LIMIT_MS);
	return s->ops->read(s, buf, len);
}

void expect_gone(struct stream *s)
{
	char c;

	cr_expect_eq(read_soon(s, &c, 1), 0);
}

void say_hello(struct stream *s, int fd)
{
	char buf[16];
	ssize_t n;

	cr_assert_eq(write(fd, "+$qC#b4", 7), 7);
	for (n = 0; n < 7;) {
		ssize_t got = read_soon(s, buf + n, 7 - (size_t)n);

		cr_assert(got > 0, "read: %zd", got);
		n += got;
	}
	cr_expect_eq(memcmp(buf, "+$qC#b4", 7), 0);
	cr_assert_eq(s->ops->write(s, "+$QC1#f5", 8), 8);
	for (n = 0; n < 8;) {
		ssize_t got = read(fd, buf + n, 8 - (size_t)n);

		cr_assert(got > 0, "read: %zd", got);
		n += got;
	}
	cr_expect_eq(memcmp(buf, "+$QC1#f5", 8), 0);
}

/* One direction of an exchange: what is sent must come out. */
struct flow {
	unsigned char *bytes;
	size_t sent, received;
};

static void start_flow(struct flow *f)
{
	size_t i;

	f->sent = f->received = 0;
	f->bytes = malloc(EXCHANGE);
	cr_assert_not_null(f->bytes);
	for (i = 0; i < EXCHANGE; i++)
		f->bytes[i] = (unsigned char)(random() >> 7);
}

static size_t chunk(size_t left)
{
	size_t n = 1 + (size_t)random() % 5000;

	return n < left ? n : left;
}

static void sent(struct flow *f, ssize_t n)
{
	cr_assert(n > 0 || n == -EAGAIN, "write: %zd", n);
	if (n > 0)
		f->sent += (size_t)n;
}

static void received(struct flow *f, const void *buf, ssize_t n)
{
	cr_assert(n > 0 || n == -EAGAIN, "read: %zd", n);
	if (n < 0)
		return;
	cr_assert_eq(memcmp(f->bytes + f->received, buf, (size_t)n), 0, "byte %zu on", f->received);
	f->received += (size_t)n;
}

static ssize_t checked(ssize_t n)
{
	return n < 0 ? -errno : n;
}

static void move(struct stream *s, int fd, struct flow *in, struct flow *out)
{
	unsigned char buf[5000];
	size_t n;

	n = chunk(EXCHANGE - in->sent);
	if (n)
		sent(in, checked(write(fd, in->bytes + in->sent, n)));
	n = chunk(EXCHANGE - in->received);
	if (n)
		received(in, buf, s->ops->read(s, buf, n));
	n = chunk(EXCHANGE - out->sent);
	if (n)
		sent(out, s->ops->write(s, out->bytes + out->sent, n));
	n = chunk(EXCHANGE - out->received);
	if (n)
		received(out, buf, checked(read(fd, buf, n)));
}

void exchange(struct stream *s, int fd)
{
	long long end = now_ms() + 60000;
	struct flow in, out;

	cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	start_flow(&in);
	start_flow(&out);
	while (in.received < EXCHANGE || out.received < EXCHANGE) {
		struct pollfd p[2] = { { .fd = s->rfd, .events = POLLIN },
				       { .fd = fd, .events = POLLIN } };

		move(s, fd, &in, &out);
		cr_assert(now_ms() < end, "stuck at %zu and %zu", in.received, out.received);
		if (in.sent == EXCHANGE && out.sent == EXCHANGE)
			poll(p, 2, 10);
	}
	free(in.bytes);
	free(out.bytes);
}

int count_entries(const char *folder)
{
	DIR *d = opendir(folder);
	int n = 0;

	cr_assert_not_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

int count_fds(void)
{
	return count_entries("/proc/self/fd");
}

/* As vmgdb_endpoint_open(), while descriptors from limit on can't be opened. */
static int open_with_limit(int limit, const char *spec, struct vmgdb_endpoint **ep, char *err,
			   size_t errlen)
{
	struct rlimit before, low;
	int ret;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = (rlim_t)limit;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	ret = vmgdb_endpoint_open(spec, VMGDB_STUB, ep, err, errlen);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	return ret;
}

void open_short_of_descriptors(const char *spec)
{
	int names = count_entries(temp_dir()), fds = count_fds(), limit, failures = 0;
	struct vmgdb_endpoint *ep = NULL;
	char err[256];

	for (limit = 0; open_with_limit(limit, spec, &ep, err, sizeof(err)) != 0; limit++) {
		cr_assert_lt(limit, 1000, "%s", err);
		cr_expect(strstr(err, ": Too many open files"), "%s", err);
		cr_expect_eq(count_fds(), fds);
		cr_expect_leq(count_entries(temp_dir()), names, "limit %d: %s", limit, err);
		failures++;
	}
	cr_expect_gt(failures, 3);
	vmgdb_endpoint_close(ep);
	cr_expect_eq(count_fds(), fds);
}

int dial_unix(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(a.sun_path, path);
	cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0, "%s", strerror(errno));
	return fd;
}

int dial_tcp(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0, "%s", strerror(errno));
	return fd;
}
