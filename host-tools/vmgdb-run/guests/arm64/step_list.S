/* SPDX-License-Identifier: MIT */
/*
 * Instructions that are hard to single-step, each with its own label. A snippet leaves its
 * result in X0, which is stored in the next element of step_results; their number is
 * step_results_count. The handlers of faults resume at X19.
 */
	.cfi_sections .debug_frame

	.macro	snippet name
	.global	\name
\name:
	.endm

	/* X20 points to the next element of step_results */
	.macro	result
	str	x0, [x20], #8
	.set	nresults, nresults + 1
	.endm

	.macro	address reg, symbol
	adrp	\reg, \symbol
	add	\reg, \reg, :lo12:\symbol
	.endm

	/* clear the values that C code has left in scratch registers */
	.macro	scratch
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18
	mov	x\n, #0
	.endr
	.endm

	/* debug exceptions at EL1, masked or not */
	.macro	own_debug bits
	mov	x3, #\bits
	msr	mdscr_el1, x3
	isb
	msr	daifclr, #8
	.endm

	.macro	own_debug_off
	msr	daifset, #8
	msr	mdscr_el1, xzr
	isb
	.endm

	.set	MDSCR_SS, 1 << 0
	.set	MDSCR_KDE, 1 << 13
	.set	MDSCR_MDE, 1 << 15
	.set	nresults, 0

	.text
	.global	step_list
	.type	step_list, @function
step_list:
	.cfi_startproc
	stp	x29, x30, [sp, #-32]!
	.cfi_def_cfa_offset 32
	.cfi_offset 29, -32
	.cfi_offset 30, -24
	mov	x29, sp
	.cfi_def_cfa_register 29
	stp	x19, x20, [sp, #16]
	.cfi_offset 19, -16
	.cfi_offset 20, -8
	address	x20, step_results
	mov	x1, #0x200			/* only debug exceptions masked */
	msr	daif, x1
	scratch

	/* ---- interrupt masks ---- */
	snippet	step_daifset
	msr	daifset, #2
	mrs	x0, daif
	result

	snippet	step_daifclr
	msr	daifclr, #2
	mrs	x0, daif
	result

	snippet	step_daif
	mov	x1, #0x3c0
	msr	daif, x1
	mrs	x0, daif
	result
	mov	x1, #0x300			/* interrupts unmasked, SErrors masked */
	msr	daif, x1
	mrs	x0, daif
	result
	msr	daifclr, #7

	snippet	step_nzcv
	mov	x1, #0xf0000000
	msr	nzcv, x1
	mrs	x0, nzcv
	result

	snippet	step_spsel			/* the other stack pointer */
	msr	spsel, #0
	mrs	x0, spsel
	msr	spsel, #1
	result

	/* ---- control transfer ---- */
	snippet	step_eret			/* back to here */
	adr	x1, 1f
	msr	elr_el1, x1
	mov	x1, #0x205			/* EL1h */
	msr	spsr_el1, x1
	mov	x0, #1
	eret
	mov	x0, #2
1:	mrs	x1, spsr_el1
	orr	x0, x0, x1, lsl #8
	result

	snippet	step_eret_mask			/* with interrupts masked, and flags */
	adr	x1, 1f
	msr	elr_el1, x1
	mov	x1, #0x3c5
	movk	x1, #0xa000, lsl #16
	msr	spsr_el1, x1
	eret
1:	mrs	x0, daif
	mrs	x1, nzcv
	orr	x0, x0, x1
	result
	msr	daifclr, #7

	snippet	step_bl
	mov	x0, #0
	bl	2f
	add	x0, x0, #0x10
	b	3f
2:	add	x0, x0, #3
	ret
3:	result

	snippet	step_br
	adr	x1, 1f
	mov	x0, #0x55
	br	x1
	mov	x0, #0xaa
1:	result

	snippet	step_cbz
	mov	x1, #5
	mov	x0, #0
1:	add	x0, x0, x1
	sub	x1, x1, #1
	cbnz	x1, 1b
	result

	snippet	step_tbz
	mov	x1, #4
	mov	x0, #0
	tbz	x1, #2, 1f
	mov	x0, #1
1:	tbnz	x1, #2, 2f
	mov	x0, #2
2:	result

	snippet	step_csel
	mov	x1, #1
	cmp	x1, #2
	csel	x0, x1, xzr, lo
	result

	/* ---- exclusives: under plain single steps they never succeed ---- */
	snippet	step_ldxr
	address	x1, step_cell
1:	ldxr	x0, [x1]
	add	x2, x0, #3
	stxr	w3, x2, [x1]
	cbnz	w3, 1b
	result

	snippet	step_ldaxr			/* like taking a lock, with a branch out */
	address	x1, step_cell
	mov	x4, #0x7fff
1:	ldaxr	x0, [x1]
	cmp	x0, x4
	b.eq	2f
	add	x2, x0, #4
	stlxr	w3, x2, [x1]
	cbnz	w3, 1b
2:	result

	snippet	step_ldxp
	address	x1, step_buffer
1:	ldxp	x0, x2, [x1]
	add	x0, x0, #1
	add	x2, x2, #2
	stxp	w3, x0, x2, [x1]
	cbnz	w3, 1b
	result

	snippet	step_clrex			/* an exclusive load without a store */
	address	x1, step_cell
	ldxr	x0, [x1]
	clrex
	result

	/* ---- memory ---- */
	snippet	step_pair
	address	x1, step_buffer + 32
	mov	x2, #0x1111
	mov	x3, #0x2222
	stp	x2, x3, [x1], #16
	ldp	x0, x2, [x1, #-16]!
	add	x0, x0, x2
	result

	snippet	step_dc_zva
	address	x1, step_buffer + 64
	mrs	x0, dczid_el0
	tbnz	x0, #4, 1f			/* prohibited */
	dc	civac, x1
1:	ldr	x0, [x1]
	result

	/* ---- exits to KVM and the VMM ---- */
	snippet	step_mmio			/* the serial port's scratch register */
	mov	x1, #UART_ADDR
	mov	w0, #0x5a
	strb	w0, [x1, #7]
	mov	w0, #0
	ldrb	w0, [x1, #7]
	result

	snippet	step_mmio_gic			/* emulated in the host's kernel */
	mov	x1, #GICD_ADDR
	ldr	w0, [x1]
	result

	snippet	step_hvc			/* PSCI_VERSION */
	mov	x0, #0x84000000
	hvc	#0
	result

	snippet	step_sysreg
	mrs	x0, midr_el1
	mrs	x1, sctlr_el1
	msr	sctlr_el1, x1
	isb
	result

	/* ---- exceptions ---- */
	snippet	step_svc
	mov	x0, #7
	svc	#0x42
	result

	snippet	step_brk
	mov	x0, #8
	brk	#0x99
	result

	snippet	step_udf
	adr	x19, 1f
	udf	#0
1:	result

	snippet	step_fault			/* a load from an unmapped address */
	adr	x19, 1f
	mov	x1, #1
	lsl	x1, x1, #37
	ldr	x0, [x1]
1:	result

	snippet	step_store_fault
	adr	x19, 1f
	mov	x1, #1
	lsl	x1, x1, #37
	str	x0, [x1, #8]!
1:	result

	/* ---- the guest's own debug exceptions ---- */
	snippet	step_own_watch
	address	x1, step_cell
	msr	dbgwvr0_el1, x1
	mov	x2, #0x1ff3			/* 8 bytes, stored, at EL1 */
	msr	dbgwcr0_el1, x2
	own_debug MDSCR_MDE | MDSCR_KDE
	mov	x0, #21
	str	x0, [x1]
	own_debug_off
	result

	snippet	step_own_break
	adr	x1, 1f
	msr	dbgbvr0_el1, x1
	mov	x2, #0x1e3			/* at EL1 */
	msr	dbgbcr0_el1, x2
	own_debug MDSCR_MDE | MDSCR_KDE
	mov	x0, #1
1:	add	x0, x0, #2
	own_debug_off
	result

	snippet	step_own_steps			/* an exception for each of three nops */
	mov	x0, #4
	own_debug MDSCR_SS | MDSCR_KDE
	nop
	nop
	nop
	nop
	result

	/* ---- hints and interrupts ---- */
	snippet	step_wfe			/* the event is set */
	sevl
	wfe
	mov	x0, #1
	result

	snippet	step_wfe_idle			/* not set: the timer wakes the CPU */
	address	x0, step_has_irqs
	ldr	w0, [x0]
	cbz	w0, 1f
	sevl
	wfe
	wfe
1:	mov	x0, #1
	result

	snippet	step_yield
	yield
	nop
	dsb	sy
	dmb	ish
	isb
	mov	x0, #2
	result

	snippet	step_wfi			/* an interrupt is pending, but masked */
	address	x0, step_may_halt
	ldr	w0, [x0]
	cbz	w0, 1f
	msr	daifset, #2
	bl	step_send_irq
	wfi
	msr	daifclr, #2
1:	scratch

	snippet	step_free_wfi			/* pending interrupts are taken here */
	bl	step_irqs_all_taken
	scratch

	snippet	step_wfi_idle			/* none pending but the timer's */
	address	x0, step_has_irqs
	ldr	w0, [x0]
	cbz	w0, 1f
	wfi
1:	mov	x0, #3
	result

	snippet	step_irq			/* taken between two ordinary instructions */
	address	x0, step_has_irqs
	ldr	w0, [x0]
	cbz	w0, 1f
	bl	step_send_irq
	mov	x0, #1
	mov	x0, #2
1:	scratch

	snippet	step_free_irq
	bl	step_irqs_all_taken
	scratch

	.global	step_done
step_done:
	ldp	x19, x20, [sp, #16]
	ldp	x29, x30, [sp], #32
	.cfi_restore 19
	.cfi_restore 20
	.cfi_restore 29
	.cfi_restore 30
	.cfi_def_cfa sp, 0
	ret
	.cfi_endproc
	.size	step_list, . - step_list

	.section .rodata
	.balign	8
	.global	step_results_count
step_results_count:
	.quad	nresults
	.if	nresults > 64
	.error	"more than step_results[] holds"
	.endif

	.bss
	.balign	64
	.global	step_buffer, step_cell
step_buffer:
	.skip	128
step_cell:
	.skip	8

	.section .note.GNU-stack, "", %progbits
