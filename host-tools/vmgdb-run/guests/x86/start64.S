/* SPDX-License-Identifier: MIT */
/*
 * From vmgdb-run's boot protocol (x86/boot.c) to main(), with interrupts unmasked, although none
 * is sent yet: a guest that masks interrupts masks its host's, too, where Bochs emulates VT-x.
 * Frames end here: the return address is undefined for unwinders.
 */
	.cfi_sections .debug_frame
	.section .text.start, "ax"
	.global _start
	.type _start, @function
_start:
	.cfi_startproc
	.cfi_undefined rip
	mov	%rdi, %rsi
	lea	boot_info(%rip), %rdi
	mov	$BOOT_INFO_SIZE, %ecx
	rep movsb
	lea	stack + STACK_SIZE(%rip), %rsp
	lgdt	gdt_pointer(%rip)
	pushq	$KERNEL_CS
	lea	1f(%rip), %rax
	push	%rax
	lretq
1:	call	load_segments
	mov	$0xff, %al			/* nothing from the 8259s */
	out	%al, $0x21
	out	%al, $0xa1
	sti
	xor	%ebp, %ebp
	call	main
2:	hlt
	jmp	2b
	.cfi_endproc
	.size _start, . - _start

	.global load_segments
	.type load_segments, @function
load_segments:
	.cfi_startproc
	mov	$KERNEL_DS, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %fs
	mov	%eax, %gs
	mov	%eax, %ss
	ret
	.cfi_endproc
	.size load_segments, . - load_segments

	.bss
	.balign 16
stack:
	.skip	STACK_SIZE

	.section .note.GNU-stack, "", @progbits
