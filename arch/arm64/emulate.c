// SPDX-License-Identifier: MIT
#include "arch/arm64/step.h"

#include "arch/arm64/event_delivery.h"

#define SCTLR_NTWI (1ULL << 16)
#define SCTLR_NTWE (1ULL << 18)

/* WFI and WFE at EL0 are EL1's to allow. */
static bool may_wait(struct cpu_view *v, enum arm64_op op)
{
	uint64_t sctlr;

	if (arm64_el(arm64_state(v)->pstate))
		return true;
	return !arm64_sys(v, ARM64_SCTLR, &sctlr) &&
	       sctlr & (op == ARM64_OP_WFI ? SCTLR_NTWI : SCTLR_NTWE);
}

static void skip(struct cpu_view *v)
{
	struct arm64_state *s = arm64_state(v);

	s->pc += ARM64_INSN_SIZE;
	s->pstate &= ~(uint64_t)PSTATE_BTYPE;
	v->dirty(v, ARM64_BANK_CORE);
}

/* With PSTATE.IL set any instruction raises another exception (Arm ARM D1.4). */
bool arm64_execute(struct cpu_view *v, const struct arm64_insn *in)
{
	if (arm64_state(v)->pstate & PSTATE_IL)
		return false;
	if (in->op == ARM64_OP_BRK)
		return !arm64_raise(v, ARM64_ESR_BRK | in->imm);
	if ((in->op != ARM64_OP_WFI && in->op != ARM64_OP_WFE) || !may_wait(v, in->op))
		return false;
	skip(v);
	return true;
}
