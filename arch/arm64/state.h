/* SPDX-License-Identifier: MIT */
/*
 * A vCPU's state on arm64, in types that know no backend, and the banks in which it is fetched. The banks
 * are cut by cost: a backend such as KVM pays for every register, and a stop needs few.
 */
#ifndef VMGDB_ARCH_ARM64_STATE_H
#define VMGDB_ARCH_ARM64_STATE_H

#include "core/cpu.h"

struct arm64_layout;

enum { ARM64_SYS_MAX = 512, ARM64_NV = 32, ARM64_NP = 16 };

enum arm64_bank {
	ARM64_BANK_CORE,   /* pc, pstate, guest_ss, sp_el[]; sp is derived from them */
	ARM64_BANK_FRAME,  /* x[29], x[30] */
	ARM64_BANK_X,	   /* x[0] to x[28] */
	ARM64_BANK_EL1,	   /* elr_el1, spsr_el1 */
	ARM64_BANK_FPCR,   /* fpsr, fpcr */
	ARM64_BANK_V,	   /* v[]; not with SVE */
	ARM64_BANK_Z,	   /* z[] */
	ARM64_BANK_P,	   /* p[], ffr */
	ARM64_BANK_PAUTH,  /* pauth, made from TCR_EL1 */
	ARM64_BANK_LAYOUT, /* layout, vg */
	ARM64_BANK_SYS,	   /* sys[0]; the others follow, a bank each */
	ARM64_NBANKS = ARM64_BANK_SYS + ARM64_SYS_MAX,
};

/* System registers that the architecture code reads itself: the first places in sys[]. */
enum arm64_sys {
	ARM64_SCTLR,
	ARM64_TCR,
	ARM64_TTBR0,
	ARM64_TTBR1,
	ARM64_VBAR,
	ARM64_ESR,
	ARM64_PFR1,
	ARM64_MMFR0,
	ARM64_MMFR1,
	ARM64_MMFR2,
	ARM64_MDSCR,
	ARM64_OSLSR,
	ARM64_NSYS_FIXED,
};

/* Which bits of a pointer hold a code, in the low and in the high half of the address space. */
struct arm64_pauth {
	uint64_t dmask, cmask;
	uint64_t dmask_high, cmask_high;
};

struct arm64_state {
	uint64_t x[31];
	uint64_t sp; /* the one of sp_el[] that PSTATE selects */
	uint64_t pc;
	uint64_t pstate; /* without SS */
	bool guest_ss; /* SS, of a guest that steps itself: one more instruction before it traps */
	uint64_t sp_el[2];
	uint64_t elr_el1;
	uint64_t spsr_el1;
	uint32_t fpsr, fpcr;
	uint8_t v[ARM64_NV][16];
	uint8_t z[ARM64_NV][256];
	uint8_t p[ARM64_NP][32];
	uint8_t ffr[32];
	uint64_t vg; /* vector length, in units of 64 bits */
	struct arm64_pauth pauth;
	const struct arm64_layout *layout; /* the backend's; NULL: a plain vCPU */
	uint64_t sys[ARM64_SYS_MAX];
};

/* PSTATE as in SPSR_ELx (Arm ARM C5.2, SPSR_EL1). */
enum arm64_pstate {
	PSTATE_SP = 1 << 0,
	PSTATE_EL = 3 << 2,
	PSTATE_NRW = 1 << 4, /* AArch32 */
	PSTATE_F = 1 << 6,
	PSTATE_I = 1 << 7,
	PSTATE_A = 1 << 8,
	PSTATE_D = 1 << 9,
	PSTATE_BTYPE = 3 << 10,
	PSTATE_SSBS = 1 << 12,
	PSTATE_IL = 1 << 20,
	PSTATE_SS = 1 << 21,
	PSTATE_PAN = 1 << 22,
	PSTATE_DIT = 1 << 24,
	PSTATE_TCO = 1 << 25,

	PSTATE_MODE = PSTATE_NRW | PSTATE_EL | PSTATE_SP | 1 << 1,
	PSTATE_EL0T = 0 << 2,
	PSTATE_EL1T = 1 << 2,
	PSTATE_EL1H = 1 << 2 | PSTATE_SP,
	PSTATE_IRQS = PSTATE_I | PSTATE_F,
	PSTATE_DAIF = PSTATE_IRQS | PSTATE_A | PSTATE_D,
};

#define PSTATE_NZCV 0xf0000000ULL

static inline unsigned int arm64_el(uint64_t pstate)
{
	return pstate & PSTATE_NRW ? (pstate & 0xf) != 0 : (pstate & PSTATE_EL) >> 2;
}

/* Which of sp_el[] is SP: that of the exception level, if SPSel says so. */
static inline unsigned int arm64_sp_index(uint64_t pstate)
{
	return (pstate & PSTATE_MODE) == PSTATE_EL1H;
}

static inline struct arm64_state *arm64_state(const struct cpu_view *v)
{
	return v->state;
}

/* A system register's value: 0 or the error of reading it. */
static inline int arm64_sys(struct cpu_view *v, enum arm64_sys reg, uint64_t *out)
{
	int ret = v->need(v, ARM64_BANK_SYS + reg);

	if (!ret)
		*out = arm64_state(v)->sys[reg];
	return ret;
}

#endif
