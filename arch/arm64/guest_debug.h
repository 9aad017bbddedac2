/* SPDX-License-Identifier: MIT */
/*
 * The guest's own debugging: software steps, breakpoint and watchpoint registers. While the debugger
 * steps, KVM keeps the debugger's steps in place of the guest's, so their exceptions are taken here.
 * Arm ARM D2.8 to D2.12.
 */
#ifndef VMGDB_ARCH_ARM64_GUEST_DEBUG_H
#define VMGDB_ARCH_ARM64_GUEST_DEBUG_H

#include "core/cpu.h"

/* How a guest that steps itself is before an instruction: Arm ARM D2.12. */
enum arm64_guest_step {
	GUEST_STEP_OFF,
	GUEST_STEP_PENDING, /* the exception comes before the instruction */
	GUEST_STEP_ACTIVE,  /* the exception comes after it */
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
