// SPDX-License-Identifier: MIT
#include "arch/arm64/exception.h"

#include "arch/arm64/state.h"

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

uint64_t arm64_exception_pstate(uint64_t pstate, uint64_t sctlr, uint64_t mmfr1, uint64_t pfr1)
{
	const bool has_pan = mmfr1 >> 20 & 15, has_ssbs = pfr1 >> 4 & 15;
	const bool has_mte = (pfr1 >> 8 & 15) >= 2;
	uint64_t to = PSTATE_EL1H | PSTATE_DAIF | (pstate & (PSTATE_NZCV | PSTATE_DIT));

	if (has_pan && (pstate & PSTATE_PAN || !(sctlr & SCTLR_SPAN)))
		to |= PSTATE_PAN;
	if (has_ssbs && sctlr & SCTLR_DSSBS)
		to |= PSTATE_SSBS;
	if (has_mte)
		to |= PSTATE_TCO;
	return to;
}
