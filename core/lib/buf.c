// SPDX-License-Identifier: MIT
#include "core/lib/buf.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/lib/hex.h"

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
