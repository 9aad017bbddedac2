/* SPDX-License-Identifier: MIT */
#include "host-tools/vmgdb-connect/message.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { FIRST_WORDS_MS = 500, NEXT_WORDS_MS = 100 };

void message(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	dprintf(STDERR_FILENO, "vmgdb-connect: %s\n", text);
}

void message_await_reader(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	int patience = FIRST_WORDS_MS;
	char buf[4096];

	while (poll(&p, 1, patience) > 0 && read(p.fd, buf, sizeof(buf)) > 0)
		patience = NEXT_WORDS_MS;
}
