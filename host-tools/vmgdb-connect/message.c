// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "host-tools/vmgdb-connect/message.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/lib/time.h"

enum { FIRST_PACKET_MS = 500, REST_MS = 100, ALL_MS = 1000 };

/* Paths may have any character but those that a terminal obeys. */
static void drop_controls(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

void message(const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	drop_controls(text);
	dprintf(STDERR_FILENO, "vmgdb-connect: %s\n", text);
	free(text);
}

void message_clean(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

void message_await_reader(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	long long end = time_ms() + ALL_MS;
	int timeout = FIRST_PACKET_MS;
	char buf[4096];

	while (time_ms() < end && poll(&p, 1, timeout) > 0 && read(p.fd, buf, sizeof(buf)) > 0)
		timeout = REST_MS;
}
