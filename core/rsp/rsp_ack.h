/* SPDX-License-Identifier: MIT */
/*
 * Acknowledgment and retransmission of packets, no-ack mode, and the bytes that wait to be written.
 * GDB manual, "Packet Acknowledgment". No I/O and no clock; one thread.
 *
 * The last packet sent is kept until the peer acknowledges it, by `+` or by its next packet, and is
 * sent again on `-` or on a timeout. On an unreliable link a packet is held back until the one before
 * it is acknowledged; on a reliable link all packets go out in one piece.
 *
 * When the stub's acknowledgment is lost the debugger sends its packet again, and the stub executes it
 * again: the protocol has no sequence numbers, so a repetition looks like the same packet meant twice
 * (gdbserver does the same). The user of rsp_ack must bear with a resume packet that comes while the
 * target runs, the one case in which a repetition can be recognised.
 */
#ifndef VMGDB_CORE_RSP_ACK_H
#define VMGDB_CORE_RSP_ACK_H

#include "core/rsp/packet.h"

struct rsp_ack {
	struct packet_decoder in;
	bool reliable;
	bool no_ack;
	bool no_ack_next; /* no-ack mode begins with the next packet sent */
	bool stray_ack;	  /* in no-ack mode an ack came: the next packet may be a new debugger's */

	/*
	 * Frames and acks to be written, in this order:
	 *	[0, sent)      written; the unacknowledged frame in it is kept
	 *	[sent, ready)  to be written now
	 *	[ready, len)   held back until the unacknowledged frame is acknowledged
	 */
	uint8_t *out;
	size_t cap;
	size_t sent;
	size_t ready;
	size_t len;

	size_t unacked; /* where the unacknowledged frame is, and its length; 0: there is none */
	size_t unacked_len;
	unsigned int timeouts; /* how many there were for that frame */
};

/* Returns 0 or -ENOMEM. */
int rsp_ack_init(struct rsp_ack *a, bool reliable);
void rsp_ack_fini(struct rsp_ack *a);

/*
 * As packet_decode(), but acknowledgments are handled here: only PACKET_NONE, PACKET_DATA,
 * PACKET_TOO_LONG, PACKET_BAD and PACKET_INTERRUPT are returned. The caller replies to PACKET_DATA and
 * PACKET_TOO_LONG by one packet. PACKET_BAD is returned in no-ack mode alone, where no `-` is sent.
 */
enum packet_event rsp_ack_input(struct rsp_ack *a, const void *bytes, size_t n, size_t *eaten);

/* Whether there is room for a packet of n bytes of data. There is for one of PACKET_SIZE unless the peer
 * does not read. */
bool rsp_ack_room(const struct rsp_ack *a, size_t n);

/* Send a packet of n bytes of data, or of their hexadecimal. Returns 0, or -ENOBUFS when there is no
 * room. */
int rsp_ack_send(struct rsp_ack *a, const void *data, size_t n, bool hex);

/* After the next packet sent, which the peer still acknowledges, neither side sends acks. */
void rsp_ack_set_no_ack(struct rsp_ack *a);

/* As session_output() and its siblings in session.h. */
const void *rsp_ack_output(const struct rsp_ack *a, size_t *len);
void rsp_ack_sent(struct rsp_ack *a, size_t n);
int rsp_ack_timeout_ms(const struct rsp_ack *a);
void rsp_ack_timeout(struct rsp_ack *a);

#endif
