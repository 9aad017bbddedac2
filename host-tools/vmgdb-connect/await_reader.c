// SPDX-License-Identifier: MIT
#include "host-tools/vmgdb-connect/await_reader.h"

#include <poll.h>
#include <unistd.h>

#include "core/lib/time.h"

enum { FIRST_PACKET_MS = 500, REST_MS = 100, ALL_MS = 1000 };

void await_reader(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	long long end = time_ms() + ALL_MS;
	int timeout = FIRST_PACKET_MS;
	char buf[4096];

	while (time_ms() < end && poll(&p, 1, timeout) > 0 && read(p.fd, buf, sizeof(buf)) > 0)
		timeout = REST_MS;
}
