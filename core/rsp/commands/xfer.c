// SPDX-License-Identifier: MIT
/* Objects that are read in parts: GDB manual, "qXfer". */
#include <errno.h>

#include "core/regs.h"
#include "core/rsp/command_table.h"

/* The part of s->scratch that is asked for: m says that there is more, l that there is not. */
static void put_part(struct session *s, uint64_t offset, uint64_t len)
{
	struct buf *whole = &s->scratch;
	size_t most = s->reply.cap - 1, left;

	if (whole->over) {
		fail(s, EMSGSIZE, "object: too long");
		return;
	}
	if (offset > whole->len) {
		fail(s, EINVAL, "offset: beyond the end");
		return;
	}
	left = whole->len - offset;
	most = len < most ? len : most;
	buf_char(&s->reply, left > most ? 'm' : 'l');
	buf_add(&s->reply, whole->data + offset, left > most ? most : left);
}

/* ":ANNEX:OFFSET,LENGTH" */
static bool scan_xfer(struct session *s, struct scan *args, struct scan *annex, uint64_t *offset,
		      uint64_t *len)
{
	if (!scan_char(args, ':') || !scan_field(args, ':', annex))
		return fail(s, EINVAL, "annex: missing");
	return scan_range(s, args, offset, len) && scan_done(s, args);
}

static void features(struct session *s, struct scan *args)
{
	struct scan annex;
	uint64_t offset, len;

	if (!scan_xfer(s, args, &annex, &offset, &len))
		return;
	buf_clear(&s->scratch);
	if (!s->tdesc)
		fail(s, ESRCH, "there is no vCPU to describe");
	else if (regs_xml(s->tdesc, annex.p, scan_left(&annex), &s->scratch) < 0)
		fail(s, ENOENT, "annex: no such file");
	else
		put_part(s, offset, len);
}

const struct command xfer_commands[] = {
	{ "qXfer:features:read", CMD_NO_HOLD, features, "qXfer:features:read+" },
	{ 0 },
};
