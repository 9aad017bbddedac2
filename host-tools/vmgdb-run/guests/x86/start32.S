/* SPDX-License-Identifier: MIT */
/* From vmgdb-run's boot protocol (x86/boot.c) to main(), in 32-bit protected mode. */
	.cfi_sections .debug_frame
	.section .text.start, "ax"
	.global _start
	.type _start, @function
_start:
	.cfi_startproc
	.cfi_undefined eip
	mov	%edi, %esi
	mov	$boot_info, %edi
	mov	$BOOT_INFO_SIZE, %ecx
	rep movsb
	mov	$stack + STACK_SIZE, %esp
	lgdt	gdt_pointer
	ljmp	$KERNEL_CS, $1f
1:	mov	$KERNEL_DS, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %fs
	mov	%eax, %gs
	mov	%eax, %ss
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

	.section .rodata
	.balign 8
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff		/* KERNEL_CS */
	.quad	0x00cf93000000ffff		/* KERNEL_DS */
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt

	.bss
	.balign 16
stack:
	.skip	STACK_SIZE

	.section .note.GNU-stack, "", @progbits
