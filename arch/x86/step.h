/* SPDX-License-Identifier: MIT */
/*
 * Stepping rules. The processor steps by TF, which shows: it is pushed with the flags, popped with
 * them, lost at a handler's first instruction, late by one after STI and MOV SS. So what pushes, pops
 * or switches flags is carried out here where that is exact, interrupts are kept out by IF where the
 * backend can't do it, and execution slots stand where exceptions go. SDM vol. 3, 17.3.1.
 */
#ifndef VMGDB_ARCH_X86_STEP_H
#define VMGDB_ARCH_X86_STEP_H

#include "core/cpu.h"

/* As struct cpu.step_begin and step_end. */
int x86_step_begin(struct cpu_view *v, struct step_plan *p);
int x86_step_end(struct cpu_view *v, struct step_plan *p, bool trapped);

#endif
