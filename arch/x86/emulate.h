/* SPDX-License-Identifier: MIT */
/* Instructions that the stepping rules carry out themselves. Pure. */
#ifndef VMGDB_ARCH_X86_EMULATE_H
#define VMGDB_ARCH_X86_EMULATE_H

#include "arch/x86/insn.h"
#include "arch/x86/state.h"
#include "core/cpu.h"

/* Is there an instruction of this kind that is? */
bool x86_executable(enum x86_op op);

/*
 * Carry out the instruction at RIP. False: it is none of these, or would fault, or can't be done
 * here; nothing has changed then. GPR and SREGS are valid.
 */
bool x86_execute(struct cpu_view *v, const struct x86_insn *in);

/* The size of the code that the vCPU is in. */
enum x86_width x86_insn_width(const struct x86_state *s);

#endif
