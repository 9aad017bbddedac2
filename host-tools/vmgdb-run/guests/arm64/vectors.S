/* SPDX-License-Identifier: MIT */
/* The exception vectors: each makes a struct frame (traps.h) and calls trap(). */
#define FRAME_X		0
#define FRAME_SP	248
#define FRAME_PC	256
#define FRAME_PSTATE	264
#define FRAME_ESR	272
#define FRAME_FAR	280
#define FRAME_VECTOR	288
#define FRAME_SIZE	304

	.cfi_sections .debug_frame

	/* The interrupted PC is DWARF register 32; there is no return address. */
	.macro	begin_frame
	.cfi_startproc
	.cfi_signal_frame
	.cfi_return_column 32
	.endm

	.macro	save first, second
	stp	x\first, x\second, [sp, #8 * \first]
	.cfi_rel_offset \first, 8 * \first
	.cfi_rel_offset \second, 8 * \second
	.endm

	.macro	vector number
	.balign	0x80
	begin_frame
	.cfi_def_cfa sp, 0
	sub	sp, sp, #FRAME_SIZE
	.cfi_def_cfa_offset FRAME_SIZE
	save	0, 1
	mov	x1, #\number
	b	trap_common
	.cfi_endproc
	.endm

	.text
	.balign	0x800
	.global	vectors
vectors:
	.irp	number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vector	\number
	.endr

	.type	trap_common, @function
trap_common:
	begin_frame
	.cfi_def_cfa sp, FRAME_SIZE
	.cfi_rel_offset 0, 0
	.cfi_rel_offset 1, 8
	save	2, 3
	save	4, 5
	save	6, 7
	save	8, 9
	save	10, 11
	save	12, 13
	save	14, 15
	save	16, 17
	save	18, 19
	save	20, 21
	save	22, 23
	save	24, 25
	save	26, 27
	save	28, 29
	str	x30, [sp, #8 * 30]
	.cfi_rel_offset 30, 8 * 30
	add	x2, sp, #FRAME_SIZE
	mrs	x3, sp_el0
	cmp	x1, #8			/* from 8 on: taken from EL0 */
	csel	x2, x2, x3, lo
	str	x2, [sp, #FRAME_SP]
	.cfi_rel_offset 31, FRAME_SP
	mrs	x2, elr_el1
	mrs	x3, spsr_el1
	stp	x2, x3, [sp, #FRAME_PC]
	.cfi_rel_offset 32, FRAME_PC
	mrs	x2, esr_el1
	mrs	x3, far_el1
	stp	x2, x3, [sp, #FRAME_ESR]
	str	x1, [sp, #FRAME_VECTOR]
	mov	x0, sp
	bl	trap
	ldp	x2, x3, [sp, #FRAME_PC]
	msr	elr_el1, x2
	msr	spsr_el1, x3
	ldr	x30, [sp, #8 * 30]
	ldp	x28, x29, [sp, #8 * 28]
	ldp	x26, x27, [sp, #8 * 26]
	ldp	x24, x25, [sp, #8 * 24]
	ldp	x22, x23, [sp, #8 * 22]
	ldp	x20, x21, [sp, #8 * 20]
	ldp	x18, x19, [sp, #8 * 18]
	ldp	x16, x17, [sp, #8 * 16]
	ldp	x14, x15, [sp, #8 * 14]
	ldp	x12, x13, [sp, #8 * 12]
	ldp	x10, x11, [sp, #8 * 10]
	ldp	x8, x9, [sp, #8 * 8]
	ldp	x6, x7, [sp, #8 * 6]
	ldp	x4, x5, [sp, #8 * 4]
	ldp	x2, x3, [sp, #8 * 2]
	ldp	x0, x1, [sp]
	add	sp, sp, #FRAME_SIZE
	.cfi_def_cfa_offset 0
	eret
	.cfi_endproc
	.size	trap_common, . - trap_common

	.section .note.GNU-stack, "", %progbits
