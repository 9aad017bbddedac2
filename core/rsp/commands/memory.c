// SPDX-License-Identifier: MIT
/* Memory: m M x X, virtual, as the selected vCPU sees it. GDB manual, "Packets". */
#include <errno.h>

#include "core/lib/hex.h"
#include "core/rsp/command_table.h"

/* Read up to n bytes to dst, at least one: how many, or -1 with the reply already an error. */
static ssize_t read_memory(struct session *s, uint64_t addr, void *dst, size_t n)
{
	ssize_t got = s->target->ops->read(s->target, s->general, addr, dst, n);

	if (got > 0)
		return got;
	fail(s, EFAULT, "address: nothing is mapped there");
	return -1;
}

static void read_hex(struct session *s, struct scan *args)
{
	size_t most = s->reply.cap / 2;
	uint64_t addr, len;
	ssize_t got;

	if (!scan_range(s, args, &addr, &len) || !scan_done(s, args))
		return;
	if (!len) {
		fail(s, EINVAL, "length: zero");
		return;
	}
	got = read_memory(s, addr, s->reply.data, len < most ? len : most);
	if (got < 0)
		return;
	s->reply.len = (size_t)got;
	s->reply_bytes = true;
}

/* A debugger asks for no bytes to find out whether the stub has this packet. */
static void read_binary(struct session *s, struct scan *args)
{
	uint64_t addr, len;
	size_t n;
	ssize_t got;

	if (!scan_range(s, args, &addr, &len) || !scan_done(s, args))
		return;
	buf_char(&s->reply, 'b');
	if (!len)
		return;
	n = len < s->reply.cap - 1 ? len : s->reply.cap - 1;
	got = read_memory(s, addr, buf_grow(&s->reply, n), n);
	if (got > 0)
		s->reply.len = 1 + (size_t)got;
}

static void write_memory(struct session *s, uint64_t addr, const void *bytes, size_t n)
{
	int err = n ? s->target->ops->write(s->target, s->general, addr, bytes, n) : 0;

	if (err == -EFAULT)
		fail(s, err, "address: not all of it is mapped");
	else if (err)
		fail_errno(s, err, "memory");
	else
		reply_ok(s);
}

/* "ADDR,LENGTH:" before data that is `digits` characters a byte. */
static bool scan_write(struct session *s, struct scan *args, uint64_t *addr, uint64_t *len,
		       unsigned int digits)
{
	if (!scan_range(s, args, addr, len))
		return false;
	if (!scan_char(args, ':'))
		return fail(s, EINVAL, "data: missing");
	if (scan_left(args) % digits || scan_left(args) / digits != *len)
		return fail(s, EINVAL, "length: not that of the data");
	return true;
}

static void write_hex(struct session *s, struct scan *args)
{
	uint8_t *bytes;
	uint64_t addr, len;

	if (!scan_write(s, args, &addr, &len, 2))
		return;
	bytes = (uint8_t *)args->p; /* decoded in place, in the packet decoder */
	if (hex_decode(bytes, args->p, len))
		write_memory(s, addr, bytes, len);
	else
		fail(s, EINVAL, "data: not hexadecimal");
}

static void write_binary(struct session *s, struct scan *args)
{
	uint64_t addr, len;

	if (scan_write(s, args, &addr, &len, 1))
		write_memory(s, addr, args->p, len);
}

const struct command memory_commands[] = {
	{ "m", CMD_PREFIX, read_hex, NULL },
	{ "M", CMD_PREFIX | CMD_CHANGES, write_hex, NULL },
	{ "x", CMD_PREFIX, read_binary, "binary-upload+" },
	{ "X", CMD_PREFIX | CMD_CHANGES, write_binary, NULL },
	{ 0 },
};
