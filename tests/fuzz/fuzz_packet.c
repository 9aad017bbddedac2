// SPDX-License-Identifier: MIT
/*
 * The packet codec as a debugger has it: what the decoder makes of any bytes, cut anywhere, with runs
 * expanded; and whether data that was framed comes back as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "core/lib/hex.h"
#include "core/rsp/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every buffer is allocated at its exact size, so that AddressSanitizer sees any byte beyond it. */
static void *exactly(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		abort();
	return p;
}

static void decode(const uint8_t *data, size_t size, size_t cap, size_t chunk)
{
	struct packet_decoder d;
	uint8_t *room = exactly(cap);

	packet_decoder_init(&d, room, cap);
	d.expand = cap & 1;
	while (size) {
		size_t n = chunk < size ? chunk : size, eaten;
		enum packet_event event = packet_decode(&d, data, n, &eaten);

		if (eaten > n || (!eaten && event != PACKET_BAD) || d.len > cap)
			abort();
		data += eaten;
		size -= eaten;
	}
	free(room);
}

/* The frame, decoded, is these n bytes. */
static void expect(const uint8_t *frame, size_t len, const uint8_t *data, size_t n)
{
	struct packet_decoder d;
	uint8_t *room = exactly(2 * n + 1);
	size_t eaten;

	packet_decoder_init(&d, room, 2 * n + 1);
	d.expand = true;
	if (packet_decode(&d, frame, len, &eaten) != PACKET_DATA || eaten != len || d.len != n ||
	    memcmp(d.data, data, n) != 0)
		abort();
	free(room);
}

static void encode(const uint8_t *data, size_t n)
{
	uint8_t *frame = exactly(PACKET_FRAME_MAX(2 * n)), *hex = exactly(2 * n),
		*back = exactly(n);

	expect(frame, packet_encode(frame, data, n), data, n);
	expect(frame, packet_encode_command(frame, data, n), data, n);
	hex_encode((char *)hex, data, n);
	expect(frame, packet_encode_hex(frame, data, n), hex, 2 * n);
	if (!hex_decode(back, (char *)hex, n) || memcmp(back, data, n) != 0)
		abort();
	free(frame);
	free(hex);
	free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	decode(data + 2, size - 2, data[0], data[1] + 1u);
	encode(data + 2, size - 2);
	return 0;
}
