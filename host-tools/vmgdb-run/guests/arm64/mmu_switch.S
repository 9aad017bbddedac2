/* SPDX-License-Identifier: MIT */
/* mmu_switch(ttbr0, ttbr1, tcr): without a load or store while the MMU is off. */
	.text
	.global	mmu_switch
	.type	mmu_switch, @function
mmu_switch:
	mrs	x3, sctlr_el1
	bic	x4, x3, #1			/* M */
	dsb	sy
	msr	sctlr_el1, x4
	isb
	msr	ttbr0_el1, x0
	msr	ttbr1_el1, x1
	msr	tcr_el1, x2
	isb
	tlbi	vmalle1
	dsb	nsh
	isb
	msr	sctlr_el1, x3
	isb
	ret
	.size	mmu_switch, . - mmu_switch

	.section .note.GNU-stack, "", %progbits
