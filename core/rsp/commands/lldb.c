// SPDX-License-Identifier: MIT
/*
 * What lldb asks that gdb does not: lldb's document on its extensions of the protocol. The replies come
 * from the same register table and thread list as gdb's.
 */
#include <errno.h>

#include "core/regs.h"
#include "core/rsp/command_table.h"

enum { NO_MORE_REGISTERS = 0x45 }; /* the error number that lldb expects */

static void put_key(struct buf *b, const char *key, const char *value)
{
	if (value)
		buf_fmt(b, "%s:%s;", key, value);
}

static void put_register(struct buf *b, const struct reg_desc *r, const char *set, size_t offset)
{
	bool vector = r->bits > 64;

	buf_fmt(b, "name:%s;bitsize:%u;offset:%zu;", r->name, r->bits, offset);
	put_key(b, "encoding", vector ? "vector" : "uint");
	put_key(b, "format", vector ? "vector-uint8" : "hex");
	put_key(b, "set", set);
	put_key(b, "alt-name", r->alt);
	put_key(b, "generic", r->generic);
	if (r->dwarf >= 0)
		buf_fmt(b, "ehframe:%d;dwarf:%d;", r->dwarf, r->dwarf);
}

/* qRegisterInfoN: for an lldb that was built without an XML parser. */
static void register_info(struct session *s, struct scan *args)
{
	const struct reg_desc *r;
	struct reg_iter it;
	uint64_t number;
	size_t offset = 0;

	if (!scan_hex(args, &number) || !scan_end(args)) {
		fail(s, EINVAL, "register number: not hexadecimal");
		return;
	}
	if (!s->tdesc || !regs_find(s->tdesc, number)) {
		buf_fmt(&s->reply, "E%02x", NO_MORE_REGISTERS);
		return;
	}
	for (it = reg_iter(s->tdesc); (r = reg_next(&it)) && it.number < number;)
		offset += reg_size(r);
	put_register(&s->reply, r, s->tdesc->features[it.feature]->name, offset);
}

/* Numbers are decimal here, values hexadecimal. */
static void put_json_registers(struct session *s, struct cpu_view *v)
{
	struct reg_iter it = reg_iter(s->tdesc);
	const struct reg_desc *r;
	const char *comma = "";

	while ((r = reg_next(&it))) {
		if (!(r->flags & REG_EXPEDITE) || !reg_value(v, r))
			continue;
		buf_fmt(&s->reply, "%s\"%u\":\"", comma, it.number);
		reg_show(v, r, &s->reply);
		buf_char(&s->reply, '"');
		comma = ",";
	}
}

static void put_json_thread(struct session *s, unsigned int vcpu, struct cpu_view *v)
{
	buf_fmt(&s->reply, "{\"tid\":%llu,\"name\":\"", vcpu + 1ULL);
	put_thread_extra(s, vcpu, v, &s->reply);
	buf_fmt(&s->reply, "\",\"signal\":%u,\"registers\":{",
		vcpu == s->stop.vcpu ? stop_signal(s) : 0);
	put_json_registers(s, v);
	buf_str(&s->reply, "}}");
}

/* All threads at once, with the registers that lldb would ask for one by one. */
static void threads_info(struct session *s, struct scan *args)
{
	const char *comma = "";

	if (!scan_done(s, args))
		return;
	if (!s->tdesc || vcpu_list_update(s) < 0) {
		fail(s, ESRCH, "there is no vCPU to describe");
		return;
	}
	buf_char(&s->reply, '[');
	for (unsigned int i = 0; i < s->vcpus.n; i++) {
		unsigned int vcpu = s->vcpus.index[i];
		struct cpu_view *v = view_of(s, vcpu);

		if (!v)
			continue;
		buf_str(&s->reply, comma);
		put_json_thread(s, vcpu, v);
		comma = ",";
	}
	buf_char(&s->reply, ']');
}

const struct command lldb_commands[] = {
	{ "qRegisterInfo", CMD_PREFIX | CMD_NO_HOLD, register_info, NULL },
	{ "jThreadsInfo", 0, threads_info, NULL },
	{ 0 },
};
