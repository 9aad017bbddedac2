/* SPDX-License-Identifier: MIT */
#include "host-tools/vmgdb-connect/refusal.h"

#include <errno.h>
#include <string.h>

#include "core/lib/time.h"
#include "core/rsp/packet.h"

enum { STEP_MS = 1000 };

void refusal_start(struct refusal *r, struct stream *stream)
{
	*r = (struct refusal){ .stream = stream, .deadline = time_ms() + STEP_MS };
}

struct pollfd refusal_wait(const struct refusal *r, int *timeout)
{
	if (!r->stream)
		return (struct pollfd){ .fd = -1 };
	*timeout = time_shorter(*timeout, time_left_ms(time_ms(), r->deadline));
	return (struct pollfd){ .fd = r->stream->rfd, .events = POLLIN };
}

/* The ack is for a debugger that waits for one before it looks at packets. */
static void send_refusal(struct refusal *r)
{
	static const char text[] = "E.another debugger is connected";
	char frame[1 + PACKET_FRAME_MAX(sizeof(text))] = "+";
	size_t len = 1 + packet_encode(frame + 1, text, sizeof(text) - 1);
	struct stream *s = r->stream;

	r->sent = true;
	r->deadline = time_ms() + STEP_MS;
	if (s->ops->write(s, frame, len) < 0 || !s->ops->finish || s->ops->finish(s) < 0)
		refusal_close(r);
}

void refusal_advance(struct refusal *r, short revents)
{
	ssize_t n = -EAGAIN;
	char buf[4096];

	if (!r->stream)
		return;
	if (revents)
		n = r->stream->ops->read(r->stream, buf, sizeof(buf));
	if (n <= 0 && n != -EAGAIN)
		refusal_close(r);
	else if (!r->sent && ((n > 0 && memchr(buf, '$', (size_t)n)) || time_ms() >= r->deadline))
		send_refusal(r);
	else if (r->sent && time_ms() >= r->deadline)
		refusal_close(r);
}

void refusal_close(struct refusal *r)
{
	if (r->stream)
		r->stream->ops->close(r->stream);
	r->stream = NULL;
}
