/* SPDX-License-Identifier: MIT */
/* Segment registers: selectors and what is loaded with them. SDM vol. 3, 3.4 and 5. */
#ifndef VMGDB_ARCH_X86_SEGMENT_H
#define VMGDB_ARCH_X86_SEGMENT_H

#include "arch/x86/state.h"
#include "core/cpu.h"

/*
 * Load a segment register as MOV or a far jump would. SREGS and GPR are valid. -EINVAL: the processor
 * would fault; -EFAULT: the descriptor can't be read.
 */
int x86_load_seg(struct cpu_view *v, enum x86_sreg n, uint32_t selector);

/* What that selector would load, whatever it is: 0, -EINVAL (null, beyond its table) or -EFAULT. */
int x86_read_seg(struct cpu_view *v, uint32_t selector, struct x86_seg *seg);

#endif
