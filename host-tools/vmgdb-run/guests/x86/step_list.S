/* SPDX-License-Identifier: MIT */
/*
 * Instructions that are hard to single-step, each with its own label. A snippet leaves its
 * result in RAX, which is stored in the next element of step_results; their number is
 * step_results_count. The handlers of faults resume at RBX.
 */
	.text
	.set	nresults, 0

	.macro	snippet name
	.global	\name
\name:
	.endm

	.macro	result
	mov	%rax, step_results + 8 * nresults(%rip)
	.set	nresults, nresults + 1
	.endm

	.macro	flags_result
	pushf
	pop	%rax
	result
	.endm

	/* arithmetic flags as after xor %eax, %eax */
	.macro	known_flags
	xor	%eax, %eax
	.endm

	/* clear the values that C code has left in scratch registers */
	.macro	scratch
	xor	%eax, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	.endm

	/* write RAX to LSTAR */
	.macro	lstar
	mov	%rax, %rdx
	shr	$32, %rdx
	mov	$0xc0000082, %ecx
	wrmsr
	.endm

	.global	step_list
	.type	step_list, @function
step_list:
	push	%rbp
	mov	%rsp, %rbp
	push	%rbx
	push	%r12
	cld
	scratch

	/* ---- flags ---- */
	snippet	step_cli
	known_flags
	cli
	flags_result

	snippet	step_sti
	known_flags
	sti
	nop
	flags_result

	snippet	step_sti_cli		/* the shadow of sti covers the cli */
	known_flags
	sti
	cli
	flags_result

	snippet	step_pushf
	known_flags
	pushf
	pop	%rax
	result

	snippet	step_popf		/* all arithmetic flags, interrupts off */
	pushq	$0x8d7
	popf
	flags_result

	snippet	step_popf_sti		/* none of them, interrupts on */
	pushq	$0x202
	popf
	flags_result

	snippet	step_std
	known_flags
	std
	flags_result
	cld

	/* ---- segments and control transfer ---- */
	snippet	step_mov_ss		/* holds interrupts and traps back for one instruction */
	mov	%ss, %eax
	mov	%eax, %ss
	mov	$0x1234, %eax
	result

	snippet	step_mov_ss_pushf
	known_flags
	mov	%ss, %ecx
	mov	%ecx, %ss
	pushf
	pop	%rax
	result

	snippet	step_mov_ss_memory
	known_flags
	mov	step_data_segment(%rip), %ss
	pushf
	pop	%rax
	result

	snippet	step_iretq
	known_flags
	mov	%rsp, %rcx
	mov	%ss, %edx
	push	%rdx
	push	%rcx
	pushf
	mov	%cs, %edx
	push	%rdx
	lea	1f(%rip), %rdx
	push	%rdx
	iretq
1:	flags_result

	snippet	step_iretq_cli		/* changes the flags */
	mov	%rsp, %rcx
	mov	%ss, %edx
	push	%rdx
	push	%rcx
	pushq	$0x46
	mov	%cs, %edx
	push	%rdx
	lea	1f(%rip), %rdx
	push	%rdx
	iretq
1:	flags_result
	sti

	snippet	step_lretq
	mov	%cs, %edx
	push	%rdx
	lea	1f(%rip), %rdx
	push	%rdx
	mov	$0x55, %eax
	lretq
	mov	$0xaa, %eax
1:	result

	snippet	step_call
	xor	%eax, %eax
	call	1f
	add	$0x10, %eax
	jmp	2f
1:	add	$0x3, %eax
	ret
2:	result

	snippet	step_loop
	mov	$5, %ecx
	xor	%eax, %eax
1:	add	%ecx, %eax
	loop	1b
	result

	/* ---- repeated string instructions ---- */
	snippet	step_rep_stosb
	lea	step_buffer(%rip), %rdi
	mov	$40, %ecx
	mov	$0x5a, %eax
	rep stosb
	lea	step_buffer(%rip), %rax
	sub	%rax, %rdi
	mov	%rdi, %rax
	result

	snippet	step_rep_movsb
	lea	step_source(%rip), %rsi
	lea	step_buffer(%rip), %rdi
	mov	$16, %ecx
	rep movsb
	mov	step_buffer + 8(%rip), %rax
	result

	snippet	step_rep_movsq
	lea	step_buffer(%rip), %rsi
	lea	step_buffer + 64(%rip), %rdi
	mov	$5, %ecx
	rep movsq
	mov	step_buffer + 64 + 32(%rip), %rax
	result

	snippet	step_repne_scasb
	lea	step_buffer(%rip), %rdi
	mov	$64, %ecx
	mov	$0x5a, %eax
	repne scasb
	mov	%ecx, %eax
	result

	snippet	step_rep_cmpsb		/* ends early, at a difference */
	lea	step_source(%rip), %rsi
	lea	step_buffer(%rip), %rdi
	movb	$0, 5(%rdi)
	mov	$16, %ecx
	repe cmpsb
	mov	%ecx, %eax
	result

	snippet	step_rep_none		/* RCX is 0: does nothing */
	lea	step_buffer(%rip), %rdi
	xor	%ecx, %ecx
	mov	$0xff, %eax
	rep stosb
	mov	step_buffer(%rip), %rax
	result

	/* ---- exits to KVM and the VMM ---- */
	snippet	step_out
	mov	$0x3ff, %edx		/* the serial port's scratch register */
	mov	$0x5a, %eax
	out	%al, %dx
	xor	%eax, %eax
	in	%dx, %al
	result

	snippet	step_mmio		/* an unmapped address */
	mov	$0xd0000000, %ecx
	movl	$0x1234, (%rcx)
	mov	(%rcx), %eax
	result

	snippet	step_mmio_apic		/* emulated in the host's kernel */
	mov	$0xfee00030, %ecx
	mov	(%rcx), %eax
	result

	snippet	step_cpuid
	xor	%eax, %eax
	xor	%ecx, %ecx
	mov	%rbx, %r12
	cpuid
	mov	%ebx, %eax
	mov	%r12, %rbx
	result

	snippet	step_rdmsr
	mov	$0xc0000080, %ecx	/* EFER */
	rdmsr
	result

	snippet	step_cr
	mov	%cr0, %rax
	mov	%rax, %cr0
	mov	%cr3, %rax
	mov	%rax, %cr3
	result

	snippet	step_xadd
	mov	$3, %eax
	lock xadd %rax, step_cell(%rip)
	result

	/* ---- exceptions ---- */
	snippet	step_int3
	known_flags
	int3
	result

	snippet	step_int
	known_flags
	int	$0x81
	result

	snippet	step_ud2
	lea	1f(%rip), %rbx
	known_flags
	ud2
1:	result

	snippet	step_fault		/* a load from an address that is not canonical */
	lea	1f(%rip), %rbx
	movabs	$0x8000000000000000, %rcx
	known_flags
	mov	(%rcx), %rdx
1:	result

	snippet	step_page_fault		/* 4 GiB: not mapped */
	lea	1f(%rip), %rbx
	movabs	$0x100000000, %rcx
	known_flags
	mov	(%rcx), %rdx
1:	result

	snippet	step_divide
	lea	1f(%rip), %rbx
	xor	%edx, %edx
	xor	%ecx, %ecx
	known_flags
	div	%ecx
1:	result

	snippet	step_syscall		/* from ring 0: R11 is the flags, which SFMASK then clears */
	known_flags
	syscall
	.global	step_syscall_entry
step_syscall_entry:
	mov	%r11, %rax
	push	%r11
	popf
	result

	snippet	step_sysret		/* to ring 3, and back by syscall */
	lea	2f(%rip), %rbx
	mov	%rbx, %rax
	lstar
	lea	1f(%rip), %rcx
	mov	$0x897, %r11d		/* interrupts off */
	sysretq
1:	pushf
	pop	%rax
	mov	%cs, %edx
	syscall
2:	shl	$8, %rdx
	or	%rdx, %rax
	result
	lea	step_syscall_entry(%rip), %rax
	lstar
	sti

	/* ---- the guest's own debug exceptions ---- */
	snippet	step_own_steps		/* one for each instruction up to the second popf */
	pushf
	orq	$0x100, (%rsp)
	popf
	nop
	mov	$5, %eax
	pushf
	andq	$~0x100, (%rsp)
	popf
	result

	snippet	step_own_steps_int	/* int n clears TF while its handler runs */
	known_flags
	pushf
	orq	$0x100, (%rsp)
	popf
	int	$0x81
	pushf
	andq	$~0x100, (%rsp)
	popf
	result

	snippet	step_own_watch
	cmpl	$0, step_own_slots(%rip)
	je	1f
	lea	step_cell(%rip), %rax
	mov	%rax, %dr0
	mov	$0x90402, %eax		/* slot 0: 8 bytes, written */
	mov	%rax, %dr7
	addq	$5, step_cell(%rip)
	mov	step_cell(%rip), %rax
	result
	mov	$0x400, %ecx
	mov	%rcx, %dr7
1:	scratch

	snippet	step_own_break
	cmpl	$0, step_own_slots(%rip)
	je	2f
	lea	1f(%rip), %rax
	mov	%rax, %dr1
	mov	$0x408, %eax		/* slot 1: an instruction */
	mov	%rax, %dr7
	mov	$1, %eax
1:	add	$2, %eax
	result
	mov	$0x400, %ecx
	mov	%rcx, %dr7
2:	scratch

	/* ---- interrupts ---- */
	snippet	step_hlt		/* an interrupt is pending at the hlt */
	cmpl	$0, step_may_halt(%rip)
	je	1f
	cli
	call	step_send_irq
	sti
	hlt
1:	scratch

	snippet	step_free_hlt		/* pending interrupts are taken here */
	call	step_irqs_all_taken
	scratch

	snippet	step_irq		/* taken between two ordinary instructions */
	cmpl	$0, step_has_irqs(%rip)
	je	1f
	call	step_send_irq
	mov	$1, %eax
	mov	$2, %eax
1:	scratch

	snippet	step_free_irq
	call	step_irqs_all_taken
	scratch
	cmpl	$0, step_may_idle(%rip)
	je	step_idle_done
	cli
	call	step_wake_later
	scratch
	sti
	.global	step_idle
step_idle:				/* no interrupt is pending */
	hlt
	call	platform_start_timer
step_idle_done:
	scratch

	.global	step_done
step_done:
	pop	%r12
	pop	%rbx
	pop	%rbp
	ret
	.size	step_list, . - step_list

	.section .rodata
	.balign 8
	.global	step_results_count
step_results_count:
	.quad	nresults
	.if	nresults > 64
	.error	"more than step_results[] holds"
	.endif
step_data_segment:
	.quad	KERNEL_DS
step_source:
	.ascii	"0123456789abcdef"

	.bss
	.balign 8
	.global	step_buffer, step_cell
step_buffer:
	.skip	128
step_cell:
	.skip	8

	.section .note.GNU-stack, "", @progbits
