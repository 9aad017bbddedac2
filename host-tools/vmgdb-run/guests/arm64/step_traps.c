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

volatile unsigned long step_own_traps;

static void note(struct frame *frame)
{
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

static void interrupt(struct frame *frame)
{
	uint32_t number = gic_acknowledge();

	(void)frame;
	gic_end(number);
	if (number == SGI)
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
	trap_handle_irq(interrupt);
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
