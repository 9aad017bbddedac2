// SPDX-License-Identifier: MIT
#include "arch/arm64/step.h"

#include "arch/arm64/event_delivery.h"
#include "arch/arm64/insn.h"
#include "arch/arm64/view.h"
#include "arch/arm64/walk.h"

enum { INSN_SIZE = 4, EXCLUSIVE_MAX = 16 };

#define SCTLR_NTWI (1ULL << 16)
#define SCTLR_NTWE (1ULL << 18)

#define MDSCR_SS   (1ULL << 0)
#define MDSCR_KDE  (1ULL << 13)
#define OSLSR_OSLK (1ULL << 1)

/* step_plan.kind: what becomes of PSTATE.I and F */
enum {
	STEP_KEEPS,   /* as they were before */
	STEP_SETS,    /* saved[LATER] */
	STEP_READS,   /* as they were; register saved[LATER] has a copy of them */
	STEP_RETURNS, /* as in SPSR_EL1, which was saved[LATER] */
};

/* step_plan.saved */
enum {
	BEFORE, /* PSTATE */
	LATER,	/* by kind */
	END,	/* the last PC that an exception of this step may be taken from */
	OWN,	/* whether the guest steps itself, by enum own_step */
};

/* How a guest that steps itself is before an instruction: Arm ARM D2.12. */
enum own_step { OWN_OFF, OWN_PENDING, OWN_STEPS };

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

/* WFI and WFE at EL0 are EL1's to allow. */
static bool may_wait(struct cpu_view *v, enum insn_kind kind, uint64_t pstate)
{
	uint64_t sctlr;

	if (arm64_el(pstate))
		return true;
	return !arm64_sys(v, ARM64_SCTLR, &sctlr) &&
	       sctlr & (kind == INSN_WFI ? SCTLR_NTWI : SCTLR_NTWE);
}

static void skip(struct cpu_view *v, struct step_plan *p)
{
	struct arm64_state *s = arm64_state(v);

	s->pc += INSN_SIZE;
	s->pstate &= ~(uint64_t)PSTATE_BTYPE;
	v->dirty(v, ARM64_BANK_CORE);
	p->emulated = true;
}

/* Take an exception to EL1 here: false if what that wants to know can't be read. */
static bool take_exception(struct cpu_view *v, uint32_t syndrome)
{
	static const unsigned int banks[] = {
		ARM64_BANK_EL1,
		ARM64_BANK_SYS + ARM64_SCTLR,
		ARM64_BANK_SYS + ARM64_VBAR,
		ARM64_BANK_SYS + ARM64_MMFR1,
		ARM64_BANK_SYS + ARM64_PFR1,
		ARM64_BANK_SYS + ARM64_ESR,
	};
	size_t i;

	for (i = 0; i < sizeof(banks) / sizeof(banks[0]); i++)
		if (v->need(v, banks[i]))
			return false;
	arm64_take_exception(arm64_state(v), syndrome);
	v->dirty(v, ARM64_BANK_CORE);
	v->dirty(v, ARM64_BANK_EL1);
	v->dirty(v, ARM64_BANK_SYS + ARM64_ESR);
	return true;
}

/* The backend would take BRK for the debugger's: it is the guest's own here. */
static bool take_brk(struct cpu_view *v, struct step_plan *p, unsigned int imm)
{
	p->emulated = take_exception(v, ARM64_ESR_BRK | imm);
	return p->emulated;
}

/*
 * Does the guest step itself? KVM keeps its own steps in place of the guest's, so the exceptions are
 * taken here.
 */
static enum own_step own_step(struct cpu_view *v)
{
	const struct arm64_state *s = arm64_state(v);
	const bool el1 = arm64_el(s->pstate);
	uint64_t mdscr, oslsr;

	if ((el1 && s->pstate & PSTATE_D) || arm64_sys(v, ARM64_MDSCR, &mdscr))
		return OWN_OFF;
	if (!(mdscr & MDSCR_SS) || (el1 && !(mdscr & MDSCR_KDE)))
		return OWN_OFF;
	if (arm64_sys(v, ARM64_OSLSR, &oslsr) || oslsr & OSLSR_OSLK)
		return OWN_OFF;
	return s->own_ss ? OWN_STEPS : OWN_PENDING;
}

static bool take_own_step(struct cpu_view *v, uint32_t isv)
{
	const uint64_t pstate = arm64_state(v)->pstate;

	return take_exception(v, arm64_esr_from(ARM64_ESR_STEP, pstate) | isv);
}

/* Behind an instruction that raised nothing. A return from an exception may have armed one. */
static void end_own_step(struct cpu_view *v, const struct step_plan *p)
{
	struct arm64_state *s = arm64_state(v);

	if (p->saved[OWN] == OWN_STEPS) {
		s->own_ss = false;
		v->dirty(v, ARM64_BANK_CORE);
		if (own_step(v) == OWN_PENDING)
			take_own_step(v, ARM64_ESR_ISV);
		return;
	}
	s->own_ss = p->saved[OWN] == OWN_OFF && p->kind == STEP_RETURNS &&
		    p->saved[LATER] & PSTATE_SS && own_step(v) != OWN_OFF;
	if (s->own_ss)
		v->dirty(v, ARM64_BANK_CORE);
	else if (own_step(v) == OWN_PENDING)
		take_own_step(v, 0);
}

/* What is done here, without running: true. With PSTATE.IL set it is another exception that comes. */
static bool emulate(struct cpu_view *v, struct step_plan *p, const struct insn *in)
{
	if (p->saved[OWN] == OWN_PENDING)
		p->emulated = take_own_step(v, 0);
	if (p->emulated)
		return true;
	if (p->saved[BEFORE] & PSTATE_IL)
		return false;
	if (in->kind == INSN_BRK)
		return take_brk(v, p, in->imm);
	if (in->kind != INSN_WFI && in->kind != INSN_WFE)
		return false;
	if (!may_wait(v, in->kind, p->saved[BEFORE]))
		return false;
	skip(v, p);
	end_own_step(v, p);
	return true;
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
static uint64_t irqs_after(struct cpu_view *v, const struct insn *in, uint64_t pstate)
{
	const uint64_t bits = (uint64_t)in->imm << 6;

	switch (in->kind) {
	case INSN_MSR_DAIFSET: return pstate | bits;
	case INSN_MSR_DAIFCLR: return pstate & ~bits;
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

/* ---- exclusive sequences ----------------------------------------------------------------- */

/* From a load-exclusive to its store and the branch behind that tries again. */
struct sequence {
	uint64_t start, end; /* of its instructions: start <= PC < end */
	unsigned int nbranches;
	uint64_t branches[EXCLUSIVE_MAX]; /* targets of the branches in it */
};

static bool decode_at(struct cpu_view *v, uint64_t pc, struct insn *in)
{
	uint32_t word;

	if (arm64_fetch_insn(v, pc, &word))
		return false;
	*in = arm64_decode(word);
	return true;
}

static void find_retry(struct cpu_view *v, struct sequence *q)
{
	struct insn in;
	uint64_t target;

	if (!decode_at(v, q->end, &in) || in.kind != INSN_BRANCH || !in.conditional)
		return;
	target = q->end + in.offset;
	if (target >= q->start && target < q->end)
		q->end += INSN_SIZE;
}

/* False: there is no store near, or it can't be told whether it is come to. */
static bool find_sequence(struct cpu_view *v, uint64_t start, struct sequence *q)
{
	struct insn in;
	unsigned int i;

	*q = (struct sequence){ .start = start, .end = start + INSN_SIZE };
	for (i = 0; i < EXCLUSIVE_MAX; i++) {
		if (!decode_at(v, q->end, &in))
			return false;
		if (in.kind == INSN_BRANCH)
			q->branches[q->nbranches++] = q->end + in.offset;
		else if (in.kind != INSN_OTHER && in.kind != INSN_STORE_EXCLUSIVE)
			return false;
		q->end += INSN_SIZE;
		if (in.kind == INSN_STORE_EXCLUSIVE) {
			find_retry(v, q);
			return true;
		}
	}
	return false;
}

static bool add_until(struct step_plan *p, uint64_t pc)
{
	unsigned int i;

	for (i = 0; i < p->nuntil; i++)
		if (p->until[i] == pc)
			return true;
	if (p->nuntil == sizeof(p->until) / sizeof(p->until[0]))
		return false;
	p->until[p->nuntil++] = pc;
	return true;
}

/* It ends behind its last instruction, where a branch leaves it, or at the vector when it faults. */
static void plan_exclusive(struct cpu_view *v, struct step_plan *p)
{
	const uint64_t pstate = p->saved[BEFORE];
	struct sequence q;
	unsigned int i;
	uint64_t vbar;
	bool fits;

	if (!find_sequence(v, p->pc, &q) || arm64_sys(v, ARM64_VBAR, &vbar))
		return;
	fits = add_until(p, q.end) && add_until(p, vbar + arm64_vector(pstate));
	for (i = 0; i < q.nbranches; i++)
		if (q.branches[i] < q.start || q.branches[i] >= q.end)
			fits = fits && add_until(p, q.branches[i]);
	if (fits)
		p->saved[END] = q.end;
	else
		p->nuntil = 0;
}

/* ---- begin ------------------------------------------------------------------------------- */

static void plan_insn(struct cpu_view *v, struct step_plan *p, const struct insn *in)
{
	const uint64_t pstate = p->saved[BEFORE];

	switch (in->kind) {
	case INSN_MSR_DAIFSET:
	case INSN_MSR_DAIFCLR:
	case INSN_MSR_DAIF:
		p->kind = STEP_SETS;
		p->saved[LATER] = irqs_after(v, in, pstate);
		break;
	case INSN_MRS_DAIF:
		p->kind = STEP_READS;
		p->saved[LATER] = in->reg;
		break;
	case INSN_ERET: plan_return(v, p); break;
	case INSN_LOAD_EXCLUSIVE: plan_exclusive(v, p); break;
	default: break;
	}
}

int arm64_step_begin(struct cpu_view *v, struct step_plan *p)
{
	struct arm64_state *s = arm64_state(v);
	struct insn in = { .kind = INSN_OTHER };
	int ret = v->need(v, ARM64_BANK_CORE);

	if (ret)
		return ret;
	p->kind = STEP_KEEPS;
	p->pc = s->pc;
	p->saved[BEFORE] = s->pstate;
	p->saved[END] = s->pc + INSN_SIZE;
	p->saved[OWN] = own_step(v);
	if (p->halted)
		return 0;
	if (!(s->pstate & PSTATE_NRW))
		decode_at(v, s->pc, &in);
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

/* SS is ours as well: a fault leaves it set in the saved state. */
static void mend_saved(struct cpu_view *v, const struct step_plan *p)
{
	struct arm64_state *s = arm64_state(v);

	assign_irqs(&s->spsr_el1, p->saved[BEFORE]);
	s->spsr_el1 &= ~(uint64_t)PSTATE_SS;
	v->dirty(v, ARM64_BANK_EL1);
	if (p->saved[OWN] != OWN_STEPS)
		return;
	if (s->elr_el1 == p->pc) /* to be tried again, with its trap behind it */
		s->spsr_el1 |= PSTATE_SS;
	s->own_ss = false;
	v->dirty(v, ARM64_BANK_CORE);
}

static void mend_read(struct cpu_view *v, const struct step_plan *p)
{
	const unsigned int reg = p->saved[LATER];

	if (reg == 31 || v->need(v, bank_of_x(reg)))
		return;
	assign_irqs(&arm64_state(v)->x[reg], p->saved[BEFORE]);
	v->dirty(v, bank_of_x(reg));
}

static void mend_return_state(struct cpu_view *v, const struct step_plan *p)
{
	if (p->kind != STEP_RETURNS || v->need(v, ARM64_BANK_EL1))
		return;
	arm64_state(v)->spsr_el1 = p->saved[LATER];
	v->dirty(v, ARM64_BANK_EL1);
}

static void mend_whole(struct cpu_view *v, const struct step_plan *p)
{
	if (p->kind == STEP_READS)
		mend_read(v, p);
	mend_return_state(v, p);
	set_pstate_irqs(v, p->kind == STEP_SETS || p->kind == STEP_RETURNS ? p->saved[LATER]
									   : p->saved[BEFORE]);
	end_own_step(v, p);
}

int arm64_step_end(struct cpu_view *v, struct step_plan *p, bool trapped)
{
	if (p->emulated || v->need(v, ARM64_BANK_CORE))
		return 0;
	if (!trapped && arm64_state(v)->pc == p->pc) { /* it has not run */
		mend_return_state(v, p);
		set_pstate_irqs(v, p->saved[BEFORE]);
	} else if (took_exception(v, p)) {
		mend_saved(v, p);
	} else {
		mend_whole(v, p);
	}
	return 0;
}
