/* SPDX-License-Identifier: MIT */
/*
 * The guest `step`: step.c runs the architecture's step_list (step_list.S) again and again from the
 * same state, and compares the results: a round that a debugger has stepped through must end as one
 * that ran free.
 */
#ifndef VMGDB_GUESTS_STEP_H
#define VMGDB_GUESTS_STEP_H

/* ---- the architecture defines ---- */

/*
 * The snippets; each stores its result in step_results[]. A debugger lets those named step_free_
 * run free: the CPU takes there the interrupts that steps have held back.
 */
void step_list(void);
extern const unsigned long step_results_count;
extern unsigned char step_buffer[128]; /* snippets may write to these */
extern unsigned long step_cell;

/* Install handlers, and find out whether interrupts are delivered: see step_has_irqs. */
void step_init(void);

/* How many debug exceptions the guest has raised and taken itself. */
extern volatile unsigned long step_own_traps;

/* Send an interrupt; the handler calls step_irq_taken(). */
void step_send_irq(void);

/* Half a second from now an interrupt becomes pending, and none before (x86). */
void step_wake_later(void);

/* ---- step.c defines ---- */

/* Whether interrupts are delivered; whether hlt or wfi is among the snippets. A debugger may clear
 * step_may_halt: a halted guest sometimes stalls the emulated VT-x host. */
extern unsigned int step_has_irqs, step_may_halt;

/* A debugger may set step_may_idle: then the guest also halts with no interrupt pending. */
extern volatile unsigned int step_may_idle;

/* Add an exception that was taken, with three values from it, to the round's state. */
void step_note(unsigned long a, unsigned long b, unsigned long c);

void step_irq_sent(void);
void step_irq_taken(void);

/* Whether the CPU has taken all interrupts that were sent, waiting a while. */
int step_irqs_all_taken(void);

#endif
