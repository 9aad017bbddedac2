/* SPDX-License-Identifier: MIT */
/*
 * From the boot protocol (vmgdb-run's arm64/boot.c) to main(), and from PSCI CPU_ON to
 * secondary_main(cpu). Frames end here: the return address is undefined for unwinders. Each
 * guest links an mmu_start(), which must not access memory that it makes cacheable.
 */
	.cfi_sections .debug_frame

	.section .text.start, "ax"
	.global	_start
	.type	_start, @function
_start:
	.cfi_startproc
	.cfi_undefined x30
	mov	x29, #0
	adrp	x1, stack + STACK_SIZE
	add	x1, x1, :lo12:stack + STACK_SIZE
	mov	sp, x1
	adrp	x1, vectors
	add	x1, x1, :lo12:vectors
	msr	vbar_el1, x1
	bl	mmu_start
	bl	main
1:	wfi
	b	1b
	.cfi_endproc
	.size	_start, . - _start

	.bss
	.balign	16
stack:
	.skip	STACK_SIZE

	.section .note.GNU-stack, "", %progbits
