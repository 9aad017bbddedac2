/* SPDX-License-Identifier: MIT */
/*
 * As much of the debugger's half of GDB's remote protocol as questions and answers need; GDB manual,
 * "Remote Protocol". Always with acknowledgements, one packet at a time. However much the stub sends,
 * and however slowly, there is an end: of the time for a reply, of the time and the bytes for all.
 */
#ifndef VMGDB_CONNECT_RSP_H
#define VMGDB_CONNECT_RSP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/rsp/packet.h"
#include "transport/stream.h"

enum { RSP_REPLY_MAX = 65536 };

struct rsp {
	struct stream *stream;
	struct packet_decoder decoder;
	long long deadline; /* of the whole conversation */
	size_t allowance;   /* how many bytes the stub may still send */
	bool resent;	    /* a packet since the line was last silent */
	size_t start, end;  /* of what was read into buf and not decoded */
	uint8_t buf[4096];
	char reply[RSP_REPLY_MAX + 1]; /* the last one, unescaped, runs expanded, and a NUL */
};

/* The conversation begins; its time and bytes count from here. */
void rsp_init(struct rsp *r, struct stream *stream);

/*
 * Throw away what is still on its way to an earlier debugger, until the line has been silent for a
 * moment. For links that show no hang-up.
 */
void rsp_settle(struct rsp *r);

/*
 * Send the packet that text makes, at most 256 characters of it, and wait for the reply. Returns the
 * reply's length, 0 for the empty reply (not supported); -ETIMEDOUT; -EMSGSIZE: the reply is longer than
 * RSP_REPLY_MAX; -EPIPE: the stub hung up; -EBADMSG: it does not speak the protocol, or sent too much.
 */
ssize_t rsp_ask(struct rsp *r, const char *text);

/* Wait for one more packet of the same reply. As rsp_ask(). */
ssize_t rsp_ask_more(struct rsp *r);

/* Whether the conversation's time, or its bytes, are used up. */
bool rsp_is_exhausted(const struct rsp *r);

#endif
