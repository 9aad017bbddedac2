/* SPDX-License-Identifier: MIT */
/* Instructions that the stepping rules carry out themselves. Pure. */
#ifndef VMGDB_ARCH_ARM64_EMULATE_H
#define VMGDB_ARCH_ARM64_EMULATE_H

#include "arch/arm64/insn.h"
#include "core/cpu.h"

/*
 * Carry out the instruction at PC, with the exception that it raises. False: it is none of these, or
 * would raise another one, or can't be done here; nothing has changed then. CORE is valid.
 *
 * WFI and WFE are no-operations, which they may always be (Arm ARM D1.7). BRK takes its exception
 * here, as a backend can't tell the guest's own from the debugger's.
 */
bool arm64_execute(struct cpu_view *v, const struct arm64_insn *in);

#endif
