// SPDX-License-Identifier: MIT
#include "arch/arm64/event_delivery.h"

#include <errno.h>

#define SCTLR_SPAN  (1ULL << 23)
#define SCTLR_DSSBS (1ULL << 44)

unsigned int arm64_vector(uint64_t pstate)
{
	if (pstate & PSTATE_NRW)
		return 3 * ARM64_VECTOR_GROUP;
	if (!(pstate & PSTATE_EL))
		return 2 * ARM64_VECTOR_GROUP;
	return pstate & PSTATE_SP ? ARM64_VECTOR_GROUP : 0;
}

static uint64_t pstate_at_vector(const struct arm64_state *s)
{
	const uint64_t sctlr = s->sys[ARM64_SCTLR], pfr1 = s->sys[ARM64_PFR1];
	const bool has_pan = s->sys[ARM64_MMFR1] >> 20 & 15, has_ssbs = pfr1 >> 4 & 15;
	const bool has_mte = (pfr1 >> 8 & 15) >= 2;
	uint64_t to = PSTATE_EL1H | PSTATE_DAIF | (s->pstate & (PSTATE_NZCV | PSTATE_DIT));

	if (has_pan && (s->pstate & PSTATE_PAN || !(sctlr & SCTLR_SPAN)))
		to |= PSTATE_PAN;
	if (has_ssbs && sctlr & SCTLR_DSSBS)
		to |= PSTATE_SSBS;
	if (has_mte)
		to |= PSTATE_TCO;
	return to;
}

const unsigned int arm64_exception_banks[ARM64_EXCEPTION_BANKS] = {
	ARM64_BANK_CORE,
	ARM64_BANK_EL1,
	ARM64_BANK_SYS + ARM64_SCTLR,
	ARM64_BANK_SYS + ARM64_VBAR,
	ARM64_BANK_SYS + ARM64_MMFR1,
	ARM64_BANK_SYS + ARM64_PFR1,
};

/* From EL0 in either state, or from EL1 in AArch64 state. */
static bool goes_to_el1(uint64_t pstate)
{
	return pstate & PSTATE_NRW ? !arm64_el(pstate) : arm64_el(pstate) <= 1;
}

int arm64_take_exception(struct arm64_state *s, uint32_t syndrome)
{
	if (!goes_to_el1(s->pstate))
		return -EOPNOTSUPP;
	s->sys[ARM64_ESR] = syndrome;
	s->elr_el1 = s->pc;
	s->spsr_el1 = s->pstate | (s->guest_ss ? PSTATE_SS : 0); /* what is at PC is not executed */
	s->guest_ss = false;
	s->pc = s->sys[ARM64_VBAR] + arm64_vector(s->pstate);
	s->pstate = pstate_at_vector(s);
	s->sp = s->sp_el[1];
	return 0;
}

int arm64_raise(struct cpu_view *v, uint32_t syndrome)
{
	size_t i;
	int ret = v->need(v, ARM64_BANK_SYS + ARM64_ESR);

	for (i = 0; i < ARM64_EXCEPTION_BANKS && !ret; i++)
		ret = v->need(v, arm64_exception_banks[i]);
	if (!ret)
		ret = arm64_take_exception(v->state, syndrome);
	if (ret)
		return ret;
	v->dirty(v, ARM64_BANK_CORE);
	v->dirty(v, ARM64_BANK_EL1);
	v->dirty(v, ARM64_BANK_SYS + ARM64_ESR);
	return 0;
}
