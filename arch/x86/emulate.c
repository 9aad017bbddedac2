// SPDX-License-Identifier: MIT
/*
 * Instructions that are carried out for a step instead of being stepped: they show TF, change it, or
 * put off the trap. SDM vol. 2 has what each does.
 */
#include "arch/x86/step.h"

#include <errno.h>

#include "arch/x86/event_delivery.h"
#include "arch/x86/segment.h"
#include "arch/x86/stack.h"
#include "arch/x86/walk.h"

#define FLAGS_POPF	0x244dd5ull /* what POPF changes at any level */
#define FLAGS_SYSRET	0x3c7fd7ull
#define FLAGS_NOT_IMAGE (X86_FL_VM | X86_FL_RF)

enum x86_width x86_insn_width(const struct x86_state *s)
{
	if (x86_64bit(s))
		return X86_64;
	return s->seg[X86_CS].db ? X86_32 : X86_16;
}

static uint64_t ip_mask(const struct x86_state *s)
{
	switch (x86_insn_width(s)) {
	case X86_64: return UINT64_MAX;
	case X86_32: return UINT32_MAX;
	default: return UINT16_MAX;
	}
}

/*
 * Carry out one, with RIP after it: 0, or -errno and nothing has changed: the instruction is left to the
 * processor.
 */
typedef int exec_fn(struct cpu_view *v, const struct x86_insn *in);

static bool may_change_if(const struct x86_state *s)
{
	return !x86_vm86(s) && x86_cpl(s) <= (s->rflags & X86_FL_IOPL) >> 12;
}

static int exec_cli(struct cpu_view *v, const struct x86_insn *in)
{
	struct x86_state *s = v->state;

	(void)in;
	if (!may_change_if(s))
		return -EPERM;
	s->rflags &= ~(uint64_t)X86_FL_IF;
	return 0;
}

/* The shadow is there only if interrupts were off. */
static int exec_sti(struct cpu_view *v, const struct x86_insn *in)
{
	struct x86_state *s = v->state;

	(void)in;
	if (!may_change_if(s))
		return -EPERM;
	if (!(s->rflags & X86_FL_IF))
		s->events.sti_shadow = true;
	s->rflags |= X86_FL_IF;
	return 0;
}

static int exec_pushf(struct cpu_view *v, const struct x86_insn *in)
{
	struct x86_state *s = v->state;
	unsigned int size = in->operand / 8;
	int ret = x86_vm86(s) ? -EPERM
			      : x86_stack_poke(v, size, s->rflags & ~(uint64_t)FLAGS_NOT_IMAGE);

	if (ret)
		return ret;
	x86_stack_move(s, -(int64_t)size);
	return 0;
}

static int exec_popf(struct cpu_view *v, const struct x86_insn *in)
{
	struct x86_state *s = v->state;
	uint64_t image, mask = FLAGS_POPF;
	int ret = x86_vm86(s) ? -EPERM : x86_stack_peek(v, in->operand / 8, &image);

	if (ret)
		return ret;
	if (may_change_if(s))
		mask |= X86_FL_IF;
	if (!x86_cpl(s))
		mask |= X86_FL_IOPL;
	if (in->operand == 16)
		mask &= UINT16_MAX;
	s->rflags = (s->rflags & ~mask) | (image & mask);
	x86_stack_move(s, in->operand / 8);
	return 0;
}

static int load_ss(struct cpu_view *v, uint64_t selector)
{
	struct x86_state *s = v->state;
	int ret = x86_load_seg(v, X86_SS, selector & UINT16_MAX);

	if (ret)
		return ret;
	s->events.mov_ss_shadow = true;
	return 0;
}

/* The linear address of a memory operand, or -errno where a segment may be in the way. */
static int operand_at(const struct x86_state *s, const struct x86_mem *m, unsigned int size,
		      uint64_t *va)
{
	const struct x86_seg *seg = &s->seg[m->segment];
	uint64_t offset = m->disp;

	if (m->base != X86_MEM_NONE)
		offset += m->base == X86_MEM_RIP ? s->rip : s->gpr[m->base];
	if (m->index != X86_MEM_NONE)
		offset += s->gpr[m->index] << m->shift;
	if (m->width < 64)
		offset &= (1ull << m->width) - 1;
	if (x86_64bit(s)) {
		*va = m->segment == X86_FS || m->segment == X86_GS ? seg->base + offset : offset;
		return x86_canonical(s, *va) ? 0 : -EINVAL;
	}
	if (offset + size - 1 > seg->limit || seg->unusable || (seg->type & 0xc) == 4)
		return -EINVAL;
	*va = (uint32_t)(seg->base + offset);
	return 0;
}

static int exec_mov_ss(struct cpu_view *v, const struct x86_insn *in)
{
	const struct x86_state *s = v->state;
	uint16_t selector = s->gpr[in->rm];
	uint64_t va;
	int ret;

	if (!in->in_memory)
		return load_ss(v, selector);
	ret = operand_at(s, &in->mem, sizeof(selector), &va);
	if (!ret)
		ret = x86_may_access(v, va, sizeof(selector), PROT_R);
	if (!ret)
		ret = x86_read_virt(v, va, &selector, sizeof(selector));
	return ret ? ret : load_ss(v, selector);
}

static int exec_pop_ss(struct cpu_view *v, const struct x86_insn *in)
{
	struct x86_state *s = v->state;
	uint64_t selector, sp = s->gpr[X86_RSP];
	int ret = x86_stack_peek(v, in->operand / 8, &selector);

	if (ret)
		return ret;
	x86_stack_move(s, in->operand / 8); /* by the size of the old segment */
	ret = load_ss(v, selector);
	if (ret)
		s->gpr[X86_RSP] = sp;
	return ret;
}

static int exec_int(struct cpu_view *v, const struct x86_insn *in)
{
	return x86_soft_int(v, in->op == X86_OP_INT3 ? X86_VEC_BP : in->vector);
}

/* #DB with no cause in DR6, at any privilege level (SDM vol. 2, INT1). */
static int exec_int1(struct cpu_view *v, const struct x86_insn *in)
{
	(void)in;
	return x86_debug_exception(v, 0);
}

static int exec_into(struct cpu_view *v, const struct x86_insn *in)
{
	const struct x86_state *s = v->state;

	(void)in;
	return s->rflags & X86_FL_OF ? x86_soft_int(v, X86_VEC_OF) : 0;
}

static bool fast_call(struct cpu_view *v)
{
	const struct x86_state *s = v->state;

	return x86_64bit(s) && s->efer & X86_EFER_SCE && !(s->cr4 & X86_CR4_CET) &&
	       !v->need(v, X86_BANK_MSRS);
}

static int exec_syscall(struct cpu_view *v, const struct x86_insn *in)
{
	struct x86_state *s = v->state;
	uint32_t selector;

	(void)in;
	if (!fast_call(v))
		return -EPERM;
	selector = s->msr.star >> 32 & 0xfffc;
	s->gpr[X86_RCX] = s->rip;
	s->gpr[X86_R8 + 3] = s->rflags & ~(uint64_t)X86_FL_RF;
	s->rflags = (s->rflags & ~s->msr.fmask) | X86_FL_ONE;
	s->seg[X86_CS] = x86_flat_seg(selector, 11, 0, true);
	s->seg[X86_SS] = x86_flat_seg(selector + 8, 3, 0, false);
	s->rip = s->msr.lstar;
	return 0;
}

static int exec_sysret(struct cpu_view *v, const struct x86_insn *in)
{
	struct x86_state *s = v->state;
	bool to64 = in->operand == 64;
	uint32_t selector;

	if (!fast_call(v) || x86_cpl(s) || (to64 && !x86_canonical(s, s->gpr[X86_RCX])))
		return -EPERM;
	selector = s->msr.star >> 48;
	s->rip = to64 ? s->gpr[X86_RCX] : (uint32_t)s->gpr[X86_RCX];
	s->rflags = (s->gpr[X86_R8 + 3] & FLAGS_SYSRET) | X86_FL_ONE;
	s->seg[X86_CS] = x86_flat_seg((selector + (to64 ? 16 : 0)) | 3, 11, 3, to64);
	s->seg[X86_SS] = x86_flat_seg((selector + 8) | 3, 3, 3, false);
	return 0;
}

static exec_fn *const execs[] = {
	[X86_OP_CLI] = exec_cli,   [X86_OP_STI] = exec_sti,	    [X86_OP_PUSHF] = exec_pushf,
	[X86_OP_POPF] = exec_popf, [X86_OP_MOV_SS] = exec_mov_ss,   [X86_OP_POP_SS] = exec_pop_ss,
	[X86_OP_INT] = exec_int,   [X86_OP_INT3] = exec_int,	    [X86_OP_INT1] = exec_int1,
	[X86_OP_INTO] = exec_into, [X86_OP_SYSCALL] = exec_syscall, [X86_OP_SYSRET] = exec_sysret,
	[X86_OP_FPU] = NULL,
};

/* An instruction ends the shadow of the one before it, and RF. */
bool x86_execute(struct cpu_view *v, const struct x86_insn *in)
{
	struct x86_state *s = v->state;
	struct x86_events was;
	uint64_t rip = s->rip;

	if (!execs[in->op] || in->lock || v->need(v, X86_BANK_EVENTS))
		return false;
	was = s->events;
	s->events = (struct x86_events){ 0 };
	s->rip = (rip + in->len) & ip_mask(s);
	if (execs[in->op](v, in)) {
		s->rip = rip;
		s->events = was;
		return false;
	}
	s->rflags &= ~(uint64_t)X86_FL_RF;
	v->dirty(v, X86_BANK_GPR);
	if (in->op == X86_OP_SYSCALL || in->op == X86_OP_SYSRET)
		v->dirty(v, X86_BANK_SREGS);
	if (was.sti_shadow != s->events.sti_shadow || was.mov_ss_shadow != s->events.mov_ss_shadow)
		v->dirty(v, X86_BANK_EVENTS);
	return true;
}

bool x86_executable(enum x86_op op)
{
	return execs[op];
}
