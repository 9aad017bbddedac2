// SPDX-License-Identifier: MIT
#include "core/server/admission.h"

#include <ctype.h>
#include <string.h>

/* ---- limits ------------------------------------------------------------------------------ */

/* How readily a connection makes room for another one; 0: not at all. */
static int readiness(const struct connection *c)
{
	switch (c->state) {
	case CONNECTION_SILENT: return 3;
	case CONNECTION_LINGERING: return 2;
	default: break;
	}
	return !connection_is_attached(c) && time_cached_ms(c->at->clock) - c->since >= SLOW_MS;
}

/* The readiest, of these the oldest; of one endpoint, or of all. The list begins with the newest. */
static struct connection *readiest(const struct server *s, const struct server_endpoint *at)
{
	struct connection *c, *found = NULL;
	int best = 1, ready;

	for (c = s->connections; c; c = c->next) {
		ready = at && c->at != at ? 0 : readiness(c);
		if (ready >= best) {
			best = ready;
			found = c;
		}
	}
	return found;
}

static bool drop(struct server *s, struct connection *c)
{
	struct connection **p = &s->connections;

	if (!c)
		return false;
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	s->nconnections--;
	c->at->connections--;
	if (c->state != CONNECTION_LINGERING)
		connection_refuse(c->stream);
	connection_close(c);
	return true;
}

bool admission_make_room(struct server *s)
{
	return drop(s, readiest(s, NULL));
}

/* One line for as long as it goes on. */
static void log_crowd(struct server_endpoint *at)
{
	if (!at->crowded)
		engine_log(at->engine, VMGDB_LOG_WARNING,
			   "%s: too many connections: those that say nothing make room",
			   at->ep->name);
	at->crowded = true;
}

static bool has_room(struct server *s, struct server_endpoint *at)
{
	if (at->connections <= CONNECTIONS_ENDPOINT / 2)
		at->crowded = false;
	if (at->connections < CONNECTIONS_ENDPOINT && s->nconnections < CONNECTIONS_ALL)
		return true;
	log_crowd(at);
	return drop(s, readiest(s, at->connections < CONNECTIONS_ENDPOINT ? NULL : at));
}

void admission_accept(struct server *s, struct server_endpoint *at, struct stream *stream)
{
	struct connection *c = NULL;

	if (!has_room(s, at))
		connection_refuse(stream);
	else if (!(c = connection_new(at, stream)))
		engine_log(s->engine, VMGDB_LOG_ERROR, "%s: out of memory", at->ep->name);
	if (!c) {
		stream->ops->close(stream);
		return;
	}
	c->next = s->connections;
	s->connections = c;
	s->nconnections++;
	at->connections++;
}

/* ---- turns ------------------------------------------------------------------------------- */

static struct connection *attached(const struct server *s)
{
	struct connection *c;

	for (c = s->connections; c; c = c->next)
		if (connection_is_attached(c))
			return c;
	return NULL;
}

static int hex_digit(uint8_t c)
{
	return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

/* Whether p[0..len) begins with a packet's data and a checksum that fits (GDB manual, "Overview"). */
static bool is_packet(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;
	size_t i;

	for (i = 0; i < len && p[i] != '#'; i++)
		sum += p[i];
	return i + 2 < len && hex_digit(p[i + 1]) * 16 + hex_digit(p[i + 2]) == sum;
}

/* Whether the peer has sent a packet: before that it is no debugger, whatever it is. */
static bool has_packet(const struct connection *c)
{
	const uint8_t *p = c->buf + c->fed, *end = c->buf + c->in;

	while (p < end && (p = memchr(p, '$', (size_t)(end - p)))) {
		p++;
		if (is_packet(p, (size_t)(end - p)))
			return true;
	}
	return false;
}

static bool may_take_over(const struct connection *c, const struct connection *other)
{
	return c->at->ep->policy.takeover && peer_may_take_over(&c->stream->id, &other->stream->id);
}

static void take_over(struct connection *c, struct connection *other)
{
	engine_log(c->at->engine, VMGDB_LOG_WARNING, "%s: %s takes the VM over from %s at %s",
		   c->at->ep->name, c->stream->peer, other->stream->peer, other->at->ep->name);
	connection_displace(other);
}

bool admission_waits(struct server *s, struct connection *c)
{
	struct connection *other;

	if (c->state != CONNECTION_OPEN || !c->in || connection_is_attached(c))
		return false;
	other = attached(s);
	if (!other)
		return false;
	if (time_cached_ms(c->at->clock) < c->deadline)
		return true;
	if (!may_take_over(c, other))
		return false;
	if (!has_packet(c))
		return c->in < READ_SIZE;
	take_over(c, other);
	return false;
}
