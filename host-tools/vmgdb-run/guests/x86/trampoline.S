/* SPDX-License-Identifier: MIT */
/*
 * From INIT-SIPI-SIPI to secondary_main(cpu). The first part is copied to the page TRAMPOLINE,
 * where it starts in real mode with CS = TRAMPOLINE / 16; all its addresses are made relative to
 * that.
 */
	.cfi_sections .debug_frame
	.section .rodata
	.global trampoline
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
	mov	TRAMPOLINE + (start_cr3 - trampoline), %eax
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
start_cr3:
	.quad	0
trampoline_end:

	.global trampoline_size, trampoline_cr3
trampoline_size:
	.quad	trampoline_end - trampoline
trampoline_cr3:
	.quad	start_cr3 - trampoline

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
	lea	secondary_stacks(%rip), %rsp
	add	%rbx, %rsp
	lgdt	gdt_pointer(%rip)
	call	load_segments
	xor	%ebp, %ebp
	call	secondary_main
3:	hlt
	jmp	3b
	.cfi_endproc
	.size secondary_start, . - secondary_start

	.bss
	.balign 16
secondary_stacks:
	.skip	GUEST_CPUS * STACK_SIZE

	.section .note.GNU-stack, "", @progbits
