/* SPDX-License-Identifier: MIT */
/*
 * Stop replies, and how a debugger asks for one again. GDB manual, "Stop Reply Packets"; lldb's
 * document on its extensions of the protocol, "qThreadStopInfo".
 */
#include "core/rsp/command.h"

/* gdb's own numbers, which are not the host's: include/gdb/signals.h of gdb. */
enum { SIGNAL_INT = 2, SIGNAL_TRAP = 5, SIGNAL_ABRT = 6 };

unsigned int signal_of(enum stop_kind kind)
{
	switch (kind) {
	case STOP_INTERRUPT: return SIGNAL_INT;
	case STOP_FATAL: return SIGNAL_ABRT;
	default: return SIGNAL_TRAP;
	}
}

static void put_watch(struct session *s)
{
	static const char *const names[] = {
		[HW_EXEC] = "hwbreak",
		[HW_WRITE] = "watch",
		[HW_READ] = "rwatch",
		[HW_ACCESS] = "awatch",
	};

	buf_fmt(&s->reply, "%s:", names[s->stop.watch]);
	buf_num(&s->reply, s->stop.addr);
	buf_char(&s->reply, ';');
}

/* What is said of breakpoints only to a debugger that announced that it understands it. */
static void put_reason(struct session *s)
{
	if (s->stop.kind == STOP_SWBREAK && s->features & FEATURE_SWBREAK)
		buf_str(&s->reply, "swbreak:;");
	else if (s->stop.kind == STOP_HWBREAK && s->features & FEATURE_HWBREAK)
		buf_str(&s->reply, "hwbreak:;");
	else if (s->stop.kind == STOP_WATCH)
		put_watch(s);
}

/* Registers that the debugger would ask for next. One that can't be read is left out. */
static void put_expedited(struct session *s, unsigned int vcpu)
{
	struct cpu_view *v = s->target->ops->view(s->target, vcpu);
	const struct reg_desc *r;
	struct reg_iter it;

	if (!v || !s->tdesc)
		return;
	it = reg_iter(s->tdesc);
	while ((r = reg_next(&it))) {
		if (!(r->flags & REG_EXPEDITE) || !reg_value(v, r))
			continue;
		buf_fmt(&s->reply, "%02x:", it.number);
		reg_show(v, r, &s->reply);
		buf_char(&s->reply, ';');
	}
}

static void put_exit(struct session *s)
{
	buf_fmt(&s->reply, "W%02x", (unsigned int)s->stop.status & 0xff);
	if (s->features & FEATURE_MULTIPROCESS)
		buf_str(&s->reply, ";process:1");
}

static void put_where(struct session *s, unsigned int signal, unsigned int vcpu)
{
	buf_fmt(&s->reply, "T%02xthread:", signal);
	put_thread(s, vcpu);
	buf_fmt(&s->reply, ";core:%x;", vcpu);
}

void put_stop(struct session *s)
{
	if (s->stop.kind == STOP_EXITED) {
		put_exit(s);
		return;
	}
	put_where(s, signal_of(s->stop.kind), s->stop.vcpu);
	put_reason(s);
	put_expedited(s, s->stop.vcpu);
}

static void last_stop(struct session *s, struct scan *args)
{
	if (scan_done(s, args))
		put_stop(s);
}

/* lldb: the same for any thread. Those that just happened to be stopped have signal 0. */
static void thread_stop(struct session *s, struct scan *args)
{
	struct thread_id id;

	if (!scan_thread(s, args, &id) || !scan_done(s, args))
		return;
	if (id.kind != THREAD_ONE || id.vcpu == s->stop.vcpu) {
		put_stop(s);
		return;
	}
	put_where(s, 0, id.vcpu);
	put_expedited(s, id.vcpu);
}

const struct command stop_commands[] = {
	{ "?", CMD_GREETING, last_stop, NULL },
	{ "qThreadStopInfo", CMD_GLUED, thread_stop, NULL },
	{ 0 },
};
