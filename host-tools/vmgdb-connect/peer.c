// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "host-tools/vmgdb-connect/peer.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "core/lib/time.h"
#include "host-tools/message.h"
#include "host-tools/vmgdb-connect/exit_status.h"

enum { DISCARD_READS = 64, ERROR_MAX = 8192 };

int peer_open(struct peer *p)
{
	char err[ERROR_MAX];
	int ret;

	if (p->ep)
		return 0;
	ret = vmgdb_endpoint_open(p->spec, p->role, &p->ep, err, sizeof(err));
	if (ret)
		message("%s", err);
	p->due = time_ms();
	p->shortage = 0;
	return ret;
}

struct pollfd peer_wait(const struct peer *p, int *timeout)
{
	if (p->due != LLONG_MAX)
		*timeout = time_shorter(*timeout, time_left_ms(time_ms(), p->due));
	return p->ep ? p->ep->pfd : (struct pollfd){ .fd = -1 };
}

bool peer_ready(const struct peer *p, short revents)
{
	return revents || time_ms() >= p->due;
}

static void set_due(struct peer *p)
{
	p->due = p->ep->retry_ms ? time_ms() + p->ep->retry_ms : LLONG_MAX;
}

/* Whoever connects now has to wait, and sees no reason. */
static void report_shortage(struct peer *p)
{
	if (p->ep->shortage && !p->shortage)
		message("%s: can't accept for now: %s", p->ep->name,
			strerrordesc_np(-p->ep->shortage));
	p->shortage = p->ep->shortage;
}

int peer_accept_another(struct peer *p, struct stream **out)
{
	int ret = p->ep->ops->accept(p->ep, out);

	set_due(p);
	report_shortage(p);
	return ret;
}

int peer_accept(struct peer *p)
{
	int ret = peer_accept_another(p, &p->stream);

	if (ret) {
		p->stream = NULL;
		return ret;
	}
	p->read_over = p->write_over = p->finished = false;
	return 0;
}

/* A listener has an address to attach to; a line has no descriptor to poll while it is in use. */
bool peer_listens(const struct peer *p)
{
	return p->ep && p->ep->attach[0] && (p->ep->pfd.fd >= 0 || p->ep->shortage);
}

const char *peer_reason(const struct peer *p, int err)
{
	return p->ep->refused[0] ? p->ep->refused : strerrordesc_np(-err);
}

int peer_exit_status(const struct peer *p, int err)
{
	bool opened = p->ep;

	if (!opened && err == -EINVAL)
		return EXIT_USAGE;
	if (err == -EMFILE || err == -ENFILE || err == -ENOMEM)
		return EXIT_LOCAL;
	if (p->role == VMGDB_STUB || (p->role == VMGDB_ACCEPT && !opened))
		return EXIT_LOCAL;
	return opened && err == -EACCES ? EXIT_REFUSED : EXIT_UNREACHABLE;
}

bool peer_is_over(const struct peer *p)
{
	return p->stream && (p->read_over || p->write_over);
}

static bool hung_up(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR | POLLNVAL);
}

bool peer_has_left(const struct peer *p)
{
	return p->stream && (p->write_over || (p->read_over && hung_up(p->stream->wfd)));
}

void peer_finish(struct peer *p)
{
	if (!p->finished && p->stream->ops->finish)
		p->stream->ops->finish(p->stream);
	p->finished = true;
}

/* On a serial line or a pty, what this peer has sent must not pass for the first bytes of the next one. */
static void discard_input(struct stream *s)
{
	char buf[4096];
	int i;

	for (i = 0; i < DISCARD_READS && s->ops->read(s, buf, sizeof(buf)) > 0; i++)
		;
}

void peer_drop(struct peer *p)
{
	if (!p->stream)
		return;
	if (!p->read_over)
		discard_input(p->stream);
	p->stream->ops->close(p->stream);
	p->stream = NULL;
	set_due(p);
}

void peer_close(struct peer *p)
{
	peer_drop(p);
	vmgdb_endpoint_close(p->ep);
	p->ep = NULL;
	p->due = 0;
}
