/* SPDX-License-Identifier: MIT */
/*
 * The guest `step`: step.c runs the architecture's step_list (step_list.S) for ever, each time from
 * the same state, and compares what came of it: a round that a debugger has stepped through must
 * end as one that ran free.
 */
#ifndef VMGDB_GUESTS_STEP_H
#define VMGDB_GUESTS_STEP_H

/* ---- by the architecture ---- */

/*
 * The snippets; what each saw goes to step_results[]. Those named step_free_ are to run free: what
 * steps have held back comes there.
 */
void step_list(void);
extern const unsigned long step_results_count;
extern unsigned char step_buffer[128]; /* they may write to these */
extern unsigned long step_cell;

/* Handlers, and whether interrupts come at all: see step_has_irqs. */
void step_init(void);

/* How many debug exceptions of its own making the guest has had. */
extern volatile unsigned long step_own_traps;

/* Send an interrupt; the handler calls step_irq_taken(). */
void step_send_irq(void);

/* Half a second from now an interrupt comes, and none before (x86). */
void step_wake_later(void);

/* ---- by step.c ---- */

/* Interrupts come at all; whether hlt or wfi is among the snippets, which a debugger may clear: an
 * idle guest stalls the emulated VT-x host now and then. */
extern unsigned int step_has_irqs, step_may_halt;

/* A debugger may set it: whether the guest idles as well, with no interrupt pending. */
extern volatile unsigned int step_may_idle;

/* Part of the round's state: an exception was taken, and three things that were seen in it. */
void step_note(unsigned long a, unsigned long b, unsigned long c);

void step_irq_sent(void);
void step_irq_taken(void);

/* Whether all interrupts that were sent have been taken, waiting a while. */
int step_irqs_have_come(void);

#endif
