/* SPDX-License-Identifier: MIT */
/*
 * Which registers a vCPU has, and the target description made from that. It depends on the vCPU's
 * features and on what its backend lists, so there is one for each vCPU, built once.
 */
#ifndef VMGDB_ARCH_ARM64_REGS_H
#define VMGDB_ARCH_ARM64_REGS_H

#include "arch/arm64/state.h"
#include "arch/arm64/sysregs.h"
#include "core/cpu.h"

enum {
	ARM64_NSVE = ARM64_NV + 2 + ARM64_NP + 2, /* z, fpsr, fpcr, p, ffr, vg */
	ARM64_NSYS_CORE = 4,			  /* SP_EL0, SP_EL1, ELR_EL1, SPSR_EL1 */
};

struct arm64_layout {
	unsigned int vq;	     /* SVE vector length in units of 128 bits; 0: no SVE */
	unsigned int nsys;	     /* places used in arm64_state.sys[] */
	uint16_t enc[ARM64_SYS_MAX]; /* the register of each place: SYSREG() */

	struct tdesc tdesc;
	const struct reg_feature *features[4];
	struct reg_feature sve, system;
	struct reg_desc sve_regs[ARM64_NSVE];
	struct reg_desc sys_regs[ARM64_NSYS_CORE + ARM64_SYS_MAX];
	char sve_types[2048];
	char names[ARM64_SYS_MAX][ARM64_SYSREG_NAME_MAX]; /* of those without one in the manual */
};

/*
 * Build a layout.
 *
 * @vq:    SVE vector length in units of 128 bits (1 to 16), 0 for a vCPU without SVE
 * @pauth: the vCPU has pointer authentication (arm64_has_pauth())
 * @encs:  the system registers that can be read, in the order in which they are to be shown; what
 *         does not fit in ARM64_SYS_MAX places is left out
 */
void arm64_layout_init(struct arm64_layout *l, unsigned int vq, bool pauth, const uint16_t *encs,
		       size_t nencs);

/* The registers in the first places of arm64_state.sys[], whatever the layout. */
extern const uint16_t arm64_fixed_sysregs[ARM64_NSYS_FIXED];

/* The description of a vCPU of which no layout is known. */
extern const struct tdesc arm64_plain_tdesc;

/* Address authentication by any algorithm: ID_AA64ISAR1_EL1.{API,APA}, ID_AA64ISAR2_EL1.APA3. */
bool arm64_has_pauth(uint64_t isar1, uint64_t isar2);

/* Pointer code masks that follow from TCR_EL1. Arm ARM D8.8 ("Pointer authentication"). */
struct arm64_pauth arm64_pauth_masks(uint64_t tcr);

#endif
