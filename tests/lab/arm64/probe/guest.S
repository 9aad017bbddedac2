/* SPDX-License-Identifier: MIT */
/*
 * What runs in the probe's VM, copied to CODE there. Position independent. A snippet starts at its
 * label and ends with END_BRK, which is the probe's; any other BRK is the guest's.
 */
	.arch	armv8.3-a+sve
	.section .rodata
	.set	END_BRK, 0xf00d

	.macro	snippet name
	.balign	64
	.global	\name
\name:
	.endm

	.macro	vector target
	.balign	0x80
	b	\target
	.endm

	.balign	0x800
	.global	guest_begin
guest_begin:
	.rept	4
	vector	sync
	vector	irq
	vector	other
	vector	other
	.endr

	.balign	0x80
irq:	mov	x13, #0x1d
1:	b	1b
other:	b	other

/*
 * The handler records what it finds, and skips an instruction that would fault again. It uses x20
 * to x24.
 */
sync:	mrs	x20, elr_el1
	mrs	x21, esr_el1
	mrs	x22, spsr_el1
	mrs	x24, daif
	lsr	x23, x21, #26
	cmp	x23, #0x15		/* SVC */
	b.eq	1f
	cmp	x23, #0x1		/* WFI, WFE: skipped */
	add	x23, x20, #4
	msr	elr_el1, x23
1:	eret

snippet s_nops
	.rept	64
	nop
	.endr
	brk	#END_BRK

snippet s_spin
	add	x0, x0, #1
	b	s_spin

snippet s_wfi
	wfi
	add	x0, x0, #1
	b	s_wfi

snippet s_brk
	brk	#0x123
	mov	x0, #1
	brk	#END_BRK

snippet s_access
	ldrb	w1, [x0]
	ldr	w1, [x0]
	ldr	x1, [x0]
	strb	w2, [x0]
	str	w2, [x0]
	str	x2, [x0]
	brk	#END_BRK

snippet s_ldaddal		/* only where there are large system extensions */
	.inst	0xb8e20001		/* ldaddal w2, w1, [x0] */
	brk	#END_BRK

snippet s_exclusive
	mov	x4, #3
1:	ldxr	w2, [x0]
	add	w2, w2, #1
	stxr	w3, w2, [x0]
	cbnz	w3, 1b
	sub	x4, x4, #1
	cbnz	x4, 1b
	brk	#END_BRK

snippet s_compare		/* takes the branch out of the sequence, then completes the sequence */
	mov	w5, #77
	str	w5, [x0]
	mov	w6, #88
	mov	w7, #78
1:	ldaxr	w2, [x0]
	cmp	w2, w7
	b.ne	2f
	stlxr	w3, w6, [x0]
	cbnz	w3, 1b
	b	3f
2:	clrex
	mov	w7, #77
	b	1b
3:	dmb	ish
	brk	#END_BRK

snippet s_mmio
	ldr	w1, [x0]
	add	x2, x2, #1
	str	w2, [x0]
	add	x2, x2, #1
	brk	#END_BRK

snippet s_daif
	msr	daifset, #2
	mrs	x1, daif
	msr	daifset, #1
	mrs	x2, daif
	msr	daifclr, #2
	mrs	x3, daif
	mov	x4, #0xc0
	msr	daif, x4
	mrs	x5, daif
	mrs	x30, daif
	msr	daifset, #2
	brk	#END_BRK

snippet s_svc
	svc	#5
	add	x0, x0, #1
	mrs	x1, daif
	brk	#END_BRK

snippet s_eret			/* EL1t with I clear and F set, and back to EL1h by msr */
	adr	x1, 1f
	msr	elr_el1, x1
	mov	x1, #0x44
	msr	spsr_el1, x1
	eret
1:	mrs	x2, daif
	mrs	x3, spsr_el1
	mrs	x4, spsel
	msr	spsel, #1
	brk	#END_BRK

snippet s_user			/* EL0: a system call, a trapped DAIF access, a BRK of its own */
	adr	x1, 1f
	msr	elr_el1, x1
	msr	spsr_el1, xzr
	mrs	x1, sctlr_el1
	bic	x1, x1, #(1 << 9)	/* UMA */
	msr	sctlr_el1, x1
	eret
1:	nop
	svc	#7
	add	x0, x0, #1
	mrs	x5, daif
	msr	daifset, #2
	brk	#0x77
	add	x0, x0, #1
	brk	#END_BRK

snippet s_wait
	sevl
	wfe
	add	x0, x0, #1
	brk	#END_BRK

snippet s_undefined
	udf	#1
	add	x0, x0, #1
	brk	#END_BRK

snippet s_unaligned		/* x0 is odd: faults with SCTLR_EL1.A */
	mrs	x1, sctlr_el1
	orr	x2, x1, #2
	msr	sctlr_el1, x2
	isb
	ldr	x3, [x0]
	msr	sctlr_el1, x1
	isb
	brk	#END_BRK

snippet s_psci
	ldr	w0, =0x84000000		/* PSCI_VERSION */
	hvc	#0
	mov	x1, x0
	brk	#END_BRK
	.ltorg

snippet s_sysregs
	mrs	x1, id_aa64pfr0_el1
	mrs	x2, midr_el1
	msr	tpidr_el1, x1
	mrs	x3, tpidr_el1
	mrs	x4, nzcv
	msr	spsel, #0
	mov	x5, sp
	msr	spsel, #1
	mov	x6, sp
	brk	#END_BRK

snippet s_power_off
	ldr	w0, =0x84000008		/* PSCI_SYSTEM_OFF */
	hvc	#0
	b	.
	.ltorg

snippet s_patched
	mov	w0, #1
	brk	#END_BRK

snippet s_timer
	msr	cntv_cval_el0, x0
	mrs	x1, cntvct_el0
	brk	#END_BRK

snippet s_vector
	movi	v3.16b, #0x33
	brk	#END_BRK

snippet s_sve
	dup	z4.b, #0x5a
	ptrue	p2.b
	rdvl	x1, #1
	brk	#END_BRK

/* x0: a pointer; x1: how many modifiers; x2: which bits the codes differed in from the pointer */
snippet s_sign
	mov	x2, #0
1:	mov	x3, x0
	pacia	x3, x1
	eor	x3, x3, x0
	orr	x2, x2, x3
	subs	x1, x1, #1
	b.ne	1b
	brk	#END_BRK

snippet s_touch			/* every page from x0 to x1 */
	ldr	x2, [x0]
	add	x0, x0, #4096
	cmp	x0, x1
	b.lo	s_touch
	brk	#END_BRK

/* x0: a virtual address; x1: PAR_EL1 */
snippet s_translate
	tlbi	vmalle1
	dsb	nsh
	isb
	at	s1e1r, x0
	isb
	mrs	x1, par_el1
	brk	#END_BRK

/* Two loops, 64 bytes apart: x0 counts, and is written to x1. */
snippet s_counts
	.rept	2
	.balign	64
1:	add	x0, x0, #1
	str	x0, [x1]
	b	1b
	.endr

	.balign	64
	.global	guest_end
guest_end:
