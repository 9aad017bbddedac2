/* SPDX-License-Identifier: MIT */
/* What steps are made of, where the processor can't do them as a debugger wants. Pure. */
#ifndef VMGDB_ARCH_X86_STEP_H
#define VMGDB_ARCH_X86_STEP_H

#include "arch/x86/insn.h"
#include "arch/x86/state.h"
#include "core/cpu.h"

/* ---- emulate.c: instructions that the stepping rules carry out themselves ---------------- */

/* Is there an instruction of this kind that is? */
bool x86_executable(enum x86_op op);

/*
 * Carry out the instruction at RIP. False: it is none of these, or would fault, or can't be done
 * here; nothing has changed then. GPR and SREGS are valid.
 */
bool x86_execute(struct cpu_view *v, const struct x86_insn *in);

/* The size of the code that the vCPU is in. */
enum x86_width x86_insn_width(const struct x86_state *s);

/* ---- guest_debug.c ----------------------------------------------------------------------- */

/*
 * The guest's own debugging: its debug registers and its trap flag. While the debugger steps, TF is
 * the debugger's and so is the trap, and slots of the debugger's take the place of the guest's debug
 * registers. SDM vol. 3, 17.2 and 17.3.1.
 */

/* As struct cpu.guest_uses_debug_regs. */
bool x86_guest_uses_debug_regs(struct cpu_view *v);

/* Does the guest watch data by debug registers? The debugger's slots must not replace them then. */
bool x86_guest_watches(struct cpu_view *v);

/* Deliver the #DB of the guest's own breakpoint on the instruction that is next. True: the vCPU is at
 * the handler. */
bool x86_deliver_guest_break(struct cpu_view *v);

/*
 * Deliver the #DB that the guest has coming after the instruction that ran last: of its own watchpoints,
 * and of its own TF if that was set for it (stepped). True: the vCPU is at the handler.
 */
bool x86_deliver_guest_trap(struct cpu_view *v, bool stepped);

#endif
