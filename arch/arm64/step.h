/* SPDX-License-Identifier: MIT */
/*
 * Stepping rules. KVM steps one instruction but does not hold back interrupts, so PSTATE.I and F are
 * set for the step and put back after it as if they had never been:
 *
 * - an instruction that writes DAIF, or returns from an exception, leaves what it would have left;
 * - one that reads DAIF is given what it would have read;
 * - after an exception to EL1 it is SPSR_EL1 that is mended, and the step ends at the vector.
 *
 * WFI and WFE are stepped as no-operations, which they may always be (Arm ARM D1.7). The guest's own
 * BRK takes its exception here, as a backend can't tell it from the debugger's. An exclusive
 * sequence, load to store, is one step: stepped singly the store would always fail.
 */
#ifndef VMGDB_ARCH_ARM64_STEP_H
#define VMGDB_ARCH_ARM64_STEP_H

#include "core/cpu.h"

/* As struct cpu.step_begin and step_end. */
int arm64_step_begin(struct cpu_view *v, struct step_plan *p);
int arm64_step_end(struct cpu_view *v, struct step_plan *p, bool trapped);

#endif
