// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/server/server.h"
#include "core/rsp/session.h"
#include "core/server/transcript.h"

enum {
	READ_SIZE = 65536,
	WAKEUP_SLOT = 0,      /* of the eventfd in pfds */
	SLOTS_CONNECTION = 2, /* in pfds: rfd, wfd */
	PATIENCE_MS = 100,    /* how long a newcomer waits for another to leave */
	LAST_WORDS_MS = 200,  /* how long a last reply may take to be written */
};

/* One debugger: a stream of bytes and what is said over it. */
struct connection {
	struct connection *next;
	struct vmgdb_endpoint *ep;
	struct stream *stream;
	struct session *session;
	int transcript;
	size_t slot;	    /* in pfds, of this round; 0: none */
	bool closing;	    /* nothing more to hear: close when all is written */
	bool gone;	    /* ... and nobody to write to */
	bool stuck;	    /* the session does not take what is in buf for now */
	bool early;	    /* what is in buf waits until another has left */
	long long patience; /* ... but not for longer than this, ms; 0: nothing came yet */
	long long sent;	    /* when bytes went out last, ms */
	size_t in, fed;	    /* bytes in buf, and how many the session has taken */
	uint8_t buf[READ_SIZE];
};

/* ---- wake-ups ---------------------------------------------------------------------------- */

int server_init(struct server *s, struct engine *e)
{
	*s = (struct server){ .engine = e };
	atomic_init(&s->quit, false);
	s->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return s->wakeup < 0 ? -errno : 0;
}

void server_wake(struct server *s)
{
	/* it can only fail when it is set already */
	(void)!eventfd_write(s->wakeup, 1);
}

static void drain_wakeup(struct server *s)
{
	eventfd_t n;

	(void)!eventfd_read(s->wakeup, &n);
}

/* ---- one connection ---------------------------------------------------------------------- */

static void log_session(void *opaque, int level, const char *line)
{
	engine_log(opaque, level, "%s", line);
}

static int open_transcript(const struct server *s, const struct vmgdb_endpoint *ep)
{
	int fd;

	if (!ep->policy.log)
		return -1;
	fd = open(ep->policy.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		engine_log(s->engine, VMGDB_LOG_ERROR, "transcript %s: %s", ep->policy.log,
			   strerror(errno));
	return fd;
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static int connect_session(struct server *s, struct vmgdb_endpoint *ep, struct stream *stream)
{
	const struct session_config config = {
		.reliable = stream->traits & STREAM_RELIABLE,
		.ro = ep->policy.ro,
		.ack = ep->policy.ack,
		.may_kill = engine_config(s->engine)->kill,
		.log = log_session,
		.opaque = s->engine,
	};
	struct connection *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	if (session_create(&c->session, engine_target(s->engine), &config)) {
		free(c);
		return -ENOMEM;
	}
	c->ep = ep;
	c->stream = stream;
	c->transcript = open_transcript(s, ep);
	c->next = s->connections;
	s->connections = c;
	return 0;
}

static void flush(struct connection *c)
{
	const void *bytes;
	ssize_t n = 1;
	size_t len;

	while (n > 0 && (bytes = session_output(c->session, &len), len)) {
		n = c->stream->ops->write(c->stream, bytes, len);
		if (n <= 0)
			break;
		transcript_write(c->transcript, TRANSCRIPT_OUT, bytes, (size_t)n);
		session_sent(c->session, (size_t)n);
		c->sent = now_ms();
	}
	if (n < 0 && n != -EAGAIN)
		c->closing = c->gone = true;
}

static void feed(struct connection *c)
{
	size_t n = session_input(c->session, c->buf + c->fed, c->in - c->fed);

	c->stuck = !n;
	c->fed += n;
	if (c->fed == c->in)
		c->fed = c->in = 0;
	if (session_state(c->session) != SESSION_OPEN)
		c->closing = true;
}

static void receive(struct connection *c)
{
	ssize_t n;

	if (c->in || c->closing)
		return;
	n = c->stream->ops->read(c->stream, c->buf, sizeof(c->buf));
	if (n == -EAGAIN)
		return;
	if (n <= 0) {
		c->closing = c->gone = true;
		return;
	}
	transcript_write(c->transcript, TRANSCRIPT_IN, c->buf, (size_t)n);
	c->in = (size_t)n;
	if (!c->patience)
		c->patience = now_ms() + PATIENCE_MS;
}

static bool unsent(const struct connection *c)
{
	size_t len;

	session_output(c->session, &len);
	return len;
}

static int until(long long when)
{
	long long left = when - now_ms();

	return left > 0 ? (int)left : 0;
}

/* Milliseconds until what was sent is sent again for want of an ack; -1: it will not be. */
static int resend_in(const struct connection *c)
{
	int limit = session_timeout_ms(c->session);

	return limit < 0 ? -1 : until(c->sent + limit);
}

/* The first words of a newcomer wait while the debugger that holds the VM may be about to leave. */
static bool is_early(const struct server *s, const struct connection *c)
{
	const struct connection *o;

	if (session_holds(c->session) || now_ms() >= c->patience)
		return false;
	for (o = s->connections; o; o = o->next)
		if (session_holds(o->session))
			return true;
	return false;
}

/* What the engine has to tell, what the peer said, what there is to answer. */
static void serve(struct server *s, struct connection *c)
{
	if (c->slot && s->pfds[c->slot].revents)
		receive(c);
	session_poll(c->session);
	c->early = c->in && is_early(s, c);
	c->stuck = false;
	if (c->in && !c->early && !unsent(c))
		feed(c);
	if (resend_in(c) == 0)
		session_timeout(c->session);
	flush(c);
}

/*
 * The debugger has gone. If it held the VM and did not say what is to become of it: the policy. But
 * who only asked was no debugger yet for a VM that waits for one, if another can come.
 */
static void let_go(struct server *s, struct connection *c)
{
	enum detach_how how =
		c->ep->policy.on_disconnect == DISCONNECT_STAY ? DETACH_STAY : DETACH_RUN;
	struct target *t = engine_target(s->engine);

	if (!session_holds(c->session))
		return;
	engine_log(s->engine, VMGDB_LOG_INFO, "%s: the debugger at %s has left", c->ep->name,
		   c->stream->peer);
	if (session_only_asked(c->session) && engine_is_held(s->engine) && !c->ep->once)
		how = DETACH_STAY;
	else if (c->ep->policy.on_disconnect == DISCONNECT_KILL && !t->ops->kill(t))
		return;
	t->ops->detach(t, how);
}

static void close_connection(struct server *s, struct connection *c)
{
	let_go(s, c);
	c->stream->ops->close(c->stream);
	session_destroy(c->session);
	if (c->transcript >= 0)
		close(c->transcript);
	free(c);
	server_wake(s); /* another may have waited for it */
}

static void close_finished(struct server *s)
{
	struct connection **p = &s->connections, *c;

	while ((c = *p)) {
		if (!c->gone && (!c->closing || unsent(c))) {
			p = &c->next;
			continue;
		}
		*p = c->next;
		close_connection(s, c);
	}
}

/* ---- endpoints --------------------------------------------------------------------------- */

int server_add_endpoint(struct server *s, struct vmgdb_endpoint *ep)
{
	struct vmgdb_endpoint **grown;

	grown = realloc(s->endpoints, (s->nendpoints + 1) * sizeof(struct vmgdb_endpoint *));
	if (!grown) {
		ep->ops->close(ep);
		return -ENOMEM;
	}
	s->endpoints = grown;
	s->endpoints[s->nendpoints++] = ep;
	return 0;
}

static void retire_endpoint(struct server *s, size_t i, int err)
{
	engine_log(s->engine, VMGDB_LOG_ERROR, "%s: no more debuggers here: %s",
		   s->endpoints[i]->name, strerror(-err));
	s->endpoints[i]->pfd.fd = -1;
	s->endpoints[i]->retry_ms = 0;
}

static void accept_at(struct server *s, size_t i)
{
	struct vmgdb_endpoint *ep = s->endpoints[i];
	struct stream *stream;
	int ret = ep->ops->accept(ep, &stream);

	if (ret == -EAGAIN)
		return;
	if (ret == -EACCES) {
		engine_log(s->engine, VMGDB_LOG_WARNING, "%s: refused: %s", ep->name, ep->refused);
		return;
	}
	if (ret) {
		retire_endpoint(s, i, ret);
		return;
	}
	if (connect_session(s, ep, stream)) {
		engine_log(s->engine, VMGDB_LOG_ERROR, "%s: out of memory", ep->name);
		stream->ops->close(stream);
	}
}

/* ---- the loop ---------------------------------------------------------------------------- */

static void add_pfd(struct server *s, int fd, short events)
{
	s->pfds[s->npfds++] = (struct pollfd){ .fd = fd, .events = events };
}

static int reserve(struct server *s)
{
	size_t n = WAKEUP_SLOT + 1 + s->nendpoints;
	const struct connection *c;
	struct pollfd *grown;

	for (c = s->connections; c; c = c->next)
		n += SLOTS_CONNECTION;
	if (n <= s->room)
		return 0;
	grown = realloc(s->pfds, n * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->pfds = grown;
	s->room = n;
	return 0;
}

static int shorter(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Reading waits while there are replies that the peer does not take: its own back-pressure. */
static int add_connection(struct server *s, struct connection *c)
{
	bool full = unsent(c);

	c->slot = s->npfds;
	add_pfd(s, full || c->in ? -1 : c->stream->rfd, POLLIN);
	add_pfd(s, full ? c->stream->wfd : -1, POLLOUT);
	if (c->early)
		return until(c->patience);
	return c->in && !full && !c->stuck ? 0 : resend_in(c);
}

/* Fill pfds; how long to wait at most, -1: for ever. */
static int prepare(struct server *s)
{
	struct connection *c;
	int timeout = -1;
	size_t i;

	s->npfds = 0;
	add_pfd(s, s->wakeup, POLLIN);
	for (i = 0; i < s->nendpoints; i++) {
		add_pfd(s, s->endpoints[i]->pfd.fd, s->endpoints[i]->pfd.events);
		if (s->endpoints[i]->retry_ms)
			timeout = shorter(timeout, s->endpoints[i]->retry_ms);
	}
	for (c = s->connections; c; c = c->next)
		timeout = shorter(timeout, add_connection(s, c));
	return timeout;
}

static void round_trip(struct server *s)
{
	struct connection *c;
	int timeout;
	size_t i;

	if (reserve(s)) {
		poll(NULL, 0, LAST_WORDS_MS);
		return;
	}
	timeout = prepare(s);
	if (poll(s->pfds, s->npfds, timeout) < 0)
		return;
	if (s->pfds[WAKEUP_SLOT].revents)
		drain_wakeup(s);
	for (c = s->connections; c; c = c->next)
		serve(s, c);
	close_finished(s);
	for (i = 0; i < s->nendpoints; i++)
		if (s->pfds[WAKEUP_SLOT + 1 + i].revents || s->endpoints[i]->retry_ms)
			accept_at(s, i);
}

/* Tell debuggers what happened last, as far as they take it without delay. */
static void last_words(struct server *s)
{
	struct connection *c;
	struct pollfd p;

	for (c = s->connections; c; c = c->next) {
		session_poll(c->session);
		flush(c);
		p = (struct pollfd){ .fd = c->stream->wfd, .events = POLLOUT };
		if (unsent(c) && poll(&p, 1, LAST_WORDS_MS) > 0)
			flush(c);
	}
}

static void *server_main(void *opaque)
{
	struct server *s = opaque;

	while (!atomic_load(&s->quit))
		round_trip(s);
	last_words(s);
	return NULL;
}

int server_start(struct server *s)
{
	int ret = pthread_create(&s->thread, NULL, server_main, s);

	s->started = !ret;
	return -ret;
}

static void close_all(struct server *s)
{
	struct connection *c;
	size_t i;

	while ((c = s->connections)) {
		s->connections = c->next;
		c->stream->ops->close(c->stream);
		session_destroy(c->session);
		if (c->transcript >= 0)
			close(c->transcript);
		free(c);
	}
	for (i = 0; i < s->nendpoints; i++)
		s->endpoints[i]->ops->close(s->endpoints[i]);
}

void server_fini(struct server *s)
{
	if (s->started) {
		atomic_store(&s->quit, true);
		server_wake(s);
		pthread_join(s->thread, NULL);
	}
	close_all(s);
	free(s->endpoints);
	free(s->pfds);
	close(s->wakeup);
}
