/* SPDX-License-Identifier: MIT */
/*
 * Real mode, started as a boot sector at 0000:7c00. real_loop calls real_tick, which counts and
 * calls real_leaf, and real_far, which is in a code segment whose base is not 0.
 */
#define FAR_SEGMENT 0x0700

	.code16
	.text
	.global _start
_start:
	cli
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	$0x7c00, %sp
	ljmp	$0, $real_start

real_start:
	/* every interrupt vector: real_iret */
	xor	%di, %di
	mov	$256, %cx
1:	movw	$real_iret, (%di)
	movw	$0, 2(%di)
	add	$4, %di
	loop	1b
	mov	$0xff, %al
	out	%al, $0x21
	out	%al, $0xa1
	sti
	mov	$message, %si
	call	real_print

	.global real_loop
real_loop:
	call	real_tick
	lcall	$FAR_SEGMENT, $(real_far - FAR_SEGMENT * 16)
	jmp	real_loop

	.global real_tick
	.type real_tick, @function
real_tick:
	push	%bp
	mov	%sp, %bp
	incl	real_counter
	mov	real_counter, %ax
	call	real_leaf
	mov	%ax, real_last
	pop	%bp
	ret
	.size real_tick, . - real_tick

	/* twice AX, and one */
	.global real_leaf
	.type real_leaf, @function
real_leaf:
	add	%ax, %ax
	inc	%ax
	ret
	.size real_leaf, . - real_leaf

	.global real_far
	.type real_far, @function
real_far:
	incl	real_far_counter
	lret
	.size real_far, . - real_far

	.type real_iret, @function
real_iret:
	iret
	.size real_iret, . - real_iret

	/* the string at SI */
	.type real_print, @function
real_print:
	mov	$0x3f8, %dx
1:	lodsb
	test	%al, %al
	jz	2f
	out	%al, %dx
	jmp	1b
2:	ret
	.size real_print, . - real_print

message:
	.asciz	"realmode: running\n"

	.data
	.balign 4
	.global real_counter, real_far_counter, real_last, real_data
real_counter:
	.long	0
real_far_counter:
	.long	0
real_last:
	.word	0
	.balign 16
real_data:
	.byte	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15

	.section .note.GNU-stack, "", @progbits
