// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "host-tools/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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
	dprintf(STDERR_FILENO, "%s: %s\n", program_name, text);
	free(text);
}
