/* SPDX-License-Identifier: MIT */
/* From the boot protocol to main() in the upper half, and to EL0. kernel_base is user.ld's. */
	.cfi_sections .debug_frame

	.section .text.start, "ax"
	.global	_start
	.type	_start, @function
_start:
	.cfi_startproc
	.cfi_undefined x30
	mov	x29, #0
	adrp	x1, stack_end		/* its physical address, as the MMU is off */
	add	x1, x1, :lo12:stack_end
	mov	sp, x1
	bl	mmu_start
	bl	low_main
	ldr	x1, =stack_end
	mov	sp, x1
	ldr	x1, =vectors
	msr	vbar_el1, x1
	mov	x29, #0
	ldr	x1, =main
	blr	x1
1:	wfi
	b	1b
	.cfi_endproc
	.size	_start, . - _start

	.text
	/* enter_user(pc, sp) */
	.global	enter_user
	.type	enter_user, @function
enter_user:
	msr	sp_el0, x1
	msr	elr_el1, x0
	msr	spsr_el1, xzr		/* EL0t, interrupts unmasked */
	mov	x29, #0
	mov	x30, #0
	eret
	.size	enter_user, . - enter_user

	/* struct user_layout: addresses beyond the compiler's PC-relative range */
	.section .rodata
	.balign	8
	.global	user_layout
user_layout:
	.quad	kernel_base
	.quad	text_start, rodata_start, data_start, data_end
	.quad	user_text_start, user_text_end, user_text_phys
	.quad	user_data_start, user_data_end, user_data_phys
	.quad	user_main, user_stack + 4096

	.bss
	.balign	16
	.skip	STACK_SIZE
stack_end:

	.section .note.GNU-stack, "", %progbits
