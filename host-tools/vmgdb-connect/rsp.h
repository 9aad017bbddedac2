/* SPDX-License-Identifier: MIT */
/*
 * As much of the debugger's half of GDB's remote protocol as questions and answers need; GDB manual,
 * "Remote Protocol". Always with acknowledgements, one packet at a time.
 */
#ifndef VMGDB_CONNECT_RSP_H
#define VMGDB_CONNECT_RSP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/rsp/packet.h"
#include "transport/stream.h"

enum { RSP_MAX = 65536 };

struct rsp {
	struct stream *stream;
	bool resent; /* a packet since the line was last silent */
	struct packet_decoder in;
	size_t start, end; /* bytes of buf that were read and not decoded */
	char buf[4096];
	uint8_t data[RSP_MAX];
};

void rsp_init(struct rsp *r, struct stream *s);

/*
 * Throw away what is still on its way to an earlier debugger, until the line has been silent for a
 * moment. For links that show no hang-up.
 */
void rsp_settle(struct rsp *r);

/*
 * Send the packet that text makes, and wait for its reply: into reply, unescaped, with a NUL after
 * it. len is at most RSP_MAX; more is cut off. Returns the length, 0 for the empty reply (not
 * supported); -ETIMEDOUT; -EPIPE: it hung up; -EBADMSG: the peer speaks another protocol.
 */
ssize_t rsp_ask(struct rsp *r, const char *text, char *reply, size_t len);

#endif
