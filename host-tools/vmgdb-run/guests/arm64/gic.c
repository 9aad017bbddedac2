/* SPDX-License-Identifier: MIT */
/* Arm IHI 0069 (GICv3) and IHI 0048 (GICv2). */
#include "host-tools/vmgdb-run/guests/arm64/gic.h"
#include "host-tools/vmgdb-run/guests/arm64/insn.h"

enum {
	GICD_CTLR = 0x0,
	GICD_CTLR_ENABLE = 3,	/* both groups */
	GICD_CTLR_ARE = 1 << 4, /* version 3 */
	GICD_SGIR = 0xf00,
	SGIR_SELF = 2 << 24,

	IGROUPR0 = 0x80,
	ISENABLER0 = 0x100, /* of the distributor, or of a redistributor's second frame */

	GICR_WAKER = 0x14,
	WAKER_SLEEP = 1 << 1,
	GICR_SGI_FRAME = 0x10000,

	GICC_CTLR = 0x0,
	GICC_PMR = 0x4,
	GICC_IAR = 0xc,
	GICC_EOIR = 0x10,
	GICC_CTLR_ENABLE = 1,

	ALL_PRIORITIES = 0xff,
	ID_MASK = 0x3ff,
};

#define ICC_PMR_EL1	S3_0_C4_C6_0
#define ICC_IAR1_EL1	S3_0_C12_C12_0
#define ICC_EOIR1_EL1	S3_0_C12_C12_1
#define ICC_SRE_EL1	S3_0_C12_C12_5
#define ICC_IGRPEN1_EL1 S3_0_C12_C12_7
#define ICC_SGI1R_EL1	S3_0_C12_C11_5

/* The system-register interface: ID_AA64PFR0_EL1.GIC. */
static int is_v3(void)
{
	return (read_sysreg(id_aa64pfr0_el1) >> 24 & 0xf) != 0;
}

static uint32_t private_base(void)
{
	return is_v3() ? GICR_ADDR + GICR_SGI_FRAME : GICD_ADDR;
}

static void init_v3(void)
{
	write_sysreg(ICC_SRE_EL1, read_sysreg(ICC_SRE_EL1) | 1);
	isb();
	write32(GICD_ADDR + GICD_CTLR, GICD_CTLR_ENABLE | GICD_CTLR_ARE);
	write32(GICR_ADDR + GICR_WAKER, read32(GICR_ADDR + GICR_WAKER) & ~(uint32_t)WAKER_SLEEP);
	write32(private_base() + IGROUPR0, 0xffffffff);
	write_sysreg(ICC_PMR_EL1, ALL_PRIORITIES);
	write_sysreg(ICC_IGRPEN1_EL1, 1);
	isb();
}

static void init_v2(void)
{
	write32(GICD_ADDR + GICD_CTLR, 1);
	write32(GICC_ADDR + GICC_PMR, ALL_PRIORITIES);
	write32(GICC_ADDR + GICC_CTLR, GICC_CTLR_ENABLE);
}

void gic_init(void)
{
	if (is_v3())
		init_v3();
	else
		init_v2();
}

void gic_enable(uint32_t number)
{
	write32(private_base() + ISENABLER0, 1U << number);
}

uint32_t gic_acknowledge(void)
{
	if (is_v3())
		return read_sysreg(ICC_IAR1_EL1) & ID_MASK;
	return read32(GICC_ADDR + GICC_IAR) & ID_MASK;
}

void gic_end(uint32_t number)
{
	if (is_v3())
		write_sysreg(ICC_EOIR1_EL1, number);
	else
		write32(GICC_ADDR + GICC_EOIR, number);
}

void gic_send_self(uint32_t number)
{
	if (is_v3())
		write_sysreg(ICC_SGI1R_EL1, (uint64_t)number << 24 | 1);
	else
		write32(GICD_ADDR + GICD_SGIR, SGIR_SELF | number);
	isb();
}
