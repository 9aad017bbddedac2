// SPDX-License-Identifier: MIT
#include "host-tools/vmgdb-connect/rsp.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "core/lib/time.h"

enum {
	CONVERSATION_MS = 20000,
	ANSWER_MS = 5000,
	RESEND_MS = 1000,
	SETTLE_MS = 10000,
	SILENCE_MS = 300,
	BAD_MAX = 4, /* packets with a wrong checksum, for one question */
	BYTES_MAX = 4 << 20,
	TEXT_MAX = 256,
};

static void restart_decoder(struct rsp *r)
{
	packet_decoder_init(&r->decoder, r->reply, RSP_REPLY_MAX);
	r->decoder.expand = true;
	r->start = r->end = 0;
}

void rsp_init(struct rsp *r, struct stream *stream)
{
	*r = (struct rsp){ .stream = stream, .allowance = BYTES_MAX };
	restart_decoder(r);
	r->deadline = time_ms() + CONVERSATION_MS;
}

bool rsp_is_exhausted(const struct rsp *r)
{
	return !r->allowance || time_ms() >= r->deadline;
}

/* The moment in ms milliseconds, or the end of the conversation. */
static long long moment_in(const struct rsp *r, int ms)
{
	long long end = time_ms() + ms;

	return end < r->deadline ? end : r->deadline;
}

static int wait_fd(int fd, short events, long long end)
{
	struct pollfd p = { .fd = fd, .events = events };
	int left = time_left_ms(time_ms(), end);

	return left > 0 && poll(&p, 1, left) > 0 ? 0 : -ETIMEDOUT;
}

static int put(struct rsp *r, const void *data, size_t len, long long end)
{
	const char *bytes = data;

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

/* Read what has arrived, or wait for it. Returns 0 or -errno. */
static int fill(struct rsp *r, long long end)
{
	ssize_t n;

	if (!r->allowance)
		return -EBADMSG;
	if (time_ms() >= end)
		return -ETIMEDOUT;
	while ((n = r->stream->ops->read(r->stream, r->buf, sizeof(r->buf))) == -EAGAIN)
		if (wait_fd(r->stream->rfd, POLLIN, end) < 0)
			return -ETIMEDOUT;
	if (n <= 0)
		return -EPIPE;
	r->allowance -= (size_t)n < r->allowance ? (size_t)n : r->allowance;
	r->start = 0;
	r->end = (size_t)n;
	return 0;
}

/*
 * Acks and noise are passed over. So is a NAK, which may be the answer to what an earlier debugger sent:
 * the packet is sent again in any case when no reply arrives.
 */
static int next_packet(struct rsp *r, long long end, enum packet_event *event)
{
	do {
		size_t eaten;
		int ret = r->start == r->end ? fill(r, end) : 0;

		if (ret)
			return ret;
		*event = packet_decode(&r->decoder, r->buf + r->start, r->end - r->start, &eaten);
		r->start += eaten;
	} while (*event != PACKET_DATA && *event != PACKET_TOO_LONG && *event != PACKET_BAD);
	return 0;
}

/* A stub that refuses this debugger may have closed already: its reply counts all the same. */
static int receive(struct rsp *r, long long end)
{
	enum packet_event event;
	int ret = next_packet(r, end, &event);

	if (ret)
		return ret;
	put(r, event == PACKET_BAD ? "-" : "+", 1, end);
	switch (event) {
	case PACKET_BAD: return -EILSEQ;
	case PACKET_TOO_LONG: return -EMSGSIZE;
	default: r->reply[r->decoder.len] = '\0'; return 0;
	}
}

void rsp_settle(struct rsp *r)
{
	long long end = moment_in(r, SETTLE_MS);

	put(r, "+", 1, end);
	while (time_ms() < end && fill(r, moment_in(r, SILENCE_MS)) == 0)
		;
	restart_decoder(r);
	r->resent = false;
}

/* The stub sends a packet with a wrong checksum again by itself: it got a NAK. */
static int exchange(struct rsp *r, const void *frame, size_t len)
{
	long long end = moment_in(r, ANSWER_MS);
	int bad = 0, ret = put(r, frame, len, end);

	while (ret == 0) {
		ret = receive(r, moment_in(r, RESEND_MS));
		if (ret == -EILSEQ) {
			ret = ++bad < BAD_MAX ? 0 : -EBADMSG;
		} else if (ret == -ETIMEDOUT && time_ms() < end) {
			r->resent = true;
			ret = put(r, frame, len, end);
		} else {
			break;
		}
	}
	return ret;
}

ssize_t rsp_ask(struct rsp *r, const char *text)
{
	char frame[PACKET_FRAME_MAX(TEXT_MAX)];
	int ret;

	/* what was asked twice may be answered twice */
	if (r->resent)
		rsp_settle(r);
	ret = exchange(r, frame, packet_encode_command(frame, text, strnlen(text, TEXT_MAX)));
	return ret ? ret : (ssize_t)r->decoder.len;
}

ssize_t rsp_ask_more(struct rsp *r)
{
	int ret = receive(r, moment_in(r, ANSWER_MS));

	if (ret == -EILSEQ)
		return -EBADMSG;
	return ret ? ret : (ssize_t)r->decoder.len;
}
