/* SPDX-License-Identifier: MIT */
/* Breakpoints and watchpoints: Z and z. GDB manual, "Packets". */
#include <errno.h>

#include "core/rsp/command.h"

enum { CODES_MAX = 64 }; /* conditions and commands of one breakpoint */

struct point_args {
	enum bp_type type;
	uint64_t addr;
	uint64_t kind; /* of a breakpoint: the architecture's; of a watchpoint: bytes */
	unsigned int ncodes;
	struct agent_code codes[CODES_MAX]; /* in the session's scratch */
};

/* "XLENGTH,BYTES", one after the other: conditions, or commands. */
static bool scan_codes(struct session *s, struct scan *args, bool command, struct point_args *out)
{
	struct agent_code *c;
	uint64_t len;
	uint8_t *to;

	while (scan_char(args, 'X')) {
		if (out->ncodes == CODES_MAX || !scan_hex(args, &len) || !scan_char(args, ',') ||
		    len > scan_left(args) / 2)
			return false;
		to = buf_grow(&s->scratch, len);
		if (!to || !hex_decode(to, args->p, len))
			return false;
		c = &out->codes[out->ncodes++];
		*c = (struct agent_code){ command, to, len };
		args->p += 2 * len;
	}
	return true;
}

/* "[;CONDITIONS][;cmds:PERSIST,COMMANDS]" */
static bool scan_rules(struct session *s, struct scan *args, struct point_args *out)
{
	uint64_t persist;

	buf_clear(&s->scratch);
	while (scan_char(args, ';')) {
		if (!scan_str(args, "cmds:")) {
			if (!scan_codes(s, args, false, out))
				return false;
			continue;
		}
		if (!scan_hex(args, &persist) || !scan_char(args, ',') ||
		    !scan_codes(s, args, true, out))
			return false;
	}
	return true;
}

/* "TYPE,ADDR,KIND". A type that is not known gets the empty reply, which says just that. */
static bool scan_point(struct session *s, struct scan *args, struct point_args *out)
{
	uint64_t type;

	if (!scan_hex(args, &type) || !scan_char(args, ',')) {
		fail(s, EINVAL, "type: malformed");
		return false;
	}
	if (type > BP_ACCESS)
		return false;
	out->type = (enum bp_type)type;
	if (!scan_range(s, args, &out->addr, &out->kind))
		return false;
	out->ncodes = 0;
	if (!scan_rules(s, args, out)) {
		fail(s, EINVAL, "conditions or commands: malformed, or too many");
		return false;
	}
	return scan_done(s, args);
}

static void answer(struct session *s, int err, const char *why)
{
	if (!err)
		reply_ok(s);
	else if (why)
		fail(s, err, why);
	else if (err != -EOPNOTSUPP)
		fail_errno(s, err, "breakpoint");
}

/* A breakpoint whose conditions can't be had is not to be there at all. */
static int set_rules(struct session *s, const struct point_args *p, const char **why)
{
	struct target *t = s->target;
	int err = t->ops->conditions(t, p->type, p->addr, p->kind, p->codes, p->ncodes);

	if (err) {
		t->ops->remove(t, s->general, p->type, p->addr, p->kind, why);
		*why = "conditions or commands: not for this breakpoint";
	}
	return err;
}

static void insert_point(struct session *s, struct scan *args)
{
	struct target *t = s->target;
	const char *why = NULL;
	struct point_args p;
	int err;

	if (!scan_point(s, args, &p))
		return;
	err = t->ops->insert(t, s->general, p.type, p.addr, p.kind, &why);
	s->has_points |= !err;
	if (!err && (p.type <= BP_HARDWARE || p.ncodes))
		err = set_rules(s, &p, &why);
	answer(s, err, why);
}

static void remove_point(struct session *s, struct scan *args)
{
	struct target *t = s->target;
	const char *why = NULL;
	struct point_args p;

	if (scan_point(s, args, &p))
		answer(s, t->ops->remove(t, s->general, p.type, p.addr, p.kind, &why), why);
}

const struct command point_commands[] = {
	{ "Z", CMD_GLUED | CMD_CHANGES, insert_point, "ConditionalBreakpoints+" },
	{ "z", CMD_GLUED | CMD_CHANGES, remove_point, "BreakpointCommands+" },
	{ 0 },
};
