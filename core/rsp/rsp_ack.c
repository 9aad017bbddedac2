// SPDX-License-Identifier: MIT
#include "core/rsp/rsp_ack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	TRIES_MAX = 5,
	/* Time for the debugger to answer, beside a millisecond a byte: the pace of 9600 baud. */
	TIMEOUT_MS = 1000,
	ACKS_MAX = 64, /* room for acks beside the frames */
};

/* Two of the largest frames: one that is kept and one that is new. */
#define OUT_SIZE (2 * PACKET_FRAME_MAX(PACKET_SIZE) + ACKS_MAX)

int rsp_ack_init(struct rsp_ack *l, bool reliable)
{
	uint8_t *in = malloc(PACKET_SIZE);

	*l = (struct rsp_ack){ .reliable = reliable, .out = malloc(OUT_SIZE), .cap = OUT_SIZE };
	packet_decoder_init(&l->in, in, PACKET_SIZE);
	if (in && l->out)
		return 0;
	rsp_ack_fini(l);
	return -ENOMEM;
}

void rsp_ack_fini(struct rsp_ack *l)
{
	free(l->in.data);
	free(l->out);
	*l = (struct rsp_ack){ 0 };
}

/* ---- the output -------------------------------------------------------------------------- */

/* What is before this has been written and is of no more use. */
static size_t base(const struct rsp_ack *l)
{
	return l->kept_len && l->kept < l->sent ? l->kept : l->sent;
}

static size_t room(const struct rsp_ack *l)
{
	return l->cap - (l->len - base(l));
}

static void compact(struct rsp_ack *l)
{
	size_t by = base(l);

	memmove(l->out, l->out + by, l->len - by);
	l->sent -= by;
	l->ready -= by;
	l->len -= by;
	l->kept -= l->kept_len ? by : 0;
}

/* A byte that is an ack. When there is no room the peer does not read and won't miss it. */
static void put_ack(struct rsp_ack *l, char c)
{
	bool held = l->ready < l->len;

	if (l->len == l->cap)
		compact(l);
	if (l->len == l->cap)
		return;
	l->out[l->len++] = (uint8_t)c;
	if (!held)
		l->ready = l->len;
}

bool rsp_ack_room(const struct rsp_ack *l, size_t n)
{
	return room(l) >= PACKET_FRAME_MAX(n) + ACKS_MAX;
}

static void keep(struct rsp_ack *l, size_t at, size_t len)
{
	l->kept = at;
	l->kept_len = len;
	l->tries = 0;
	l->ready = at + len;
}

/* Room for a frame of n bytes of data: where, or NULL when there is none. */
static uint8_t *frame_room(struct rsp_ack *l, size_t n)
{
	if (room(l) < PACKET_FRAME_MAX(n))
		return NULL;
	if (l->cap - l->len < PACKET_FRAME_MAX(n))
		compact(l);
	return l->out + l->len;
}

/* A frame of n bytes was put where frame_room() said. */
static void add_frame(struct rsp_ack *l, size_t n)
{
	bool hold = !l->reliable && l->kept_len;
	size_t at = l->len;

	l->len += n;
	if (l->no_ack)
		l->ready = l->len;
	else if (!hold)
		keep(l, at, n);
	l->no_ack |= l->no_ack_next;
	l->no_ack_next = false;
}

int rsp_ack_send(struct rsp_ack *l, const void *data, size_t n)
{
	uint8_t *frame = frame_room(l, n);

	if (!frame)
		return -ENOBUFS;
	add_frame(l, packet_encode(frame, data, n));
	return 0;
}

int rsp_ack_send_hex(struct rsp_ack *l, const void *bytes, size_t n)
{
	uint8_t *frame = frame_room(l, 2 * n);

	if (!frame)
		return -ENOBUFS;
	add_frame(l, packet_encode_hex(frame, bytes, n));
	return 0;
}

/* The kept frame has arrived, or nobody wants it any more: let the next one go. */
static void acknowledged(struct rsp_ack *l)
{
	const uint8_t *held = l->out + l->ready;
	const uint8_t *hash = memchr(held, '#', l->len - l->ready);

	l->kept_len = 0;
	if (hash) {
		const uint8_t *dollar = memchr(held, '$', (size_t)(hash - held));

		keep(l, (size_t)(dollar - l->out), (size_t)(hash + 3 - dollar));
	}
}

/* Send the kept frame again, unless it is still on its way. Acks sent after it are not repeated. */
static void resend(struct rsp_ack *l)
{
	size_t end = l->kept + l->kept_len;
	size_t acks = l->sent - end;

	if (!l->kept_len || l->sent < end)
		return;
	memmove(l->out + end, l->out + l->sent, l->len - l->sent);
	l->len -= acks;
	l->ready -= acks;
	l->sent = l->kept;
}

const void *rsp_ack_output(const struct rsp_ack *l, size_t *len)
{
	*len = l->ready - l->sent;
	return l->out + l->sent;
}

void rsp_ack_sent(struct rsp_ack *l, size_t n)
{
	size_t most = l->ready - l->sent;

	l->sent += n < most ? n : most;
	if (base(l) == l->len)
		compact(l);
}

int rsp_ack_timeout_ms(const struct rsp_ack *l)
{
	if (l->reliable || !l->kept_len || l->sent < l->kept + l->kept_len)
		return -1;
	return (TIMEOUT_MS + (int)l->kept_len) << l->tries;
}

void rsp_ack_timeout(struct rsp_ack *l)
{
	if (rsp_ack_timeout_ms(l) < 0)
		return;
	if (l->tries++ < TRIES_MAX)
		resend(l);
	else
		acknowledged(l);
}

/* ---- the input --------------------------------------------------------------------------- */

void rsp_ack_set_no_ack(struct rsp_ack *l)
{
	l->no_ack_next = true;
}

/* A new packet tells that the debugger has, or has given up, what it was sent before. */
static void received(struct rsp_ack *l)
{
	l->kept_len = 0;
	l->len = l->ready;
	if (l->stray_ack)
		l->no_ack = false;
	l->stray_ack = false;
	if (!l->no_ack)
		put_ack(l, '+');
}

static void handle_ack(struct rsp_ack *l)
{
	if (l->kept_len)
		acknowledged(l);
	else
		l->stray_ack = l->no_ack;
}

/* Whether the event is none of the caller's business. */
static bool handle(struct rsp_ack *l, enum packet_event event)
{
	switch (event) {
	case PACKET_ACK: handle_ack(l); return true;
	case PACKET_NAK: resend(l); return true;
	case PACKET_JUNK: return true;
	case PACKET_BAD:
		if (!l->no_ack)
			put_ack(l, '-');
		return !l->no_ack;
	case PACKET_DATA:
	case PACKET_TOO_LONG: received(l); return false;
	default: return false;
	}
}

enum packet_event rsp_ack_input(struct rsp_ack *l, const void *bytes, size_t n, size_t *eaten)
{
	const uint8_t *p = bytes;
	enum packet_event event;
	size_t all = 0;

	do {
		event = packet_decode(&l->in, p + all, n - all, eaten);
		all += *eaten;
	} while (handle(l, event));
	*eaten = all;
	return event;
}
