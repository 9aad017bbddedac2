/* SPDX-License-Identifier: MIT */
/* What an exception taken to EL1 in AArch64 state does. Arm ARM D1.3 and AArch64.TakeException(). */
#ifndef VMGDB_ARCH_ARM64_EXCEPTION_H
#define VMGDB_ARCH_ARM64_EXCEPTION_H

#include <stdint.h>

enum { ARM64_VECTORS_SIZE = 0x800, ARM64_VECTOR_SIZE = 0x80, ARM64_VECTOR_GROUP = 0x200 };

/* Offset from VBAR_EL1 of the synchronous exception's vector. */
unsigned int arm64_vector(uint64_t pstate);

/*
 * PSTATE at the vector.
 *
 * @pstate: before the exception
 * @sctlr:  SCTLR_EL1
 * @mmfr1:  ID_AA64MMFR1_EL1
 * @pfr1:   ID_AA64PFR1_EL1
 */
uint64_t arm64_exception_pstate(uint64_t pstate, uint64_t sctlr, uint64_t mmfr1, uint64_t pfr1);

#endif
