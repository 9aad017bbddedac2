/* SPDX-License-Identifier: MIT */
/*
 * The guest of the bench, the same bytes for every VMM: vmgdb-run starts the image at 0000:7c00 as a
 * flat kernel, QEMU as its firmware, by the reset vector in its last 16 bytes. In long mode, with the
 * first GiB mapped to itself and interrupts off, the guest sends a newline to the serial console and then
 * calls leaf() and other() in turns for ever.
 */
	.set	IMAGE, 0x7c00			/* -Ttext */
	.set	IMAGE_SIZE, 0x10000
	.set	RESET_VECTOR, 0xfff0
	.set	RESET_SEGMENT, 0xf000
	.set	CODE_SIZE, 512
	.set	PML4, 0x1000
	.set	PDPT, 0x2000
	.set	PD, 0x3000
	.set	TABLES_SIZE, 0x3000
	.set	PRESENT_WRITE, 3
	.set	LARGE, 0x80
	.set	SEL_CODE, 8
	.set	SEL_DATA, 16
	.set	CR0_PE_ET_PG, 0x80000011
	.set	CR4_PAE, 0x20
	.set	MSR_EFER, 0xc0000080
	.set	EFER_LME, 0x100
	.set	COM1, 0x3f8

	.code16
	.text
	.global _start
_start:
	cli
	cld
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	$IMAGE, %esp
	ljmp	$0, $tables

tables:
	mov	$PML4, %di
	mov	$TABLES_SIZE / 2, %cx
	rep stosw
	movw	$PDPT + PRESENT_WRITE, PML4
	movw	$PD + PRESENT_WRITE, PDPT
	mov	$PD, %di
	mov	$512, %cx
	mov	$LARGE + PRESENT_WRITE, %eax
1:	mov	%eax, (%di)
	add	$0x200000, %eax
	add	$8, %di
	loop	1b

	lgdt	gdt_pointer
	mov	$CR4_PAE, %eax
	mov	%eax, %cr4
	mov	$PML4, %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	xor	%edx, %edx
	mov	$EFER_LME, %eax
	wrmsr
	mov	$CR0_PE_ET_PG, %eax
	mov	%eax, %cr0
	ljmpl	$SEL_CODE, $long_mode

	.code64
long_mode:
	mov	$SEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$COM1, %edx
	mov	$'\n', %al
	out	%al, %dx
1:	call	leaf
	call	other
	jmp	1b

	.global leaf, other
leaf:
	inc	%rax
	ret
other:
	inc	%rbx
	ret

	.balign 8
gdt:
	.quad	0
	.quad	0x00af9b000000ffff		/* SEL_CODE */
	.quad	0x00cf93000000ffff		/* SEL_DATA */
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt

	/* QEMU maps the image below 1 MiB as well: it copies itself to where vmgdb-run loads it. */
	.code16
reset:
	mov	$RESET_SEGMENT, %ax
	mov	%ax, %ds
	xor	%ax, %ax
	mov	%ax, %es
	cld
	xor	%si, %si
	mov	$IMAGE, %di
	mov	$CODE_SIZE / 2, %cx
	rep movsw
	ljmp	$0, $_start

	.org	RESET_VECTOR
	ljmp	$RESET_SEGMENT, $reset - _start
	.org	IMAGE_SIZE

	.section .note.GNU-stack, "", @progbits
