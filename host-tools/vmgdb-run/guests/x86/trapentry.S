/* SPDX-License-Identifier: MIT */
/*
 * Interrupts and exceptions of the 64-bit guests: a stub of 16 bytes for each vector, which leaves
 * vector and error code on the stack, and a common part that makes a struct frame and calls trap().
 */
	.cfi_sections .debug_frame
	.macro	push_reg reg, offset
	push	%\reg
	.cfi_adjust_cfa_offset 8
	.cfi_offset \reg, \offset
	.endm

	.macro	pop_reg reg
	pop	%\reg
	.cfi_adjust_cfa_offset -8
	.cfi_restore \reg
	.endm

	/* The CFA is the end of what the processor pushed. */
	.macro	begin_frame offset
	.cfi_startproc
	.cfi_signal_frame
	.cfi_def_cfa rsp, \offset
	.cfi_offset rip, -40
	.cfi_offset rsp, -16
	.endm

	.text
	.balign 16
	.global trap_stubs
trap_stubs:
	.set	vector, 0
	.rept	256
	.balign 16
	.if	vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21
	begin_frame 48
	.else
	begin_frame 40
	push	$0
	.cfi_adjust_cfa_offset 8
	.endif
	push	$vector
	.cfi_adjust_cfa_offset 8
	jmp	trap_common
	.cfi_endproc
	.set	vector, vector + 1
	.endr

	.type	trap_common, @function
trap_common:
	begin_frame 56
	push_reg rax, -64
	push_reg rcx, -72
	push_reg rdx, -80
	push_reg rbx, -88
	push_reg rbp, -96
	push_reg rsi, -104
	push_reg rdi, -112
	push_reg r8, -120
	push_reg r9, -128
	push_reg r10, -136
	push_reg r11, -144
	push_reg r12, -152
	push_reg r13, -160
	push_reg r14, -168
	push_reg r15, -176
	cld
	mov	%rsp, %rdi
	call	trap
	pop_reg	r15
	pop_reg	r14
	pop_reg	r13
	pop_reg	r12
	pop_reg	r11
	pop_reg	r10
	pop_reg	r9
	pop_reg	r8
	pop_reg	rdi
	pop_reg	rsi
	pop_reg	rbp
	pop_reg	rbx
	pop_reg	rdx
	pop_reg	rcx
	pop_reg	rax
	add	$16, %rsp
	.cfi_adjust_cfa_offset -16
	iretq
	.cfi_endproc
	.size	trap_common, . - trap_common

	.section .note.GNU-stack, "", @progbits
