/* SPDX-License-Identifier: MIT */
/* What an exception taken to EL1 in AArch64 state does. Arm ARM D1.3 and AArch64.TakeException(). */
#ifndef VMGDB_ARCH_ARM64_EVENT_DELIVERY_H
#define VMGDB_ARCH_ARM64_EVENT_DELIVERY_H

#include "arch/arm64/state.h"
#include "core/cpu.h"

enum { ARM64_VECTORS_SIZE = 0x800, ARM64_VECTOR_SIZE = 0x80, ARM64_VECTOR_GROUP = 0x200 };

#define ARM64_ESR_BRK 0xf2000000U /* EC 0x3c, IL; the immediate is the rest */

/* Classes of debug exceptions, without the bit that tells EL1 from a lower level: Arm ARM D19,
 * ESR_ELx.EC. */
enum {
	ARM64_EC_BREAKPOINT = 0x30,
	ARM64_EC_STEP = 0x32,
	ARM64_EC_WATCHPOINT = 0x34,
	ARM64_EC_BKPT32 = 0x38,
	ARM64_EC_BRK64 = 0x3c,
};

static inline unsigned int arm64_debug_class(uint32_t syndrome)
{
	const unsigned int ec = syndrome >> 26;

	return ec < ARM64_EC_BKPT32 ? ec & ~1U : ec;
}

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

/* The banks that taking an exception reads. It changes CORE, EL1 and the register ARM64_ESR. */
enum { ARM64_EXCEPTION_BANKS = 6 };
extern const unsigned int arm64_exception_banks[ARM64_EXCEPTION_BANKS];

/*
 * Take a synchronous exception to EL1 that returns to where PC is. 0; -EOPNOTSUPP: not from there, as
 * EL1 is in AArch32 state or below the exception level of the vCPU; nothing has changed then.
 */
int arm64_take_exception(struct arm64_state *s, uint32_t syndrome);

/* The same, of a view; also an error of reading what that needs. */
int arm64_raise(struct cpu_view *v, uint32_t syndrome);

#endif
