/* SPDX-License-Identifier: MIT */
#include "core/lib/buf.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ROW(hi)                                                                                \
	hi "0" hi "1" hi "2" hi "3" hi "4" hi "5" hi "6" hi "7" hi "8" hi "9" hi "a" hi "b" hi \
	   "c" hi "d" hi "e" hi "f"

/* Both digits of every byte value. */
static const char pairs[513] = ROW("0") ROW("1") ROW("2") ROW("3") ROW("4") ROW("5") ROW("6")
	ROW("7") ROW("8") ROW("9") ROW("a") ROW("b") ROW("c") ROW("d") ROW("e") ROW("f");

/* The digit's value plus one, so that all others are 0. */
static const uint8_t digits[256] = {
	['0'] = 1,  ['1'] = 2,	['2'] = 3,  ['3'] = 4,	['4'] = 5,  ['5'] = 6,
	['6'] = 7,  ['7'] = 8,	['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
	['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
	['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

void hex_encode(char *dst, const uint8_t *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		memcpy(dst + 2 * i, pairs + 2 * src[i], 2);
}

bool hex_decode(uint8_t *dst, const char *src, size_t n)
{
	bool good = true;

	for (size_t i = 0; i < n; i++) {
		unsigned int hi = digits[(uint8_t)src[2 * i]];
		unsigned int lo = digits[(uint8_t)src[2 * i + 1]];

		good &= hi && lo;
		dst[i] = (uint8_t)((hi - 1) << 4 | (lo - 1));
	}
	return good;
}

int hex_digit(char c)
{
	return digits[(uint8_t)c] - 1;
}

void buf_init(struct buf *b, void *mem, size_t cap)
{
	*b = (struct buf){ .data = mem, .cap = cap };
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->over = false;
}

void *buf_grow(struct buf *b, size_t n)
{
	void *at = b->data + b->len;

	if (b->over || n > b->cap - b->len) {
		b->over = true;
		return NULL;
	}
	b->len += n;
	return at;
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
	void *at = buf_grow(b, n);

	if (at && n)
		memcpy(at, bytes, n);
}

void buf_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_fmt(struct buf *b, const char *fmt, ...)
{
	size_t room = b->cap - b->len;
	va_list ap;
	int n;

	if (b->over)
		return;
	va_start(ap, fmt);
	n = vsnprintf(b->data + b->len, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room)
		b->over = true;
	else
		b->len += (size_t)n;
}

void buf_hex(struct buf *b, const void *bytes, size_t n)
{
	char *at = n <= b->cap / 2 ? buf_grow(b, 2 * n) : NULL;

	if (at)
		hex_encode(at, bytes, n);
	else
		b->over = true;
}

void buf_num(struct buf *b, uint64_t value)
{
	buf_fmt(b, "%" PRIx64, value);
}

bool scan_char(struct scan *s, char c)
{
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

bool scan_str(struct scan *s, const char *word)
{
	size_t n = strlen(word);

	if (scan_left(s) < n || memcmp(s->p, word, n) != 0)
		return false;
	s->p += n;
	return true;
}

bool scan_end(const struct scan *s)
{
	return s->p == s->end;
}

size_t scan_left(const struct scan *s)
{
	return (size_t)(s->end - s->p);
}

bool scan_hex(struct scan *s, uint64_t *out)
{
	const char *p = s->p;
	uint64_t value = 0;

	for (; p < s->end && hex_digit(*p) >= 0; p++) {
		if (value >> 60)
			return false;
		value = value << 4 | (uint64_t)hex_digit(*p);
	}
	if (p == s->p)
		return false;
	s->p = p;
	*out = value;
	return true;
}

bool scan_field(struct scan *s, char delim, struct scan *field)
{
	const char *at;

	if (scan_end(s))
		return false;
	at = memchr(s->p, delim, scan_left(s));
	*field = (struct scan){ s->p, at ? at : s->end };
	s->p = at ? at + 1 : s->end;
	return true;
}
