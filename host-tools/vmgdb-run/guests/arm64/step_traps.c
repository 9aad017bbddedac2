/* SPDX-License-Identifier: MIT */
/* What the snippets of step_list run into on arm64. Faults go on at X19. */
#include "host-tools/vmgdb-run/guests/arm64/gic.h"
#include "host-tools/vmgdb-run/guests/arm64/insn.h"
#include "host-tools/vmgdb-run/guests/arm64/traps.h"
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/step.h"

enum {
	SGI = 1,
	FAULT_REG = 19,
	INSN_SIZE = 4,

	EC_SOFTWARE_STEP = 0x33,
	MDSCR_SS = 1 << 0,
	MDSCR_KDE = 1 << 13,
	PSTATE_D = 1 << 9,
	PSTATE_SS = 1 << 21,
	OWN_STEPS = 3,
};

void step_done(void);

volatile unsigned long step_own_traps;

/* Anywhere but in the list they are this guest's own fault. */
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

/* Steps OWN_STEPS instructions, then lets go. */
static void own_trap(struct frame *frame)
{
	step_own_traps++;
	if (step_own_traps % OWN_STEPS != 0) {
		frame->pstate |= PSTATE_SS;
		return;
	}
	write_sysreg(mdscr_el1, read_sysreg(mdscr_el1) & ~(uint64_t)(MDSCR_SS | MDSCR_KDE));
	frame->pstate |= PSTATE_D;
}

/* A guest that steps itself (Arm ARM, D2.12): software step at EL1 wants KDE and PSTATE.D clear. */
void step_own(void)
{
	write_sysreg(mdscr_el1, read_sysreg(mdscr_el1) | MDSCR_SS | MDSCR_KDE);
	__asm__ volatile("isb\n\tmsr daifclr, #8\n\tnop\n\tnop\n\tnop\n\tnop");
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
	trap_handle(EC_SOFTWARE_STEP, own_trap);
}

/* step has one CPU. */
void worker(unsigned long cpu)
{
	(void)cpu;
	platform_exit(1);
}
