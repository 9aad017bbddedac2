// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* memrchr */
#include "core/rsp/packet.h"

#include <string.h>

#include "core/lib/hex.h"
#include "core/lib/vec.h"

enum {
	ESCAPE = '}',
	ESCAPE_XOR = 0x20,
	RUN = '*',
	RUN_BIAS = 29, /* the count is sent as a printable character */
	RUN_MIN = 3,
	RUN_MAX = 126 - RUN_BIAS,
	HEX_CHUNK = 2048, /* bytes whose digits are made at once: they stay in the first cache */
};

/* ---- decoding ---------------------------------------------------------------------------- */

void packet_decoder_init(struct packet_decoder *d, void *data, size_t cap)
{
	*d = (struct packet_decoder){ .data = data, .cap = cap };
}

static void restart(struct packet_decoder *d)
{
	d->state = PACKET_INSIDE;
	d->too_long = false;
	d->len = 0;
	d->sum = 0;
}

static enum packet_event event_of(uint8_t c)
{
	switch (c) {
	case '$': return PACKET_NONE;
	case '+': return PACKET_ACK;
	case '-': return PACKET_NAK;
	case 0x03: return PACKET_INTERRUPT;
	default: return PACKET_JUNK;
	}
}

/* Take one byte, or a run of them that mean nothing. */
static size_t outside(struct packet_decoder *d, const uint8_t *p, size_t n,
		      enum packet_event *event)
{
	size_t i = 1;

	*event = event_of(*p);
	if (*p == '$')
		restart(d);
	while (*event == PACKET_JUNK && i < n && event_of(p[i]) == PACKET_JUNK)
		i++;
	return i;
}

static uint8_t sum_of(const uint8_t *p, size_t n)
{
	vec sums = { 0 };
	uint8_t sum = 0;
	size_t i = 0;

	for (; n - i >= sizeof(vec); i += sizeof(vec))
		sums += vec_load(p + i);
	for (; i < n; i++)
		sum += p[i];
	for (i = 0; i < sizeof(vec); i++)
		sum += sums[i];
	return sum;
}

static void append(struct packet_decoder *d, const uint8_t *p, size_t n)
{
	d->sum += sum_of(p, n);
	if (n > d->cap - d->len)
		d->too_long = true;
	if (d->too_long || !n)
		return;
	memcpy(d->data + d->len, p, n);
	d->len += n;
}

/* Take data up to the end of the packet, of the input, or to where the next packet starts. */
static size_t inside(struct packet_decoder *d, const uint8_t *p, size_t n)
{
	const uint8_t *hash = memchr(p, '#', n);
	size_t len = hash ? (size_t)(hash - p) : n;
	const uint8_t *dollar = memrchr(p, '$', len);

	if (dollar) {
		restart(d);
		return (size_t)(dollar - p) + 1;
	}
	append(d, p, len);
	if (!hash)
		return len;
	d->state = PACKET_SUM_HIGH;
	return len + 1;
}

static void unescape(struct packet_decoder *d)
{
	uint8_t *end = d->data + d->len;
	uint8_t *in = memchr(d->data, ESCAPE, d->len), *next;
	uint8_t *out = in;

	for (; in; in = next) {
		if (++in == end)
			break; /* at the end of the data an escape stands for nothing */
		*out++ = *in++ ^ ESCAPE_XOR;
		next = memchr(in, ESCAPE, (size_t)(end - in));
		memmove(out, in, (size_t)((next ? next : end) - in));
		out += (next ? next : end) - in;
	}
	if (out)
		d->len = (size_t)(out - d->data);
}

/* How long the data is when its runs are written out; 0 when a run is malformed. */
static size_t expanded_len(const uint8_t *p, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (p[i] != RUN) {
			len++;
		} else {
			if (!len || ++i == n || p[i] < RUN_BIAS + RUN_MIN ||
			    p[i] > RUN_BIAS + RUN_MAX)
				return 0;
			len += p[i] - RUN_BIAS;
		}
	}
	return len;
}

/*
 * In place: the data is moved to the end of the buffer and expanded from there to its start. No byte is
 * overwritten before it is read, because expanding never makes the rest of the data shorter.
 */
static enum packet_event expand(struct packet_decoder *d)
{
	size_t len = expanded_len(d->data, d->len);
	const uint8_t *in = d->data + d->cap - d->len, *end = d->data + d->cap;
	uint8_t *out = d->data;

	if (len == d->len)
		return PACKET_DATA;
	if (!len || len > d->cap)
		return len ? PACKET_TOO_LONG : PACKET_BAD;
	memmove(d->data + d->cap - d->len, d->data, d->len);
	while (in < end) {
		if (*in != RUN) {
			*out++ = *in++;
		} else {
			size_t n = in[1] - RUN_BIAS;

			in += 2;
			memset(out, out[-1], n);
			out += n;
		}
	}
	d->len = len;
	return PACKET_DATA;
}

static enum packet_event finish(struct packet_decoder *d, uint8_t low)
{
	int hi = hex_digit((char)d->high), lo = hex_digit((char)low);
	enum packet_event event = PACKET_DATA;

	d->state = PACKET_OUTSIDE;
	if (hi < 0 || lo < 0 || (hi << 4 | lo) != d->sum)
		return PACKET_BAD;
	if (d->too_long)
		return PACKET_TOO_LONG;
	if (d->expand)
		event = expand(d);
	if (event == PACKET_DATA)
		unescape(d);
	return event;
}

/* One of the two digits of the checksum. */
static enum packet_event checksum(struct packet_decoder *d, uint8_t c)
{
	if (d->state == PACKET_SUM_LOW)
		return finish(d, c);
	d->high = c;
	d->state = PACKET_SUM_LOW;
	return PACKET_NONE;
}

enum packet_event packet_decode(struct packet_decoder *d, const void *bytes, size_t n,
				size_t *eaten)
{
	const uint8_t *p = bytes;
	enum packet_event event = PACKET_NONE;
	size_t i = 0;

	while (i < n && event == PACKET_NONE) {
		if (d->state == PACKET_INSIDE) {
			i += inside(d, p + i, n - i);
		} else if (d->state == PACKET_OUTSIDE) {
			i += outside(d, p + i, n - i, &event);
		} else if (p[i] == '$') {
			d->state = PACKET_OUTSIDE;
			event = PACKET_BAD;
		} else {
			event = checksum(d, p[i++]);
		}
	}
	*eaten = i;
	return event;
}

/* ---- encoding ---------------------------------------------------------------------------- */

/* Bytes that mean something to the framing: they are escaped. */
static bool is_special(uint8_t c)
{
	return c == '$' || c == '#' || c == ESCAPE || c == RUN;
}

/* Which of the sixteen bytes at p are special, or start a run of four: a shorter one is no shorter with
 * a count. RUN_MIN more bytes can be read. */
static vec not_plain(const uint8_t *p)
{
	vec x = vec_load(p);
	vec runs = (vec)(x == vec_load(p + 1)) & (vec)(x == vec_load(p + 2)) &
		   (vec)(x == vec_load(p + 3));

	return runs | (vec)(x == '$') | (vec)(x == '#') | (vec)(x == ESCAPE) | (vec)(x == RUN);
}

/*
 * Copy bytes that are sent as they are, up to the first that is not, or until fewer than a vector and
 * RUN_MIN are left, which are at least RUN_MIN. How many were copied.
 */
static size_t copy_plain(uint8_t *out, const uint8_t *p, size_t n)
{
	size_t i = 0;

	for (; n - i >= sizeof(vec) + RUN_MIN; i += sizeof(vec)) {
		vec found = not_plain(p + i);

		vec_store(out + i, vec_load(p + i));
		if (vec_any(found))
			return i + vec_first(found);
	}
	return i;
}

static size_t run_len(const uint8_t *p, size_t n)
{
	size_t i = 0;

	for (; n - i >= sizeof(vec); i += sizeof(vec)) {
		vec other = (vec)(vec_load(p + i) != p[0]);

		if (vec_any(other))
			return i + vec_first(other);
	}
	while (i < n && p[i] == p[0])
		i++;
	return i;
}

/*
 * How many of `more` repeats one count can have, at most. A count that would be sent as $, #, + or - is
 * not used: the first two end a packet, the others a debugger may take for acks.
 */
static size_t run_count(size_t more)
{
	size_t n = more < RUN_MAX ? more : RUN_MAX;

	while (n + RUN_BIAS == '$' || n + RUN_BIAS == '#' || n + RUN_BIAS == '+' ||
	       n + RUN_BIAS == '-')
		n--;
	return n;
}

static uint8_t *put_escaped(uint8_t *out, uint8_t c, size_t n)
{
	while (n--) {
		*out++ = ESCAPE;
		*out++ = c ^ ESCAPE_XOR;
	}
	return out;
}

static uint8_t *put_run(uint8_t *out, uint8_t c, size_t n)
{
	if (is_special(c))
		return put_escaped(out, c, n);
	*out++ = c;
	n--;
	while (n >= RUN_MIN) {
		size_t count = run_count(n);

		*out++ = RUN;
		*out++ = (uint8_t)(count + RUN_BIAS);
		n -= count;
	}
	while (n--)
		*out++ = c;
	return out;
}

static uint8_t *put_data(uint8_t *out, const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;

	while (p < end) {
		size_t same = copy_plain(out, p, (size_t)(end - p));

		out += same;
		p += same;
		same = run_len(p, (size_t)(end - p));
		out = put_run(out, *p, same);
		p += same;
	}
	return out;
}

/* The length of the frame whose data is [start + 1, out). */
static size_t finish_frame(uint8_t *start, uint8_t *out)
{
	uint8_t sum = sum_of(start + 1, (size_t)(out - start) - 1);

	*start = '$';
	*out++ = '#';
	hex_encode((char *)out, &sum, 1);
	return (size_t)(out - start) + 2;
}

size_t packet_encode(void *dst, const void *data, size_t n)
{
	uint8_t *start = dst;

	return finish_frame(start, put_data(start + 1, data, n));
}

size_t packet_encode_command(void *dst, const void *data, size_t n)
{
	const uint8_t *p = data;
	uint8_t *start = dst, *out = start + 1;

	for (size_t i = 0; i < n; i++)
		out = put_run(out, p[i], 1);
	return finish_frame(start, out);
}

size_t packet_encode_hex(void *dst, const void *bytes, size_t n)
{
	const uint8_t *p = bytes, *end = p + n;
	uint8_t *start = dst, *out = start + 1;
	uint8_t digits[2 * HEX_CHUNK];

	while (p < end) {
		size_t some = (size_t)(end - p) < HEX_CHUNK ? (size_t)(end - p) : HEX_CHUNK;

		hex_encode((char *)digits, p, some);
		out = put_data(out, digits, 2 * some);
		p += some;
	}
	return finish_frame(start, out);
}
