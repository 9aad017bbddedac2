// SPDX-License-Identifier: MIT
#include "core/server/admission.h"

#include "core/rsp/packet.h"

/* ---- the first packet -------------------------------------------------------------------- */

/*
 * The first event of what a client has sent, behind acks and interrupts: before its first packet it is no
 * debugger. PACKET_NONE: it has not come, or not all of it. The data is dropped.
 */
static enum packet_event first_event(const struct connection *c)
{
	struct packet_decoder d;
	enum packet_event event;
	uint8_t nothing;
	size_t n, at = c->fed;

	packet_decoder_init(&d, &nothing, 0);
	do {
		event = packet_decode(&d, c->buf + at, c->in - at, &n);
		at += n;
	} while (event == PACKET_ACK || event == PACKET_NAK || event == PACKET_INTERRUPT);
	return event;
}

static bool has_packet(const struct connection *c)
{
	enum packet_event event = first_event(c);

	return event == PACKET_DATA || event == PACKET_TOO_LONG;
}

/* ---- limits ------------------------------------------------------------------------------ */

/* Whether c holds a place of this endpoint, or of any. One that only sees the end does not. */
static bool counts(const struct connection *c, const struct server_endpoint *at)
{
	return c->state < CONNECTION_LINGERING && (!at || c->at == at);
}

static unsigned int count(const struct server *s, const struct server_endpoint *at)
{
	const struct connection *c;
	unsigned int n = 0;

	for (c = s->connections; c; c = c->next)
		n += counts(c, at);
	return n;
}

/*
 * How readily a connection makes room for another one; 0: not at all. A peer that has sent acks, noise or
 * part of a packet is no better than a silent one. Its first packet attaches a session, or ends it: an
 * open one that is not attached has had none, unless it waits in buf.
 */
static int readiness(const struct connection *c)
{
	if (c->at->ep->once || connection_is_attached(c))
		return 0;
	if (c->state == CONNECTION_SILENT || (c->state == CONNECTION_OPEN && !has_packet(c)))
		return 2;
	return time_cached_ms(c->at->clock) - c->since >= SLOW_MS;
}

/* The readiest, of these the oldest; of one endpoint, or of all. The list begins with the newest. */
static struct connection *readiest(const struct server *s, const struct server_endpoint *at)
{
	struct connection *c, *found = NULL;
	int best = 1, ready;

	for (c = s->connections; c; c = c->next) {
		ready = counts(c, at) ? readiness(c) : 0;
		if (ready >= best) {
			best = ready;
			found = c;
		}
	}
	return found;
}

static void refuse(struct server *s, struct connection *c, const char *how)
{
	server_endpoint_warn(c->at, "%s: %s: too many connections", c->stream->peer, how);
	connection_refuse(c);
	s->again |= c->state == CONNECTION_GONE;
}

static bool make_room(struct server *s, const struct server_endpoint *at)
{
	struct connection *c = readiest(s, at);

	if (c)
		refuse(s, c, "closed to make room");
	return c;
}

static bool has_room(struct server *s, const struct server_endpoint *at)
{
	bool full = count(s, at) >= CONNECTIONS_ENDPOINT;

	if (at->ep->once || (!full && count(s, NULL) < CONNECTIONS_ALL))
		return true;
	return make_room(s, full ? at : NULL);
}

/* Close the one that lingers longest, if there are more than max. False: there are not. */
static bool end_lingering(struct server *s, unsigned int max)
{
	struct connection *c, *oldest = NULL;
	unsigned int n = 0;

	for (c = s->connections; c; c = c->next) {
		if (c->state != CONNECTION_LINGERING)
			continue;
		n++;
		if (!oldest || c->deadline <= oldest->deadline)
			oldest = c;
	}
	if (n <= max)
		return false;
	oldest->state = CONNECTION_GONE;
	s->again = true;
	return true;
}

void admission_make_room(struct server *s)
{
	if (!end_lingering(s, 0) && make_room(s, NULL))
		end_lingering(s, 0);
}

void admission_accept(struct server *s, struct server_endpoint *at, struct stream *stream)
{
	struct connection *c = connection_new(at, stream);

	if (!c) {
		server_endpoint_warn(at, "out of memory");
		stream->ops->close(stream);
		return;
	}
	if (!has_room(s, at))
		refuse(s, c, "refused");
	c->next = s->connections;
	s->connections = c;
	while (end_lingering(s, LINGERING_MAX))
		;
}

/* ---- turns ------------------------------------------------------------------------------- */

struct connection *admission_attached(const struct server *s)
{
	struct connection *c;

	for (c = s->connections; c; c = c->next)
		if (connection_is_attached(c))
			return c;
	return NULL;
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
	if (first_event(c) == PACKET_NONE)
		return c->in < READ_SIZE;
	if (has_packet(c))
		take_over(c, other);
	return false;
}

bool admission_waits(struct server *s, struct connection *c)
{
	struct connection *other;

	if (c->state != CONNECTION_OPEN || !c->in || connection_is_attached(c))
		return false;
	other = admission_attached(s);
	if (!other)
		return false;
	if (time_cached_ms(c->at->clock) < c->deadline)
		return true;
	return may_take_over(c, other) && waits_for_takeover(c, other);
}
