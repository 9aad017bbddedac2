// SPDX-License-Identifier: MIT
#include "host-tools/vmgdb-connect/refusal.h"

#include <errno.h>
#include <string.h>

#include "core/lib/time.h"
#include "core/rsp/packet.h"

enum { STEP_MS = 1000 };

static void disconnect(struct refusal *c)
{
	if (c->stream)
		c->stream->ops->close(c->stream);
	c->stream = NULL;
}

/* A free slot, or the one whose deadline is the earliest. */
static struct refusal *find_slot(struct refusals *r)
{
	struct refusal *c, *found = r->clients;

	for (c = r->clients; c < r->clients + REFUSALS_MAX && found->stream; c++)
		if (!c->stream || c->deadline < found->deadline)
			found = c;
	return found;
}

void refusal_add(struct refusals *r, struct stream *stream)
{
	struct refusal *c = find_slot(r);

	disconnect(c);
	*c = (struct refusal){ .stream = stream, .deadline = time_ms() + STEP_MS };
}

void refusal_poll(const struct refusals *r, struct pollfd *pfds, int *timeout)
{
	const struct refusal *c;

	for (c = r->clients; c < r->clients + REFUSALS_MAX; c++, pfds++) {
		*pfds = (struct pollfd){ .fd = c->stream ? c->stream->rfd : -1, .events = POLLIN };
		if (c->stream)
			*timeout = time_shorter(*timeout, time_left_ms(time_ms(), c->deadline));
	}
}

/* The ack is for a debugger that waits for one before it looks at packets. */
static void send_refusal(struct refusal *c)
{
	static const char text[] = "E.another debugger is connected";
	char frame[1 + PACKET_FRAME_MAX(sizeof(text))] = "+";
	size_t len = 1 + packet_encode(frame + 1, text, sizeof(text) - 1);
	struct stream *s = c->stream;

	c->sent = true;
	c->deadline = time_ms() + STEP_MS;
	if (s->ops->write(s, frame, len) < 0 || !s->ops->finish || s->ops->finish(s) < 0)
		disconnect(c);
}

static void serve(struct refusal *c, short revents)
{
	bool over = time_ms() >= c->deadline;
	ssize_t n = -EAGAIN;
	char buf[4096];

	if (revents)
		n = c->stream->ops->read(c->stream, buf, sizeof(buf));
	if (n <= 0 && n != -EAGAIN)
		disconnect(c);
	else if (!c->sent && (over || (n > 0 && memchr(buf, '$', (size_t)n))))
		send_refusal(c);
	else if (c->sent && over)
		disconnect(c);
}

void refusal_serve(struct refusals *r, const struct pollfd *pfds)
{
	struct refusal *c;

	for (c = r->clients; c < r->clients + REFUSALS_MAX; c++, pfds++)
		if (c->stream)
			serve(c, pfds->revents);
}

void refusal_close(struct refusals *r)
{
	struct refusal *c;

	for (c = r->clients; c < r->clients + REFUSALS_MAX; c++)
		disconnect(c);
}
