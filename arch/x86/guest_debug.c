// SPDX-License-Identifier: MIT
/*
 * The guest's own debug exceptions: SDM vol. 3, 17.2 and 17.3.1. While the debugger steps, TF is the
 * debugger's and so is the trap, and slots of its own take the place of the guest's debug registers.
 * Exceptions that the guest had coming are carried out for it.
 */
#include "arch/x86/x86.h"

enum { SLOTS = 4, RW_EXEC = 0 };

static bool enabled(const struct x86_debug *d, unsigned int i)
{
	return d->dr7 >> 2 * i & 3;
}

static unsigned int kind(const struct x86_debug *d, unsigned int i)
{
	return d->dr7 >> (16 + 4 * i) & 3;
}

/* Which of them are of a kind: breakpoints on instructions, or on data. */
static uint64_t slots(const struct x86_debug *d, bool exec)
{
	uint64_t mask = 0;
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		if (enabled(d, i) && (kind(d, i) == RW_EXEC) == exec)
			mask |= 1u << i;
	return mask;
}

bool x86_own_break(struct cpu_view *v)
{
	const struct x86_state *s = v->state;
	uint64_t at, exec, hit = 0;
	unsigned int i;

	if (v->need(v, X86_BANK_DEBUG) || s->rflags & X86_FL_RF ||
	    x86_cpu.code_addr(v, s->rip, &at))
		return false;
	exec = slots(&s->debug, true);
	for (i = 0; i < SLOTS; i++)
		if (exec >> i & 1 && s->debug.dr[i] == at)
			hit |= 1u << i;
	return hit && !x86_debug_exception(v, hit);
}

bool x86_own_trap(struct cpu_view *v, bool stepped)
{
	const struct x86_state *s = v->state;
	uint64_t causes = stepped ? X86_DR6_BS : 0;

	if (!v->need(v, X86_BANK_DEBUG))
		causes |= s->debug.hit & slots(&s->debug, false);
	return causes && !x86_debug_exception(v, causes);
}

bool x86_own_watch(struct cpu_view *v)
{
	const struct x86_state *s = v->state;

	return !v->need(v, X86_BANK_DEBUG) && slots(&s->debug, false);
}
