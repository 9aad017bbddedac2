/* SPDX-License-Identifier: MIT */
/*
 * An option ROM that starts a Linux kernel which the emulator has put into memory, unpacked: there
 * is no boot medium, no boot loader and no decompression.  The BIOS calls it, in real mode.
 *
 * What the kernel is promised at its 64-bit entry: Linux Documentation/arch/x86/boot.rst, "64-bit
 * Boot Protocol".  The way into long mode: Intel SDM vol. 3, 9.8.5 "Initializing IA-32e Mode"; this
 * code enters it in one step, paging and protection enabled together.
 *
 * ROM, PARAMS and KERNEL come from image.py.
 */
	.set	TABLES, 0x70000		# 8 KiB of low memory that nothing uses yet
	.set	BOOT_CS, 0x10		# the selectors that the protocol asks for
	.set	BOOT_DS, 0x18

	.code16
	.text
	.globl	_start
_start:
	.byte	0x55, 0xaa		# signature
	.byte	(end - _start) / 512	# size, in blocks

	cli
	cld
	mov	%cs, %ax
	mov	%ax, %ds

	/* address line 20: bit 1 of port 0x92; bit 0 would reset the machine */
	in	$0x92, %al
	or	$2, %al
	and	$0xfe, %al
	out	%al, $0x92

	/*
	 * the first 4 GiB mapped to themselves, in pages of 1 GiB: a PML4 with one entry, a PDPT
	 * with four; flags: present, writable, accessed and dirty, a page
	 */
	mov	$TABLES >> 4, %ax
	mov	%ax, %es
	xor	%di, %di
	xor	%eax, %eax
	mov	$0x2000 / 4, %cx
	rep stosl
	movl	$TABLES + 0x1003, %es:0
	movl	$0x000000e3, %es:0x1000
	movl	$0x400000e3, %es:0x1008
	movl	$0x800000e3, %es:0x1010
	movl	$0xc00000e3, %es:0x1018
	mov	$TABLES, %eax
	mov	%eax, %cr3

	mov	%cr4, %eax
	or	$1 << 5, %eax		# PAE
	mov	%eax, %cr4
	mov	$0xc0000080, %ecx	# EFER
	rdmsr
	or	$1 << 8, %eax		# LME
	wrmsr
	lgdtl	gdtr - _start
	mov	%cr0, %eax
	or	$1 << 31 | 1, %eax	# PG, PE
	mov	%eax, %cr0
	ljmpl	$BOOT_CS, $ROM + long_mode - _start

	.code64
long_mode:
	mov	$BOOT_DS, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$PARAMS, %esi
	mov	$KERNEL, %eax
	jmp	*%rax

	.balign	8
gdt:	.quad	0
	.quad	0
	.quad	0x00af9b000000ffff	# BOOT_CS: 64-bit code
	.quad	0x00cf93000000ffff	# BOOT_DS: data
gdtr:	.word	gdtr - gdt - 1
	.long	ROM + gdt - _start

	.org	512			# image.py makes the last byte a checksum
end:
