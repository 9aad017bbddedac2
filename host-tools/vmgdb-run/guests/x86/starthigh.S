/* SPDX-License-Identifier: MIT */
/* From vmgdb-run's boot protocol to main() in the upper half; to ring 3, and back by syscall. */
	.cfi_sections .debug_frame
	.section .boot.text, "ax"
	.global _start
	.type _start, @function
_start:
	.cfi_startproc
	.cfi_undefined rip
	lea	boot_pml4(%rip), %rax
	mov	%rax, %cr3
	mov	$high, %rax
	jmp	*%rax
	.cfi_endproc
	.size _start, . - _start

	/* 8 MiB, at 0 and at kernel_base */
	.section .boot.data, "aw"
	.balign 4096
boot_pml4:
	.quad	boot_pdpt + 3
	.skip	510 * 8
	.quad	boot_pdpt + 3
boot_pdpt:
	.quad	boot_pd + 3
	.skip	510 * 8
	.quad	boot_pd + 3
boot_pd:
	.quad	0x000083, 0x200083, 0x400083, 0x600083
	.skip	508 * 8

	.text
	.type high, @function
high:
	.cfi_startproc
	.cfi_undefined rip
	mov	%rdi, %rsi
	mov	$boot_info, %rdi
	mov	$BOOT_INFO_SIZE, %ecx
	rep movsb
	mov	$kernel_stack_end, %rsp
	lgdt	gdt_pointer
	pushq	$KERNEL_CS
	pushq	$1f
	lretq
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
	.size high, . - high

	/* enter_user(rip, rsp) */
	.global enter_user
	.type enter_user, @function
enter_user:
	.cfi_startproc
	pushq	$USER_DS
	push	%rsi
	pushq	$0x202			/* IF */
	pushq	$USER_CS
	push	%rdi
	iretq
	.cfi_endproc
	.size enter_user, . - enter_user

	/* RCX is the user's RIP, R11 its RFLAGS; interrupts are off (SFMASK). */
	.global syscall_entry
	.type syscall_entry, @function
syscall_entry:
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_def_cfa rsp, 0
	.cfi_register rip, rcx
	mov	%rsp, user_rsp
	mov	$kernel_stack_end, %rsp
	pushq	user_rsp
	.cfi_def_cfa rsp, 8
	.cfi_offset rsp, -8
	push	%r11
	.cfi_adjust_cfa_offset 8
	push	%rcx
	.cfi_adjust_cfa_offset 8
	.cfi_offset rip, -24
	sub	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	do_syscall
	add	$8, %rsp
	.cfi_adjust_cfa_offset -8
	pop	%rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register rip, rcx
	pop	%r11
	.cfi_adjust_cfa_offset -8
	pop	%rsp
	.cfi_def_cfa rsp, 0
	.cfi_same_value rsp
	sysretq
	.cfi_endproc
	.size syscall_entry, . - syscall_entry

	.bss
	.balign 16
	.skip	STACK_SIZE
	.global kernel_stack_end
kernel_stack_end:
user_rsp:
	.skip	8

	.section .note.GNU-stack, "", @progbits
