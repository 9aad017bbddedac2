// SPDX-License-Identifier: MIT
/*
 * A session with a fake target, driven by libFuzzer's inputs. The first byte of an input selects the
 * kind of session and how the rest is read: as bytes from the link, or as lines that become packets
 * with a good checksum, so that more than one input in 256 passes it.
 */
#include <stdlib.h>
#include <string.h>

#include "core/rsp/packet.h"
#include "core/rsp/session.h"
#include "tests/unit/fake_target.h"

enum mode { MODE_RELIABLE = 1, MODE_RO = 2, MODE_ACK = 4, MODE_KILL = 8, MODE_LINES = 16 };

enum { CHUNK_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Take what the session sends, all at once. */
static void listen(struct session *s)
{
	size_t n;

	session_poll(s);
	while (session_output(s, &n) && n) {
		session_sent(s, n);
		session_poll(s);
	}
}

/* The VM that runs stops for a reason that the input chooses. */
static void stop(struct fake_target *f, uint8_t how)
{
	if (f->running && !f->stop_ready)
		fake_stop(f, (struct stop){ .kind = how % (STOP_EXITED + 1),
					    .vcpu = how % 2,
					    .watch = how % 4,
					    .text = how & 0x80 ? "stopped" : NULL });
}

static void give(struct session *s, const uint8_t *p, size_t n)
{
	while (n) {
		size_t eaten = session_input(s, p, n);

		listen(s);
		if (!eaten && !(eaten = session_input(s, p, n)))
			return;
		p += eaten;
		n -= eaten;
	}
}

static void give_packet(struct session *s, const uint8_t *p, size_t n)
{
	uint8_t *frame = malloc(PACKET_FRAME_MAX(n));
	size_t len = 0;
	uint8_t sum = 0;

	frame[len++] = '$';
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '$' || p[i] == '#')
			continue;
		frame[len++] = p[i];
		sum += p[i];
	}
	frame[len++] = '#';
	frame[len++] = (uint8_t) "0123456789abcdef"[sum >> 4];
	frame[len++] = (uint8_t) "0123456789abcdef"[sum & 15];
	give(s, frame, len);
	free(frame);
}

static void play_lines(struct session *s, struct fake_target *f, const uint8_t *p, size_t n)
{
	while (n) {
		const uint8_t *nl = memchr(p, '\n', n);
		size_t len = nl ? (size_t)(nl - p) : n;

		give_packet(s, p, len);
		stop(f, len ? p[len - 1] : 0);
		listen(s);
		len += nl ? 1 : 0;
		p += len;
		n -= len;
	}
}

static void play_bytes(struct session *s, struct fake_target *f, const uint8_t *p, size_t n)
{
	while (n) {
		size_t len = p[0] % CHUNK_MAX + 1u;

		if (p[0] & 0x80)
			stop(f, p[0]);
		if (p[0] & 0x40)
			session_console(s, (const char *)p, n);
		len = len < n ? len : n;
		give(s, p, len);
		p += len;
		n -= len;
		session_timeout(s);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake_target *f = malloc(sizeof(*f));
	unsigned int mode = size ? data[0] : 0;
	const struct session_config config = {
		.reliable = mode & MODE_RELIABLE,
		.ro = mode & MODE_RO,
		.ack = mode & MODE_ACK,
		.may_kill = mode & MODE_KILL,
	};
	struct session *s;

	fake_init(f, 2);
	if (session_create(&s, &f->target, &config) < 0)
		abort();
	if (mode & MODE_LINES)
		play_lines(s, f, data + 1, size - 1);
	else if (size)
		play_bytes(s, f, data + 1, size - 1);
	if (fake_faults(f))
		abort();
	session_destroy(s);
	free(f);
	return 0;
}
