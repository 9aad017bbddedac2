/* SPDX-License-Identifier: MIT */
/* From PSCI CPU_ON to secondary_main(cpu); X0 is the CPU's number. */
	.cfi_sections .debug_frame

	.text
	.global	secondary_start
	.type	secondary_start, @function
secondary_start:
	.cfi_startproc
	.cfi_undefined x30
	mov	x29, #0
	mov	x19, x0
	adrp	x1, secondary_stacks
	add	x1, x1, :lo12:secondary_stacks
	add	x2, x0, #1
	mov	x3, #STACK_SIZE
	madd	x1, x2, x3, x1
	mov	sp, x1
	adrp	x1, vectors
	add	x1, x1, :lo12:vectors
	msr	vbar_el1, x1
	bl	mmu_start
	mov	x0, x19
	bl	secondary_main
1:	wfi
	b	1b
	.cfi_endproc
	.size	secondary_start, . - secondary_start

	.bss
	.balign	16
secondary_stacks:
	.skip	GUEST_CPUS * STACK_SIZE

	.section .note.GNU-stack, "", %progbits
