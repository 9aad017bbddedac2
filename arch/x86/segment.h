/* SPDX-License-Identifier: MIT */
/* Segment registers: selectors and what is loaded with them. SDM vol. 3, 3.4 and 5. */
#ifndef VMGDB_ARCH_X86_SEGMENT_H
#define VMGDB_ARCH_X86_SEGMENT_H

#include "arch/x86/state.h"
#include "core/cpu.h"

enum { X86_TYPE_CONFORMING = 4, X86_TYPE_CODE = 8, X86_SEL_RPL = 3 };

/* The bits hi to lo of a descriptor. */
static inline unsigned int x86_bits(uint64_t desc, unsigned int hi, unsigned int lo)
{
	return desc >> lo & ((1ULL << (hi - lo + 1)) - 1);
}

/* From 0 to 4 GiB; type and privilege level as in a descriptor. */
struct x86_seg x86_flat_seg(uint32_t selector, uint8_t type, unsigned int dpl, bool code64);

/*
 * Load a segment register as MOV or a far jump would. SREGS and GPR are valid. -EINVAL: the processor
 * would fault; -EFAULT: the descriptor can't be read.
 */
int x86_load_seg(struct cpu_view *v, enum x86_sreg n, uint32_t selector);

/* What that selector would load, whatever it is: 0, -EINVAL (null, beyond its table) or -EFAULT. */
int x86_read_seg(struct cpu_view *v, uint32_t selector, struct x86_seg *seg);

#endif
