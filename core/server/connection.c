// SPDX-License-Identifier: MIT
#include "core/server/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	FIRST_SIZE = 1024, /* read from a silent peer, before there is a buffer */
	ACCEPT_TIMEOUT_MS =
		100,	  /* how long a new client waits for the attached debugger to leave */
	LINGER_MS = 1000, /* how long a peer may take to leave after the last reply */
};

static long long now_ms(const struct connection *c)
{
	return time_cached_ms(c->at->clock);
}

static void log_info(const struct connection *c, const char *what)
{
	engine_log(c->at->engine, VMGDB_LOG_INFO, "%s: %s: %s", c->at->ep->name, c->stream->peer,
		   what);
}

struct connection *connection_new(struct server_endpoint *at, struct stream *stream)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->at = at;
	c->stream = stream;
	c->since = now_ms(c);
	return c;
}

bool connection_is_attached(const struct connection *c)
{
	return c->session && session_holds(c->session);
}

/* ---- the session ------------------------------------------------------------------------- */

static void log_session(void *opaque, int level, const char *line)
{
	const struct connection *c = opaque;

	if (level == VMGDB_LOG_WARNING)
		server_endpoint_warn(c->at, "%s: %s", c->stream->peer, line);
	else
		engine_log(c->at->engine, level, "%s: %s", c->stream->peer, line);
}

static int start_session(struct connection *c)
{
	const struct stream_policy *policy = &c->at->ep->policy;
	const struct session_config config = {
		.reliable = c->stream->traits & STREAM_RELIABLE,
		.ro = policy->ro,
		.ack = policy->ack,
		.may_kill = engine_config(c->at->engine)->kill,
		.log = log_session,
		.opaque = c,
	};

	c->buf = malloc(READ_SIZE);
	if (!c->buf || session_create(&c->session, engine_target(c->at->engine), &config))
		return -ENOMEM;
	c->state = CONNECTION_OPEN;
	c->deadline = now_ms(c) + ACCEPT_TIMEOUT_MS;
	return 0;
}

static void end_session(struct connection *c)
{
	session_destroy(c->session);
	free(c->buf);
	c->session = NULL;
	c->buf = NULL;
	c->in = c->fed = 0;
}

static bool has_output(const struct connection *c)
{
	size_t len = 0;

	if (c->session)
		session_output(c->session, &len);
	return len;
}

/* What the session made of the bytes that it took. */
static void look_at_session(struct connection *c)
{
	enum session_end end = session_state(c->session);

	c->parted = end == SESSION_DETACHED || end == SESSION_KILLED;
	if (c->attached != connection_is_attached(c)) {
		c->attached = !c->attached;
		log_info(c, c->attached ? "the debugger is attached" : "the debugger has detached");
	}
	if (c->state != CONNECTION_OPEN || end == SESSION_OPEN)
		return;
	if (end == SESSION_NO_DEBUGGER)
		server_endpoint_warn(c->at, "%s: not a debugger (an HTTP client?)",
				     c->stream->peer);
	c->state = CONNECTION_CLOSING;
}

/* All is written. A peer that has not read it yet would lose it if its own bytes met a closed socket. */
static void finish(struct connection *c)
{
	const struct stream_ops *ops = c->stream->ops;

	end_session(c);
	c->state = CONNECTION_GONE;
	if (!c->replied || !ops->finish || ops->finish(c->stream))
		return;
	c->state = CONNECTION_LINGERING;
	c->deadline = now_ms(c) + LINGER_MS;
}

/* ---- bytes ------------------------------------------------------------------------------- */

static void record(struct connection *c, enum transcript_dir dir, const void *bytes, size_t n)
{
	int ret = transcript_write(&c->at->transcript, dir, bytes, n);

	if (ret)
		engine_log(c->at->engine, VMGDB_LOG_ERROR,
			   "%s: bytes are missing in the transcript '%s': %s", c->at->ep->name,
			   c->at->ep->policy.log, strerror(-ret));
}

/* Bytes that wait in buf leave the others in the stream, but for those of a new client. */
static bool may_read(const struct connection *c)
{
	switch (c->state) {
	case CONNECTION_SILENT:
	case CONNECTION_LINGERING: return true;
	case CONNECTION_OPEN: return !c->in || (c->waits && c->in < READ_SIZE);
	default: return false;
	}
}

/* The first bytes of a peer. */
static ssize_t read_first(struct connection *c)
{
	uint8_t first[FIRST_SIZE];
	ssize_t n = c->stream->ops->read(c->stream, first, sizeof(first));

	if (n <= 0)
		return n;
	if (start_session(c)) {
		server_endpoint_warn(c->at, "%s: out of memory", c->stream->peer);
		return -ENOMEM;
	}
	memcpy(c->buf, first, (size_t)n);
	return n;
}

static ssize_t discard(struct connection *c)
{
	uint8_t bytes[FIRST_SIZE];

	return c->stream->ops->read(c->stream, bytes, sizeof(bytes));
}

static ssize_t read_some(struct connection *c)
{
	switch (c->state) {
	case CONNECTION_SILENT: return read_first(c);
	case CONNECTION_LINGERING: return discard(c);
	default: return c->stream->ops->read(c->stream, c->buf + c->in, READ_SIZE - c->in);
	}
}

void connection_receive(struct connection *c, const struct pollfd *pfds)
{
	ssize_t n;

	if (!c->slot || !pfds[c->slot].revents || has_output(c) || !may_read(c))
		return;
	n = read_some(c);
	if (n == -EAGAIN)
		return;
	if (n <= 0) {
		c->state = CONNECTION_GONE;
	} else if (c->state == CONNECTION_OPEN) {
		record(c, TRANSCRIPT_IN, c->buf + c->in, (size_t)n);
		c->in += (size_t)n;
	}
}

static void feed(struct connection *c)
{
	size_t n = session_input(c->session, c->buf + c->fed, c->in - c->fed);

	c->blocked = !n;
	c->fed += n;
	if (c->fed == c->in)
		c->fed = c->in = 0;
}

bool connection_flush(struct connection *c)
{
	const void *bytes;
	size_t len;
	ssize_t n;

	while (c->session && (bytes = session_output(c->session, &len), len)) {
		n = c->stream->ops->write(c->stream, bytes, len);
		if (n == -EAGAIN)
			return true;
		if (n <= 0) {
			c->state = CONNECTION_GONE;
			return false;
		}
		record(c, TRANSCRIPT_OUT, bytes, (size_t)n);
		session_sent(c->session, (size_t)n);
		c->replied = true;
		if (session_timeout_ms(c->session) >= 0)
			c->sent = now_ms(c);
	}
	return false;
}

/* Milliseconds until what was sent is sent again for want of an ack; -1: it will not be. */
static int resend_in(const struct connection *c)
{
	int limit = session_timeout_ms(c->session);

	return limit < 0 ? -1 : time_left_ms(now_ms(c), c->sent + limit);
}

static void serve_session(struct connection *c)
{
	session_poll(c->session);
	c->blocked = false;
	if (c->state == CONNECTION_OPEN && c->in && !c->waits && !has_output(c))
		feed(c);
	if (resend_in(c) == 0)
		session_timeout(c->session);
	connection_flush(c);
	look_at_session(c);
	if (c->state == CONNECTION_CLOSING && !has_output(c))
		finish(c);
}

void connection_serve(struct connection *c)
{
	if (c->state == CONNECTION_LINGERING && now_ms(c) >= c->deadline)
		c->state = CONNECTION_GONE;
	if (c->state == CONNECTION_OPEN || c->state == CONNECTION_CLOSING)
		serve_session(c);
}

/* ---- waiting ----------------------------------------------------------------------------- */

/* Bytes that wait without a deadline wait for more of them. */
static int waiting_ms(const struct connection *c)
{
	int left = time_left_ms(now_ms(c), c->deadline);

	return left ? left : -1;
}

static int timeout_ms(const struct connection *c)
{
	if (c->state == CONNECTION_LINGERING)
		return time_left_ms(now_ms(c), c->deadline);
	if (!c->session)
		return -1;
	if (c->waits)
		return waiting_ms(c);
	if (c->in && !c->blocked && !has_output(c))
		return 0;
	return resend_in(c);
}

/* Nothing is read while there are replies that the peer does not take: its own back-pressure. */
int connection_poll(struct connection *c, struct pollfd *pfds, size_t *npfds)
{
	bool full = has_output(c);

	c->slot = 0;
	if (full || may_read(c)) {
		c->slot = (*npfds)++;
		pfds[c->slot] = (struct pollfd){ .fd = full ? c->stream->wfd : c->stream->rfd,
						 .events = full ? POLLOUT : POLLIN };
	}
	return timeout_ms(c);
}

/* ---- the end ----------------------------------------------------------------------------- */

void connection_displace(struct connection *c)
{
	static const char text[] = "another debugger takes the VM over\n";
	struct target *t = engine_target(c->at->engine);

	session_console(c->session, text, sizeof(text) - 1);
	connection_flush(c);
	t->ops->detach(t, DETACH_STAY);
	c->parted = true;
	finish(c);
}

void connection_refuse(struct connection *c)
{
	/* the ack is for a debugger that waits for one before it looks at packets */
	static const char text[] = "+$E.too many connections#5d";

	c->replied |= c->stream->ops->write(c->stream, text, sizeof(text) - 1) > 0;
	finish(c);
}

/*
 * The attached debugger has gone, and did not say what is to become of the VM. One that only asked was
 * no debugger yet for a VM that waits for one, if another can come.
 */
static void leave(const struct connection *c)
{
	const struct stream_policy *policy = &c->at->ep->policy;
	struct target *t = engine_target(c->at->engine);
	enum detach_how how = policy->on_disconnect == DISCONNECT_STAY ? DETACH_STAY : DETACH_RUN;

	log_info(c, "the debugger has left");
	if (session_only_asked(c->session) && engine_is_held(c->at->engine) && !c->at->ep->once)
		how = DETACH_STAY;
	else if (policy->on_disconnect == DISCONNECT_KILL && !t->ops->kill(t))
		return;
	t->ops->detach(t, how);
}

/* No debugger has attached here, and none can come any more. A VM that runs is left as it is. */
static void leave_unused(const struct connection *c)
{
	enum disconnect_policy policy = c->at->ep->policy.on_disconnect;
	struct target *t = engine_target(c->at->engine);

	log_info(c, "the peer has left, and no other can come");
	if (policy == DISCONNECT_STAY || (policy == DISCONNECT_KILL && !t->ops->kill(t)))
		return;
	if (engine_is_held(c->at->engine))
		t->ops->detach(t, DETACH_RUN);
}

void connection_close(struct connection *c, bool alone)
{
	if (connection_is_attached(c))
		leave(c);
	else if (c->at->ep->once && alone && !c->parted)
		leave_unused(c);
	connection_free(c);
}

void connection_free(struct connection *c)
{
	c->stream->ops->close(c->stream);
	end_session(c);
	free(c);
}
