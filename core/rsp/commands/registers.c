/* SPDX-License-Identifier: MIT */
/* Registers: g G p P. GDB manual, "Packets"; the order is that of the target description. */
#include <errno.h>
#include <stdio.h>

#include "core/rsp/command.h"

static void read_all(struct session *s, struct scan *args)
{
	struct cpu_view *v;

	if (!scan_done(s, args))
		return;
	v = session_view(s);
	if (v)
		regs_show(v, s->tdesc, &s->reply);
}

static void fail_reg(struct session *s, int err, const struct reg_desc *r)
{
	char part[64];

	snprintf(part, sizeof(part), "register %s", r->name);
	if (err == -EACCES)
		snprintf(part, sizeof(part), "register %s is read-only", r->name);
	if (err == -EACCES)
		fail(s, err, part);
	else
		fail_errno(s, err, part);
}

/* What was changed goes to the vCPU now, so that a refusal is this packet's reply. */
static void reply_stored(struct session *s)
{
	int err = s->target->ops->flush(s->target, s->general);

	if (err)
		fail_errno(s, err, "the host refuses the value");
	else
		reply_ok(s);
}

static void write_all(struct session *s, struct scan *args)
{
	struct cpu_view *v = session_view(s);
	size_t n = scan_left(args) / 2;
	uint8_t *values = (uint8_t *)args->p; /* decoded in place, in the link's buffer */
	const struct reg_desc *refused;
	int err;

	if (!v)
		return;
	if (scan_left(args) != 2 * regs_size(s->tdesc)) {
		fail(s, EINVAL, "values: not of the length of all registers");
		return;
	}
	if (!hex_decode(values, args->p, n)) {
		fail(s, EINVAL, "values: not hexadecimal");
		return;
	}
	err = regs_set(v, s->tdesc, values, &refused);
	if (err)
		fail_reg(s, err, refused);
	else
		reply_stored(s);
}

/* The register that a packet names by its number. */
static const struct reg_desc *scan_reg(struct session *s, struct scan *args)
{
	const struct reg_desc *r;
	uint64_t number;

	if (!scan_hex(args, &number)) {
		fail(s, EINVAL, "register number: not hexadecimal");
		return NULL;
	}
	r = regs_find(s->tdesc, number, NULL);
	if (!r)
		fail(s, EINVAL, "register number: no such register");
	return r;
}

static void read_one(struct session *s, struct scan *args)
{
	struct cpu_view *v = session_view(s);
	const struct reg_desc *r = v ? scan_reg(s, args) : NULL;

	if (r && scan_done(s, args))
		reg_show(v, r, &s->reply);
}

static void write_value(struct session *s, struct cpu_view *v, const struct reg_desc *r,
			struct scan *args)
{
	uint8_t value[REG_SIZE_MAX];
	size_t n = reg_size(r);
	int err;

	if (scan_left(args) != 2 * n || n > sizeof(value)) {
		fail(s, EINVAL, "value: not of the register's length");
		return;
	}
	if (!hex_decode(value, args->p, n)) {
		fail(s, EINVAL, "value: not hexadecimal");
		return;
	}
	err = reg_set(v, r, value);
	if (err)
		fail_reg(s, err, r);
	else
		reply_stored(s);
}

static void write_one(struct session *s, struct scan *args)
{
	struct cpu_view *v = session_view(s);
	const struct reg_desc *r = v ? scan_reg(s, args) : NULL;

	if (!r)
		return;
	if (scan_char(args, '='))
		write_value(s, v, r, args);
	else
		fail(s, EINVAL, "value: missing");
}

const struct command reg_commands[] = {
	{ "g", CMD_GLUED, read_all, NULL },
	{ "G", CMD_GLUED | CMD_CHANGES, write_all, NULL },
	{ "p", CMD_GLUED, read_one, NULL },
	{ "P", CMD_GLUED | CMD_CHANGES, write_one, NULL },
	{ 0 },
};
