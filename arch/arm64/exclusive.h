/* SPDX-License-Identifier: MIT */
/* Load-exclusive to store-exclusive: stepped singly the store would always fail. Arm ARM B2.9. */
#ifndef VMGDB_ARCH_ARM64_EXCLUSIVE_H
#define VMGDB_ARCH_ARM64_EXCLUSIVE_H

#include "core/cpu.h"

/*
 * The exclusive sequence that begins at p->pc is one step: set p->until to where it ends, which is
 * after its last instruction, where a branch leaves it, and the vector of a fault. *end is the address
 * after its last instruction. False, and nothing has changed: there is no store near, or it
 * can't be known whether the vCPU gets there.
 */
bool arm64_plan_exclusive(struct cpu_view *v, struct step_plan *p, uint64_t *end);

#endif
