/* SPDX-License-Identifier: MIT */
/* Breakpoints and watchpoints: Z and z. GDB manual, "Packets". */
#include <errno.h>

#include "core/command.h"

struct point_args {
	enum point_type type;
	uint64_t addr;
	uint64_t kind; /* of a breakpoint: the architecture's; of a watchpoint: bytes */
};

/* "TYPE,ADDR,KIND". A type that is not known gets the empty reply, which says just that. */
static bool scan_point(struct session *s, struct scan *args, struct point_args *out)
{
	uint64_t type;

	if (!scan_hex(args, &type) || !scan_char(args, ',')) {
		fail(s, EINVAL, "type: malformed");
		return false;
	}
	if (type > POINT_ACCESS)
		return false;
	out->type = (enum point_type)type;
	if (!scan_range(s, args, &out->addr, &out->kind))
		return false;
	if (scan_char(args, ';')) {
		fail(s, EOPNOTSUPP, "conditions and commands are not supported");
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
	{ "Z", CMD_GLUED | CMD_CHANGES, insert_point, NULL },
	{ "z", CMD_GLUED | CMD_CHANGES, remove_point, NULL },
	{ 0 },
};
