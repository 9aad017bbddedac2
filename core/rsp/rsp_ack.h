/* SPDX-License-Identifier: MIT */
/*
 * Packets over a link that may lose or spoil bytes: acknowledgment, retransmission, no-ack mode, and
 * the bytes that wait to be written. GDB manual, "Packet Acknowledgment". No I/O and no clock.
 *
 * The last packet sent is kept until it is acknowledged, by `+` or by the debugger's next packet,
 * and sent again on `-` or on a timeout. On an unreliable link a packet is held back until the one
 * before it is acknowledged; on a reliable one all that is to be said goes out in one piece.
 *
 * When our acknowledgment is lost the debugger sends its packet again, and it is executed again: the
 * protocol has no sequence numbers, so that can't be told from the same packet meant twice, and
 * gdbserver does the same. link.h's user must bear with a resume packet that comes while the target
 * runs, which is the one case that can be told.
 */
#ifndef VMGDB_CORE_LINK_H
#define VMGDB_CORE_LINK_H

#include "core/rsp/packet.h"

struct rsp_ack {
	struct packet_decoder in;
	bool reliable;
	bool no_ack;
	bool no_ack_next; /* no-ack mode begins with the next packet sent */
	bool stray_ack;	  /* in no-ack mode an ack came that nothing asked for: is the peer new? */

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

	size_t kept; /* where the unacknowledged frame is, and its length; 0: there is none */
	size_t kept_len;
	unsigned int tries; /* how often the timeout has struck for it */
};

/* Returns 0 or -ENOMEM. */
int rsp_ack_init(struct rsp_ack *l, bool reliable);
void rsp_ack_fini(struct rsp_ack *l);

/*
 * As packet_decode(), with acknowledgments dealt with: of the events only PACKET_NONE, PACKET_DATA,
 * PACKET_TOO_LONG, PACKET_BAD and PACKET_INTERRUPT come out. The first two of the middle ones are to
 * be answered by one packet; PACKET_BAD is only where there is no `-` to answer it (no-ack mode).
 */
enum packet_event rsp_ack_input(struct rsp_ack *l, const void *bytes, size_t n, size_t *eaten);

/* Whether a packet of n bytes of data can be sent now. One of PACKET_SIZE always can, unless the
 * peer does not read. */
bool rsp_ack_room(const struct rsp_ack *l, size_t n);

/* Send a packet. Returns 0, or -ENOBUFS when there is no room. */
int rsp_ack_send(struct rsp_ack *l, const void *data, size_t n);

/* The same for the hexadecimal of n bytes. */
int rsp_ack_send_hex(struct rsp_ack *l, const void *bytes, size_t n);

/* From the next packet on nothing is acknowledged. The reply that is sent next still is. */
void rsp_ack_set_no_ack(struct rsp_ack *l);

/* As session.h has them. */
const void *rsp_ack_output(const struct rsp_ack *l, size_t *len);
void rsp_ack_sent(struct rsp_ack *l, size_t n);
int rsp_ack_timeout_ms(const struct rsp_ack *l);
void rsp_ack_timeout(struct rsp_ack *l);

#endif
