// SPDX-License-Identifier: MIT
#include "core/rsp/rsp_ack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	TIMEOUTS_MAX = 5,
	/* How long the peer may take to answer, beside a millisecond a byte: 9600 baud. */
	TIMEOUT_MS = 1000,
	ACKS_MAX = 64, /* room for acks beside the frames */
};

/* Two of the largest frames: an unacknowledged one and a new one. */
#define OUT_SIZE (2 * PACKET_FRAME_MAX(PACKET_SIZE) + ACKS_MAX)

int rsp_ack_init(struct rsp_ack *a, bool reliable)
{
	uint8_t *in = malloc(PACKET_SIZE);

	*a = (struct rsp_ack){ .reliable = reliable, .out = malloc(OUT_SIZE), .cap = OUT_SIZE };
	packet_decoder_init(&a->in, in, PACKET_SIZE);
	if (in && a->out)
		return 0;
	rsp_ack_fini(a);
	return -ENOMEM;
}

void rsp_ack_fini(struct rsp_ack *a)
{
	free(a->in.data);
	free(a->out);
	*a = (struct rsp_ack){ 0 };
}

/* ---- the output -------------------------------------------------------------------------- */

/* The bytes of .out before this one are needed no more: they are written, and not to be sent again. */
static size_t done(const struct rsp_ack *a)
{
	return a->unacked_len && a->unacked < a->sent ? a->unacked : a->sent;
}

static size_t room(const struct rsp_ack *a)
{
	return a->cap - (a->len - done(a));
}

static void compact(struct rsp_ack *a)
{
	size_t by = done(a);

	memmove(a->out, a->out + by, a->len - by);
	a->sent -= by;
	a->ready -= by;
	a->len -= by;
	a->unacked -= a->unacked_len ? by : 0;
}

/* c is + or -. Without room it is dropped: the peer does not read. */
static void put_ack(struct rsp_ack *a, char c)
{
	bool held = a->ready < a->len;

	if (a->len == a->cap)
		compact(a);
	if (a->len == a->cap)
		return;
	a->out[a->len++] = (uint8_t)c;
	if (!held)
		a->ready = a->len;
}

bool rsp_ack_room(const struct rsp_ack *a, size_t n)
{
	return room(a) >= PACKET_FRAME_MAX(n) + ACKS_MAX;
}

static void await_ack(struct rsp_ack *a, size_t at, size_t len)
{
	a->unacked = at;
	a->unacked_len = len;
	a->timeouts = 0;
	a->ready = at + len;
}

/* A frame of n bytes was put behind what is in .out. */
static void add_frame(struct rsp_ack *a, size_t n)
{
	bool hold = !a->reliable && a->unacked_len;
	size_t at = a->len;

	a->len += n;
	if (a->no_ack)
		a->ready = a->len;
	else if (!hold)
		await_ack(a, at, n);
	a->no_ack |= a->no_ack_next;
	a->no_ack_next = false;
}

int rsp_ack_send(struct rsp_ack *a, const void *data, size_t n, bool hex)
{
	size_t most = PACKET_FRAME_MAX(hex ? 2 * n : n);
	uint8_t *at;

	if (room(a) < most)
		return -ENOBUFS;
	if (a->cap - a->len < most)
		compact(a);
	at = a->out + a->len;
	add_frame(a, hex ? packet_encode_hex(at, data, n) : packet_encode(at, data, n));
	return 0;
}

/* The unacknowledged frame has arrived, or was sent often enough: the next one may be written. */
static void acknowledged(struct rsp_ack *a)
{
	const uint8_t *held = a->out + a->ready;
	const uint8_t *hash = memchr(held, '#', a->len - a->ready);

	a->unacked_len = 0;
	if (hash) {
		const uint8_t *dollar = memchr(held, '$', (size_t)(hash - held));

		await_ack(a, (size_t)(dollar - a->out), (size_t)(hash + 3 - dollar));
	}
}

/* Send the unacknowledged frame again, unless it is still being written. Acks sent after it are not
 * repeated. */
static void resend(struct rsp_ack *a)
{
	size_t end = a->unacked + a->unacked_len;
	size_t acks = a->sent - end;

	if (!a->unacked_len || a->sent < end)
		return;
	memmove(a->out + end, a->out + a->sent, a->len - a->sent);
	a->len -= acks;
	a->ready -= acks;
	a->sent = a->unacked;
}

const void *rsp_ack_output(const struct rsp_ack *a, size_t *len)
{
	*len = a->ready - a->sent;
	return a->out + a->sent;
}

void rsp_ack_sent(struct rsp_ack *a, size_t n)
{
	size_t most = a->ready - a->sent;

	a->sent += n < most ? n : most;
	if (done(a) == a->len)
		compact(a);
}

int rsp_ack_timeout_ms(const struct rsp_ack *a)
{
	if (a->reliable || !a->unacked_len || a->sent < a->unacked + a->unacked_len)
		return -1;
	return (TIMEOUT_MS + (int)a->unacked_len) << a->timeouts;
}

void rsp_ack_timeout(struct rsp_ack *a)
{
	if (rsp_ack_timeout_ms(a) < 0)
		return;
	if (a->timeouts++ < TIMEOUTS_MAX)
		resend(a);
	else
		acknowledged(a);
}

/* ---- the input --------------------------------------------------------------------------- */

void rsp_ack_set_no_ack(struct rsp_ack *a)
{
	a->no_ack_next = true;
}

/* A new packet shows that the peer has, or has given up, what it was sent before. */
static void received(struct rsp_ack *a)
{
	a->unacked_len = 0;
	a->len = a->ready;
	if (a->stray_ack)
		a->no_ack = false;
	a->stray_ack = false;
	if (!a->no_ack)
		put_ack(a, '+');
}

static void handle_ack(struct rsp_ack *a)
{
	if (a->unacked_len)
		acknowledged(a);
	else
		a->stray_ack = a->no_ack;
}

/* Whether the event is handled here, so that the caller does not see it. */
static bool handle(struct rsp_ack *a, enum packet_event event)
{
	switch (event) {
	case PACKET_ACK: handle_ack(a); return true;
	case PACKET_NAK: resend(a); return true;
	case PACKET_JUNK: return true;
	case PACKET_BAD:
		if (!a->no_ack)
			put_ack(a, '-');
		return !a->no_ack;
	case PACKET_DATA:
	case PACKET_TOO_LONG: received(a); return false;
	default: return false;
	}
}

enum packet_event rsp_ack_input(struct rsp_ack *a, const void *bytes, size_t n, size_t *eaten)
{
	const uint8_t *p = bytes;
	enum packet_event event;
	size_t all = 0;

	do {
		event = packet_decode(&a->in, p + all, n - all, eaten);
		all += *eaten;
	} while (handle(a, event));
	*eaten = all;
	return event;
}
