/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "host-tools/vmgdb-connect/peer.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#include "host-tools/vmgdb-connect/message.h"

enum { DISCARD_READS = 64 };

long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

int peer_open(struct peer *s)
{
	char err[256];
	int ret;

	if (s->ep)
		return 0;
	ret = vmgdb_endpoint_open(s->spec, s->role, &s->ep, err, sizeof(err));
	if (ret)
		message("%s", err);
	s->due = now_ms();
	return ret;
}

struct pollfd peer_wait(const struct peer *s, int *timeout)
{
	long long left = s->due - now_ms();

	if (left < 0)
		left = 0;
	if (left < INT_MAX && (*timeout < 0 || left < *timeout))
		*timeout = (int)left;
	return s->ep ? s->ep->pfd : (struct pollfd){ .fd = -1 };
}

bool peer_ready(const struct peer *s, const struct pollfd *p)
{
	return s->ep && (p->revents || now_ms() >= s->due);
}

int peer_accept(struct peer *s)
{
	int ret = s->ep->ops->accept(s->ep, &s->stream);

	s->due = s->ep->retry_ms ? now_ms() + s->ep->retry_ms : LLONG_MAX;
	if (ret) {
		s->stream = NULL;
		return ret;
	}
	s->read_over = s->write_over = false;
	return 0;
}

const char *peer_reason(const struct peer *s, int err)
{
	return s->ep->refused[0] ? s->ep->refused : strerrordesc_np(-err);
}

/* What it said so far must not pass for the next one's first words on a line that stays. */
static void discard_input(struct stream *s)
{
	char buf[4096];
	int i;

	for (i = 0; i < DISCARD_READS && s->ops->read(s, buf, sizeof(buf)) > 0; i++)
		;
}

void peer_drop(struct peer *s)
{
	if (!s->stream)
		return;
	if (!s->read_over)
		discard_input(s->stream);
	s->stream->ops->close(s->stream);
	s->stream = NULL;
	s->due = s->ep->retry_ms ? now_ms() + s->ep->retry_ms : LLONG_MAX;
}

void peer_close(struct peer *s)
{
	peer_drop(s);
	vmgdb_endpoint_close(s->ep);
	s->ep = NULL;
	s->due = 0;
}
