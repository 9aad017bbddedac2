// SPDX-License-Identifier: MIT
/* Memory operands: SDM vol. 2, 2.1.5, tables 2-1 to 2-3, and 2.2.1. */
#include <string.h>

#include "arch/x86/insn.h"
#include "arch/x86/state.h"

enum { REX_X = 2, REX_B = 1 };

struct cursor {
	const uint8_t *p, *end;
};

/* The displacement has this many bytes; false: the instruction is cut off. */
static bool take_disp(struct x86_mem *m, struct cursor *c, size_t size)
{
	uint8_t bytes[4] = { 0 };

	if ((size_t)(c->end - c->p) < size)
		return false;
	memcpy(bytes, c->p, size);
	c->p += size;
	if (size == 1)
		m->disp = (int8_t)bytes[0];
	else if (size == 2)
		m->disp = (int16_t)(bytes[0] | bytes[1] << 8);
	else
		m->disp = (int32_t)(bytes[0] | bytes[1] << 8 | bytes[2] << 16 |
				    (uint32_t)bytes[3] << 24);
	return true;
}

static bool mem_16(struct x86_mem *m, struct cursor *c, unsigned int mod, unsigned int rm)
{
	static const uint8_t bases[] = { X86_RBX, X86_RBX, X86_RBP, X86_RBP,
					 X86_RSI, X86_RDI, X86_RBP, X86_RBX };
	static const uint8_t indexes[] = { X86_RSI, X86_RDI, X86_RSI, X86_RDI };
	bool alone = !mod && rm == 6;

	m->base = alone ? X86_MEM_NONE : bases[rm];
	m->index = rm < 4 ? indexes[rm] : X86_MEM_NONE;
	return take_disp(m, c, alone ? 2 : mod);
}

static bool take_sib(struct x86_mem *m, struct cursor *c, unsigned int mod, uint8_t rex)
{
	uint8_t sib, index;

	if (c->p >= c->end)
		return false;
	sib = *c->p++;
	index = (sib >> 3 & 7) | (rex & REX_X ? 8 : 0);
	m->index = index == X86_RSP ? X86_MEM_NONE : index;
	m->shift = sib >> 6;
	m->base = (sib & 7) | (rex & REX_B ? 8 : 0);
	if (!mod && (sib & 7) == X86_RBP)
		m->base = X86_MEM_NONE;
	return true;
}

static bool mem_32(struct x86_mem *m, struct cursor *c, unsigned int mod, unsigned int rm,
		   uint8_t rex, bool long_mode)
{
	static const size_t sizes[] = { 0, 1, 4 };
	size_t size = sizes[mod];

	m->base = rm | (rex & REX_B ? 8 : 0);
	if (rm == X86_RSP && !take_sib(m, c, mod, rex))
		return false;
	if (!mod && rm == X86_RBP)
		m->base = long_mode ? X86_MEM_RIP : X86_MEM_NONE;
	if (!mod && (m->base == X86_MEM_NONE || m->base == X86_MEM_RIP))
		size = 4;
	return take_disp(m, c, size);
}

static bool on_stack(uint8_t base)
{
	return base == X86_RSP || base == X86_RBP;
}

size_t x86_decode_mem(struct x86_mem *m, const uint8_t *bytes, size_t n, uint8_t rex,
		      enum x86_width mode)
{
	struct cursor c = { bytes, bytes + n };
	unsigned int mod, rm;
	bool whole;

	if (!n || bytes[0] >= 0xc0)
		return 0;
	m->index = X86_MEM_NONE;
	mod = bytes[0] >> 6;
	rm = bytes[0] & 7;
	c.p++;
	whole = m->width == 16 ? mem_16(m, &c, mod, rm)
			       : mem_32(m, &c, mod, rm, rex, mode == X86_64);
	if (m->segment == X86_MEM_NONE)
		m->segment = on_stack(m->base) ? X86_SS : X86_DS;
	return whole ? (size_t)(c.p - bytes) : 0;
}
