// SPDX-License-Identifier: MIT
/* What a debugger sends first, and small queries. GDB manual, "General Query Packets". */
#include <errno.h>

#include "core/rsp/command_table.h"

static const struct {
	const char *name;
	unsigned int bit; /* enum feature */
} features[] = {
	{ "multiprocess", FEATURE_MULTIPROCESS },
	{ "swbreak", FEATURE_SWBREAK },
	{ "hwbreak", FEATURE_HWBREAK },
	{ "error-message", FEATURE_ERROR_MESSAGE },
};

enum { NFEATURES = sizeof(features) / sizeof(features[0]) };

/* The bit for one word of what the debugger announces; 0 for a word that this stub does not know. */
static unsigned int announced(struct scan word)
{
	for (size_t i = 0; i < NFEATURES; i++) {
		struct scan rest = word;

		if (scan_str(&rest, features[i].name) && scan_char(&rest, '+') && scan_end(&rest))
			return features[i].bit;
	}
	return 0;
}

/* The first packet of a debugger, so it may be another one than before. */
static void supported(struct session *s, struct scan *args)
{
	struct scan word;

	if (!scan_end(args) && !scan_char(args, ':')) {
		fail(s, EINVAL, "features: malformed");
		return;
	}
	client_reset(s);
	while (scan_field(args, ';', &word))
		s->features |= announced(word);
	buf_fmt(&s->reply, "PacketSize=%zx", PACKET_SIZE);
	for (size_t i = 0; i < NFEATURES; i++)
		buf_fmt(&s->reply, ";%s+", features[i].name);
	put_command_features(s);
}

static void start_no_ack(struct session *s, struct scan *args)
{
	if (!scan_done(s, args))
		return;
	rsp_ack_set_no_ack(&s->ack);
	reply_ok(s);
}

/* gdb tests by vMustReplyEmpty that the stub replies to unknown packets by an empty one. */
static void unsupported(struct session *s, struct scan *args)
{
	(void)s;
	(void)args;
}

/* `!`: nothing changes, for the VM outlives the connection in any case. */
static void extended_mode(struct session *s, struct scan *args)
{
	if (scan_done(s, args))
		reply_ok(s);
}

/* 1: the debugger attached to something that existed before, so gdb detaches when it quits. */
static void attached(struct session *s, struct scan *args)
{
	if (scan_char(args, ':') && !scan_process(args))
		fail(s, ESRCH, "process: malformed, or not ours");
	else if (scan_done(s, args))
		buf_char(&s->reply, '1');
}

/* The debugger offers to look up symbols: the stub needs none. */
static void symbols(struct session *s, struct scan *args)
{
	(void)args;
	reply_ok(s);
}

const struct command query_commands[] = {
	{ "qSupported", CMD_GREETING | CMD_TRY_HOLD, supported, NULL },
	{ "QStartNoAckMode", CMD_GREETING | CMD_NO_HOLD | CMD_NO_ACK_MODE, start_no_ack,
	  "QStartNoAckMode+" },
	{ "vMustReplyEmpty", CMD_GREETING | CMD_NO_HOLD, unsupported, NULL },
	{ "!", CMD_GREETING | CMD_NO_HOLD, extended_mode, NULL },
	{ "qAttached", CMD_NO_HOLD, attached, NULL },
	{ "qSymbol", CMD_NO_HOLD, symbols, NULL },
	{ 0 },
};
