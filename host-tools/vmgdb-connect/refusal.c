// SPDX-License-Identifier: MIT
#include "host-tools/vmgdb-connect/refusal.h"

#include <errno.h>
#include <string.h>

#include "core/lib/time.h"
#include "core/rsp/packet.h"

enum { WAIT_MS = 300, LINGER_MS = 1000 };

struct pollfd refusal_wait(const struct refusal *r, const struct vmgdb_endpoint *ep, int *timeout)
{
	if (!r->stream && !r->waits)
		return ep->pfd;
	*timeout = time_shorter(*timeout, time_left_ms(time_ms(), r->due));
	return (struct pollfd){ .fd = r->stream ? r->stream->rfd : -1, .events = POLLIN };
}

/* With an ack: a debugger drops what comes before the one that it waits for. */
static void refuse(struct refusal *r)
{
	static const char why[] = "E.another debugger is connected";
	char text[1 + PACKET_FRAME_MAX(sizeof(why))] = "+";
	size_t n = 1 + packet_encode_command(text + 1, why, strlen(why));

	r->stream->ops->write(r->stream, text, n);
	if (r->stream->ops->finish)
		r->stream->ops->finish(r->stream);
	r->due = time_ms() + LINGER_MS;
}

void refusal_end(struct refusal *r)
{
	if (r->stream)
		r->stream->ops->close(r->stream);
	r->stream = NULL;
}

/* Has it left? */
static bool discard(struct refusal *r)
{
	char buf[4096];
	ssize_t n;

	do
		n = r->stream->ops->read(r->stream, buf, sizeof(buf));
	while (n > 0);
	return n != -EAGAIN;
}

void refusal_serve(struct refusal *r, struct vmgdb_endpoint *ep, short revents)
{
	bool due = time_ms() >= r->due;

	if (r->stream) {
		if ((revents && discard(r)) || due)
			refusal_end(r);
	} else if (r->waits && due) {
		r->waits = false;
		if (!ep->ops->accept(ep, &r->stream))
			refuse(r);
	} else if (!r->waits && revents) {
		r->waits = true;
		r->due = time_ms() + WAIT_MS;
	}
}

void refusal_forget(struct refusal *r)
{
	r->waits = false;
}
