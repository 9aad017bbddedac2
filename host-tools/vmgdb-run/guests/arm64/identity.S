/* SPDX-License-Identifier: MIT */
/*
 * mmu_start(): maps all memory to itself by blocks of 1 GiB (4 KiB granule, 39 bits), the
 * first of them as device memory; and once more in the upper half, from 0xffffff8000000000 on. A
 * guest that makes its own tables (mmu.c) starts with these.
 */
#define BLOCK	 0x1
#define NORMAL	 (1 << 2)		/* MAIR's attribute 1 */
#define SHARED	 (3 << 8)
#define ACCESSED (1 << 10)
#define NO_EXEC	 (3 << 53)

#define MAIR	 0xff00			/* 0: device nGnRnE, 1: write-back */
/* Size, write-back walks, inner shareable, for each half; IPS comes from the processor */
#define HALF	 (25 | 1 << 8 | 1 << 10 | 3 << 12)
#define TCR	 (HALF | HALF << 16 | 2 << 30)
#define SCTLR_MMU_CACHES (1 << 0 | 1 << 2 | 1 << 12)

	.text
	.global	mmu_start
	.type	mmu_start, @function
mmu_start:
	mov	x1, #MAIR
	msr	mair_el1, x1
	mrs	x1, id_aa64mmfr0_el1
	and	x1, x1, #7		/* PARange, 48 bits at most */
	cmp	x1, #5
	mov	x2, #5
	csel	x1, x1, x2, lo
	lsl	x1, x1, #32
	ldr	x2, =TCR
	orr	x1, x1, x2
	msr	tcr_el1, x1
	adrp	x1, identity_table
	msr	ttbr0_el1, x1
	msr	ttbr1_el1, x1
	isb
	tlbi	vmalle1
	dsb	nsh
	mrs	x1, sctlr_el1
	ldr	x2, =SCTLR_MMU_CACHES
	orr	x1, x1, x2
	msr	sctlr_el1, x1
	isb
	ret
	.size	mmu_start, . - mmu_start

	.data
	.balign	4096
	.global	identity_table
identity_table:
	.quad	BLOCK | ACCESSED | NO_EXEC
	.set	gib, 1
	.rept	63
	.quad	gib << 30 | BLOCK | NORMAL | SHARED | ACCESSED
	.set	gib, gib + 1
	.endr
	.skip	448 * 8

	.section .note.GNU-stack, "", %progbits
