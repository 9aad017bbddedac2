/* SPDX-License-Identifier: MIT */
/* Exceptions and interrupts: where they go, and the delivery of those that are carried out here. */
#ifndef VMGDB_ARCH_X86_EVENT_DELIVERY_H
#define VMGDB_ARCH_X86_EVENT_DELIVERY_H

#include "arch/x86/state.h"
#include "core/cpu.h"

/* As struct cpu.delivers. */
bool x86_delivers(struct cpu_view *v);

/* Where an exception or interrupt goes, by the IDT or the vector table. */
struct x86_gate {
	uint64_t offset; /* of the handler, in its code segment */
	uint64_t linear;
	uint32_t selector;
	unsigned int type, dpl, ist;
};

/* SREGS and GPR are valid. -EINVAL: a gate that is not present, or is of another kind. */
int x86_read_gate(struct cpu_view *v, unsigned int vector, struct x86_gate *g);

/* Does it leave IF as it is (a trap gate)? */
bool x86_gate_keeps_if(const struct x86_gate *g);

/* The stack that the TSS has for that level: 0 or -errno. */
int x86_tss_stack(struct cpu_view *v, unsigned int cpl, uint64_t *sp);

/*
 * Carry out INT n: flags, CS and RIP are pushed, and the vCPU is at the handler. -errno: the processor
 * would fault, or it is a case that is not carried out here (virtual-8086 mode, task gates, shadow
 * stacks); nothing has changed then.
 */
int x86_soft_int(struct cpu_view *v, unsigned int vector);

/* The same of #DB; causes are for DR6. -errno also when the debug registers can't be read. */
int x86_debug_exception(struct cpu_view *v, uint64_t causes);

/*
 * The vCPU is at the first instruction of a handler that an exception without an error code, raised at
 * level 3, has entered: put it back to where it was. -errno: it is not, or that can't be known.
 */
int x86_undo_exception(struct cpu_view *v);

#endif
