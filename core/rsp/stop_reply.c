// SPDX-License-Identifier: MIT
#include "core/rsp/session_internal.h"

#include "core/regs.h"

/* gdb's own numbers, which are not the host's: include/gdb/signals.h of gdb. */
enum { SIGNAL_INT = 2, SIGNAL_TRAP = 5, SIGNAL_ABRT = 6 };

unsigned int stop_signal(const struct session *s)
{
	switch (s->stop.kind) {
	case STOP_INTERRUPT: return SIGNAL_INT;
	case STOP_FATAL: return SIGNAL_ABRT;
	default: return SIGNAL_TRAP;
	}
}

/*
 * Whether the debugger finds the breakpoint that was hit where its PC register says that the vCPU is.
 * It does not where a code segment has a base: gdb believes `swbreak` and `hwbreak`, finds no
 * breakpoint of its own at that PC, and resumes. A plain SIGTRAP it shows to its user.
 */
static bool stopped_at_pc(struct session *s)
{
	struct cpu_view *v = view_of(s, s->stop.vcpu);

	return v && !v->need(v, 0) && v->cpu->pc(v->state) == s->stop.addr;
}

static void put_watch(struct session *s)
{
	static const char *const names[] = {
		[HW_WRITE] = "watch",
		[HW_READ] = "rwatch",
		[HW_ACCESS] = "awatch",
	};

	if (s->stop.watch == HW_EXEC)
		return;
	buf_fmt(&s->reply, "%s:", names[s->stop.watch]);
	buf_num(&s->reply, s->stop.addr);
	buf_char(&s->reply, ';');
}

/* A breakpoint is named only to a debugger that announced that it understands it. */
static void put_reason(struct session *s)
{
	if (s->stop.kind == STOP_WATCH)
		put_watch(s);
	else if (s->stop.kind == STOP_SWBREAK && s->features & FEATURE_SWBREAK && stopped_at_pc(s))
		buf_str(&s->reply, "swbreak:;");
	else if (s->stop.kind == STOP_HWBREAK && s->features & FEATURE_HWBREAK && stopped_at_pc(s))
		buf_str(&s->reply, "hwbreak:;");
}

/* Registers that the debugger would ask for next. One that can't be read is left out. */
static void put_expedited(struct session *s, unsigned int vcpu)
{
	struct cpu_view *v = view_of(s, vcpu);
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
	put_where(s, stop_signal(s), s->stop.vcpu);
	put_reason(s);
	put_expedited(s, s->stop.vcpu);
}

void put_stopped_too(struct session *s, unsigned int vcpu)
{
	put_where(s, 0, vcpu);
	put_expedited(s, vcpu);
}
