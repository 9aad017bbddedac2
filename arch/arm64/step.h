/* SPDX-License-Identifier: MIT */
/* What steps are made of, where the processor can't do them as a debugger wants. Pure. */
#ifndef VMGDB_ARCH_ARM64_STEP_H
#define VMGDB_ARCH_ARM64_STEP_H

#include "arch/arm64/insn.h"
#include "core/cpu.h"

/* ---- emulate.c: instructions that the stepping rules carry out themselves ---------------- */

/*
 * Carry out the instruction at PC, with the exception that it raises. False: it is none of these, or
 * would raise another one, or can't be done here; nothing has changed then. CORE is valid.
 *
 * WFI and WFE are no-operations, which they may always be (Arm ARM D1.7). BRK takes its exception
 * here, as a backend can't tell the guest's own from the debugger's.
 */
bool arm64_execute(struct cpu_view *v, const struct arm64_insn *in);

/* ---- exclusive.c ------------------------------------------------------------------------- */

/*
 * Load-exclusive to store-exclusive: stepped singly the store would always fail (Arm ARM B2.9). The
 * sequence that begins at p->pc is one step: set p->until to where it ends, which is after its last
 * instruction, where a branch leaves it, and the vector of a fault. *end is the address after its last
 * instruction. False, and nothing has changed: there is no store near, or it can't be known whether the
 * vCPU gets there.
 */
bool arm64_plan_exclusive(struct cpu_view *v, struct step_plan *p, uint64_t *end);

/* ---- guest_debug.c ----------------------------------------------------------------------- */

/*
 * The guest's own debugging: software steps, breakpoint and watchpoint registers. While the debugger
 * steps, KVM keeps the debugger's steps in place of the guest's, so their exceptions are taken here.
 * Arm ARM D2.8 to D2.12.
 */

/* How a guest that steps itself is before an instruction: Arm ARM D2.12. */
enum arm64_guest_step {
	ARM64_GUEST_STEP_OFF,
	ARM64_GUEST_STEP_PENDING, /* the exception comes before the instruction */
	ARM64_GUEST_STEP_ACTIVE,  /* the exception comes after it */
};

/* CORE is valid. */
enum arm64_guest_step arm64_guest_step(struct cpu_view *v);

/* Take the step's exception to EL1. false: what that needs can't be read, or EL1 is not AArch64. */
bool arm64_take_guest_step(struct cpu_view *v, bool stepped);

/*
 * An instruction has run that raised nothing: take the exception that the guest has coming.
 *
 * @before: as it was before the instruction
 * @armed:  the instruction returned from an exception with SPSR_EL1.SS set
 */
void arm64_end_guest_step(struct cpu_view *v, enum arm64_guest_step before, bool armed);

/* As struct cpu.guest_uses_debug_regs. */
bool arm64_guest_uses_debug_regs(struct cpu_view *v);

#endif
