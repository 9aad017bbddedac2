// SPDX-License-Identifier: MIT
#include "arch/x86/event_delivery.h"

/* Interrupts by instruction: SDM vol. 2, INT n; vol. 3, 6.12 and 6.14; real mode 20.1.4. */
#include <errno.h>
#include <string.h>

#include "arch/x86/segment.h"
#include "arch/x86/stack.h"
#include "arch/x86/walk.h"

enum { GATE_INT = 14, GATE_TRAP = 15, GATE_REAL = 0 };

bool x86_delivers(struct cpu_view *v)
{
	const struct x86_state *s = v->state;

	return !v->need(v, X86_BANK_EVENTS) && s->events.delivering;
}

/* ---- gates ----------------------------------------------------------------------------------- */

static int read_table(struct cpu_view *v, unsigned int vector, void *buf, size_t size)
{
	const struct x86_state *s = v->state;
	uint64_t at = vector * size;

	if (at + size - 1 > s->idt.limit)
		return -EINVAL;
	return x86_read_virt(v, s->idt.base + at, buf, size);
}

static int real_gate(struct cpu_view *v, unsigned int vector, struct x86_gate *g)
{
	uint16_t entry[2];
	int ret = read_table(v, vector, entry, sizeof(entry));

	if (ret)
		return ret;
	*g = (struct x86_gate){ .offset = entry[0], .selector = entry[1], .dpl = 3 };
	g->type = GATE_REAL;
	g->linear = ((uint32_t)entry[1] << 4) + entry[0];
	return 0;
}

/* The base of a code segment matters outside long mode only. */
static int gate_linear(struct cpu_view *v, struct x86_gate *g)
{
	struct x86_seg cs;
	int ret = 0;

	g->linear = g->offset;
	if (!x86_long_mode(v->state)) {
		ret = x86_read_seg(v, g->selector, &cs);
		g->linear = ret ? 0 : (uint32_t)(cs.base + g->offset);
	}
	return ret;
}

static int protected_gate(struct cpu_view *v, unsigned int vector, struct x86_gate *g)
{
	bool wide = x86_long_mode(v->state);
	uint64_t entry[2] = { 0 };
	int ret = read_table(v, vector, entry, wide ? 16 : 8);

	if (ret)
		return ret;
	*g = (struct x86_gate){
		.offset = x86_bits(entry[0], 15, 0) | (uint64_t)x86_bits(entry[0], 63, 48) << 16 |
			  entry[1] << 32,
		.selector = x86_bits(entry[0], 31, 16),
		.ist = wide ? x86_bits(entry[0], 34, 32) : 0,
		.type = x86_bits(entry[0], 44, 40), /* with the S bit, which is clear in a gate */
		.dpl = x86_bits(entry[0], 46, 45),
	};
	if (!x86_bits(entry[0], 47, 47) || (g->type != GATE_INT && g->type != GATE_TRAP))
		return -EINVAL;
	return gate_linear(v, g);
}

int x86_read_gate(struct cpu_view *v, unsigned int vector, struct x86_gate *g)
{
	const struct x86_state *s = v->state;

	return x86_real_mode(s) ? real_gate(v, vector, g) : protected_gate(v, vector, g);
}

bool x86_gate_keeps_if(const struct x86_gate *g)
{
	return g->type == GATE_TRAP;
}

/* ---- delivery -------------------------------------------------------------------------------- */

/* A frame, in the order in which it is pushed, and where the vCPU is with it. */
struct frame {
	uint64_t word[5];
	unsigned int n, size;
	struct x86_seg cs, ss;
	uint64_t rsp;
};

static void push(struct frame *f, uint64_t value)
{
	f->word[f->n++] = value;
}

static void push_return(struct frame *f, const struct x86_state *s)
{
	push(f, s->rflags & ~(uint64_t)X86_FL_RF);
	push(f, s->seg[X86_CS].selector);
	push(f, s->rip);
}

static int target_code(struct cpu_view *v, const struct x86_gate *g, struct frame *f,
		       unsigned int *cpl)
{
	const struct x86_state *s = v->state;
	int ret = x86_read_seg(v, g->selector, &f->cs);

	if (ret)
		return ret;
	if (!f->cs.s || !f->cs.present || !(f->cs.type & X86_TYPE_CODE) || f->cs.dpl > x86_cpl(s))
		return -EINVAL;
	if (x86_long_mode(s) ? !f->cs.l || f->cs.db : !f->cs.db)
		return -EINVAL;
	if (!x86_long_mode(s))
		f->cs.l = 0;
	*cpl = f->cs.type & X86_TYPE_CONFORMING ? x86_cpl(s) : f->cs.dpl;
	f->cs.selector = (g->selector & ~(uint32_t)X86_SEL_RPL) | *cpl;
	return 0;
}

static int read_tss(struct cpu_view *v, uint32_t at, void *buf, size_t size)
{
	const struct x86_seg *tr = &((const struct x86_state *)v->state)->seg[X86_TR];

	if (at + size - 1 > tr->limit)
		return -EINVAL;
	return x86_read_virt(v, tr->base + at, buf, size);
}

int x86_tss_stack(struct cpu_view *v, unsigned int cpl, uint64_t *sp)
{
	*sp = 0;
	return read_tss(v, 4 + 8 * cpl, sp, x86_long_mode(v->state) ? 8 : 4);
}

/* 64-bit: SS is null after a change of level; the stack is aligned (SDM vol. 3, 6.14.2). */
static int stack_64(struct cpu_view *v, const struct x86_gate *g, struct frame *f, unsigned int cpl)
{
	const struct x86_state *s = v->state;
	uint32_t at = g->ist ? 0x24 + 8 * (g->ist - 1) : 4 + 8 * cpl;
	bool change = cpl != x86_cpl(s);
	int ret = 0;

	f->size = 8;
	f->rsp = s->gpr[X86_RSP];
	f->ss = s->seg[X86_SS];
	if (change)
		f->ss = (struct x86_seg){ .selector = cpl, .dpl = cpl, .unusable = true };
	if (change || g->ist)
		ret = read_tss(v, at, &f->rsp, sizeof(f->rsp));
	f->rsp &= ~0xfull;
	push(f, s->seg[X86_SS].selector);
	push(f, s->gpr[X86_RSP]);
	return ret;
}

static int stack_32(struct cpu_view *v, struct frame *f, unsigned int cpl)
{
	const struct x86_state *s = v->state;
	uint32_t tss[2];
	int ret;

	f->size = 4;
	f->rsp = s->gpr[X86_RSP];
	f->ss = s->seg[X86_SS];
	if (cpl == x86_cpl(s))
		return f->ss.db ? 0 : -EINVAL;
	ret = read_tss(v, 4 + 8 * cpl, tss, sizeof(tss));
	if (!ret)
		ret = x86_read_seg(v, tss[1] & 0xffff, &f->ss);
	if (ret)
		return ret;
	f->rsp = tss[0];
	push(f, s->seg[X86_SS].selector);
	push(f, s->gpr[X86_RSP]);
	return f->ss.present && f->ss.s && f->ss.db && f->ss.dpl == cpl ? 0 : -EINVAL;
}

static int protected_frame(struct cpu_view *v, const struct x86_gate *g, struct frame *f)
{
	unsigned int cpl;
	int ret = target_code(v, g, f, &cpl);

	if (ret)
		return ret;
	return x86_long_mode(v->state) ? stack_64(v, g, f, cpl) : stack_32(v, f, cpl);
}

static void real_frame(const struct x86_state *s, const struct x86_gate *g, struct frame *f)
{
	f->size = 2;
	f->ss = s->seg[X86_SS];
	f->cs = s->seg[X86_CS];
	f->cs.selector = g->selector;
	f->cs.base = (uint64_t)g->selector << 4;
	f->rsp = s->gpr[X86_RSP];
}

/* All of the frame at once, so that nothing has happened when it can't be. */
static int write_frame(struct cpu_view *v, struct frame *f)
{
	uint8_t image[sizeof(f->word)];
	unsigned int i, len = f->n * f->size;
	uint64_t va;

	for (i = 0; i < f->n; i++)
		memcpy(image + len - (i + 1) * f->size, &f->word[i], f->size);
	if (f->size == 2) {
		f->rsp = (f->rsp & ~0xffffull) | ((f->rsp - len) & 0xffff);
		va = f->ss.base + (f->rsp & 0xffff);
	} else {
		f->rsp -= len;
		va = f->size == 8 ? f->rsp : (uint32_t)(f->ss.base + f->rsp);
	}
	return x86_write_virt(v, va, image, len);
}

static void enter_handler(struct cpu_view *v, const struct x86_gate *g, const struct frame *f)
{
	struct x86_state *s = v->state;
	uint64_t clear = X86_FL_TF | X86_FL_RF | X86_FL_VM | X86_FL_NT;

	if (g->type == GATE_REAL)
		clear = X86_FL_TF | X86_FL_RF | X86_FL_AC;
	if (!x86_gate_keeps_if(g))
		clear |= X86_FL_IF;
	s->rflags &= ~clear;
	s->seg[X86_CS] = f->cs;
	s->seg[X86_SS] = f->ss;
	s->gpr[X86_RSP] = f->rsp;
	s->rip = g->offset;
	v->dirty(v, X86_BANK_GPR);
	v->dirty(v, X86_BANK_SREGS);
}

static int deliver(struct cpu_view *v, const struct x86_gate *g)
{
	const struct x86_state *s = v->state;
	struct frame f = { .n = 0 };
	int ret = 0;

	if (x86_real_mode(s))
		real_frame(s, g, &f);
	else
		ret = protected_frame(v, g, &f);
	if (ret)
		return ret;
	push_return(&f, s);
	ret = write_frame(v, &f);
	if (!ret)
		enter_handler(v, g, &f);
	return ret;
}

static int find_gate(struct cpu_view *v, unsigned int vector, struct x86_gate *g)
{
	const struct x86_state *s = v->state;

	if (x86_vm86(s) || s->cr4 & X86_CR4_CET || s->cr4 >> 32)
		return -EOPNOTSUPP;
	return x86_read_gate(v, vector, g);
}

int x86_soft_int(struct cpu_view *v, unsigned int vector)
{
	struct x86_gate g;
	int ret = find_gate(v, vector, &g);

	if (!ret && g.dpl < x86_cpl(v->state))
		ret = -EINVAL;
	return ret ? ret : deliver(v, &g);
}

int x86_debug_exception(struct cpu_view *v, uint64_t causes)
{
	struct x86_state *s = v->state;
	struct x86_gate g;
	int ret = v->need(v, X86_BANK_DEBUG);

	if (!ret)
		ret = find_gate(v, X86_VEC_DB, &g);
	if (!ret)
		ret = deliver(v, &g);
	if (ret)
		return ret;
	s->debug.dr6 |= causes;
	v->dirty(v, X86_BANK_DEBUG);
	return 0;
}

/* ---- and back -------------------------------------------------------------------------------- */

static int user_segment(struct cpu_view *v, uint64_t selector, struct x86_seg *seg)
{
	int ret = x86_read_seg(v, selector & UINT16_MAX, seg);

	if (ret)
		return ret;
	return seg->s && seg->present && (selector & X86_SEL_RPL) == 3 ? 0 : -EINVAL;
}

int x86_undo_exception(struct cpu_view *v)
{
	struct x86_state *s = v->state;
	unsigned int i, size = x86_long_mode(s) ? 8 : 4;
	uint64_t word[5] = { 0 }; /* RIP, CS, RFLAGS, RSP, SS */
	struct x86_seg cs, ss;

	if (x86_real_mode(s) || x86_cpl(s) == 3)
		return -EINVAL;
	for (i = 0; i < 5; i++)
		if (x86_read_virt(v, x86_stack_at(s, i * size), &word[i], size))
			return -EFAULT;
	if (user_segment(v, word[1], &cs) || user_segment(v, word[4], &ss))
		return -EINVAL;
	s->seg[X86_CS] = cs;
	s->seg[X86_SS] = ss;
	s->rip = word[0];
	s->rflags = word[2];
	s->gpr[X86_RSP] = word[3];
	v->dirty(v, X86_BANK_GPR);
	v->dirty(v, X86_BANK_SREGS);
	return 0;
}
