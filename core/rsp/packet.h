/* SPDX-License-Identifier: MIT */
/*
 * The packet codec, for a stub and for a debugger: GDB manual, "Remote Protocol", "Overview". A state
 * machine without I/O, locks or memory of its own; acknowledgments are handled in rsp_ack.h.
 *
 *	$ data # two hex digits      in data: } escapes the next byte (XOR 0x20),
 *	                             and c * n in replies stands for c and n - 29 more of it
 */
#ifndef VMGDB_CORE_PACKET_H
#define VMGDB_CORE_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most data that one packet may have, in either direction, before escaping is undone. */
#define PACKET_SIZE ((size_t)0x20000)

enum packet_event {
	PACKET_NONE,	  /* all bytes are eaten, and no event is complete */
	PACKET_DATA,	  /* a packet: its data is in the decoder */
	PACKET_TOO_LONG,  /* a packet of more than the decoder holds has ended, and was dropped */
	PACKET_BAD,	  /* a packet with a wrong checksum, or a malformed run, was dropped */
	PACKET_INTERRUPT, /* 0x03 outside a packet */
	PACKET_ACK,
	PACKET_NAK,
	PACKET_JUNK, /* bytes outside a packet that mean nothing: one event for a run of them */
};

struct packet_decoder {
	uint8_t *data; /* after PACKET_DATA: the data, unescaped; the caller may write into it */
	size_t len;
	size_t cap;
	bool expand; /* undo run lengths, as a debugger must; a stub gets none */
	enum packet_state {
		PACKET_OUTSIDE,
		PACKET_INSIDE,
		PACKET_SUM_HIGH,
		PACKET_SUM_LOW,
	} state;
	bool too_long; /* the packet that is being read is; its data is dropped */
	uint8_t sum;   /* of the data, as received */
	uint8_t high;  /* the first digit of the checksum that came with it */
};

/* data has room for cap bytes and outlives the decoder. */
void packet_decoder_init(struct packet_decoder *d, void *data, size_t cap);

/*
 * Eat bytes up to and including the next event. *eaten says how many they were; call again with the
 * rest. Inside a packet every byte but $ and # is data, 0x03 included; $ means that the end of the
 * packet before it was lost, and starts a new one. The data stays as it is until the next call.
 */
enum packet_event packet_decode(struct packet_decoder *d, const void *bytes, size_t n,
				size_t *eaten);

/* What packet_encode() may need for n bytes of data. */
#define PACKET_FRAME_MAX(n) (2 * (n) + 4)

/*
 * Frame a reply: checksum, escapes, and runs shortened. dst has PACKET_FRAME_MAX(n) bytes. Returns how
 * many were used.
 */
size_t packet_encode(void *dst, const void *data, size_t n);

/* The same for the hexadecimal of n bytes: dst has PACKET_FRAME_MAX(2 * n) bytes. */
size_t packet_encode_hex(void *dst, const void *bytes, size_t n);

/* Frame what a debugger sends: without run lengths, which a stub need not understand. */
size_t packet_encode_command(void *dst, const void *data, size_t n);

#endif
