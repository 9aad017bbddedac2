/* SPDX-License-Identifier: MIT */
/*
 * The debugger's end of a session in tests. It frames packets by its own simple code, not the
 * session's.
 */
#ifndef VMGDB_TESTS_RSP_H
#define VMGDB_TESTS_RSP_H

#include "core/rsp/packet.h"
#include "core/rsp/session.h"

struct rsp {
	struct session *session;
	bool no_ack;  /* do not acknowledge packets */
	bool deaf;    /* do not read: the output stays with the session */
	size_t chunk; /* pass this many bytes to the session at a time; 0: all at once */

	/* the output since rsp_clear() */
	unsigned int packets, acks, naks, bad, junk;
	char *reply; /* the last packet, with a 0 after it */
	size_t reply_len;
	char all[4096]; /* as many of the packets as fit, each with a | after it */
	size_t all_len;

	struct packet_decoder in;
	uint8_t *frame;
};

/* Start a session with t. Nothing is sent yet. */
void rsp_open(struct rsp *r, struct target *t, const struct session_config *config);
void rsp_close(struct rsp *r);
void rsp_clear(struct rsp *r);

/* $data#sum with all that must be escaped; dst has 2 * n + 5 bytes and gets a 0 at its end. */
size_t rsp_frame(char *dst, const void *data, size_t n);

/* Pass bytes to the session unframed; then poll, and take its output. */
void rsp_bytes(struct rsp *r, const void *bytes, size_t n);
void rsp_text(struct rsp *r, const char *bytes);

/* Send a packet, and do not check the replies. */
void rsp_send(struct rsp *r, const void *data, size_t n);

/* Take the session's output, acknowledging it; and poll the target. */
void rsp_pump(struct rsp *r);

/* One packet and its one reply; "(none)" or "(N replies)" if it is not one. */
const char *rsp_call_bytes(struct rsp *r, const void *data, size_t n);
const char *rsp_call(struct rsp *r, const char *packet);

#endif
