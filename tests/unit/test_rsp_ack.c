// SPDX-License-Identifier: MIT
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/rsp/rsp_ack.h"

static struct rsp_ack link_of(bool reliable)
{
	struct rsp_ack l;

	cr_assert_eq(rsp_ack_init(&l, reliable), 0);
	return l;
}

/* All that is to be written, taken as written. */
static const char *taken(struct rsp_ack *l)
{
	static char text[1024];
	size_t n;
	const void *out = rsp_ack_output(l, &n);

	cr_assert_lt(n, sizeof(text));
	memcpy(text, out, n);
	text[n] = '\0';
	rsp_ack_sent(l, n);
	return text;
}

static enum packet_event input(struct rsp_ack *l, const char *bytes)
{
	size_t eaten;
	enum packet_event e = rsp_ack_input(l, bytes, strlen(bytes), &eaten);

	cr_assert_eq(eaten, strlen(bytes));
	return e;
}

static void say(struct rsp_ack *l, const char *text)
{
	cr_assert_eq(rsp_ack_send(l, text, strlen(text)), 0);
}

Test(link, ack, .description = "a packet is acknowledged before it is answered, in one piece")
{
	struct rsp_ack l = link_of(false);

	cr_expect_eq(input(&l, "+$g#67"), PACKET_DATA);
	say(&l, "OK");
	cr_expect_str_eq(taken(&l), "+$OK#9a");
	cr_expect_eq(input(&l, "+"), PACKET_NONE);
	cr_expect_str_eq(taken(&l), "");
	rsp_ack_fini(&l);
}

Test(link, nak, .description = "a - brings the last packet again, as often as it comes, until a +")
{
	struct rsp_ack l = link_of(false);

	say(&l, "OK");
	cr_expect_str_eq(taken(&l), "$OK#9a");
	for (int i = 0; i < 100; i++) {
		cr_expect_eq(input(&l, "-"), PACKET_NONE);
		cr_expect_str_eq(taken(&l), "$OK#9a");
	}
	input(&l, "+-");
	cr_expect_str_eq(taken(&l), "");
	rsp_ack_fini(&l);
}

Test(link, nak_on_its_way,
     .description = "a - while the packet is still being written is for another")
{
	struct rsp_ack l = link_of(false);
	size_t n;

	say(&l, "OK");
	rsp_ack_sent(&l, 3);
	input(&l, "-");
	cr_expect_str_eq(taken(&l), "#9a");
	rsp_ack_output(&l, &n);
	cr_expect_eq(n, 0);
	rsp_ack_fini(&l);
}

Test(link, bad, .description = "a bad checksum is answered by -, again and again, and is no end")
{
	struct rsp_ack l = link_of(false);

	for (int i = 0; i < 1000; i++)
		cr_expect_eq(input(&l, "$g#00"), PACKET_NONE);
	cr_expect_eq(strlen(taken(&l)), 1000);
	cr_expect_eq(input(&l, "$g#67"), PACKET_DATA);
	cr_expect_str_eq(taken(&l), "+");
	rsp_ack_fini(&l);
}

Test(link, bad_then_nak,
     .description = "a - of ours between a reply and its repetition is not repeated")
{
	struct rsp_ack l = link_of(false);

	say(&l, "OK");
	cr_expect_str_eq(taken(&l), "$OK#9a");
	input(&l, "$g#00");
	cr_expect_str_eq(taken(&l), "-");
	input(&l, "-");
	cr_expect_str_eq(taken(&l), "$OK#9a");
	input(&l, "$g#00-");
	cr_expect_str_eq(taken(&l), "$OK#9a-", "what was not written yet is not lost");
	rsp_ack_fini(&l);
}

Test(link, acks_flood, .description = "acks that nobody reads do not grow without limit")
{
	struct rsp_ack l = link_of(false);
	size_t n;

	for (int i = 0; i < 1000000; i++)
		input(&l, "$g#00");
	rsp_ack_output(&l, &n);
	cr_expect_leq(n, l.cap);
	rsp_ack_fini(&l);
}

Test(link, hold, .description = "on an unreliable link one packet at a time is on its way")
{
	struct rsp_ack l = link_of(false);

	say(&l, "O61");
	say(&l, "T05");
	cr_expect_str_eq(taken(&l), "$O61#b6");
	input(&l, "-");
	cr_expect_str_eq(taken(&l), "$O61#b6");
	input(&l, "+");
	cr_expect_str_eq(taken(&l), "$T05#b9");
	input(&l, "-");
	cr_expect_str_eq(taken(&l), "$T05#b9");
	input(&l, "+");
	cr_expect_str_eq(taken(&l), "");
	rsp_ack_fini(&l);
}

Test(link, hold_not, .description = "on a reliable link all that is to be said goes out at once")
{
	struct rsp_ack l = link_of(true);

	say(&l, "O61");
	say(&l, "T05");
	cr_expect_str_eq(taken(&l), "$O61#b6$T05#b9");
	rsp_ack_fini(&l);
}

Test(link, new_packet,
     .description = "the debugger's next packet acknowledges, and drops what was held")
{
	struct rsp_ack l = link_of(false);

	say(&l, "O61");
	say(&l, "T05");
	cr_expect_str_eq(taken(&l), "$O61#b6");
	cr_expect_eq(input(&l, "$g#67"), PACKET_DATA);
	cr_expect_str_eq(taken(&l), "+");
	input(&l, "-");
	cr_expect_str_eq(taken(&l), "");
	rsp_ack_fini(&l);
}

Test(link, timeout,
     .description = "an unacknowledged packet is sent again, ever later, and given up")
{
	struct rsp_ack l = link_of(false);
	int last = 0, tries;

	cr_expect_eq(rsp_ack_timeout_ms(&l), -1);
	say(&l, "OK");
	cr_expect_eq(rsp_ack_timeout_ms(&l), -1, "not written yet");
	rsp_ack_timeout(&l);
	for (tries = 0; !strcmp(taken(&l), "$OK#9a"); tries++) {
		cr_assert_gt(rsp_ack_timeout_ms(&l), last);
		last = rsp_ack_timeout_ms(&l);
		rsp_ack_timeout(&l);
	}
	cr_expect_eq(rsp_ack_timeout_ms(&l), -1);
	cr_expect(tries > 1 && tries < 20);
	rsp_ack_fini(&l);
}

Test(link, timeout_held, .description = "giving a packet up lets the next one go")
{
	struct rsp_ack l = link_of(false);

	say(&l, "O61");
	say(&l, "T05");
	for (int i = 0; i < 100 && strcmp(taken(&l), "$T05#b9") != 0; i++)
		rsp_ack_timeout(&l);
	cr_expect_eq(l.kept_len, strlen("$T05#b9"));
	rsp_ack_fini(&l);
}

Test(link, no_timeout, .description = "what can't be lost is not sent again for want of an ack")
{
	struct rsp_ack l = link_of(true);

	say(&l, "OK");
	taken(&l);
	cr_expect_eq(rsp_ack_timeout_ms(&l), -1);
	rsp_ack_fini(&l);
}

static struct rsp_ack in_no_ack_mode(void)
{
	struct rsp_ack l = link_of(true);

	input(&l, "+$QStartNoAckMode#b0");
	rsp_ack_set_no_ack(&l);
	say(&l, "OK");
	cr_assert_str_eq(taken(&l), "+$OK#9a");
	return l;
}

Test(link, no_ack, .description = "in no-ack mode nothing is acknowledged, kept or sent again")
{
	struct rsp_ack l = in_no_ack_mode();

	input(&l, "+");
	for (int i = 0; i < 3; i++) {
		cr_expect_eq(input(&l, "$g#67"), PACKET_DATA);
		say(&l, "OK");
		cr_expect_str_eq(taken(&l), "$OK#9a");
	}
	input(&l, "-");
	cr_expect_str_eq(taken(&l), "");
	cr_expect_eq(input(&l, "$g#00"), PACKET_BAD, "there is no - to say it with");
	rsp_ack_fini(&l);
}

Test(link, no_ack_new_peer,
     .description = "an ack out of the blue, then a packet: acks are wanted again")
{
	struct rsp_ack l = in_no_ack_mode();

	input(&l, "+");
	cr_expect_eq(input(&l, "$g#67"), PACKET_DATA);
	say(&l, "OK");
	cr_expect_str_eq(taken(&l), "$OK#9a");
	cr_expect_eq(input(&l, "+$g#67"), PACKET_DATA);
	say(&l, "OK");
	cr_expect_str_eq(taken(&l), "+$OK#9a");
	rsp_ack_fini(&l);
}

Test(link, no_ack_unconfirmed,
     .description = "a debugger need not acknowledge the OK to QStartNoAckMode")
{
	struct rsp_ack l = in_no_ack_mode();

	cr_expect_eq(input(&l, "$g#67"), PACKET_DATA);
	cr_expect_str_eq(taken(&l), "");
	rsp_ack_fini(&l);
}

Test(link, room, .description = "output ends where the buffer does, and goes on when it is written")
{
	struct rsp_ack l = link_of(true);
	char *big = malloc(PACKET_SIZE);
	size_t n, sent = 0;

	for (size_t i = 0; i < PACKET_SIZE; i++)
		big[i] = "#$}*"[i % 4]; /* each needs two bytes */
	for (sent = 0; rsp_ack_send(&l, big, PACKET_SIZE) == 0; sent++)
		cr_assert_lt(sent, 10);
	cr_expect_geq(sent, 2);
	cr_expect(!rsp_ack_room(&l, PACKET_SIZE));
	cr_expect_eq(rsp_ack_send(&l, big, PACKET_SIZE), -ENOBUFS);
	rsp_ack_output(&l, &n);
	cr_expect_eq(n, sent * PACKET_FRAME_MAX(PACKET_SIZE));
	for (int i = 0; i < 5; i++) {
		rsp_ack_output(&l, &n);
		rsp_ack_sent(&l, n);
		cr_expect(rsp_ack_room(&l, PACKET_SIZE));
		cr_expect_eq(rsp_ack_send(&l, big, PACKET_SIZE), 0);
	}
	free(big);
	rsp_ack_fini(&l);
}

Test(link, interrupt, .description = "0x03 in place of an ack is told, and the reply is still kept")
{
	struct rsp_ack l = link_of(false);

	say(&l, "T05");
	taken(&l);
	cr_expect_eq(input(&l, "\x03"), PACKET_INTERRUPT);
	input(&l, "-");
	cr_expect_str_eq(taken(&l), "$T05#b9");
	rsp_ack_fini(&l);
}
