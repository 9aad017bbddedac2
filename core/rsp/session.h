/* SPDX-License-Identifier: MIT */
/*
 * A debugger's connection as the remote protocol sees it: bytes in, bytes out, and a target that the
 * packets are carried out on. No I/O and no clock of its own; one thread (the server's). The server's
 * loop, each time round:
 *
 *	session_poll(s);                                  the target may have stopped
 *	eaten = session_input(s, bytes, n);               keep what it did not eat for next time
 *	bytes = session_output(s, &n);                    write what can be written now,
 *	session_sent(s, written);                         and report how much that was
 *	if (session_state(s) != SESSION_OPEN && !n)       all is written
 *		session_destroy(s);
 *
 * While the peer does not read, session_output() grows to a limit and then session_input() eats no
 * more: so the server stops reading from the peer while bytes are left over.
 */
#ifndef VMGDB_CORE_SESSION_H
#define VMGDB_CORE_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "core/target.h"

struct session;

struct session_config {
	bool reliable; /* bytes arrive intact and in order: no-ack mode may be granted */
	bool ro;       /* refuse whatever changes the VM, but continue and interrupt */
	bool ack;      /* never grant no-ack mode */
	bool may_kill; /* `kill` ends the VM; otherwise it detaches */
	void (*log)(void *opaque, int level, const char *line); /* enum vmgdb_log_level; or NULL */
	void *opaque;
};

enum session_end {
	SESSION_OPEN,
	SESSION_DETACHED, /* the debugger asked for it; ops->detach was called */
	SESSION_KILLED,	  /* the debugger asked for it; ops->kill was called */
	SESSION_REFUSED, /* another debugger holds the VM, or it can't be stopped: the reply says so */
	SESSION_NO_DEBUGGER, /* the peer speaks another protocol: nothing was done or replied */
};

/*
 * Begin a session. The target goes on as it is until the peer's first packet, which attaches
 * it; it outlives the session. config is copied. Returns 0 or -ENOMEM. On success *out is given to
 * session_destroy().
 */
int session_create(struct session **out, struct target *t, const struct session_config *config);

/* Frees it; NULL is fine. The target is left as it is. */
void session_destroy(struct session *s);

/*
 * Bytes from the debugger, cut in any way. Returns how many were eaten: fewer than n when a packet
 * waits for room in the output, or for the target to stop. session_sent() or session_poll() goes on
 * with that packet; offer the rest again after them.
 */
size_t session_input(struct session *s, const void *bytes, size_t n);

/* What is to be written now: one piece, valid until the next call for this session. */
const void *session_output(struct session *s, size_t *len);

/* The first n bytes of session_output() have been written. There may be more to write then. */
void session_sent(struct session *s, size_t n);

/* Report a stop of the target, and its console text, to a debugger that waits for a stop. */
void session_poll(struct session *s);

/*
 * On an unreliable link, while a reply has been sent and not been acknowledged: milliseconds from
 * the last session_sent() after which session_timeout() is to be called; -1: none.
 */
int session_timeout_ms(const struct session *s);
void session_timeout(struct session *s);

/* Whether the session goes on. When it does not, the server still writes what session_output() has. */
enum session_end session_state(const struct session *s);

/* Whether the session has attached the target: when the link is lost, the server detaches it. */
bool session_holds(const struct session *s);

/* Whether the debugger has only read: it has changed nothing in the target, and let nothing run. */
bool session_only_asked(const struct session *s);

/*
 * Show text to the person at the debugger. The protocol allows that only while the debugger waits
 * for a stop (GDB manual, "Stop Reply Packets", O): at other times, and when the output is full, it
 * is dropped.
 */
void session_console(struct session *s, const char *text, size_t len);

#endif
