/* SPDX-License-Identifier: MIT */
/* What the tests of live transports share. */
#ifndef VMGDB_TESTS_UNIT_TRANSPORT_HELP_H
#define VMGDB_TESTS_UNIT_TRANSPORT_HELP_H

#include <stdbool.h>
#include <stddef.h>

#include <vmgdb/endpoint.h>
#include "transport/stream.h"

/* A folder of the test's own, with a short path, the same one each time. Removed by remove_temp_dir(),
 * which fails the test when something is left in it; whatever ends the test it does not stay. */
const char *temp_dir(void);
void remove_temp_dir(void);

/* The endpoint that a spec describes, or the test fails. */
struct vmgdb_endpoint *open_endpoint(enum vmgdb_role role, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The error text of a spec that must be refused with err. */
const char *open_refused(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Call accept() when the endpoint asks for it, for at most ms: as accept(), or -EAGAIN. */
int accept_within(struct vmgdb_endpoint *ep, int ms, struct stream **out);
struct stream *accept_one(struct vmgdb_endpoint *ep);

/* How often ep wakes its poller within ms while no peer connects. */
int wakeups(struct vmgdb_endpoint *ep, int ms);

/* read() as soon as there are bytes; -EAGAIN when none arrive within a second or two. */
ssize_t read_soon(struct stream *s, void *buf, size_t len);

/* The stream reports that the peer has disconnected. */
void expect_gone(struct stream *s);

/* Send a text from fd to s, and one back. */
void say_hello(struct stream *s, int fd);

/* Random bytes, 1 MiB each way at once, in odd chunks, between a stream and its peer's descriptor,
 * which is made non-blocking. */
void exchange(struct stream *s, int fd);

/* How many names a folder has. */
int count_entries(const char *folder);

/* Open descriptors of this process. */
int count_fds(void);

/*
 * Open spec, on the VMM's side, with room for one descriptor more each time, until that succeeds, and
 * close it. Each failure must give its reason, and leave no name in temp_dir() and no descriptor.
 */
void open_short_of_descriptors(const char *spec);

/* Milliseconds of a monotonic clock. */
long long now_ms(void);

/* A blocking connection to a unix socket or a loopback port. */
int dial_unix(const char *path);
int dial_tcp(int port);

#endif
