// SPDX-License-Identifier: MIT
#include "arch/x86/step.h"

#include "arch/x86/event_delivery.h"
#include "arch/x86/state.h"

enum { SLOTS = 4, RW_EXEC = 0 };

static bool enabled(const struct x86_debug *d, unsigned int i)
{
	return d->dr7 >> 2 * i & 3;
}

static unsigned int kind(const struct x86_debug *d, unsigned int i)
{
	return d->dr7 >> (16 + 4 * i) & 3;
}

/* The guest's breakpoints on instructions, or those on data; a bit for each register. */
static uint64_t slots(const struct x86_debug *d, bool exec)
{
	uint64_t mask = 0;
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		if (enabled(d, i) && (kind(d, i) == RW_EXEC) == exec)
			mask |= 1u << i;
	return mask;
}

bool x86_deliver_guest_break(struct cpu_view *v)
{
	const struct x86_state *s = v->state;
	uint64_t exec, hit = 0, at = x86_code_addr(s, s->rip);
	unsigned int i;

	if (v->need(v, X86_BANK_DEBUG) || s->rflags & X86_FL_RF)
		return false;
	exec = slots(&s->debug, true);
	for (i = 0; i < SLOTS; i++)
		if (exec >> i & 1 && s->debug.dr[i] == at)
			hit |= 1u << i;
	return hit && !x86_debug_exception(v, hit);
}

bool x86_deliver_guest_trap(struct cpu_view *v, bool stepped)
{
	const struct x86_state *s = v->state;
	uint64_t causes = stepped ? X86_DR6_BS : 0;

	if (!v->need(v, X86_BANK_DEBUG))
		causes |= s->debug.hit & slots(&s->debug, false);
	return causes && !x86_debug_exception(v, causes);
}

bool x86_guest_watches(struct cpu_view *v)
{
	const struct x86_state *s = v->state;

	return !v->need(v, X86_BANK_DEBUG) && slots(&s->debug, false);
}

bool x86_guest_uses_debug_regs(struct cpu_view *v)
{
	const struct x86_state *s = v->state;

	return !v->need(v, X86_BANK_DEBUG) && (slots(&s->debug, true) || slots(&s->debug, false));
}
