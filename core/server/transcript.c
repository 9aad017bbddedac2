// SPDX-License-Identifier: MIT
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "core/server/transcript.h"

enum { LINE_MAX_BYTES = 4096, ESCAPED_MAX = 4 };

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

static void write_line(int fd, enum transcript_dir dir, const uint8_t *bytes, size_t n)
{
	char line[64 + LINE_MAX_BYTES];
	struct timespec t;
	size_t len, i;

	clock_gettime(CLOCK_MONOTONIC, &t);
	len = (size_t)snprintf(line, 64, "%lld.%06ld %c ", (long long)t.tv_sec, t.tv_nsec / 1000,
			       (char)dir);
	for (i = 0; i < n; i++)
		len += escape(line + len, bytes[i]);
	line[len++] = '\n';
	if (write(fd, line, len) < 0)
		return;
}

void transcript_write(int fd, enum transcript_dir dir, const void *bytes, size_t n)
{
	enum { PIECE = LINE_MAX_BYTES / ESCAPED_MAX - 8 };
	const uint8_t *p = bytes;
	size_t piece;

	for (; fd >= 0 && n; p += piece, n -= piece) {
		piece = n < PIECE ? n : PIECE;
		write_line(fd, dir, p, piece);
	}
}
