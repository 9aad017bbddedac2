// SPDX-License-Identifier: MIT
#include "arch/x86/stack.h"

#include <errno.h>

#include "arch/x86/walk.h"

/* How much of RSP counts: all of it, 32 bits or 16, by the size of the stack segment. */
static uint64_t sp_mask(const struct x86_state *s)
{
	if (x86_64bit(s))
		return UINT64_MAX;
	return s->seg[X86_SS].db ? UINT32_MAX : UINT16_MAX;
}

uint64_t x86_stack_at(const struct x86_state *s, int64_t n)
{
	uint64_t offset = (s->gpr[X86_RSP] + n) & sp_mask(s);

	return x86_64bit(s) ? offset : (uint32_t)(s->seg[X86_SS].base + offset);
}

void x86_stack_move(struct x86_state *s, int64_t n)
{
	uint64_t mask = sp_mask(s);

	s->gpr[X86_RSP] = (s->gpr[X86_RSP] & ~mask) | ((s->gpr[X86_RSP] + n) & mask);
}

int x86_stack_peek(struct cpu_view *v, unsigned int size, uint64_t *value)
{
	uint64_t va = x86_stack_at(v->state, 0);
	int ret = x86_may_access(v, va, size, PROT_R);

	*value = 0;
	return ret ? ret : x86_read_virt(v, va, value, size);
}

int x86_stack_poke(struct cpu_view *v, unsigned int size, uint64_t value)
{
	uint64_t va = x86_stack_at(v->state, -(int64_t)size);
	int ret = x86_may_access(v, va, size, PROT_R | PROT_W);

	return ret ? ret : x86_write_virt(v, va, &value, size);
}
