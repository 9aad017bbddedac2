// SPDX-License-Identifier: MIT
#include "core/server/server.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/server/admission.h"
#include "core/server/connection.h"

enum {
	WAKEUP_SLOT = 0,      /* of the eventfd in pfds */
	FINAL_FLUSH_MS = 200, /* how long last replies may take to be written */
	POLL_FAILED_MS = 100, /* how long to wait before poll() is tried again */
};

/* ---- wake-ups ---------------------------------------------------------------------------- */

int server_init(struct server *s, struct engine *e)
{
	*s = (struct server){ .engine = e, .spin.us = SPIN_US };
	s->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return s->wakeup < 0 ? -errno : 0;
}

void server_wake(struct server *s)
{
	if (!atomic_exchange(&s->woken, true))
		(void)!eventfd_write(s->wakeup, 1);
}

/* What is announced from here on is another wake-up; what was before is looked at after this. */
static void drain_wakeup(struct server *s)
{
	eventfd_t n;

	(void)!eventfd_read(s->wakeup, &n);
	atomic_store(&s->woken, false);
}

/* ---- endpoints --------------------------------------------------------------------------- */

int server_add_endpoint(struct server *s, struct vmgdb_endpoint *ep)
{
	struct server_endpoint *grown;

	grown = realloc(s->endpoints, (s->nendpoints + 1) * sizeof(*grown));
	if (!grown) {
		ep->ops->close(ep);
		return -ENOMEM;
	}
	s->endpoints = grown;
	s->endpoints[s->nendpoints++] = (struct server_endpoint){
		.ep = ep,
		.engine = s->engine,
		.clock = &s->clock,
		.transcript.fd = ep->policy.log_fd,
	};
	return 0;
}

static void retire_endpoint(struct server_endpoint *at, int err)
{
	engine_log(at->engine, VMGDB_LOG_ERROR, "%s: no more debuggers here: %s", at->ep->name,
		   strerror(-err));
	at->ep->pfd.fd = -1;
	at->ep->retry_ms = 0;
}

/* One line for as long as it goes on. A connection that is of no use may hold what is short. */
static void handle_shortage(struct server *s, struct server_endpoint *at)
{
	int err = at->ep->shortage;

	if (err && !at->shortage)
		engine_log(s->engine, VMGDB_LOG_WARNING, "%s: can't accept for now: %s",
			   at->ep->name, strerror(-err));
	at->shortage = err;
	if (err == -EMFILE || err == -ENFILE)
		admission_make_room(s);
}

static void accept_at(struct server *s, struct server_endpoint *at)
{
	struct vmgdb_endpoint *ep = at->ep;
	struct stream *stream;
	int ret = ep->ops->accept(ep, &stream);

	handle_shortage(s, at);
	if (ret == -EAGAIN)
		return;
	if (ret == -EACCES)
		server_endpoint_warn(at, "refused: %s", ep->refused);
	else if (ret)
		retire_endpoint(at, ret);
	else
		admission_accept(s, at, stream);
}

/* ---- the loop ---------------------------------------------------------------------------- */

/* Fill pfds. Returns how long to wait at most, -1: for ever. */
static int prepare(struct server *s)
{
	int timeout = s->again ? 0 : engine_chase_late_vcpus(s->engine);
	struct server_endpoint *at;
	struct connection *c;

	s->again = false;
	s->pfds[WAKEUP_SLOT] = (struct pollfd){ .fd = s->wakeup, .events = POLLIN };
	s->npfds = WAKEUP_SLOT + 1;
	for (at = s->endpoints; at < s->endpoints + s->nendpoints; at++) {
		at->slot = at->ep->pfd.fd < 0 ? 0 : s->npfds++;
		if (at->slot)
			s->pfds[at->slot] = at->ep->pfd;
		if (at->ep->retry_ms)
			timeout = time_shorter(timeout, at->ep->retry_ms);
	}
	for (c = s->connections; c; c = c->next)
		timeout = time_shorter(timeout, connection_poll(c, s->pfds, &s->npfds));
	return timeout;
}

/* poll() can fail when memory is short, or the limit of descriptors was lowered. */
static void handle_poll_failure(struct server *s, int err)
{
	if (err == EINTR)
		return;
	if (!s->poll_failed)
		engine_log(s->engine, VMGDB_LOG_ERROR, "poll: %s", strerror(err));
	s->poll_failed = true;
	admission_make_room(s);
	poll(NULL, 0, POLL_FAILED_MS);
}

static bool is_ready(const void *server)
{
	const struct server *s = server;

	return poll(s->pfds, s->npfds, 0) > 0;
}

/* A debugger that steps: the end of its step, or its next packet, is likely to come within microseconds. */
static bool comes_soon(struct server *s)
{
	return engine_await_step(s->engine) ||
	       (engine_is_stepped(s->engine) && spin_until(&s->spin, is_ready, s));
}

/* Wait until a descriptor is ready, the engine has news or a time is up. This is the one place where the
 * server thread sleeps. */
static bool wait_for_work(struct server *s)
{
	int timeout;

	s->clock.now = 0;
	timeout = prepare(s);
	if (!comes_soon(s) && poll(s->pfds, s->npfds, timeout) < 0) {
		handle_poll_failure(s, errno);
		return false;
	}
	s->clock.now = 0;
	if (s->pfds[WAKEUP_SLOT].revents)
		drain_wakeup(s);
	return true;
}

static void serve_connections(struct server *s)
{
	struct connection *c;

	for (c = s->connections; c; c = c->next) {
		bool attached = connection_is_attached(c);

		connection_receive(c, s->pfds);
		c->waits = admission_waits(s, c);
		connection_serve(c);
		s->again |= attached && !connection_is_attached(c);
	}
}

static void close_connections(struct server *s)
{
	struct connection **p = &s->connections, *c;

	while ((c = *p)) {
		if (c->state != CONNECTION_GONE) {
			p = &c->next;
			continue;
		}
		*p = c->next;
		s->again |= connection_is_attached(c);
		connection_close(c, !admission_attached(s));
	}
}

static void accept_connections(struct server *s)
{
	struct server_endpoint *at;

	for (at = s->endpoints; at < s->endpoints + s->nendpoints; at++)
		if ((at->slot && s->pfds[at->slot].revents) || at->ep->retry_ms)
			accept_at(s, at);
}

static void serve_once(struct server *s)
{
	if (!wait_for_work(s))
		return;
	serve_connections(s);
	close_connections(s);
	accept_connections(s);
}

/* Debuggers get the last reports, as far as they take them without delay. */
static void final_flush(struct server *s)
{
	long long deadline = time_ms() + FINAL_FLUSH_MS;
	struct connection *c;
	struct pollfd p;

	for (c = s->connections; c; c = c->next) {
		if (!c->session)
			continue;
		session_poll(c->session);
		p = (struct pollfd){ .fd = c->stream->wfd, .events = POLLOUT };
		while (connection_flush(c) && poll(&p, 1, time_left_ms(time_ms(), deadline)) > 0)
			;
	}
}

static void *server_main(void *opaque)
{
	struct server *s = opaque;

	while (!atomic_load(&s->quit))
		serve_once(s);
	final_flush(s);
	return NULL;
}

/* Threads begin with the signal mask of whoever starts them. */
static int start_thread(struct server *s)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&s->thread, NULL, server_main, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -ret;
}

int server_start(struct server *s)
{
	size_t room = 1 + s->nendpoints + CONNECTIONS_ALL + LINGERING_MAX;
	int ret;

	s->pfds = calloc(room, sizeof(*s->pfds));
	ret = s->pfds ? start_thread(s) : -ENOMEM;
	s->started = !ret;
	return ret;
}

static void close_all(struct server *s)
{
	struct server_endpoint *at;
	struct connection *c;

	while ((c = s->connections)) {
		s->connections = c->next;
		connection_free(c);
	}
	for (at = s->endpoints; at < s->endpoints + s->nendpoints; at++)
		at->ep->ops->close(at->ep);
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
