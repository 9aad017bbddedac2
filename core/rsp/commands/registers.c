// SPDX-License-Identifier: MIT
/* Registers: g G p P. GDB manual, "Packets"; the order is that of the target description. */
#include <errno.h>
#include <stdio.h>

#include "core/lib/hex.h"
#include "core/regs.h"
#include "core/rsp/command_table.h"

/* The error of reg_set() or regs_set() for this register. */
static void fail_register(struct session *s, int err, const struct reg_desc *r)
{
	char part[64];

	snprintf(part, sizeof(part), "register %s%s", r->name,
		 err == -EACCES ? " is read-only" : "");
	if (err == -EACCES)
		fail(s, err, part);
	else
		fail_errno(s, err, part);
}

/* Store what was changed through a vCPU's view: false with the reply already an error. */
static bool store_registers(struct session *s, unsigned int vcpu)
{
	int err = s->target->ops->flush(s->target, vcpu);

	return !err || fail_errno(s, err, "the host refuses the value");
}

bool write_register(struct session *s, unsigned int vcpu, const struct reg_desc *r,
		    const void *value)
{
	struct cpu_view *v = view_of(s, vcpu);
	int err = v ? reg_set(v, r, value) : -ESRCH;

	if (err)
		fail_register(s, err, r);
	return !err && store_registers(s, vcpu);
}

static void read_all(struct session *s, struct scan *args)
{
	struct cpu_view *v;

	if (!scan_done(s, args))
		return;
	v = selected_view(s);
	if (v)
		regs_show(v, s->tdesc, &s->reply);
}

static void write_all(struct session *s, struct scan *args)
{
	struct cpu_view *v = selected_view(s);
	size_t n = scan_left(args) / 2;
	uint8_t *values = (uint8_t *)args->p; /* decoded in place, in the packet decoder */
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
		fail_register(s, err, refused);
	else if (store_registers(s, s->general))
		reply_ok(s);
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
	r = regs_find(s->tdesc, number);
	if (!r)
		fail(s, EINVAL, "register number: no such register");
	return r;
}

static void read_one(struct session *s, struct scan *args)
{
	struct cpu_view *v = selected_view(s);
	const struct reg_desc *r = v ? scan_reg(s, args) : NULL;

	if (r && scan_done(s, args))
		reg_show(v, r, &s->reply);
}

static void write_value(struct session *s, const struct reg_desc *r, struct scan *args)
{
	uint8_t value[REG_SIZE_MAX];
	size_t n = reg_size(r);

	if (scan_left(args) != 2 * n || n > sizeof(value))
		fail(s, EINVAL, "value: not of the register's length");
	else if (!hex_decode(value, args->p, n))
		fail(s, EINVAL, "value: not hexadecimal");
	else if (write_register(s, s->general, r, value))
		reply_ok(s);
}

static void write_one(struct session *s, struct scan *args)
{
	struct cpu_view *v = selected_view(s);
	const struct reg_desc *r = v ? scan_reg(s, args) : NULL;

	if (!r)
		return;
	if (scan_char(args, '='))
		write_value(s, r, args);
	else
		fail(s, EINVAL, "value: missing");
}

const struct command register_commands[] = {
	{ "g", CMD_PREFIX, read_all, NULL },
	{ "G", CMD_PREFIX | CMD_CHANGES, write_all, NULL },
	{ "p", CMD_PREFIX, read_one, NULL },
	{ "P", CMD_PREFIX | CMD_CHANGES, write_one, NULL },
	{ 0 },
};
