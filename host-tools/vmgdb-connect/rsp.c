/* SPDX-License-Identifier: MIT */
#include "host-tools/vmgdb-connect/rsp.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "host-tools/vmgdb-connect/peer.h"

enum {
	ANSWER_MS = 5000,
	RESEND_MS = 1000,
	TRIES = 4,
	SETTLE_MS = 10000,
	SILENCE_MS = 300,
	JUNK_MAX = 1 << 20
};

static int wait_fd(int fd, short events, long long end)
{
	struct pollfd p = { .fd = fd, .events = events };
	long long left = end - now_ms();

	return left > 0 && poll(&p, 1, (int)left) > 0 ? 0 : -ETIMEDOUT;
}

static int put(struct rsp *r, const char *bytes, size_t len, long long end)
{
	while (len > 0) {
		ssize_t n = r->stream->ops->write(r->stream, bytes, len);

		if (n == -EAGAIN) {
			if (wait_fd(r->stream->wfd, POLLOUT, end) < 0)
				return -ETIMEDOUT;
			continue;
		}
		if (n <= 0)
			return -EPIPE;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The next byte, or -errno. */
static int get(struct rsp *r, long long end)
{
	while (r->start == r->end) {
		ssize_t n = r->stream->ops->read(r->stream, r->buf, sizeof(r->buf));

		if (n == -EAGAIN) {
			if (wait_fd(r->stream->rfd, POLLIN, end) < 0)
				return -ETIMEDOUT;
			continue;
		}
		if (n <= 0)
			return -EPIPE;
		r->start = 0;
		r->end = (size_t)n;
	}
	return (unsigned char)r->buf[r->start++];
}

static int hex(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* What is between $ and #, decoded as it comes. */
struct answer {
	char *text;
	size_t len, max;
	unsigned char sum;
	bool escaped, repeat;
};

static void add(struct answer *a, char c)
{
	if (a->len < a->max)
		a->text[a->len++] = c;
}

static void decode(struct answer *a, int c)
{
	a->sum = (unsigned char)(a->sum + c);
	if (a->repeat) {
		int n = c - 29;

		a->repeat = false;
		while (n-- > 0 && a->len > 0)
			add(a, a->text[a->len - 1]);
	} else if (a->escaped) {
		a->escaped = false;
		add(a, (char)(c ^ 0x20));
	} else if (c == '}') {
		a->escaped = true;
	} else if (c == '*') {
		a->repeat = true;
	} else {
		add(a, (char)c);
	}
}

/* After the $. Returns 0, -EBADMSG when the checksum is wrong, or what get() gave. */
static int receive(struct rsp *r, struct answer *a, long long end)
{
	int c, high, low;

	*a = (struct answer){ .text = a->text, .max = a->max };
	while ((c = get(r, end)) >= 0 && c != '#')
		decode(a, c);
	if (c < 0)
		return c;
	high = get(r, end);
	low = high < 0 ? high : get(r, end);
	if (low < 0)
		return low;
	return hex(high) * 16 + hex(low) == a->sum ? 0 : -EBADMSG;
}

/*
 * Skip acks and noise up to the start of a packet. A NAK may be the answer to what an earlier debugger
 * sent: the packet is sent again in any case when no answer comes.
 */
static int find_packet(struct rsp *r, long long end)
{
	int junk, c;

	for (junk = 0; junk < JUNK_MAX; junk++) {
		c = get(r, end);
		if (c < 0 || c == '$')
			return c < 0 ? c : 0;
	}
	return -EBADMSG;
}

static int listen_once(struct rsp *r, struct answer *a, long long end)
{
	int ret = find_packet(r, end);

	if (ret == 0)
		ret = receive(r, a, end);
	/* a stub that has turned us away may have gone already: its answer counts all the same */
	if (ret == 0 || ret == -EBADMSG)
		put(r, ret == 0 ? "+" : "-", 1, end);
	return ret;
}

void rsp_settle(struct rsp *r)
{
	long long end = now_ms() + SETTLE_MS;
	int c;

	put(r, "+", 1, end);
	do
		c = get(r, now_ms() + SILENCE_MS);
	while (c >= 0 && now_ms() < end);
	r->resent = false;
}

static int exchange(struct rsp *r, const char *packet, size_t len, struct answer *a)
{
	long long end = now_ms() + ANSWER_MS;
	int ret = put(r, packet, len, end);

	while (ret == 0) {
		ret = listen_once(r, a, now_ms() + RESEND_MS);
		if (now_ms() >= end || (ret != -ETIMEDOUT && ret != -EBADMSG))
			break;
		if (ret == -EBADMSG) {
			ret = 0; /* it was asked to repeat it */
			continue;
		}
		r->resent = true;
		ret = put(r, packet, len, end);
	}
	return ret;
}

ssize_t rsp_ask(struct rsp *r, const char *text, char *reply, size_t len)
{
	struct answer a = { .text = reply, .max = len - 1 };
	unsigned char sum = 0;
	char packet[256];
	const char *p;
	int n, ret;

	/* what was asked twice may be answered twice */
	if (r->resent)
		rsp_settle(r);
	for (p = text; *p; p++)
		sum = (unsigned char)(sum + *p);
	n = snprintf(packet, sizeof(packet), "$%.240s#%02x", text, sum);
	ret = exchange(r, packet, (size_t)n, &a);
	if (ret)
		return ret;
	reply[a.len] = '\0';
	return (ssize_t)a.len;
}
