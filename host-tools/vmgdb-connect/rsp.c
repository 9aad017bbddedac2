// SPDX-License-Identifier: MIT
#include "host-tools/vmgdb-connect/rsp.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>

#include "core/lib/time.h"

enum {
	REPLY_MS = 5000,
	RESEND_MS = 1000,
	SETTLE_MS = 10000,
	SILENCE_MS = 300,
	JUNK_MAX = 1 << 20, /* bytes that are no packet, before one */
	COMMAND_MAX = 240,
};

void rsp_init(struct rsp *r, struct stream *s)
{
	r->stream = s;
	r->resent = false;
	r->start = r->end = 0;
	packet_decoder_init(&r->in, r->data, sizeof(r->data));
	r->in.expand = true;
}

static int wait_fd(int fd, short events, long long end)
{
	struct pollfd p = { .fd = fd, .events = events };
	int left = time_left_ms(time_ms(), end);

	return left > 0 && poll(&p, 1, left) > 0 ? 0 : -ETIMEDOUT;
}

static int put(struct rsp *r, const void *bytes, size_t len, long long end)
{
	const char *p = bytes;

	while (len > 0) {
		ssize_t n = r->stream->ops->write(r->stream, p, len);

		if (n == -EAGAIN) {
			if (wait_fd(r->stream->wfd, POLLOUT, end) < 0)
				return -ETIMEDOUT;
			continue;
		}
		if (n <= 0)
			return -EPIPE;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* At least one byte in buf: 0 or -errno. */
static int fill(struct rsp *r, long long end)
{
	ssize_t n = 0;

	while (r->start == r->end) {
		n = r->stream->ops->read(r->stream, r->buf, sizeof(r->buf));
		if (n == -EAGAIN && wait_fd(r->stream->rfd, POLLIN, end) < 0)
			return -ETIMEDOUT;
		if (n == -EAGAIN)
			continue;
		if (n <= 0)
			return -EPIPE;
		r->start = 0;
		r->end = (size_t)n;
	}
	return 0;
}

/*
 * The next packet: 0, -EBADMSG: a bad one, or noise without end; or what fill() gave. A NAK may be the
 * reply to what an earlier debugger sent: the packet is sent again in any case when no reply comes.
 */
static int next_packet(struct rsp *r, long long end)
{
	size_t junk = 0, eaten;
	int ret;

	while (junk < JUNK_MAX) {
		ret = fill(r, end);
		if (ret)
			return ret;
		switch (packet_decode(&r->in, r->buf + r->start, r->end - r->start, &eaten)) {
		case PACKET_DATA: r->start += eaten; return 0;
		case PACKET_BAD:
		case PACKET_TOO_LONG: r->start += eaten; return -EBADMSG;
		case PACKET_NONE: break;
		default: junk += eaten; break;
		}
		r->start += eaten;
	}
	return -EBADMSG;
}

static int listen_once(struct rsp *r, long long end)
{
	int ret = next_packet(r, end);

	/* a stub that has turned us away may have gone already: its reply counts all the same */
	if (ret == 0 || ret == -EBADMSG)
		put(r, ret == 0 ? "+" : "-", 1, end);
	return ret;
}

void rsp_settle(struct rsp *r)
{
	long long end = time_ms() + SETTLE_MS;
	int ret;

	put(r, "+", 1, end);
	do {
		r->start = r->end;
		ret = fill(r, time_ms() + SILENCE_MS);
	} while (!ret && time_ms() < end);
	r->start = r->end;
	r->resent = false;
}

static int exchange(struct rsp *r, const void *packet, size_t len)
{
	long long end = time_ms() + REPLY_MS;
	int ret = put(r, packet, len, end);

	while (ret == 0) {
		ret = listen_once(r, time_ms() + RESEND_MS);
		if (time_ms() >= end || (ret != -ETIMEDOUT && ret != -EBADMSG))
			break;
		if (ret == -EBADMSG) {
			ret = 0; /* the stub was asked to repeat it */
			continue;
		}
		r->resent = true;
		ret = put(r, packet, len, end);
	}
	return ret;
}

ssize_t rsp_ask(struct rsp *r, const char *text, char *reply, size_t len)
{
	uint8_t packet[PACKET_FRAME_MAX(COMMAND_MAX)];
	size_t n;
	int ret;

	/* what was asked twice may be answered twice */
	if (r->resent)
		rsp_settle(r);
	n = packet_encode_command(packet, text, strnlen(text, COMMAND_MAX));
	ret = exchange(r, packet, n);
	if (ret)
		return ret;
	n = r->in.len < len - 1 ? r->in.len : len - 1;
	memcpy(reply, r->in.data, n);
	reply[n] = '\0';
	return (ssize_t)n;
}
