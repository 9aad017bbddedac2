// SPDX-License-Identifier: MIT
/*
 * Stepping rules. KVM steps one instruction but does not hold back interrupts, so PSTATE.I and F are
 * set for the step, and restored after it so that the guest never sees them:
 *
 * - an instruction that writes DAIF, or returns from an exception, leaves what it would have left;
 * - one that reads DAIF is given what it would have read;
 * - after an exception to EL1 they are restored in SPSR_EL1, and the step ends at the vector.
 *
 * Instructions that the processor must not run for a step are carried out (emulate.c), and an exclusive
 * sequence is one step (exclusive.c).
 */
#include "arch/arm64/cpu.h"
#include "arch/arm64/step.h"
#include "arch/arm64/event_delivery.h"
#include "arch/arm64/walk.h"

/* step_plan.kind: what becomes of PSTATE.I and F */
enum {
	STEP_KEEPS,   /* as they were before */
	STEP_SETS,    /* saved[LATER] */
	STEP_READS,   /* as they were; register saved[LATER] has a copy of them */
	STEP_RETURNS, /* as in SPSR_EL1, which was saved[LATER] */
};

/* step_plan.saved */
enum {
	BEFORE,	    /* PSTATE */
	LATER,	    /* by kind */
	END,	    /* the last PC that an exception of this step may be taken from */
	GUEST_STEP, /* whether the guest steps itself, by enum arm64_guest_step */
};

static void assign_irqs(uint64_t *to, uint64_t from)
{
	*to = (*to & ~(uint64_t)PSTATE_IRQS) | (from & PSTATE_IRQS);
}

static void set_pstate_irqs(struct cpu_view *v, uint64_t from)
{
	struct arm64_state *s = arm64_state(v);
	const uint64_t old = s->pstate;

	assign_irqs(&s->pstate, from);
	if (s->pstate != old)
		v->dirty(v, ARM64_BANK_CORE);
}

/* ---- before ------------------------------------------------------------------------------ */

static void end_guest_step(struct cpu_view *v, const struct step_plan *p)
{
	const bool armed = p->kind == STEP_RETURNS && p->saved[LATER] & PSTATE_SS;

	arm64_end_guest_step(v, p->saved[GUEST_STEP], armed);
}

/* What is carried out here, without running the vCPU: true. */
static bool emulate(struct cpu_view *v, struct step_plan *p, const struct arm64_insn *in)
{
	p->emulated =
		p->saved[GUEST_STEP] == ARM64_GUEST_STEP_PENDING && arm64_take_guest_step(v, false);
	if (p->emulated)
		return true;
	p->emulated = arm64_execute(v, in);
	if (p->emulated && in->op != ARM64_OP_BRK)
		end_guest_step(v, p);
	return p->emulated;
}

static unsigned int bank_of_x(unsigned int reg)
{
	return reg < 29 ? ARM64_BANK_X : ARM64_BANK_FRAME;
}

static uint64_t reg_value(struct cpu_view *v, unsigned int reg)
{
	return reg == 31 || v->need(v, bank_of_x(reg)) ? 0 : arm64_state(v)->x[reg];
}

/* The IRQ bits that an instruction leaves when it writes them. */
static uint64_t irqs_after(struct cpu_view *v, const struct arm64_insn *in, uint64_t pstate)
{
	const uint64_t bits = (uint64_t)in->imm << 6;

	switch (in->op) {
	case ARM64_OP_MSR_DAIFSET: return pstate | bits;
	case ARM64_OP_MSR_DAIFCLR: return pstate & ~bits;
	default: return reg_value(v, in->reg);
	}
}

/* An interrupt must not come between the return and the end of the step either. */
static void plan_return(struct cpu_view *v, struct step_plan *p)
{
	struct arm64_state *s = arm64_state(v);

	if (!arm64_el(s->pstate) || v->need(v, ARM64_BANK_EL1))
		return;
	p->kind = STEP_RETURNS;
	p->saved[LATER] = s->spsr_el1;
	s->spsr_el1 |= PSTATE_IRQS;
	v->dirty(v, ARM64_BANK_EL1);
}

/* An instruction that goes to a handler may power the vCPU off (PSCI) before the step has ended. */
static bool may_halt(enum arm64_op op)
{
	return op == ARM64_OP_WFI || op == ARM64_OP_WFE || op == ARM64_OP_LEAVES;
}

/* ---- begin ------------------------------------------------------------------------------- */

static void plan_insn(struct cpu_view *v, struct step_plan *p, const struct arm64_insn *in)
{
	const uint64_t pstate = p->saved[BEFORE];

	switch (in->op) {
	case ARM64_OP_MSR_DAIFSET:
	case ARM64_OP_MSR_DAIFCLR:
	case ARM64_OP_MSR_DAIF:
		p->kind = STEP_SETS;
		p->saved[LATER] = irqs_after(v, in, pstate);
		break;
	case ARM64_OP_MRS_DAIF:
		p->kind = STEP_READS;
		p->saved[LATER] = in->reg;
		break;
	case ARM64_OP_ERET: plan_return(v, p); break;
	case ARM64_OP_LOAD_EXCLUSIVE: arm64_plan_exclusive(v, p, &p->saved[END]); break;
	default: break;
	}
}

int arm64_step_begin(struct cpu_view *v, struct step_plan *p)
{
	struct arm64_state *s = arm64_state(v);
	struct arm64_insn in = { .op = ARM64_OP_OTHER };
	int ret = v->need(v, ARM64_BANK_CORE);

	if (ret)
		return ret;
	p->kind = STEP_KEEPS;
	p->pc = s->pc;
	p->saved[BEFORE] = s->pstate;
	p->saved[END] = s->pc + ARM64_INSN_SIZE;
	p->saved[GUEST_STEP] = arm64_guest_step(v);
	if (p->halted)
		return 0;
	if (!(s->pstate & PSTATE_NRW))
		p->stays_runnable = arm64_decode_at(v, s->pc, &in) && !may_halt(in.op);
	if (emulate(v, p, &in))
		return 0;
	plan_insn(v, p, &in);
	set_pstate_irqs(v, p->block_irq ? s->pstate : PSTATE_IRQS);
	return 0;
}

/* ---- after ------------------------------------------------------------------------------- */

/*
 * Did the step end in an exception to EL1? Then PC is at one of the vectors for where it came from,
 * ELR_EL1 is in what was stepped (any PC if it was asynchronous), and SPSR_EL1 has that mode.
 */
static bool took_exception(struct cpu_view *v, const struct step_plan *p)
{
	const struct arm64_state *s = arm64_state(v);
	const uint64_t before = p->saved[BEFORE];
	uint64_t vbar, from_group;

	if (s->pc % ARM64_VECTOR_SIZE || (s->pstate & PSTATE_MODE) != PSTATE_EL1H)
		return false;
	if (arm64_sys(v, ARM64_VBAR, &vbar) || v->need(v, ARM64_BANK_EL1))
		return false;
	from_group = s->pc - vbar - arm64_vector(before);
	if (from_group >= ARM64_VECTOR_GROUP || (s->spsr_el1 ^ before) & PSTATE_MODE)
		return false;
	return from_group || (s->elr_el1 >= p->pc && s->elr_el1 <= p->saved[END]);
}

/* SS is of the debugger's step, too: a fault leaves it set in the saved state. */
static void restore_saved(struct cpu_view *v, const struct step_plan *p)
{
	struct arm64_state *s = arm64_state(v);

	assign_irqs(&s->spsr_el1, p->saved[BEFORE]);
	s->spsr_el1 &= ~(uint64_t)PSTATE_SS;
	v->dirty(v, ARM64_BANK_EL1);
	if (p->saved[GUEST_STEP] != ARM64_GUEST_STEP_ACTIVE)
		return;
	if (s->elr_el1 ==
	    p->pc) /* the instruction runs again, and the guest's trap comes after it */
		s->spsr_el1 |= PSTATE_SS;
	s->guest_ss = false;
	v->dirty(v, ARM64_BANK_CORE);
}

static void restore_read(struct cpu_view *v, const struct step_plan *p)
{
	const unsigned int reg = p->saved[LATER];

	if (reg == 31 || v->need(v, bank_of_x(reg)))
		return;
	assign_irqs(&arm64_state(v)->x[reg], p->saved[BEFORE]);
	v->dirty(v, bank_of_x(reg));
}

static void restore_spsr(struct cpu_view *v, const struct step_plan *p)
{
	if (p->kind != STEP_RETURNS || v->need(v, ARM64_BANK_EL1))
		return;
	arm64_state(v)->spsr_el1 = p->saved[LATER];
	v->dirty(v, ARM64_BANK_EL1);
}

static void restore_all(struct cpu_view *v, const struct step_plan *p)
{
	if (p->kind == STEP_READS)
		restore_read(v, p);
	restore_spsr(v, p);
	set_pstate_irqs(v, p->kind == STEP_SETS || p->kind == STEP_RETURNS ? p->saved[LATER]
									   : p->saved[BEFORE]);
	end_guest_step(v, p);
}

int arm64_step_end(struct cpu_view *v, struct step_plan *p, bool trapped)
{
	if (p->emulated || v->need(v, ARM64_BANK_CORE))
		return 0;
	if (!trapped && arm64_state(v)->pc == p->pc) { /* it has not run */
		restore_spsr(v, p);
		set_pstate_irqs(v, p->saved[BEFORE]);
	} else if (took_exception(v, p)) {
		restore_saved(v, p);
	} else {
		restore_all(v, p);
	}
	return 0;
}
