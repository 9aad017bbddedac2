// SPDX-License-Identifier: MIT
/*
 * Stepping rules. The processor steps by TF, which shows: it is pushed with the flags, popped with
 * them, lost at a handler's first instruction, late by one after STI and MOV SS. So what pushes, pops
 * or switches flags is carried out here where that is exact, interrupts are kept out by IF where the
 * backend can't do it, and execution slots stand where exceptions go. SDM vol. 3, 17.3.1.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/step.h"
#include "arch/x86/event_delivery.h"
#include "arch/x86/segment.h"
#include "arch/x86/stack.h"
#include "arch/x86/walk.h"

/* step_plan.saved; the last is the op, CS and the vectors of until[], a byte each */
enum { SAVED_FLAGS, SAVED_SP, SAVED_IMAGE, SAVED_REST };
enum { REST_CS = 32, REST_OP = 48 };

/* step_plan.kind */
enum {
	STEP_MASKED = 1,  /* IF was cleared for the step */
	STEP_IMAGE = 2,	  /* IRET: SAVED_IMAGE are the flags that it will load */
	STEP_WATCHED = 4, /* the guest watches data by its own debug registers */
};

enum { VECTORS = 4 }; /* as many as there can be slots */
enum { VEC_NONE = 0xff };

/* ---- the instruction --------------------------------------------------------------------------- */

/*
 * May the vCPU be halted after this step? A load of SS and STI may take the next instruction along, which
 * may be HLT.
 */
static bool may_halt(enum x86_op op)
{
	return op == X86_OP_HLT || op == X86_OP_MOV_SS || op == X86_OP_POP_SS || op == X86_OP_STI;
}

/*
 * False: it can't be read or decoded, and is left to the processor, which will fault on it. What follows
 * it may be in a page that is not there.
 */
static bool fetch(struct cpu_view *v, struct x86_insn *in)
{
	const struct x86_state *s = v->state;
	uint64_t at = x86_code_addr(s, s->rip);
	uint8_t bytes[X86_INSN_MAX];
	size_t n = sizeof(bytes), in_page = X86_PAGE_SIZE - at % X86_PAGE_SIZE;

	if (x86_read_virt(v, at, bytes, n))
		n = in_page < n && !x86_read_virt(v, at, bytes, in_page) ? in_page : 0;
	if (n && x86_decode(in, bytes, n, x86_insn_width(s)))
		return true;
	*in = (struct x86_insn){ .op = X86_OP_OTHER };
	return false;
}

/* What the processor does next. False: it delivers an event before the instruction at RIP. */
static bool next_insn(struct cpu_view *v, struct step_plan *p, struct x86_insn *in)
{
	const struct x86_state *s = v->state;
	bool first = !p->halted && !x86_delivers(v);

	if (first)
		p->stays_runnable = fetch(v, in) && !may_halt(in->op);
	else
		*in = (struct x86_insn){ .op = X86_OP_INT, .vector = s->events.vector };
	return first;
}

/* ---- what the processor steps ------------------------------------------------------------------ */

/*
 * The exceptions that an instruction is most likely to raise, the likeliest first. A software interrupt
 * that was not carried out here has its own vector.
 */
static void likely_vectors(const struct x86_insn *in, uint8_t out[VECTORS])
{
	uint8_t first = X86_VEC_NM;
	unsigned int n = 0;

	switch (in->op) {
	case X86_OP_DIV: first = X86_VEC_DE; break;
	case X86_OP_INT: first = in->vector; break;
	case X86_OP_INT3: first = X86_VEC_BP; break;
	case X86_OP_INT1: first = X86_VEC_DB; break;
	case X86_OP_INTO: first = X86_VEC_OF; break;
	default: break;
	}
	if (in->op != X86_OP_OTHER)
		out[n++] = first;
	out[n++] = X86_VEC_PF;
	out[n++] = X86_VEC_GP;
	out[n++] = X86_VEC_UD;
	if (n < VECTORS)
		out[n] = first;
}

/* The step ends at this address as well, if an execution slot is free. A slot where the step begins
 * would hit before it. */
static void guard(struct cpu_view *v, struct step_plan *p, uint64_t linear, uint8_t vector)
{
	const struct x86_state *s = v->state;

	if (p->nuntil >= p->room || p->nuntil >= VECTORS || linear == x86_code_addr(s, s->rip))
		return;
	p->saved[SAVED_REST] |= (uint64_t)vector << 8 * p->nuntil;
	p->until[p->nuntil++] = linear;
	p->until_too = true;
}

static void guard_handlers(struct cpu_view *v, struct step_plan *p, const struct x86_insn *in,
			   bool to_user)
{
	uint8_t vectors[VECTORS];
	struct x86_gate g;
	unsigned int i;

	if (!p->room || x86_vm86(v->state) || p->kind & STEP_WATCHED)
		return;
	if (to_user && !x86_read_gate(v, X86_VEC_DB, &g))
		guard(v, p, g.linear, X86_VEC_DB);
	likely_vectors(in, vectors);
	for (i = 0; i < VECTORS; i++)
		if (!x86_read_gate(v, vectors[i], &g))
			guard(v, p, g.linear, vectors[i]);
}

/*
 * HLT with IF clear would never wake up. An instruction that changes flags and was not carried out here
 * (in virtual-8086 mode, say) must see IF as it is.
 */
static bool may_mask(enum x86_op op)
{
	return op != X86_OP_HLT && !x86_executable(op);
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
	*linear = x86_code_addr_in(s, &cs, image[0]);
	return 0;
}

/*
 * IRET pops RIP, CS and the flags. An execution slot at its target stops the vCPU there where TF does
 * not, as IRET pops that too. From and to virtual-8086 mode the target is not known. True: it goes to
 * level 3.
 */
static bool plan_iret(struct cpu_view *v, struct step_plan *p, const struct x86_insn *in)
{
	const struct x86_state *s = v->state;
	unsigned int i, size = in->operand / 8;
	uint64_t image[3] = { 0 }, linear;

	for (i = 0; i < 3; i++)
		if (x86_read_virt(v, x86_stack_at(s, i * size), &image[i], size))
			return false;
	if (x86_vm86(s) || image[2] & X86_FL_VM)
		return false;
	if (v->write_phys) /* otherwise a TF in it may be left from an earlier step */
		p->kind |= STEP_IMAGE;
	p->saved[SAVED_IMAGE] = image[2];
	if (!iret_target(v, image, &linear))
		guard(v, p, linear, VEC_NONE);
	return !x86_real_mode(s) && (image[1] & 3) == 3;
}

/*
 * Does the guest's own TF trap after an instruction that was carried out here? Not after INT, which
 * clears it first, nor after a load of SS. After SYSCALL the flags count that it has loaded.
 */
static bool guest_traps(const struct x86_state *s, const struct step_plan *p, enum x86_op op)
{
	switch (op) {
	case X86_OP_INT:
	case X86_OP_INT3:
	case X86_OP_INT1:
	case X86_OP_MOV_SS:
	case X86_OP_POP_SS: return false;
	case X86_OP_INTO: return p->saved[SAVED_FLAGS] & s->rflags & X86_FL_TF;
	case X86_OP_SYSCALL: return s->rflags & X86_FL_TF;
	default: return p->saved[SAVED_FLAGS] & X86_FL_TF;
	}
}

/* Carry out the instruction, or the #DB of a breakpoint that the guest has on it. */
static bool execute(struct cpu_view *v, const struct step_plan *p, const struct x86_insn *in)
{
	if (x86_deliver_guest_break(v))
		return true;
	if (!x86_execute(v, in))
		return false;
	if (guest_traps(v->state, p, in->op))
		x86_deliver_guest_trap(v, true);
	return true;
}

int x86_step_begin(struct cpu_view *v, struct step_plan *p)
{
	struct x86_state *s = v->state;
	struct x86_insn in;
	bool user, first;
	int ret = v->need(v, X86_BANK_GPR);

	if (!ret)
		ret = v->need(v, X86_BANK_SREGS);
	if (ret)
		return ret;
	first = next_insn(v, p, &in);
	p->saved[SAVED_FLAGS] = s->rflags;
	p->saved[SAVED_SP] = s->gpr[X86_RSP];
	p->saved[SAVED_REST] = (uint64_t)in.op << REST_OP |
			       (uint64_t)(s->seg[X86_CS].selector & UINT16_MAX) << REST_CS;
	if (p->halted)
		return 0; /* its interrupt comes first; the frame of that will have the TF of the step */
	p->emulated = first && execute(v, p, &in);
	if (p->emulated)
		return 0;
	if (x86_guest_watches(v))
		p->kind |= STEP_WATCHED;
	user = x86_cpl(s) == 3;
	if (in.op == X86_OP_IRET)
		user |= plan_iret(v, p, &in);
	guard_handlers(v, p, &in, user);
	if (!p->block_irq && s->rflags & X86_FL_IF && may_mask(in.op)) {
		p->kind |= STEP_MASKED;
		s->rflags &= ~(uint64_t)X86_FL_IF;
		v->dirty(v, X86_BANK_GPR);
	}
	return 0;
}

/* ---- afterwards -------------------------------------------------------------------------------- */

static enum x86_op op_of(const struct step_plan *p)
{
	return p->saved[SAVED_REST] >> REST_OP;
}

static uint32_t cs_of(const struct step_plan *p)
{
	return p->saved[SAVED_REST] >> REST_CS & UINT16_MAX;
}

static void set_flags(struct cpu_view *v, uint64_t rflags)
{
	struct x86_state *s = v->state;

	if (rflags == s->rflags)
		return;
	s->rflags = rflags;
	v->dirty(v, X86_BANK_GPR);
}

/* ---- frames ------------------------------------------------------------------------------------ */

/*
 * An exception or interrupt in the step has saved the flags with the TF of the step, and without IF if
 * that was masked. Its frame is where the processor puts it, below the stack as it was or on the one
 * of the TSS (SDM vol. 3, 6.12.1 and 6.14), also when the handler has run on since. The return address,
 * CS and the stack pointer in the frame show that it is of this step.
 */
static bool is_frame(struct cpu_view *v, const struct step_plan *p, uint64_t at, size_t size)
{
	uint64_t ip = 0, cs = 0, sp = p->saved[SAVED_SP];

	if (x86_read_virt(v, at, &ip, size) || x86_read_virt(v, at + size, &cs, size))
		return false;
	if (size == 8 && x86_read_virt(v, at + 3 * size, &sp, size))
		return false;
	return ip - p->pc <= X86_INSN_MAX && (cs & UINT16_MAX) == cs_of(p) &&
	       sp == p->saved[SAVED_SP];
}

static bool restore_flags_at(struct cpu_view *v, const struct step_plan *p, uint64_t at,
			     size_t size)
{
	const uint64_t changed = X86_FL_TF | (p->kind & STEP_MASKED ? X86_FL_IF : 0);
	uint64_t flags = 0;

	if (!is_frame(v, p, at, size) || x86_read_virt(v, at + 2 * size, &flags, size))
		return false;
	flags = (flags & ~changed) | (p->saved[SAVED_FLAGS] & changed);
	return !x86_write_virt(v, at + 2 * size, &flags, size);
}

/* True: this step entered a handler, and the flags that it saved are as the guest had them. */
static bool restore_frame(struct cpu_view *v, const struct step_plan *p)
{
	const struct x86_state *s = v->state;
	uint64_t base = s->seg[X86_SS].base, sp = p->saved[SAVED_SP];
	bool entered = (cs_of(p) & 3) == 3 && x86_cpl(s) != 3;

	if (x86_real_mode(s))
		return restore_flags_at(v, p, base + ((sp - 3 * 2) & UINT16_MAX), 2);
	if (x86_vm86(s) || (entered && x86_tss_stack(v, x86_cpl(s), &sp)))
		return false;
	if (x86_long_mode(s))
		return restore_flags_at(v, p, (sp & ~0xfull) - 5 * 8, 8);
	return restore_flags_at(v, p, (uint32_t)(base + sp - (entered ? 5 : 3) * 4), 4);
}

static bool at_handler(struct cpu_view *v, const struct step_plan *p, unsigned int *vector)
{
	const struct x86_state *s = v->state;
	uint64_t at = x86_code_addr(s, s->rip);
	unsigned int i;

	for (i = 0; i < p->nuntil; i++)
		if (p->until[i] == at) {
			*vector = p->saved[SAVED_REST] >> 8 * i & 0xff;
			return *vector != VEC_NONE;
		}
	return false;
}

/*
 * Is the vCPU where it was? Some hosts report a step when they only mapped a page for it. VT-x exits at
 * INT1, each time.
 */
static bool no_progress(const struct x86_state *s, const struct step_plan *p)
{
	switch (op_of(p)) {
	case X86_OP_INT1:
	case X86_OP_REP:
	case X86_OP_BRANCH:
	case X86_OP_IRET:
	case X86_OP_SYSENTER:
	case X86_OP_SYSEXIT: return false;
	default: return s->rip == p->pc;
	}
}

/* The vCPU stopped for another reason: is it still at the instruction, or just after it? */
static bool is_near(const struct x86_state *s, const struct step_plan *p)
{
	return s->rip - p->pc <= X86_INSN_MAX;
}

/* The flags with the IF and TF that the guest has, after a step that the processor made. */
static uint64_t guest_flags(const struct x86_state *s, const struct step_plan *p, bool trapped)
{
	uint64_t was = p->saved[SAVED_FLAGS], flags = s->rflags;
	bool moved = s->rip != p->pc;

	if (!trapped && !is_near(s, p))
		return flags;
	if (op_of(p) == X86_OP_IRET && moved)
		return p->kind & STEP_IMAGE ? flags | (p->saved[SAVED_IMAGE] & X86_FL_TF) : flags;
	if (op_of(p) == X86_OP_SYSENTER && moved)
		return flags | (was & X86_FL_TF);
	if (p->kind & STEP_MASKED)
		flags |= X86_FL_IF;
	return flags | (was & X86_FL_TF);
}

/*
 * A KVM that runs guests without the processor's virtualization delivers the #DB of the step's TF to the
 * guest in user mode. That delivery is undone: the vCPU is where the step has led.
 */
static bool undo_step_trap(struct cpu_view *v, const struct step_plan *p, unsigned int vector)
{
	const struct x86_state *s = v->state;

	if (vector != X86_VEC_DB || p->saved[SAVED_FLAGS] & X86_FL_TF || x86_undo_exception(v))
		return false;
	set_flags(v, s->rflags & ~(uint64_t)X86_FL_TF);
	return true;
}

/* The traps that the guest has coming after the step: true when one was taken. */
static bool take_guest_trap(struct cpu_view *v, const struct step_plan *p)
{
	bool stepped = p->saved[SAVED_FLAGS] & X86_FL_TF;

	if (op_of(p) == X86_OP_HLT || !(stepped || p->kind & STEP_WATCHED))
		return false;
	return x86_deliver_guest_trap(v, stepped);
}

/* A trap gate leaves IF on, which was masked when it was entered. */
static void enter_handler(struct cpu_view *v, const struct step_plan *p, unsigned int vector)
{
	const struct x86_state *s = v->state;
	struct x86_gate g;

	restore_frame(v, p);
	if (p->kind & STEP_MASKED && !x86_read_gate(v, vector, &g) && x86_gate_keeps_if(&g))
		set_flags(v, s->rflags | X86_FL_IF);
}

int x86_step_end(struct cpu_view *v, struct step_plan *p, bool trapped)
{
	const struct x86_state *s = v->state;
	unsigned int vector;

	if (p->emulated || v->need(v, X86_BANK_GPR) || v->need(v, X86_BANK_SREGS))
		return 0;
	if (trapped && at_handler(v, p, &vector) && !undo_step_trap(v, p, vector)) {
		enter_handler(v, p, vector);
		return 0;
	}
	if (!is_near(s, p) && restore_frame(v, p))
		return 0;
	set_flags(v, guest_flags(s, p, trapped));
	if (trapped && no_progress(s, p))
		return 1;
	if (trapped && take_guest_trap(v, p))
		return 0;
	return trapped && p->whole_rep && op_of(p) == X86_OP_REP && s->rip == p->pc;
}
