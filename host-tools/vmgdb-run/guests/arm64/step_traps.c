/* SPDX-License-Identifier: MIT */
/*
 * Handlers of the exceptions that the snippets of step_list raise on arm64. Faults resume at X19.
 */
#include "host-tools/vmgdb-run/guests/arm64/gic.h"
#include "host-tools/vmgdb-run/guests/arm64/insn.h"
#include "host-tools/vmgdb-run/guests/arm64/traps.h"
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/step.h"

enum {
	SGI = 1,
	FAULT_REG = 19,
	INSN_SIZE = 4,

	EC_BREAKPOINT = 0x31,
	EC_SOFTWARE_STEP = 0x33,
	EC_WATCHPOINT = 0x35,
	PSTATE_D = 1 << 9,
	PSTATE_SS = 1 << 21,
	OWN_STEPS = 3,
};

void step_done(void);

volatile unsigned long step_own_traps;

/* An exception outside step_list is a bug of this guest. */
static void note(struct frame *frame)
{
	if (frame->pc < (unsigned long)step_list || frame->pc > (unsigned long)step_done)
		trap_unexpected(frame);
	step_note(frame->esr, frame->pc, frame->pstate);
	frame->x[0] = frame->pstate;
}

static void fault(struct frame *frame)
{
	note(frame);
	frame->pc = frame->x[FAULT_REG];
}

static void skip(struct frame *frame)
{
	note(frame);
	frame->pc += INSN_SIZE;
}

static void interrupt(uint32_t number)
{
	(void)number;
	step_irq_taken();
}

void step_send_irq(void)
{
	step_irq_sent();
	gic_send_self(SGI);
}

static void note_own(struct frame *frame)
{
	step_own_traps++;
	step_note(frame->esr, frame->pc, frame->pstate);
}

/*
 * These exceptions come before the access or instruction: the handler turns them off, and it is
 * executed.
 */
static void own_watch(struct frame *frame)
{
	note_own(frame);
	step_note(frame->far, 0, 0);
	write_sysreg(dbgwcr0_el1, 0);
}

static void own_break(struct frame *frame)
{
	note_own(frame);
	write_sysreg(dbgbcr0_el1, 0);
}

/* A guest that steps itself (Arm ARM, D2.12): OWN_STEPS exceptions, then it stops stepping. */
static void own_step(struct frame *frame)
{
	static unsigned int n;

	note_own(frame);
	if (++n % OWN_STEPS != 0) {
		frame->pstate |= PSTATE_SS;
		return;
	}
	write_sysreg(mdscr_el1, 0);
	frame->pstate |= PSTATE_D;
}

void step_init(void)
{
	platform_init();
	platform_handle_sgi(interrupt);
	gic_enable(SGI);
	write_sysreg(oslar_el1, 0);
	trap_handle(EC_SVC, note);
	trap_handle(EC_BRK, skip);
	trap_handle(EC_UNKNOWN, fault);
	trap_handle(EC_DATA_ABORT, fault);
	trap_handle(EC_BREAKPOINT, own_break);
	trap_handle(EC_WATCHPOINT, own_watch);
	trap_handle(EC_SOFTWARE_STEP, own_step);
}

/* step has one CPU. */
void worker(unsigned long cpu)
{
	(void)cpu;
	platform_exit(1);
}
