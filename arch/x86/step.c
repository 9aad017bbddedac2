// SPDX-License-Identifier: MIT
/*
 * Stepping rules. The processor steps by TF, which shows: it is pushed with the flags, popped with
 * them, lost at a handler's first instruction, late by one behind STI and MOV SS. So what pushes,
 * pops or switches flags is carried out here where that is exact, interrupts are kept out by IF
 * where the backend can't do it, and execution slots stand where exceptions go. SDM vol. 3, 17.3.1.
 */
#include <errno.h>

#include "arch/x86/insn.h"
#include "arch/x86/x86.h"

/* step_plan.saved */
enum { SAVED_FLAGS, SAVED_OP, SAVED_VECTORS, SAVED_IMAGE };

/* step_plan.kind */
enum {
	STEP_MASKED = 1, /* IF was cleared for the step */
	STEP_IMAGE = 2,	 /* IRET: SAVED_IMAGE are the flags that it will load */
};

enum { VECTORS = 4 }; /* as many as there can be slots */
enum {
	VEC_DE = 0,
	VEC_DB = 1,
	VEC_BP = 3,
	VEC_OF = 4,
	VEC_UD = 6,
	VEC_NM = 7,
	VEC_GP = 13,
	VEC_PF = 14,
	VEC_NONE = 0xff
};

#define FLAGS_POPF	0x244dd5ull /* what POPF changes at any level */
#define FLAGS_SYSRET	0x3c7fd7ull
#define FLAGS_NOT_IMAGE (X86_FL_VM | X86_FL_RF)

/* ---- the instruction --------------------------------------------------------------------------- */

static enum x86_width width(const struct x86_state *s)
{
	if (x86_64bit(s))
		return X86_64;
	return s->seg[X86_CS].db ? X86_32 : X86_16;
}

static uint64_t ip_mask(const struct x86_state *s)
{
	switch (width(s)) {
	case X86_64: return UINT64_MAX;
	case X86_32: return UINT32_MAX;
	default: return UINT16_MAX;
	}
}

static uint64_t code_at(const struct x86_state *s)
{
	return x86_64bit(s) ? s->rip : (uint32_t)(s->seg[X86_CS].base + s->rip);
}

/* What can't be read or decoded is left to the processor, which will fault on it. */
static void fetch(struct cpu_view *v, struct x86_insn *in)
{
	const struct x86_state *s = v->state;
	uint8_t bytes[X86_INSN_MAX];
	ssize_t n = x86_read_virt(v, code_at(s), bytes, sizeof(bytes));

	if (n <= 0 || !x86_decode(in, bytes, n, width(s)))
		*in = (struct x86_insn){ .op = X86_OP_OTHER };
}

/* ---- what is carried out here ------------------------------------------------------------------ */

/* Each returns 0 when it was done, or -errno and nothing has changed: the processor does it then. */
typedef int exec_fn(struct cpu_view *v, const struct x86_insn *in, uint64_t next);

static bool may_change_if(const struct x86_state *s)
{
	return !x86_vm86(s) && x86_cpl(s) <= (s->rflags & X86_FL_IOPL) >> 12;
}

static int exec_cli(struct cpu_view *v, const struct x86_insn *in, uint64_t next)
{
	struct x86_state *s = v->state;

	(void)in;
	if (!may_change_if(s))
		return -EPERM;
	s->rflags &= ~(uint64_t)X86_FL_IF;
	s->rip = next;
	return 0;
}

/* The shadow is there only if interrupts were off. */
static int exec_sti(struct cpu_view *v, const struct x86_insn *in, uint64_t next)
{
	struct x86_state *s = v->state;

	(void)in;
	if (!may_change_if(s))
		return -EPERM;
	if (!(s->rflags & X86_FL_IF))
		s->events.sti_shadow = true;
	s->rflags |= X86_FL_IF;
	s->rip = next;
	return 0;
}

static int exec_pushf(struct cpu_view *v, const struct x86_insn *in, uint64_t next)
{
	struct x86_state *s = v->state;
	unsigned int size = in->operand / 8;
	int ret = x86_vm86(s) ? -EPERM
			      : x86_stack_poke(v, size, s->rflags & ~(uint64_t)FLAGS_NOT_IMAGE);

	if (ret)
		return ret;
	x86_stack_move(s, -(int64_t)size);
	s->rip = next;
	return 0;
}

static int exec_popf(struct cpu_view *v, const struct x86_insn *in, uint64_t next)
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
	s->rip = next;
	return 0;
}

static int load_ss(struct cpu_view *v, uint64_t selector, uint64_t next)
{
	struct x86_state *s = v->state;
	int ret = x86_load_seg(v, X86_SS, selector & UINT16_MAX);

	if (ret)
		return ret;
	s->events.mov_ss_shadow = true;
	s->rip = next;
	return 0;
}

static int exec_mov_ss(struct cpu_view *v, const struct x86_insn *in, uint64_t next)
{
	const struct x86_state *s = v->state;

	return load_ss(v, s->gpr[in->rm], next);
}

static int exec_pop_ss(struct cpu_view *v, const struct x86_insn *in, uint64_t next)
{
	struct x86_state *s = v->state;
	uint64_t selector, sp = s->gpr[X86_RSP];
	int ret = x86_stack_peek(v, in->operand / 8, &selector);

	if (ret)
		return ret;
	x86_stack_move(s, in->operand / 8); /* by the size of the old segment */
	ret = load_ss(v, selector, next);
	if (ret)
		s->gpr[X86_RSP] = sp;
	return ret;
}

static int exec_int(struct cpu_view *v, const struct x86_insn *in, uint64_t next)
{
	return x86_soft_int(v, in->vector, next);
}

static int exec_int3(struct cpu_view *v, const struct x86_insn *in, uint64_t next)
{
	(void)in;
	return x86_soft_int(v, VEC_BP, next);
}

static int exec_into(struct cpu_view *v, const struct x86_insn *in, uint64_t next)
{
	struct x86_state *s = v->state;

	(void)in;
	if (s->rflags & X86_FL_OF)
		return x86_soft_int(v, VEC_OF, next);
	s->rip = next;
	return 0;
}

static struct x86_seg flat(uint32_t selector, uint8_t type, unsigned int dpl, bool code64)
{
	return (struct x86_seg){
		.limit = UINT32_MAX,
		.selector = selector,
		.type = type,
		.s = 1,
		.dpl = dpl,
		.present = 1,
		.l = code64,
		.db = !code64,
		.g = 1,
	};
}

static bool fast_call(struct cpu_view *v)
{
	const struct x86_state *s = v->state;

	return x86_64bit(s) && s->efer & X86_EFER_SCE && !(s->cr4 & X86_CR4_CET) &&
	       !v->need(v, X86_BANK_MSRS);
}

static int exec_syscall(struct cpu_view *v, const struct x86_insn *in, uint64_t next)
{
	struct x86_state *s = v->state;
	uint32_t selector;

	(void)in;
	if (!fast_call(v))
		return -EPERM;
	selector = s->msr.star >> 32 & 0xfffc;
	s->gpr[X86_RCX] = next;
	s->gpr[X86_R8 + 3] = s->rflags & ~(uint64_t)X86_FL_RF;
	s->rflags = (s->rflags & ~s->msr.fmask) | X86_FL_ONE;
	s->seg[X86_CS] = flat(selector, 11, 0, true);
	s->seg[X86_SS] = flat(selector + 8, 3, 0, false);
	s->rip = s->msr.lstar;
	return 0;
}

static int exec_sysret(struct cpu_view *v, const struct x86_insn *in, uint64_t next)
{
	struct x86_state *s = v->state;
	bool to64 = in->operand == 64;
	uint32_t selector;

	(void)next;
	if (!fast_call(v) || x86_cpl(s) || (to64 && !x86_canonical(s, s->gpr[X86_RCX])))
		return -EPERM;
	selector = s->msr.star >> 48;
	s->rip = to64 ? s->gpr[X86_RCX] : (uint32_t)s->gpr[X86_RCX];
	s->rflags = (s->gpr[X86_R8 + 3] & FLAGS_SYSRET) | X86_FL_ONE;
	s->seg[X86_CS] = flat((selector + (to64 ? 16 : 0)) | 3, 11, 3, to64);
	s->seg[X86_SS] = flat((selector + 8) | 3, 3, 3, false);
	return 0;
}

static exec_fn *const execs[] = {
	[X86_OP_CLI] = exec_cli,       [X86_OP_STI] = exec_sti,
	[X86_OP_PUSHF] = exec_pushf,   [X86_OP_POPF] = exec_popf,
	[X86_OP_MOV_SS] = exec_mov_ss, [X86_OP_POP_SS] = exec_pop_ss,
	[X86_OP_INT] = exec_int,       [X86_OP_INT3] = exec_int3,
	[X86_OP_INTO] = exec_into,     [X86_OP_SYSCALL] = exec_syscall,
	[X86_OP_SYSRET] = exec_sysret, [X86_OP_FPU] = NULL,
};

/* An instruction ends the shadow of the one before it, and RF. */
static bool emulate(struct cpu_view *v, const struct x86_insn *in)
{
	struct x86_state *s = v->state;
	struct x86_events was;

	if (!execs[in->op] || in->lock || v->need(v, X86_BANK_EVENTS))
		return false;
	was = s->events;
	s->events = (struct x86_events){ 0 };
	if (execs[in->op](v, in, (s->rip + in->len) & ip_mask(s))) {
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

/* ---- what the processor steps ------------------------------------------------------------------ */

/*
 * The exceptions that an instruction is most likely to raise, the likeliest first. What would be an
 * interrupt and was not carried out here has its own.
 */
static void likely_vectors(const struct x86_insn *in, uint8_t out[VECTORS])
{
	uint8_t first = VEC_NM;
	unsigned int n = 0;

	switch (in->op) {
	case X86_OP_DIV: first = VEC_DE; break;
	case X86_OP_INT: first = in->vector; break;
	case X86_OP_INT3: first = VEC_BP; break;
	case X86_OP_INTO: first = VEC_OF; break;
	default: break;
	}
	if (in->op != X86_OP_OTHER)
		out[n++] = first;
	out[n++] = VEC_PF;
	out[n++] = VEC_GP;
	out[n++] = VEC_UD;
	if (n < VECTORS)
		out[n] = first;
}

/* The step ends at this address as well, if there is room for a slot there. One where the step begins
 * would fire before it. */
static void guard(struct cpu_view *v, struct step_plan *p, uint64_t linear, uint8_t vector)
{
	if (p->nuntil >= p->room || p->nuntil >= VECTORS || linear == code_at(v->state))
		return;
	p->saved[SAVED_VECTORS] |= (uint64_t)vector << 8 * p->nuntil;
	p->until[p->nuntil++] = linear;
	p->until_too = true;
}

static void guard_handlers(struct cpu_view *v, struct step_plan *p, const struct x86_insn *in,
			   bool to_user)
{
	uint8_t vectors[VECTORS];
	struct x86_gate g;
	unsigned int i;

	if (!p->room || x86_vm86(v->state))
		return;
	if (to_user && !x86_read_gate(v, VEC_DB, &g))
		guard(v, p, g.linear, VEC_DB);
	likely_vectors(in, vectors);
	for (i = 0; i < VECTORS; i++)
		if (!x86_read_gate(v, vectors[i], &g))
			guard(v, p, g.linear, vectors[i]);
}

/*
 * HLT with IF clear would never wake up. What changes flags and was not carried out here has its
 * reasons (virtual-8086 mode and the like): it sees IF as it is.
 */
static bool may_mask(enum x86_op op)
{
	return op != X86_OP_HLT && !execs[op];
}

static int iret_target(struct cpu_view *v, const uint64_t image[], uint64_t *linear)
{
	const struct x86_state *s = v->state;
	struct x86_seg cs = { .base = image[1] << 4 };
	int ret = 0;

	if (!x86_real_mode(s))
		ret = x86_read_seg(v, image[1] & UINT16_MAX, &cs);
	if (ret)
		return ret;
	*linear = x86_long_mode(s) && cs.l ? image[0] : (uint32_t)(cs.base + image[0]);
	return 0;
}

/*
 * IRET pops RIP, CS and the flags. A slot at its target makes sure of a stop there where TF does
 * not, because it is gone with the flags. From and to virtual-8086 mode nothing is known. True: it
 * goes to level 3.
 */
static bool look_at_iret(struct cpu_view *v, struct step_plan *p, const struct x86_insn *in)
{
	const struct x86_state *s = v->state;
	unsigned int i, size = in->operand / 8;
	uint64_t image[3] = { 0 }, linear;

	for (i = 0; i < 3; i++)
		if (x86_read_virt(v, x86_stack_at(s, i * size), &image[i], size) != (ssize_t)size)
			return false;
	if (x86_vm86(s) || image[2] & X86_FL_VM)
		return false;
	p->kind |= STEP_IMAGE;
	p->saved[SAVED_IMAGE] = image[2];
	if (!iret_target(v, image, &linear))
		guard(v, p, linear, VEC_NONE);
	return !x86_real_mode(s) && (image[1] & 3) == 3;
}

int x86_step_begin(struct cpu_view *v, struct step_plan *p)
{
	struct x86_state *s = v->state;
	struct x86_insn in;
	bool user;
	int ret = v->need(v, X86_BANK_GPR);

	if (!ret)
		ret = v->need(v, X86_BANK_SREGS);
	if (ret)
		return ret;
	fetch(v, &in);
	p->saved[SAVED_FLAGS] = s->rflags;
	p->saved[SAVED_OP] = in.op;
	p->emulated = emulate(v, &in);
	if (p->emulated)
		return 0;
	user = x86_cpl(s) == 3;
	if (in.op == X86_OP_IRET)
		user |= look_at_iret(v, p, &in);
	guard_handlers(v, p, &in, user);
	if (!p->block_irq && s->rflags & X86_FL_IF && may_mask(in.op)) {
		p->kind |= STEP_MASKED;
		s->rflags &= ~(uint64_t)X86_FL_IF;
		v->dirty(v, X86_BANK_GPR);
	}
	return 0;
}

/* ---- afterwards -------------------------------------------------------------------------------- */

static void set_flags(struct cpu_view *v, uint64_t rflags)
{
	struct x86_state *s = v->state;

	if (rflags == s->rflags)
		return;
	s->rflags = rflags;
	v->dirty(v, X86_BANK_GPR);
}

static bool has_error_code(unsigned int vector)
{
	return vector == VEC_GP || vector == VEC_PF;
}

/*
 * The step ended in an exception: flags were saved with our TF, and without IF if that was masked.
 * Put right what the handler will see. The address that was saved, of the instruction or of the next,
 * shows that the frame is of this step.
 */
static void mend_frame(struct cpu_view *v, const struct step_plan *p, unsigned int vector)
{
	struct x86_state *s = v->state;
	unsigned int size = x86_long_mode(s) ? 8 : x86_real_mode(s) ? 2 : 4;
	unsigned int skip = has_error_code(vector) && size > 2 ? size : 0;
	const uint64_t ours = X86_FL_TF | X86_FL_IF;
	uint64_t ip = 0, flags = 0, at = x86_stack_at(s, skip + 2 * size);
	struct x86_gate g;

	if (x86_read_virt(v, x86_stack_at(s, skip), &ip, size) != (ssize_t)size ||
	    ip - p->pc > X86_INSN_MAX || x86_read_virt(v, at, &flags, size) != (ssize_t)size)
		return;
	flags = (flags & ~ours) | (p->saved[SAVED_FLAGS] & ours);
	x86_write_virt(v, at, &flags, size);
	if (p->kind & STEP_MASKED && !x86_read_gate(v, vector, &g) && x86_gate_keeps_if(&g))
		set_flags(v, s->rflags | X86_FL_IF);
}

static bool at_handler(struct cpu_view *v, const struct step_plan *p, unsigned int *vector)
{
	const struct x86_state *s = v->state;
	uint64_t at = code_at(s);
	unsigned int i;

	for (i = 0; i < p->nuntil; i++)
		if (p->until[i] == at && s->rip != p->pc) {
			*vector = p->saved[SAVED_VECTORS] >> 8 * i & 0xff;
			return *vector != VEC_NONE;
		}
	return false;
}

/* Did the step not come off at all? Some hosts report one when they only mapped a page for it. */
static bool no_progress(const struct x86_state *s, const struct step_plan *p)
{
	switch ((enum x86_op)p->saved[SAVED_OP]) {
	case X86_OP_REP:
	case X86_OP_BRANCH:
	case X86_OP_IRET:
	case X86_OP_SYSENTER:
	case X86_OP_SYSEXIT: return false;
	default: return s->rip == p->pc;
	}
}

/* The vCPU stopped for something else: is it still at the instruction, or just behind it? */
static bool nearby(const struct x86_state *s, const struct step_plan *p)
{
	return s->rip - p->pc <= X86_INSN_MAX;
}

/* IF and TF of the guest's own, after a step that the processor made. */
static uint64_t mended_flags(const struct x86_state *s, const struct step_plan *p, bool trapped)
{
	uint64_t was = p->saved[SAVED_FLAGS], flags = s->rflags;
	bool moved = s->rip != p->pc;

	if (!trapped && !nearby(s, p))
		return flags;
	if (p->saved[SAVED_OP] == X86_OP_IRET && moved)
		return p->kind & STEP_IMAGE ? flags | (p->saved[SAVED_IMAGE] & X86_FL_TF) : flags;
	if (p->saved[SAVED_OP] == X86_OP_SYSENTER && moved)
		return flags | (was & X86_FL_TF);
	if (p->kind & STEP_MASKED)
		flags |= X86_FL_IF;
	return flags | (was & X86_FL_TF);
}

/*
 * A KVM without the processor's virtualization lets user code have the #DB of our TF. It is taken back:
 * the vCPU is where the step has led.
 */
static bool undo_step_trap(struct cpu_view *v, const struct step_plan *p, unsigned int vector)
{
	const struct x86_state *s = v->state;

	if (vector != VEC_DB || p->saved[SAVED_FLAGS] & X86_FL_TF || x86_undo_exception(v))
		return false;
	set_flags(v, s->rflags & ~(uint64_t)X86_FL_TF);
	return true;
}

int x86_step_end(struct cpu_view *v, struct step_plan *p, bool trapped)
{
	const struct x86_state *s = v->state;
	unsigned int vector;
	int ret;

	if (p->emulated)
		return 0;
	ret = v->need(v, X86_BANK_GPR);
	if (!ret)
		ret = v->need(v, X86_BANK_SREGS);
	if (ret)
		return 0;
	if (trapped && at_handler(v, p, &vector) && !undo_step_trap(v, p, vector)) {
		mend_frame(v, p, vector);
		return 0;
	}
	set_flags(v, mended_flags(s, p, trapped));
	return trapped && no_progress(s, p);
}
