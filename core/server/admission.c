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
		server_endpoint_warn(at, "out of memory");
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

enum first_packet {
	FIRST_PARTIAL, /* it has not come, or not all of it */
	FIRST_WHOLE,
	FIRST_NONE, /* something else came: the session sees to that */
};

/* A packet from behind its $ on (GDB manual, "Overview"): with FIRST_WHOLE its checksum fits. */
static enum first_packet check_packet(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;
	size_t i;

	for (i = 0; i < len && p[i] != '#'; i++)
		sum += p[i];
	if (i + 2 >= len)
		return FIRST_PARTIAL;
	return hex_digit(p[i + 1]) * 16 + hex_digit(p[i + 2]) == sum ? FIRST_WHOLE : FIRST_NONE;
}

/* What a new client has sent, behind acks and interrupts: before its first packet it is no debugger. */
static enum first_packet first_packet(const struct connection *c)
{
	const uint8_t *p = c->buf + c->fed, *end = c->buf + c->in;

	while (p < end && memchr("+-\003", *p, 3))
		p++;
	if (p == end)
		return FIRST_PARTIAL;
	return *p == '$' ? check_packet(p + 1, (size_t)(end - p - 1)) : FIRST_NONE;
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

/* Takes the VM over as soon as the client has sent a packet. As admission_waits(). */
static bool waits_for_takeover(struct connection *c, struct connection *other)
{
	switch (first_packet(c)) {
	case FIRST_PARTIAL: return c->in < READ_SIZE;
	case FIRST_WHOLE: take_over(c, other); break;
	case FIRST_NONE: break;
	}
	return false;
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
	return may_take_over(c, other) && waits_for_takeover(c, other);
}
