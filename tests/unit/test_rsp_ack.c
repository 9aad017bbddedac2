// SPDX-License-Identifier: MIT
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/rsp/rsp_ack.h"

static struct rsp_ack ack_layer(bool reliable)
{
	struct rsp_ack a;

	cr_assert_eq(rsp_ack_init(&a, reliable), 0);
	return a;
}

/* All that is to be written, taken as written. */
static const char *taken(struct rsp_ack *a)
{
	static char text[1024];
	size_t n;
	const void *out = rsp_ack_output(a, &n);

	cr_assert_lt(n, sizeof(text));
	memcpy(text, out, n);
	text[n] = '\0';
	rsp_ack_sent(a, n);
	return text;
}

static enum packet_event input(struct rsp_ack *a, const char *bytes)
{
	size_t eaten;
	enum packet_event e = rsp_ack_input(a, bytes, strlen(bytes), &eaten);

	cr_assert_eq(eaten, strlen(bytes));
	return e;
}

static void send(struct rsp_ack *a, const char *text)
{
	cr_assert_eq(rsp_ack_send(a, text, strlen(text), false), 0);
}

Test(rsp_ack, ack, .description = "a packet is acknowledged before it is answered, in one piece")
{
	struct rsp_ack a = ack_layer(false);

	cr_expect_eq(input(&a, "+$g#67"), PACKET_DATA);
	send(&a, "OK");
	cr_expect_str_eq(taken(&a), "+$OK#9a");
	cr_expect_eq(input(&a, "+"), PACKET_NONE);
	cr_expect_str_eq(taken(&a), "");
	rsp_ack_fini(&a);
}

Test(rsp_ack, nak,
     .description = "a - brings the last packet again, as often as it comes, until a +")
{
	struct rsp_ack a = ack_layer(false);

	send(&a, "OK");
	cr_expect_str_eq(taken(&a), "$OK#9a");
	for (int i = 0; i < 100; i++) {
		cr_expect_eq(input(&a, "-"), PACKET_NONE);
		cr_expect_str_eq(taken(&a), "$OK#9a");
	}
	input(&a, "+-");
	cr_expect_str_eq(taken(&a), "");
	rsp_ack_fini(&a);
}

Test(rsp_ack, nak_on_its_way,
     .description = "a - while the packet is still being written is for another")
{
	struct rsp_ack a = ack_layer(false);
	size_t n;

	send(&a, "OK");
	rsp_ack_sent(&a, 3);
	input(&a, "-");
	cr_expect_str_eq(taken(&a), "#9a");
	rsp_ack_output(&a, &n);
	cr_expect_eq(n, 0);
	rsp_ack_fini(&a);
}

Test(rsp_ack, bad, .description = "a bad checksum is answered by -, again and again, and is no end")
{
	struct rsp_ack a = ack_layer(false);

	for (int i = 0; i < 1000; i++)
		cr_expect_eq(input(&a, "$g#00"), PACKET_NONE);
	cr_expect_eq(strlen(taken(&a)), 1000);
	cr_expect_eq(input(&a, "$g#67"), PACKET_DATA);
	cr_expect_str_eq(taken(&a), "+");
	rsp_ack_fini(&a);
}

Test(rsp_ack, bad_then_nak,
     .description = "a - that the stub sent between a reply and its repetition is not repeated")
{
	struct rsp_ack a = ack_layer(false);

	send(&a, "OK");
	cr_expect_str_eq(taken(&a), "$OK#9a");
	input(&a, "$g#00");
	cr_expect_str_eq(taken(&a), "-");
	input(&a, "-");
	cr_expect_str_eq(taken(&a), "$OK#9a");
	input(&a, "$g#00-");
	cr_expect_str_eq(taken(&a), "$OK#9a-", "what was not written yet is not lost");
	rsp_ack_fini(&a);
}

Test(rsp_ack, acks_flood, .description = "acks that the peer does not read are bounded")
{
	struct rsp_ack a = ack_layer(false);
	size_t n;

	for (int i = 0; i < 1000000; i++)
		input(&a, "$g#00");
	rsp_ack_output(&a, &n);
	cr_expect_leq(n, a.cap);
	rsp_ack_fini(&a);
}

Test(rsp_ack, hold, .description = "on an unreliable link one packet at a time is on its way")
{
	struct rsp_ack a = ack_layer(false);

	send(&a, "O61");
	send(&a, "T05");
	cr_expect_str_eq(taken(&a), "$O61#b6");
	input(&a, "-");
	cr_expect_str_eq(taken(&a), "$O61#b6");
	input(&a, "+");
	cr_expect_str_eq(taken(&a), "$T05#b9");
	input(&a, "-");
	cr_expect_str_eq(taken(&a), "$T05#b9");
	input(&a, "+");
	cr_expect_str_eq(taken(&a), "");
	rsp_ack_fini(&a);
}

Test(rsp_ack, hold_not, .description = "on a reliable link all packets go out at once")
{
	struct rsp_ack a = ack_layer(true);

	send(&a, "O61");
	send(&a, "T05");
	cr_expect_str_eq(taken(&a), "$O61#b6$T05#b9");
	rsp_ack_fini(&a);
}

Test(rsp_ack, new_packet,
     .description = "the debugger's next packet acknowledges, and drops what was held")
{
	struct rsp_ack a = ack_layer(false);

	send(&a, "O61");
	send(&a, "T05");
	cr_expect_str_eq(taken(&a), "$O61#b6");
	cr_expect_eq(input(&a, "$g#67"), PACKET_DATA);
	cr_expect_str_eq(taken(&a), "+");
	input(&a, "-");
	cr_expect_str_eq(taken(&a), "");
	rsp_ack_fini(&a);
}

Test(rsp_ack, timeout,
     .description = "an unacknowledged packet is sent again, ever later, and given up")
{
	struct rsp_ack a = ack_layer(false);
	int last = 0, tries;

	cr_expect_eq(rsp_ack_timeout_ms(&a), -1);
	send(&a, "OK");
	cr_expect_eq(rsp_ack_timeout_ms(&a), -1, "not written yet");
	rsp_ack_timeout(&a);
	for (tries = 0; !strcmp(taken(&a), "$OK#9a"); tries++) {
		cr_assert_gt(rsp_ack_timeout_ms(&a), last);
		last = rsp_ack_timeout_ms(&a);
		rsp_ack_timeout(&a);
	}
	cr_expect_eq(rsp_ack_timeout_ms(&a), -1);
	cr_expect(tries > 1 && tries < 20);
	rsp_ack_fini(&a);
}

Test(rsp_ack, timeout_held, .description = "once a packet is given up the next one is sent")
{
	struct rsp_ack a = ack_layer(false);

	send(&a, "O61");
	send(&a, "T05");
	for (int i = 0; i < 100 && strcmp(taken(&a), "$T05#b9") != 0; i++)
		rsp_ack_timeout(&a);
	cr_expect_eq(a.unacked_len, strlen("$T05#b9"));
	rsp_ack_fini(&a);
}

Test(rsp_ack, no_timeout, .description = "what can't be lost is not sent again for want of an ack")
{
	struct rsp_ack a = ack_layer(true);

	send(&a, "OK");
	taken(&a);
	cr_expect_eq(rsp_ack_timeout_ms(&a), -1);
	rsp_ack_fini(&a);
}

static struct rsp_ack in_no_ack_mode(void)
{
	struct rsp_ack a = ack_layer(true);

	input(&a, "+$QStartNoAckMode#b0");
	rsp_ack_set_no_ack(&a);
	send(&a, "OK");
	cr_assert_str_eq(taken(&a), "+$OK#9a");
	return a;
}

Test(rsp_ack, no_ack, .description = "in no-ack mode nothing is acknowledged, kept or sent again")
{
	struct rsp_ack a = in_no_ack_mode();

	input(&a, "+");
	for (int i = 0; i < 3; i++) {
		cr_expect_eq(input(&a, "$g#67"), PACKET_DATA);
		send(&a, "OK");
		cr_expect_str_eq(taken(&a), "$OK#9a");
	}
	input(&a, "-");
	cr_expect_str_eq(taken(&a), "");
	cr_expect_eq(input(&a, "$g#00"), PACKET_BAD, "there is no - to reply with");
	rsp_ack_fini(&a);
}

Test(rsp_ack, no_ack_new_peer,
     .description = "in no-ack mode an ack, then a packet: a new debugger gets acks again")
{
	struct rsp_ack a = in_no_ack_mode();

	input(&a, "+");
	cr_expect_eq(input(&a, "$g#67"), PACKET_DATA);
	send(&a, "OK");
	cr_expect_str_eq(taken(&a), "$OK#9a");
	cr_expect_eq(input(&a, "+$g#67"), PACKET_DATA);
	send(&a, "OK");
	cr_expect_str_eq(taken(&a), "+$OK#9a");
	rsp_ack_fini(&a);
}

Test(rsp_ack, no_ack_unconfirmed,
     .description = "a debugger need not acknowledge the OK to QStartNoAckMode")
{
	struct rsp_ack a = in_no_ack_mode();

	cr_expect_eq(input(&a, "$g#67"), PACKET_DATA);
	cr_expect_str_eq(taken(&a), "");
	rsp_ack_fini(&a);
}

Test(rsp_ack, room,
     .description = "output ends where the buffer does, and goes on when it is written")
{
	struct rsp_ack a = ack_layer(true);
	char *big = malloc(PACKET_SIZE);
	size_t n, sent = 0;

	for (size_t i = 0; i < PACKET_SIZE; i++)
		big[i] = "#$}*"[i % 4]; /* each needs two bytes */
	for (sent = 0; rsp_ack_send(&a, big, PACKET_SIZE, false) == 0; sent++)
		cr_expect_eq(rsp_ack_send(&a, big, PACKET_SIZE / 2 + 32, true), -ENOBUFS);
	cr_expect_eq(sent, 2);
	cr_expect(!rsp_ack_room(&a, PACKET_SIZE));
	cr_expect_eq(rsp_ack_send(&a, big, PACKET_SIZE, false), -ENOBUFS);
	cr_expect_eq(rsp_ack_send(&a, big, PACKET_SIZE / 2, true), -ENOBUFS);
	rsp_ack_output(&a, &n);
	cr_expect_eq(n, sent * PACKET_FRAME_MAX(PACKET_SIZE));
	for (int i = 0; i < 5; i++) {
		rsp_ack_output(&a, &n);
		rsp_ack_sent(&a, n);
		cr_expect(rsp_ack_room(&a, PACKET_SIZE));
		cr_expect_eq(rsp_ack_send(&a, big, PACKET_SIZE, false), 0);
	}
	free(big);
	rsp_ack_fini(&a);
}

Test(rsp_ack, interrupt,
     .description = "0x03 in place of an ack is reported, and the reply is still kept")
{
	struct rsp_ack a = ack_layer(false);

	send(&a, "T05");
	taken(&a);
	cr_expect_eq(input(&a, "\x03"), PACKET_INTERRUPT);
	input(&a, "-");
	cr_expect_str_eq(taken(&a), "$T05#b9");
	rsp_ack_fini(&a);
}
