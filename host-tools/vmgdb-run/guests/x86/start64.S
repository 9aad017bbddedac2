/* SPDX-License-Identifier: MIT */
/*
 * From vmgdb-run's boot protocol (x86/boot.c) to main(), and from INIT-SIPI-SIPI to
 * secondary_main(cpu). Frames end here: the return address is undefined for unwinders.
 */
	.section .text.start, "ax"
	.global _start
	.type _start, @function
_start:
	.cfi_startproc
	.cfi_undefined rip
	mov	%rdi, boot_info(%rip)
	lea	stacks + STACK_SIZE(%rip), %rsp
	lgdt	gdt_pointer(%rip)
	pushq	$KERNEL_CS
	lea	1f(%rip), %rax
	push	%rax
	lretq
1:	call	load_segments
	xor	%ebp, %ebp
	call	main
2:	hlt
	jmp	2b
	.cfi_endproc
	.size _start, . - _start

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

/*
 * The other CPUs: copied to the page TRAMPOLINE, where they start in real mode with
 * CS = TRAMPOLINE / 16. All addresses are made relative to it.
 */
	.global trampoline, trampoline_end, trampoline_cr3
	.code16
	.balign 8
trampoline:
	cli
	mov	%cs, %ax
	mov	%ax, %ds
	lgdtl	trampoline_gdt_pointer - trampoline
	mov	%cr0, %eax
	or	$1, %eax
	mov	%eax, %cr0
	ljmpl	$TRAMPOLINE_CS32, $TRAMPOLINE + (trampoline32 - trampoline)
	.code32
trampoline32:
	mov	$KERNEL_DS, %eax
	mov	%eax, %ds
	mov	%eax, %ss
	mov	%cr4, %eax
	or	$0x20, %eax			/* PAE */
	mov	%eax, %cr4
	mov	TRAMPOLINE + (trampoline_cr3 - trampoline), %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx		/* EFER */
	rdmsr
	or	$0x100, %eax			/* LME */
	wrmsr
	mov	%cr0, %eax
	or	$0x80010000, %eax		/* PG, WP */
	mov	%eax, %cr0
	ljmpl	$KERNEL_CS, $TRAMPOLINE + (trampoline64 - trampoline)
	.code64
trampoline64:
	movabs	$secondary_start, %rax
	jmp	*%rax
	.balign 8
trampoline_gdt:
	.quad	0
	.quad	0x00af9b000000ffff		/* KERNEL_CS */
	.quad	0x00cf93000000ffff		/* KERNEL_DS */
	.quad	0x00cf9b000000ffff		/* TRAMPOLINE_CS32 */
trampoline_gdt_pointer:
	.word	. - trampoline_gdt - 1
	.long	TRAMPOLINE + (trampoline_gdt - trampoline)
	.balign 8
trampoline_cr3:
	.quad	0
trampoline_end:

	.text
	.type secondary_start, @function
secondary_start:
	.cfi_startproc
	.cfi_undefined rip
	mov	$1, %eax
	cpuid
	shr	$24, %ebx			/* the APIC ID, which is the CPU's number */
	mov	%ebx, %edi
	inc	%ebx
	imul	$STACK_SIZE, %rbx, %rbx
	lea	stacks(%rip), %rsp
	add	%rbx, %rsp
	lgdt	gdt_pointer(%rip)
	call	load_segments
	xor	%ebp, %ebp
	call	secondary_main
3:	hlt
	jmp	3b
	.cfi_endproc
	.size secondary_start, . - secondary_start

	.section .note.GNU-stack, "", @progbits
