/* SPDX-License-Identifier: MIT */
#include "host-tools/vmgdb-connect/relay.h"

#include <errno.h>
#include <string.h>

bool relay_wants(const struct relay *f, const struct peer *from)
{
	return from->stream && !from->read_over && relay_waiting(f) < RELAY_SIZE;
}

static void make_room(struct relay *f)
{
	if (f->start == 0)
		return;
	memmove(f->buf, f->buf + f->start, relay_waiting(f));
	f->end -= f->start;
	f->start = 0;
}

void relay_fill(struct relay *f, struct peer *from)
{
	ssize_t n;

	if (!relay_wants(f, from))
		return;
	if (f->end == RELAY_SIZE)
		make_room(f);
	n = from->stream->ops->read(from->stream, f->buf + f->end, RELAY_SIZE - f->end);
	if (n > 0)
		f->end += (size_t)n;
	else if (n != -EAGAIN)
		from->read_over = true;
	/* a broken link has no way out either; one that was closed in good order may have */
	if (n < 0 && n != -EAGAIN)
		from->write_over = true;
}

void relay_drain(struct relay *f, struct peer *to, short revents)
{
	while (to->stream && !to->write_over && relay_waiting(f)) {
		ssize_t n = to->stream->ops->write(to->stream, f->buf + f->start, relay_waiting(f));

		if (n > 0) {
			f->start += (size_t)n;
			continue;
		}
		/* a virtio port with nobody at its other end takes nothing, and poll() never waits */
		if (n != -EAGAIN || revents & (POLLHUP | POLLERR | POLLNVAL))
			to->write_over = true;
		break;
	}
	if (f->start == f->end)
		f->start = f->end = 0;
}
