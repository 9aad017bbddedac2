/* SPDX-License-Identifier: MIT */
/* A tiny VM of one vCPU on bare KVM: 32-bit protected mode, all segments flat, no paging. */
#ifndef TESTS_LAB_X86_PROBE_VM_H
#define TESTS_LAB_X86_PROBE_VM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Guest-physical memory from 0. A handler of 16 bytes for each vector: HLT to begin with. */
enum {
	MEM_SIZE = 1 << 16,
	CODE = 0x1000,
	IDT = 0x3000,
	HANDLERS = 0x4000,
	GDT = 0x5000,
	STACK = 0x8000, /* its top */
	DATA = 0x9000,
	VECTORS = 32,
	NOWHERE = 0xd0000000 - 0x100000000, /* neither memory nor a device */
};

enum { FL_ONE = 1 << 1, FL_TF = 1 << 8, FL_IF = 1 << 9, FL_RF = 1 << 16 };

struct vm {
	int kvm, fd, vcpu;
	uint8_t *mem;
	struct kvm_run *run;
	uint32_t flags; /* that KVM_SET_GUEST_DEBUG knows; 0: not known */
};

/* With that code at CODE, and the vCPU on it; with KVM's own interrupt controllers, or not. Ends
 * the program on failure. */
void vm_open(struct vm *m, const char *code, size_t len, bool irqchip);

/* One more vCPU, at CODE, in the VM of m. */
void vm_add(const struct vm *m, unsigned int index, struct vm *out);

/* Does KVM run guests by its instruction emulator, not on the processor? */
bool vm_emulated(void);

/* A handler's code, at most 16 bytes; where it is. */
uint32_t vm_handler(struct vm *m, unsigned int vector, const char *code, size_t len);

struct kvm_regs vm_regs(struct vm *m);
void vm_set_regs(struct vm *m, const struct kvm_regs *regs);

/* KVM_SET_GUEST_DEBUG; dr7: 0 or DR0's and DR1's control. */
void vm_arm(struct vm *m, uint32_t control, uint64_t dr0, uint64_t dr7);

/* KVM_RUN: the exit reason, or -errno. */
int vm_run(struct vm *m);
/*
 * vm_arm() for a step, with more control or 0, and vm_run(). Fact 9: where a page is touched first
 * a step may end before its instruction was executed; it is repeated, a few times at most.
 */
int vm_step(struct vm *m, uint32_t control);

uint32_t vm_word(const struct vm *m, uint32_t gpa);

#endif
