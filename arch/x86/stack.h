/* SPDX-License-Identifier: MIT */
/* The stack as an instruction in the current mode uses it. size is 2, 4 or 8 bytes. SDM vol. 1, 6.2. */
#ifndef VMGDB_ARCH_X86_STACK_H
#define VMGDB_ARCH_X86_STACK_H

#include "arch/x86/state.h"
#include "core/cpu.h"

/* The linear address of the top, n bytes further up (or down). */
uint64_t x86_stack_at(const struct x86_state *s, int64_t n);

/* Move the stack pointer up by n bytes (or down). */
void x86_stack_move(struct x86_state *s, int64_t n);

/* Read the value on top, or write one below it, as the vCPU's privilege level may; SP does not move.
 * 0 or -errno. */
int x86_stack_peek(struct cpu_view *v, unsigned int size, uint64_t *value);
int x86_stack_poke(struct cpu_view *v, unsigned int size, uint64_t value);

#endif
