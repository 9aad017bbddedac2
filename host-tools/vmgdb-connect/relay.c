// SPDX-License-Identifier: MIT
#include "host-tools/vmgdb-connect/relay.h"

#include <errno.h>
#include <string.h>

bool relay_wants(const struct relay *r, const struct peer *from)
{
	return from->stream && !from->read_over && relay_waiting(r) < RELAY_SIZE;
}

static void make_room(struct relay *r)
{
	memmove(r->buf, r->buf + r->start, relay_waiting(r));
	r->end -= r->start;
	r->start = 0;
}

void relay_clear(struct relay *r)
{
	r->start = r->end = 0;
}

bool relay_fill(struct relay *r, struct peer *from)
{
	ssize_t n;

	if (!relay_wants(r, from))
		return false;
	if (r->end == RELAY_SIZE)
		make_room(r);
	n = from->stream->ops->read(from->stream, r->buf + r->end, RELAY_SIZE - r->end);
	if (n > 0)
		r->end += (size_t)n;
	else if (n != -EAGAIN)
		from->read_over = true;
	/* a broken link can't be written to either; one that was closed in good order perhaps can */
	if (n < 0 && n != -EAGAIN)
		from->write_over = true;
	return n > 0;
}

bool relay_delivered(const struct relay *r, const struct peer *to)
{
	return !to->stream || to->write_over || relay_waiting(r) == 0;
}

bool relay_drain(struct relay *r, struct peer *to, short revents)
{
	bool taken = false;

	while (!relay_delivered(r, to)) {
		ssize_t n = to->stream->ops->write(to->stream, r->buf + r->start, relay_waiting(r));

		if (n > 0) {
			r->start += (size_t)n;
			taken = true;
			continue;
		}
		/* a virtio port that nobody has open at its other end takes nothing, and poll() on it
		 * never waits */
		if (n != -EAGAIN || revents & (POLLHUP | POLLERR | POLLNVAL))
			to->write_over = true;
		break;
	}
	if (r->start == r->end)
		relay_clear(r);
	return taken;
}
