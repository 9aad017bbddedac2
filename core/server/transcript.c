// SPDX-License-Identifier: MIT
#include "core/server/transcript.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/lib/time.h"

enum {
	HEAD_MAX = 128, /* what stands in a line beside the bytes */
	LINE_MAX_BYTES = 4096,
	ESCAPED_MAX = 4,
	PIECE = LINE_MAX_BYTES / ESCAPED_MAX,
};

static size_t escape(char *out, uint8_t c)
{
	if (c == '\\')
		return (size_t)sprintf(out, "\\\\");
	if (c >= 0x20 && c < 0x7f) {
		*out = (char)c;
		return 1;
	}
	return (size_t)sprintf(out, "\\x%02x", c);
}

/* "SECONDS C ", behind what a line that was cut needs. */
static size_t start_line(const struct transcript *t, char *line, char c)
{
	long long us = time_us();

	return (size_t)snprintf(line, HEAD_MAX, "%s%lld.%06lld %c ", t->in_line ? "\n" : "",
				us / 1000000, us % 1000000, c);
}

/* 0 when all is written, or -errno. */
static int write_line(struct transcript *t, const char *line, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(t->fd, line, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		line += n;
		len -= (size_t)n;
		t->in_line = len;
	}
	return 0;
}

/* Say what is missing, if anything is. */
static int write_loss(struct transcript *t)
{
	char line[HEAD_MAX];
	size_t len;
	int ret;

	if (!t->err)
		return 0;
	len = start_line(t, line, '!');
	len += (size_t)snprintf(line + len, sizeof(line) - len, "%zu bytes are missing: %.40s\n",
				t->lost, strerror(-t->err));
	ret = write_line(t, line, len);
	if (ret == 0)
		t->err = 0;
	return ret;
}

static int write_bytes(struct transcript *t, enum transcript_dir dir, const uint8_t *p, size_t n)
{
	char line[HEAD_MAX + LINE_MAX_BYTES];
	size_t len = start_line(t, line, (char)dir), i;

	for (i = 0; i < n; i++)
		len += escape(line + len, p[i]);
	line[len++] = '\n';
	return write_line(t, line, len);
}

/* As transcript_write(). */
static int lose(struct transcript *t, int err, size_t n)
{
	bool first = !t->err;

	t->lost = first ? n : t->lost + n;
	t->err = err;
	return first ? err : 0;
}

int transcript_write(struct transcript *t, enum transcript_dir dir, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	size_t piece;
	int ret;

	if (t->fd < 0)
		return 0;
	for (; n; p += piece, n -= piece) {
		piece = n < PIECE ? n : PIECE;
		ret = write_loss(t);
		if (ret == 0)
			ret = write_bytes(t, dir, p, piece);
		if (ret)
			return lose(t, ret, n);
	}
	return 0;
}
