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
/* What that selector would load, whatever it is: 0, -EINVAL (null, beyond its table) or -EFAULT. */
int x86_read_seg(struct cpu_view *v, uint32_t selector, struct x86_seg *seg);

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
/* Write it: all of it, or -errno and none. Rights are not looked at. */
int x86_write_virt(struct cpu_view *v, uint64_t va, const void *buf, size_t len);
/* Would the processor, at this privilege level, fault on less than a page? By its first and last
 * byte; prot is of enum prot. 0 or -errno. */
int x86_may_access(struct cpu_view *v, uint64_t va, unsigned int size, unsigned int prot);

/* stack.c: the stack as an instruction in the current mode uses it. size is 2, 4 or 8 bytes. */

/* The linear address of the top, n bytes further up (or down). */
uint64_t x86_stack_at(const struct x86_state *s, int64_t n);
/* Move the stack pointer up by n bytes (or down). */
void x86_stack_move(struct x86_state *s, int64_t n);
/* Read the value on top, or write one below it, as this privilege level may; SP does not move.
 * 0 or -errno. */
int x86_stack_peek(struct cpu_view *v, unsigned int size, uint64_t *value);
int x86_stack_poke(struct cpu_view *v, unsigned int size, uint64_t value);

/* intr.c */

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
 * Carry out INT n: flags, CS and `next` as the return address are pushed, and the vCPU is at the
 * handler. -errno: the processor would fault, or it is a case that is not carried out here (virtual-
 * 8086 mode, task gates, shadow stacks); nothing has changed then.
 */
int x86_soft_int(struct cpu_view *v, unsigned int vector, uint64_t next);

/*
 * Carry out #DB, with RIP as the return address; causes are for DR6. -errno as above, or the debug
 * registers can't be read.
 */
int x86_debug_exception(struct cpu_view *v, uint64_t causes);

/*
 * The vCPU is at the first instruction of a handler that it came to from level 3, by an exception
 * without an error code: put it back to where it was. -errno: it is not, or that can't be told.
 */
int x86_undo_exception(struct cpu_view *v);

/*
 * own.c: the guest's own debug exceptions, which a step of the debugger's would swallow. True: one
 * was carried out, and the vCPU is at its handler.
 */

/* Of a breakpoint on the instruction that is next. */
bool x86_own_break(struct cpu_view *v);
/* Of the instruction that was the last: stepped tells that the guest's own TF was in force for it. */
bool x86_own_trap(struct cpu_view *v, bool stepped);
/* Does the guest watch data by debug registers? They are to stay its own then. */
bool x86_own_watch(struct cpu_view *v);

/* x86.c, step.c: see struct cpu. */
bool x86_delivers(struct cpu_view *v);
int x86_step_begin(struct cpu_view *v, struct step_plan *p);
int x86_step_end(struct cpu_view *v, struct step_plan *p, bool trapped);

/* hw.c: see struct cpu. */
int x86_hw_split(enum hw_kind kind, uint64_t addr, uint64_t len, struct hw_slot *out,
		 unsigned int max, const char **why);

#endif
