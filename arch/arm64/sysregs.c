// SPDX-License-Identifier: MIT
#include "arch/arm64/sysregs.h"

#include <stdio.h>

struct sysreg {
	uint16_t enc;
	bool readonly;
	const char *name;
};

/* clang-format off */
#define RW(op0, op1, crn, crm, op2, name) { SYSREG(op0, op1, crn, crm, op2), false, #name }
#define RO(op0, op1, crn, crm, op2, name) { SYSREG(op0, op1, crn, crm, op2), true, #name }

#define DEBUG_PAIR(n)                                                                              \
	RW(2, 0, 0, n, 4, DBGBVR##n##_EL1), RW(2, 0, 0, n, 5, DBGBCR##n##_EL1),                    \
	RW(2, 0, 0, n, 6, DBGWVR##n##_EL1), RW(2, 0, 0, n, 7, DBGWCR##n##_EL1)

#define COUNTER(row, col, n)                                                                       \
	RW(3, 3, 14, 8 + (row), col, PMEVCNTR##n##_EL0),                                           \
	RW(3, 3, 14, 12 + (row), col, PMEVTYPER##n##_EL0)

#define COUNTERS(row, a, b, c, d, e, f, g, h)                                                      \
	COUNTER(row, 0, a), COUNTER(row, 1, b), COUNTER(row, 2, c), COUNTER(row, 3, d),            \
	COUNTER(row, 4, e), COUNTER(row, 5, f), COUNTER(row, 6, g), COUNTER(row, 7, h)

/* What a guest at EL1 and EL0 has, and the AArch32 registers that only EL2 can name. */
static const struct sysreg sysregs[] = {
	DEBUG_PAIR(0), DEBUG_PAIR(1), DEBUG_PAIR(2), DEBUG_PAIR(3), DEBUG_PAIR(4),
	DEBUG_PAIR(5), DEBUG_PAIR(6), DEBUG_PAIR(7), DEBUG_PAIR(8), DEBUG_PAIR(9),
	DEBUG_PAIR(10), DEBUG_PAIR(11), DEBUG_PAIR(12), DEBUG_PAIR(13), DEBUG_PAIR(14),
	DEBUG_PAIR(15),
	RW(2, 0, 0, 0, 2, OSDTRRX_EL1),
	RW(2, 0, 0, 2, 0, MDCCINT_EL1),
	RW(2, 0, 0, 2, 2, MDSCR_EL1),
	RW(2, 0, 0, 3, 2, OSDTRTX_EL1),
	RW(2, 0, 0, 6, 2, OSECCR_EL1),
	RO(2, 0, 1, 0, 0, MDRAR_EL1),
	RO(2, 0, 1, 1, 4, OSLSR_EL1),
	RW(2, 0, 1, 3, 4, OSDLR_EL1),
	RW(2, 0, 1, 4, 4, DBGPRCR_EL1),
	RW(2, 0, 7, 8, 6, DBGCLAIMSET_EL1),
	RW(2, 0, 7, 9, 6, DBGCLAIMCLR_EL1),
	RO(2, 0, 7, 14, 6, DBGAUTHSTATUS_EL1),
	RO(2, 3, 0, 1, 0, MDCCSR_EL0),
	RW(2, 4, 0, 7, 0, DBGVCR32_EL2),
	RO(3, 0, 0, 0, 0, MIDR_EL1),
	RO(3, 0, 0, 0, 4, MPUIR_EL1),
	RO(3, 0, 0, 0, 5, MPIDR_EL1),
	RO(3, 0, 0, 0, 6, REVIDR_EL1),
	RO(3, 0, 0, 1, 0, ID_PFR0_EL1),
	RO(3, 0, 0, 1, 1, ID_PFR1_EL1),
	RO(3, 0, 0, 1, 2, ID_DFR0_EL1),
	RO(3, 0, 0, 1, 3, ID_AFR0_EL1),
	RO(3, 0, 0, 1, 4, ID_MMFR0_EL1),
	RO(3, 0, 0, 1, 5, ID_MMFR1_EL1),
	RO(3, 0, 0, 1, 6, ID_MMFR2_EL1),
	RO(3, 0, 0, 1, 7, ID_MMFR3_EL1),
	RO(3, 0, 0, 2, 0, ID_ISAR0_EL1),
	RO(3, 0, 0, 2, 1, ID_ISAR1_EL1),
	RO(3, 0, 0, 2, 2, ID_ISAR2_EL1),
	RO(3, 0, 0, 2, 3, ID_ISAR3_EL1),
	RO(3, 0, 0, 2, 4, ID_ISAR4_EL1),
	RO(3, 0, 0, 2, 5, ID_ISAR5_EL1),
	RO(3, 0, 0, 2, 6, ID_MMFR4_EL1),
	RO(3, 0, 0, 2, 7, ID_ISAR6_EL1),
	RO(3, 0, 0, 3, 0, MVFR0_EL1),
	RO(3, 0, 0, 3, 1, MVFR1_EL1),
	RO(3, 0, 0, 3, 2, MVFR2_EL1),
	RO(3, 0, 0, 3, 4, ID_PFR2_EL1),
	RO(3, 0, 0, 3, 5, ID_DFR1_EL1),
	RO(3, 0, 0, 3, 6, ID_MMFR5_EL1),
	RO(3, 0, 0, 4, 0, ID_AA64PFR0_EL1),
	RO(3, 0, 0, 4, 1, ID_AA64PFR1_EL1),
	RO(3, 0, 0, 4, 2, ID_AA64PFR2_EL1),
	RO(3, 0, 0, 4, 4, ID_AA64ZFR0_EL1),
	RO(3, 0, 0, 4, 5, ID_AA64SMFR0_EL1),
	RO(3, 0, 0, 4, 7, ID_AA64FPFR0_EL1),
	RO(3, 0, 0, 5, 0, ID_AA64DFR0_EL1),
	RO(3, 0, 0, 5, 1, ID_AA64DFR1_EL1),
	RO(3, 0, 0, 5, 2, ID_AA64DFR2_EL1),
	RO(3, 0, 0, 5, 4, ID_AA64AFR0_EL1),
	RO(3, 0, 0, 5, 5, ID_AA64AFR1_EL1),
	RO(3, 0, 0, 6, 0, ID_AA64ISAR0_EL1),
	RO(3, 0, 0, 6, 1, ID_AA64ISAR1_EL1),
	RO(3, 0, 0, 6, 2, ID_AA64ISAR2_EL1),
	RO(3, 0, 0, 6, 3, ID_AA64ISAR3_EL1),
	RO(3, 0, 0, 7, 0, ID_AA64MMFR0_EL1),
	RO(3, 0, 0, 7, 1, ID_AA64MMFR1_EL1),
	RO(3, 0, 0, 7, 2, ID_AA64MMFR2_EL1),
	RO(3, 0, 0, 7, 3, ID_AA64MMFR3_EL1),
	RO(3, 0, 0, 7, 4, ID_AA64MMFR4_EL1),
	RW(3, 0, 1, 0, 0, SCTLR_EL1),
	RW(3, 0, 1, 0, 1, ACTLR_EL1),
	RW(3, 0, 1, 0, 2, CPACR_EL1),
	RW(3, 0, 1, 0, 3, SCTLR2_EL1),
	RW(3, 0, 1, 0, 5, RGSR_EL1),
	RW(3, 0, 1, 0, 6, GCR_EL1),
	RW(3, 0, 1, 2, 0, ZCR_EL1),
	RW(3, 0, 1, 2, 1, TRFCR_EL1),
	RW(3, 0, 1, 2, 4, SMPRI_EL1),
	RW(3, 0, 1, 2, 6, SMCR_EL1),
	RW(3, 0, 2, 0, 0, TTBR0_EL1),
	RW(3, 0, 2, 0, 1, TTBR1_EL1),
	RW(3, 0, 2, 0, 2, TCR_EL1),
	RW(3, 0, 2, 0, 3, TCR2_EL1),
	RW(3, 0, 2, 1, 0, APIAKEYLO_EL1),
	RW(3, 0, 2, 1, 1, APIAKEYHI_EL1),
	RW(3, 0, 2, 1, 2, APIBKEYLO_EL1),
	RW(3, 0, 2, 1, 3, APIBKEYHI_EL1),
	RW(3, 0, 2, 2, 0, APDAKEYLO_EL1),
	RW(3, 0, 2, 2, 1, APDAKEYHI_EL1),
	RW(3, 0, 2, 2, 2, APDBKEYLO_EL1),
	RW(3, 0, 2, 2, 3, APDBKEYHI_EL1),
	RW(3, 0, 2, 3, 0, APGAKEYLO_EL1),
	RW(3, 0, 2, 3, 1, APGAKEYHI_EL1),
	RW(3, 0, 4, 6, 0, ICC_PMR_EL1),
	RW(3, 0, 5, 1, 0, AFSR0_EL1),
	RW(3, 0, 5, 1, 1, AFSR1_EL1),
	RW(3, 0, 5, 2, 0, ESR_EL1),
	RW(3, 0, 5, 6, 0, TFSR_EL1),
	RW(3, 0, 5, 6, 1, TFSRE0_EL1),
	RW(3, 0, 6, 0, 0, FAR_EL1),
	RW(3, 0, 7, 4, 0, PAR_EL1),
	RW(3, 0, 9, 14, 1, PMINTENSET_EL1),
	RW(3, 0, 9, 14, 2, PMINTENCLR_EL1),
	RO(3, 0, 9, 14, 6, PMMIR_EL1),
	RW(3, 0, 10, 2, 0, MAIR_EL1),
	RW(3, 0, 10, 2, 2, PIRE0_EL1),
	RW(3, 0, 10, 2, 3, PIR_EL1),
	RW(3, 0, 10, 2, 4, POR_EL1),
	RW(3, 0, 10, 3, 0, AMAIR_EL1),
	RW(3, 0, 12, 0, 0, VBAR_EL1),
	RO(3, 0, 12, 0, 1, RVBAR_EL1),
	RW(3, 0, 12, 0, 2, RMR_EL1),
	RO(3, 0, 12, 1, 0, ISR_EL1),
	RW(3, 0, 12, 1, 1, DISR_EL1),
	RW(3, 0, 12, 8, 3, ICC_BPR0_EL1),
	RW(3, 0, 12, 8, 4, ICC_AP0R0_EL1),
	RW(3, 0, 12, 8, 5, ICC_AP0R1_EL1),
	RW(3, 0, 12, 8, 6, ICC_AP0R2_EL1),
	RW(3, 0, 12, 8, 7, ICC_AP0R3_EL1),
	RW(3, 0, 12, 9, 0, ICC_AP1R0_EL1),
	RW(3, 0, 12, 9, 1, ICC_AP1R1_EL1),
	RW(3, 0, 12, 9, 2, ICC_AP1R2_EL1),
	RW(3, 0, 12, 9, 3, ICC_AP1R3_EL1),
	RW(3, 0, 12, 12, 3, ICC_BPR1_EL1),
	RW(3, 0, 12, 12, 4, ICC_CTLR_EL1),
	RW(3, 0, 12, 12, 5, ICC_SRE_EL1),
	RW(3, 0, 12, 12, 6, ICC_IGRPEN0_EL1),
	RW(3, 0, 12, 12, 7, ICC_IGRPEN1_EL1),
	RW(3, 0, 13, 0, 1, CONTEXTIDR_EL1),
	RW(3, 0, 13, 0, 4, TPIDR_EL1),
	RW(3, 0, 13, 0, 5, ACCDATA_EL1),
	RW(3, 0, 13, 0, 7, SCXTNUM_EL1),
	RW(3, 0, 14, 1, 0, CNTKCTL_EL1),
	RO(3, 1, 0, 0, 0, CCSIDR_EL1),
	RO(3, 1, 0, 0, 1, CLIDR_EL1),
	RO(3, 1, 0, 0, 2, CCSIDR2_EL1),
	RO(3, 1, 0, 0, 4, GMID_EL1),
	RO(3, 1, 0, 0, 6, SMIDR_EL1),
	RO(3, 1, 0, 0, 7, AIDR_EL1),
	RW(3, 2, 0, 0, 0, CSSELR_EL1),
	RO(3, 3, 0, 0, 1, CTR_EL0),
	RO(3, 3, 0, 0, 7, DCZID_EL0),
	RW(3, 3, 4, 2, 2, SVCR),
	RW(3, 3, 4, 4, 2, FPMR),
	RW(3, 3, 9, 12, 0, PMCR_EL0),
	RW(3, 3, 9, 12, 1, PMCNTENSET_EL0),
	RW(3, 3, 9, 12, 2, PMCNTENCLR_EL0),
	RW(3, 3, 9, 12, 3, PMOVSCLR_EL0),
	RW(3, 3, 9, 12, 4, PMSWINC_EL0),
	RO(3, 3, 9, 12, 6, PMCEID0_EL0),
	RO(3, 3, 9, 12, 7, PMCEID1_EL0),
	RW(3, 3, 9, 13, 0, PMCCNTR_EL0),
	RW(3, 3, 9, 13, 1, PMXEVTYPER_EL0),
	RW(3, 3, 9, 13, 2, PMXEVCNTR_EL0),
	RW(3, 3, 9, 14, 0, PMUSERENR_EL0),
	RW(3, 3, 9, 14, 3, PMOVSSET_EL0),
	RW(3, 3, 10, 2, 4, POR_EL0),
	RW(3, 3, 13, 0, 2, TPIDR_EL0),
	RW(3, 3, 13, 0, 3, TPIDRRO_EL0),
	RW(3, 3, 13, 0, 5, TPIDR2_EL0),
	RW(3, 3, 13, 0, 7, SCXTNUM_EL0),
	RW(3, 3, 14, 0, 0, CNTFRQ_EL0),
	RO(3, 3, 14, 0, 1, CNTPCT_EL0),
	RO(3, 3, 14, 0, 2, CNTVCT_EL0),
	RO(3, 3, 14, 0, 5, CNTPCTSS_EL0),
	RO(3, 3, 14, 0, 6, CNTVCTSS_EL0),
	RW(3, 3, 14, 2, 0, CNTP_TVAL_EL0),
	RW(3, 3, 14, 2, 1, CNTP_CTL_EL0),
	RW(3, 3, 14, 2, 2, CNTP_CVAL_EL0),
	RW(3, 3, 14, 3, 0, CNTV_TVAL_EL0),
	RW(3, 3, 14, 3, 1, CNTV_CTL_EL0),
	RW(3, 3, 14, 3, 2, CNTV_CVAL_EL0),
	COUNTERS(0, 0, 1, 2, 3, 4, 5, 6, 7),
	COUNTERS(1, 8, 9, 10, 11, 12, 13, 14, 15),
	COUNTERS(2, 16, 17, 18, 19, 20, 21, 22, 23),
	COUNTER(3, 0, 24), COUNTER(3, 1, 25), COUNTER(3, 2, 26), COUNTER(3, 3, 27),
	COUNTER(3, 4, 28), COUNTER(3, 5, 29), COUNTER(3, 6, 30),
	RW(3, 3, 14, 15, 7, PMCCFILTR_EL0),
	RW(3, 4, 3, 0, 0, DACR32_EL2),
	RW(3, 4, 5, 0, 1, IFSR32_EL2),
	RW(3, 4, 5, 3, 0, FPEXC32_EL2),
};
/* clang-format on */

static const struct sysreg *find(uint16_t enc)
{
	size_t i;

	for (i = 0; i < sizeof(sysregs) / sizeof(sysregs[0]); i++)
		if (sysregs[i].enc == enc)
			return &sysregs[i];
	return NULL;
}

const char *arm64_sysreg_name(uint16_t enc)
{
	const struct sysreg *r = find(enc);

	return r ? r->name : NULL;
}

void arm64_sysreg_generic_name(uint16_t enc, char buf[static ARM64_SYSREG_NAME_MAX])
{
	snprintf(buf, ARM64_SYSREG_NAME_MAX, "S%d_%d_C%d_C%d_%d", enc >> 14 & 3, enc >> 11 & 7,
		 enc >> 7 & 15, enc >> 3 & 15, enc & 7);
}

bool arm64_sysreg_readonly(uint16_t enc)
{
	const struct sysreg *r = find(enc);

	if (r)
		return r->readonly;
	/* CRn 0: identification registers, also those that are yet to be named */
	return (enc & SYSREG(3, 0, 15, 0, 0)) == SYSREG(3, 0, 0, 0, 0);
}
