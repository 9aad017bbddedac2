/* SPDX-License-Identifier: MIT */
/* What an exception taken to EL1 in AArch64 state does. Arm ARM D1.3 and AArch64.TakeException(). */
#ifndef VMGDB_ARCH_ARM64_EXCEPTION_H
#define VMGDB_ARCH_ARM64_EXCEPTION_H

#include "arch/arm64/state.h"

enum { ARM64_VECTORS_SIZE = 0x800, ARM64_VECTOR_SIZE = 0x80, ARM64_VECTOR_GROUP = 0x200 };

#define ARM64_ESR_BRK 0xf2000000U /* EC 0x3c, IL; the immediate is the rest */

/* Of a debug exception: EC of one that comes from a lower level, IL, DFSC or IFSC "debug". */
#define ARM64_ESR_STEP (0x32U << 26 | 1U << 25 | 0x22)
#define ARM64_ESR_ISV  (1U << 24) /* of a software step: it was one */

/* The syndrome as EL1 has it: the class has its lowest bit set if it comes from EL1 itself. */
static inline uint32_t arm64_esr_from(uint32_t syndrome, uint64_t pstate)
{
	return syndrome | (arm64_el(pstate) ? 1U << 26 : 0);
}

/* Offset from VBAR_EL1 of the synchronous exception's vector. */
unsigned int arm64_vector(uint64_t pstate);

/*
 * Take a synchronous exception that returns to where PC is. Changes the banks CORE and EL1 and the
 * register ARM64_ESR; reads those and ARM64_SCTLR, ARM64_VBAR, ARM64_MMFR1 and ARM64_PFR1.
 */
void arm64_take_exception(struct arm64_state *s, uint32_t syndrome);

#endif
