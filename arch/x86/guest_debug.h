/* SPDX-License-Identifier: MIT */
/*
 * The guest's own debugging: its debug registers and its trap flag. While the debugger steps, TF is
 * the debugger's and so is the trap, and slots of the debugger's take the place of the guest's debug
 * registers. SDM vol. 3, 17.2 and 17.3.1.
 */
#ifndef VMGDB_ARCH_X86_GUEST_DEBUG_H
#define VMGDB_ARCH_X86_GUEST_DEBUG_H

#include "core/cpu.h"

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
