/* SPDX-License-Identifier: MIT */
/* The x86-64 architecture for the core, and what its files share. Pure: no KVM. */
#ifndef VMGDB_ARCH_X86_X86_H
#define VMGDB_ARCH_X86_X86_H

#include "arch/x86/state.h"
#include "core/cpu.h"

extern const struct cpu x86_cpu;

/* regs.c: see struct cpu. The bank of the mode unreadable: the 64-bit description. */
const struct tdesc *x86_describe(struct cpu_view *v);
/* A description by hand, for tests and docs: real or 32-bit or 64-bit, with AVX or not. */
enum x86_tdesc { X86_TDESC_REAL, X86_TDESC_32, X86_TDESC_64 };
const struct tdesc *x86_tdesc(enum x86_tdesc mode, bool avx);

/* write.c: see struct cpu. */
int x86_write_reg(struct cpu_view *v, const struct reg_desc *r, const void *value);

/* seg.c: load a segment register as MOV or a far jump would; -EINVAL: the processor would fault,
 * -EFAULT: the descriptor can't be read. SREGS and GPR are valid. */
int x86_load_seg(struct cpu_view *v, enum x86_sreg n, uint32_t selector);

/*
 * fpu.c: between the state and XSAVE's standard format (SDM vol. 1, 13.4). area is at least 832
 * bytes with AVX, 576 without. pack changes only what the state has.
 */
void x86_fpu_unpack(struct x86_fpu *fpu, const uint8_t *area, bool avx);
void x86_fpu_pack(const struct x86_fpu *fpu, uint8_t *area, bool avx);

/* walk.c: see struct cpu. */
int x86_translate(struct cpu_view *v, uint64_t va, struct xlat *out);
/* Read guest-virtual memory: how many bytes up to the first hole, or -errno when not one. */
ssize_t x86_read_virt(struct cpu_view *v, uint64_t va, void *buf, size_t len);

/* hw.c: see struct cpu. */
int x86_hw_split(enum hw_kind kind, uint64_t addr, uint64_t len, struct hw_slot *out,
		 unsigned int max, const char **why);

#endif
