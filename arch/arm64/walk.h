/* SPDX-License-Identifier: MIT */
/* Stage 1 translation of the EL1&0 regime by walking the guest's tables. Arm ARM D8 (VMSAv8-64). */
#ifndef VMGDB_ARCH_ARM64_WALK_H
#define VMGDB_ARCH_ARM64_WALK_H

#include "arch/arm64/insn.h"
#include "core/cpu.h"

/*
 * As struct cpu.translate. The access flag and execute-only pages are no obstacle to a debugger: all
 * that is mapped can be read. PROT_X: at EL1 or at EL0.
 */
int arm64_translate(struct cpu_view *v, uint64_t va, struct xlat *out);

/* The instruction at a virtual address. False: it can't be read. */
bool arm64_decode_at(struct cpu_view *v, uint64_t va, struct arm64_insn *in);

#endif
