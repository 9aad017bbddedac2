/* SPDX-License-Identifier: MIT */
/*
 * The stub's thread: waits for debuggers at all endpoints, moves bytes between each stream and its
 * session, and lets sessions know when the engine has stopped.
 */
#ifndef VMGDB_CORE_SERVER_H
#define VMGDB_CORE_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/engine/engine.h"
#include "transport/stream.h"

struct connection;

struct server {
	struct engine *engine;
	pthread_t thread;
	bool started;
	atomic_bool quit;
	int wakeup; /* eventfd: the engine has news, or quit is set */
	struct vmgdb_endpoint **endpoints;
	size_t nendpoints;
	struct connection *connections;
	struct pollfd *pfds;
	size_t npfds, room;
};

/* 0 or -errno of eventfd. */
int server_init(struct server *s, struct engine *e);

/* Takes the endpoint, also on failure; before server_start(). 0 or -ENOMEM. */
int server_add_endpoint(struct server *s, struct vmgdb_endpoint *ep);

int server_start(struct server *s);

/* Something to look at; any thread. */
void server_wake(struct server *s);

/* Sends what debuggers still have to hear, ends the thread, closes all. */
void server_fini(struct server *s);

#endif
