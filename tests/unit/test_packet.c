// SPDX-License-Identifier: MIT
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rsp/packet.h"

enum { ROOM = 4096 };

struct seen {
	struct packet_decoder d;
	uint8_t data[ROOM];
	char events[ROOM]; /* a letter each: see letter() */
	size_t n;
	char packets[ROOM]; /* the text of each packet, with a | after it */
	size_t packets_len;
};

static char letter(enum packet_event e)
{
	return ".PLBI+-J"[e];
}

static void seen_init(struct seen *s, size_t cap)
{
	memset(s, 0, sizeof(*s));
	packet_decoder_init(&s->d, s->data, cap);
}

static void feed(struct seen *s, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	while (n) {
		size_t eaten;
		enum packet_event e = packet_decode(&s->d, p, n, &eaten);

		cr_assert(eaten > 0 || e == PACKET_BAD, "no progress");
		if (e != PACKET_NONE)
			s->events[s->n++] = letter(e);
		if (e == PACKET_DATA) {
			memcpy(s->packets + s->packets_len, s->d.data, s->d.len);
			s->packets_len += s->d.len;
			s->packets[s->packets_len++] = '|';
		}
		p += eaten;
		n -= eaten;
	}
}

static void expect(const char *input, const char *events, const char *packets)
{
	struct seen s;

	seen_init(&s, 64);
	feed(&s, input, strlen(input));
	cr_expect_str_eq(s.events, events, "%s: events %s, not %s", input, s.events, events);
	cr_expect_str_eq(s.packets, packets, "%s: packets %s, not %s", input, s.packets, packets);
}

Test(packet, events, .description = "what each kind of byte is, in and between packets")
{
	static const struct {
		const char *in, *events, *packets;
	} t[] = {
		{ "$OK#9a", "P", "OK|" },
		{ "$#00", "P", "|" },
		{ "+$OK#9a", "+P", "OK|" },
		{ "$OK#9a+-\x03", "P+-I", "OK|" },
		{ "$OK#9A", "P", "OK|" },
		{ "$OK#9b", "B", "" },
		{ "$OK#9g", "B", "" },
		{ "$OK#9b$OK#9a", "BP", "OK|" },
		{ "junk\r\n$OK#9ajunk", "JPJ", "OK|" },
		{ "#9a", "J", "" },
		/* 0x03, + and - inside a packet are data */
		{ "$\x03#03", "P", "\x03|" },
		{ "$+-#58", "P", "+-|" },
		/* the end of a packet is lost, also in the middle of its checksum */
		{ "$half$OK#9a", "P", "OK|" },
		{ "$a$b$$OK#9a", "P", "OK|" },
		{ "$half#$OK#9a", "BP", "OK|" },
		{ "$half#1$OK#9a", "BP", "OK|" },
		/* an interrupt in the place of a checksum is not one */
		{ "$OK#9\x03", "B", "" },
		{ "$OK#9a\x03$OK#9a", "PIP", "OK|OK|" },
		/* escapes: # as }\x03, and one at the end stands for nothing */
		{ "$a}\x03"
		  "b#43",
		  "P", "a#b|" },
		{ "$a}#de", "P", "a|" },
		{ "$}]}]#b4", "P", "}}|" },
		/* to the stub a * is a * */
		{ "$a* #ab", "P", "a* |" },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		expect(t[i].in, t[i].events, t[i].packets);
}

Test(packet, split, .description = "where input is cut makes no difference")
{
	static const char in[] = "+$m1000,4#8e-\x03xx$bad#00$half$g#67+$X1,3:}\x03}]}\x04#fd\x03";
	size_t n = sizeof(in) - 1;
	struct seen whole;

	seen_init(&whole, 64);
	feed(&whole, in, n);
	cr_assert_str_eq(whole.events, "+P-IJBP+PI");
	for (size_t cut = 0; cut <= n; cut++) {
		struct seen s;

		seen_init(&s, 64);
		feed(&s, in, cut);
		feed(&s, in + cut, n - cut);
		/* a run of junk that is cut may be two events */
		cr_expect(!strcmp(s.events, whole.events) || !strcmp(s.events, "+P-IJJBP+PI"),
			  "cut at %zu: %s", cut, s.events);
		cr_expect_eq(s.packets_len, whole.packets_len, "cut at %zu", cut);
		cr_expect_eq(memcmp(s.packets, whole.packets, s.packets_len), 0);
	}
}

Test(packet, too_long, .description = "a packet that is too long is dropped to its end, not cut")
{
	static const char fits[] = "$12345678#a4", over[] = "$123456789#dd";
	struct seen s;

	seen_init(&s, 8);
	feed(&s, fits, strlen(fits));
	feed(&s, over, strlen(over));
	feed(&s, fits, strlen(fits));
	cr_expect_str_eq(s.events, "PLP");
	cr_expect_str_eq(s.packets, "12345678|12345678|");
	/* and in single bytes */
	for (size_t i = 0; i < strlen(over); i++)
		feed(&s, over + i, 1);
	cr_expect_str_eq(s.events, "PLPL");
	feed(&s, "$123456789#de", 13);
	cr_expect_str_eq(s.events, "PLPLB", "a wrong checksum comes first");
}

Test(packet, restarts,
     .description = "reading many packet starts in one piece of input takes linear time")
{
	size_t n = 8 << 20;
	char *in = malloc(n);
	struct seen s;

	memset(in, '$', n);
	memcpy(in + n - 6, "$OK#9a", 6);
	seen_init(&s, 64);
	feed(&s, in, n);
	cr_expect_str_eq(s.events, "P");
	free(in);
}

/* ---- the encoder ------------------------------------------------------------------------- */

static void expect_frame(const char *data, const char *frame)
{
	char out[ROOM];
	size_t n = packet_encode(out, data, strlen(data));

	out[n] = '\0';
	cr_expect_str_eq(out, frame, "%s: %s, not %s", data, out, frame);
}

Test(packet, encode, .description = "frames, escapes and runs as the manual's examples have them")
{
	expect_frame("", "$#00");
	expect_frame("OK", "$OK#9a");
	expect_frame("E01", "$E01#a6");
	expect_frame("0000", "$0* #7a");
	expect_frame("000", "$000#90");
	/* counts of six and seven would be sent as # and $: five, and the rest */
	expect_frame("000000", "$0*\"#7c");
	expect_frame("0000000", "$0*\"0#ac");
	expect_frame("00000000", "$0*\"00#dc");
	expect_frame("000000000", "$0*%#7f");
	expect_frame("000000000000abcdefgh", "$0*(abcdefgh#a6");
	expect_frame("abc00000000000000000", "$abc0*,0#dc");
	expect_frame("#$}*", "$}\x03}\x04}]}\n#62");
}

/* The repeat counts in an encoded frame of nothing but `c`. */
static void check_counts(const char *frame, size_t n, char c)
{
	for (size_t i = 1; i + 3 < n; i++) {
		if (frame[i] != '*')
			continue;
		i++;
		cr_expect(frame[i] >= 32 && frame[i] <= 126, "count %d", frame[i]);
		cr_expect_null(strchr("#$+-", frame[i]), "count %c", frame[i]);
		cr_expect_neq(c, '*');
	}
}

static void round_trip(const uint8_t *data, size_t n)
{
	uint8_t frame[PACKET_FRAME_MAX(1024)], back[2048];
	struct packet_decoder d;
	size_t len = packet_encode(frame, data, n), eaten;

	cr_assert_leq(len, PACKET_FRAME_MAX(n));
	packet_decoder_init(&d, back, sizeof(back));
	d.expand = true;
	cr_assert_eq(packet_decode(&d, frame, len, &eaten), PACKET_DATA);
	cr_assert_eq(eaten, len);
	cr_assert_eq(d.len, n, "%zu bytes became %zu", n, d.len);
	cr_assert_eq(memcmp(back, data, n), 0);
}

Test(packet, all_bytes, .description = "every byte value, alone and in runs, comes back as it was")
{
	for (int c = 0; c < 256; c++) {
		uint8_t data[600];

		memset(data, c, sizeof(data));
		for (size_t n = 0; n <= 260; n++) {
			char frame[PACKET_FRAME_MAX(260)];

			round_trip(data, n);
			check_counts(frame, packet_encode(frame, data, n), (char)c);
		}
	}
}

Test(packet, random, .description = "random data with runs of all lengths comes back as it was")
{
	uint8_t data[1024];

	srand(1);
	for (int round = 0; round < 20000; round++) {
		size_t n = (size_t)rand() % 300, i = 0;

		while (i < n) {
			static const char pool[] = "$#}*+-0a\x03\x20\xff";
			size_t run = rand() % 3 ? 1 : (size_t)rand() % 120;
			uint8_t c = rand() % 2 ? (uint8_t)rand() : (uint8_t)pool[rand() % 11];

			for (; run && i < n; run--)
				data[i++] = c;
		}
		round_trip(data, n);
	}
}

/* What the bytes' hexadecimal is when it comes back from packet_encode_hex(). */
static void hex_round_trip(const uint8_t *bytes, size_t n)
{
	static uint8_t frame[PACKET_FRAME_MAX(2 * 10000)], back[2 * 10000];
	struct packet_decoder d;
	size_t len = packet_encode_hex(frame, bytes, n), eaten;

	packet_decoder_init(&d, back, sizeof(back));
	d.expand = true;
	cr_assert_eq(packet_decode(&d, frame, len, &eaten), PACKET_DATA);
	cr_assert_eq(d.len, 2 * n);
	for (size_t i = 0; i < n; i++) {
		char two[3];

		snprintf(two, sizeof(two), "%02x", bytes[i]);
		cr_assert_eq(memcmp(back + 2 * i, two, 2), 0, "at %zu of %zu", i, n);
	}
}

Test(packet, encode_hex, .description = "bytes of any number go out as their hexadecimal")
{
	uint8_t bytes[10000];

	srand(1);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = rand() % 3 ? (uint8_t)rand() : 0;
	for (size_t n = 0; n < 100; n++)
		hex_round_trip(bytes, n);
	for (size_t n = 2000; n < 2100; n++)
		hex_round_trip(bytes, n);
	hex_round_trip(bytes, sizeof(bytes));
	memset(bytes, 0x11, sizeof(bytes));
	hex_round_trip(bytes, sizeof(bytes));
	cr_expect_lt(packet_encode_hex(bytes, bytes + 5000, 4000), 400, "its runs are shortened");
}

Test(packet, run_shorter, .description = "runs are shortened, and nothing that has none grows")
{
	char frame[PACKET_FRAME_MAX(256)], data[256];

	memset(data, '0', sizeof(data));
	cr_expect_leq(packet_encode(frame, data, sizeof(data)), 4 + 3 * 3);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = "0123456789abcdef"[i % 16];
	cr_expect_eq(packet_encode(frame, data, sizeof(data)), 4 + sizeof(data));
}

Test(packet, encode_command, .description = "what a debugger sends has escapes and no runs")
{
	static const char data[] = "X1000,8:00000000#$}*",
			  frame[] = "$X1000,8:00000000}\x03}\x04}]}\n#";
	char out[PACKET_FRAME_MAX(sizeof(data))], zeros[100] = { 0 }, big[PACKET_FRAME_MAX(100)];
	size_t n = packet_encode_command(out, data, sizeof(data) - 1);

	cr_assert_eq(n, sizeof(frame) - 1 + 2);
	cr_expect_eq(memcmp(out, frame, sizeof(frame) - 1), 0);
	expect((out[n] = '\0', out), "P", "X1000,8:00000000#$}*|");
	cr_expect_eq(packet_encode_command(big, zeros, sizeof(zeros)), sizeof(zeros) + 4);
	cr_expect_eq(packet_encode_command(big, "", 0), 4);
	cr_expect_eq(memcmp(big, "$#00", 4), 0);
}

static enum packet_event decode_runs(const char *frame, size_t cap, uint8_t *out, size_t *len)
{
	struct packet_decoder d;
	enum packet_event e;
	size_t eaten;

	packet_decoder_init(&d, out, cap);
	d.expand = true;
	e = packet_decode(&d, frame, strlen(frame), &eaten);
	*len = d.len;
	return e;
}

Test(packet, expand, .description = "run-length decoding is bounded, and takes a * as a count")
{
	uint8_t out[64];
	size_t len;

	cr_expect_eq(decode_runs("$0* #7a", 4, out, &len), PACKET_DATA);
	cr_expect(len == 4 && !memcmp(out, "0000", 4));
	cr_expect_eq(decode_runs("$0* #7a", 3, out, &len), PACKET_TOO_LONG);
	cr_expect_eq(decode_runs("$a**b#17", 64, out, &len), PACKET_DATA);
	cr_expect(len == 15 && !memcmp(out, "aaaaaaaaaaaaaab", 15));
	cr_expect_eq(decode_runs("$0* #7A", 4, out, &len), PACKET_DATA, "upper case");
	cr_expect_eq(decode_runs("$* #4a", 64, out, &len), PACKET_BAD, "a run of nothing");
	cr_expect_eq(decode_runs("$0*#5a", 64, out, &len), PACKET_BAD, "no count");
}
