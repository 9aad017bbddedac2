/* SPDX-License-Identifier: MIT */
/*
 * The stub's thread: waits for debuggers at all endpoints, moves bytes between each stream and its
 * session, and has sessions look when the engine has stopped.
 */
#ifndef VMGDB_CORE_SERVER_H
#define VMGDB_CORE_SERVER_H

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/engine/engine.h"
#include "core/lib/spin.h"
#include "core/lib/time.h"
#include "transport/stream.h"

struct connection;
struct server_endpoint;

struct server {
	struct engine *engine;
	pthread_t thread;
	bool started;
	atomic_bool quit;
	struct spin spin;  /* for the next packet of a debugger that steps */
	int wakeup;	   /* eventfd: the engine has news, or quit is set */
	atomic_bool woken; /* wakeup is set, and was not read yet */
	struct server_endpoint *endpoints;
	size_t nendpoints;
	struct connection *connections; /* the newest first */
	struct pollfd *pfds;		/* room for all that there may be */
	size_t npfds;
	struct time_cache clock; /* of this round of the loop */
	bool again; /* what a connection waited for has happened in this round, or one is to be closed */
	bool poll_failed; /* poll() has failed, and the log says so */
};

/* 0 or -errno of eventfd. */
int server_init(struct server *s, struct engine *e);

/* Takes the endpoint, also on failure; before server_start(). 0 or -ENOMEM. */
int server_add_endpoint(struct server *s, struct vmgdb_endpoint *ep);

/* 0, -ENOMEM, or -errno of pthread_create(). The thread blocks all signals: they are the VMM's. */
int server_start(struct server *s);

/* There is something to look at; any thread. */
void server_wake(struct server *s);

/* Sends the last reports to debuggers, ends the thread, closes all. */
void server_fini(struct server *s);

#endif
