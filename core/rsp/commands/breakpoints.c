// SPDX-License-Identifier: MIT
/* Breakpoints and watchpoints: Z and z. GDB manual, "Packets". */
#include <errno.h>

#include "core/lib/hex.h"
#include "core/rsp/command_table.h"

enum { CODES_MAX = 64 }; /* conditions and commands of one breakpoint */

struct breakpoint_args {
	enum bp_type type;
	uint64_t addr;
	uint64_t kind; /* of a breakpoint: the architecture's; of a watchpoint: bytes */
	unsigned int ncodes;
	struct agent_code codes[CODES_MAX]; /* in the session's scratch */
};

/* "XLENGTH,BYTES", one after the other: conditions, or commands. 0 or -errno. */
static int scan_codes(struct session *s, struct scan *args, bool command,
		      struct breakpoint_args *out)
{
	uint64_t len;
	uint8_t *to;

	while (scan_char(args, 'X')) {
		if (out->ncodes == CODES_MAX)
			return -E2BIG;
		if (!scan_hex(args, &len) || !scan_char(args, ',') || len > scan_left(args) / 2)
			return -EINVAL;
		to = buf_grow(&s->scratch, len);
		if (!to || !hex_decode(to, args->p, len))
			return -EINVAL;
		out->codes[out->ncodes++] = (struct agent_code){ command, to, len };
		args->p += 2 * len;
	}
	return 0;
}

/* "[;CONDITIONS][;cmds:PERSIST,COMMANDS]": 0 or -errno. */
static int scan_all_codes(struct session *s, struct scan *args, struct breakpoint_args *out)
{
	uint64_t persist;
	int err = 0;

	buf_clear(&s->scratch);
	while (!err && scan_char(args, ';')) {
		bool command = scan_str(args, "cmds:");

		if (command && (!scan_hex(args, &persist) || !scan_char(args, ',')))
			return -EINVAL;
		err = scan_codes(s, args, command, out);
	}
	return err;
}

static void fail_codes(struct session *s, int err)
{
	switch (err) {
	case -EINVAL: fail(s, err, "conditions or commands: malformed"); break;
	case -E2BIG: fail(s, err, "conditions or commands: too many"); break;
	case -EOPNOTSUPP: fail(s, err, "conditions or commands: not for this breakpoint"); break;
	default: fail_errno(s, err, "conditions or commands"); break;
	}
}

/* "TYPE,ADDR,KIND". A type that is not known gets the empty reply, which says just that. */
static bool scan_breakpoint(struct session *s, struct scan *args, struct breakpoint_args *out)
{
	uint64_t type;
	int err;

	if (!scan_hex(args, &type) || !scan_char(args, ','))
		return fail(s, EINVAL, "type: malformed");
	if (type > BP_ACCESS)
		return false;
	out->type = (enum bp_type)type;
	if (!scan_range(s, args, &out->addr, &out->kind))
		return false;
	if (out->addr && out->kind > -out->addr)
		return fail(s, EINVAL, "length: beyond the end of the address space");
	out->ncodes = 0;
	err = scan_all_codes(s, args, out);
	if (err)
		fail_codes(s, err);
	return !err && scan_done(s, args);
}

static void fail_breakpoint(struct session *s, int err, const char *why)
{
	if (why)
		fail(s, err, why);
	else if (err != -EOPNOTSUPP)
		fail_errno(s, err, "breakpoint");
}

static int set_codes(struct session *s, const struct breakpoint_args *p)
{
	struct target *t = s->target;

	if (p->type > BP_HARDWARE && !p->ncodes)
		return 0;
	return t->ops->conditions(t, p->type, p->addr, p->kind, p->codes, p->ncodes);
}

static void insert_breakpoint(struct session *s, struct scan *args)
{
	struct target *t = s->target;
	const char *why = NULL;
	struct breakpoint_args p;
	int err;

	if (!scan_breakpoint(s, args, &p))
		return;
	err = t->ops->insert(t, s->general, p.type, p.addr, p.kind, &why);
	if (err) {
		fail_breakpoint(s, err, why);
		s->refused = (struct bp_info){ .type = p.type,
					       .addr = p.addr,
					       .kind = p.kind,
					       .state = why ? why : error_text(err),
					       .conditional = p.ncodes };
		return;
	}
	if (s->refused.type == p.type && s->refused.addr == p.addr)
		s->refused.state = NULL;
	err = set_codes(s, &p);
	if (err) { /* the debugger did not ask for one without conditions */
		t->ops->remove(t, p.type, p.addr, p.kind);
		fail_codes(s, err == -EINVAL ? -E2BIG : err);
	} else {
		reply_ok(s);
	}
}

static void remove_breakpoint(struct session *s, struct scan *args)
{
	struct breakpoint_args p;
	int err;

	if (!scan_breakpoint(s, args, &p))
		return;
	err = s->target->ops->remove(s->target, p.type, p.addr, p.kind);
	if (err)
		fail_breakpoint(s, err, NULL);
	else
		reply_ok(s);
}

const struct command breakpoint_commands[] = {
	{ "Z", CMD_PREFIX | CMD_CHANGES, insert_breakpoint, "ConditionalBreakpoints+" },
	{ "z", CMD_PREFIX | CMD_CHANGES, remove_breakpoint, "BreakpointCommands+" },
	{ 0 },
};
