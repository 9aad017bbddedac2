/* SPDX-License-Identifier: MIT */
/*
 * Stepping rules. KVM steps one instruction but does not hold back interrupts, so PSTATE.I and F are
 * set for the step, and restored after it so that the guest never sees them:
 *
 * - an instruction that writes DAIF, or returns from an exception, leaves what it would have left;
 * - one that reads DAIF is given what it would have read;
 * - after an exception to EL1 they are restored in SPSR_EL1, and the step ends at the vector.
 *
 * Instructions that the processor must not run for a step are carried out (emulate.h), and an exclusive
 * sequence is one step (exclusive.h).
 */
#ifndef VMGDB_ARCH_ARM64_STEP_H
#define VMGDB_ARCH_ARM64_STEP_H

#include "core/cpu.h"

/* As struct cpu.step_begin and step_end. */
int arm64_step_begin(struct cpu_view *v, struct step_plan *p);
int arm64_step_end(struct cpu_view *v, struct step_plan *p, bool trapped);

#endif
