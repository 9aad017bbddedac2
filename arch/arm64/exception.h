/* SPDX-License-Identifier: MIT */
/* What an exception taken to EL1 in AArch64 state does. Arm ARM D1.3 and AArch64.TakeException(). */
#ifndef VMGDB_ARCH_ARM64_EXCEPTION_H
#define VMGDB_ARCH_ARM64_EXCEPTION_H

#include "arch/arm64/state.h"

enum { ARM64_VECTORS_SIZE = 0x800, ARM64_VECTOR_SIZE = 0x80, ARM64_VECTOR_GROUP = 0x200 };

#define ARM64_ESR_BRK 0xf2000000U /* EC 0x3c, IL; the immediate is the rest */

/* Offset from VBAR_EL1 of the synchronous exception's vector. */
unsigned int arm64_vector(uint64_t pstate);

/*
 * Take a synchronous exception that returns to where PC is. Changes the banks CORE and EL1 and the
 * register ARM64_ESR; reads those and ARM64_SCTLR, ARM64_VBAR, ARM64_MMFR1 and ARM64_PFR1.
 */
void arm64_take_exception(struct arm64_state *s, uint32_t syndrome);

#endif
