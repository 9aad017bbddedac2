/* SPDX-License-Identifier: MIT */
/* A tiny VM of one vCPU, driven through arm64_kvm_ops as the engine would. */
#ifndef TESTS_LAB_ARM64_PROBE_VM_H
#define TESTS_LAB_ARM64_PROBE_VM_H

#include <linux/kvm.h>

#include "arch/arm64/kvm_vcpu.h"
#include "arch/arm64/sysregs.h"
#include "arch/arm64/state.h"

/* Guest-physical memory, addresses and sizes in bytes. */
enum {
	MMIO = 0x10000000, /* neither memory nor a device */
	MEM = 0x40000000,
	MEM_SIZE = 8 << 20,
	CODE = MEM + 0x10000, /* guest.S, vectors first */
	STACK = MEM + 0x40000,
	DATA = MEM + 0x50000,
	TABLES = MEM + 0x100000,
	END_BRK = 0xf00d,
};

struct vm {
	struct cpu_view view; /* first member */
	struct arm64_state state;
	uint64_t valid[(ARM64_NBANKS + 63) / 64];
	uint64_t dirty[(ARM64_NBANKS + 63) / 64];
	int kvm, fd, vcpu;
	struct kvm_run *run;
	size_t run_size;
	uint8_t *mem;
	bool sve, pauth; /* the vCPU has it */
	struct arm64_kvm *k;
	uint32_t mmio_value; /* what a load from MMIO gets */
};

/* All the host has to offer in one vCPU, powered off if wanted. Ends the program on failure. */
void vm_open(struct vm *m, bool off);
/* One more vCPU, in the VM of m. */
void vm_add(const struct vm *m, unsigned int index, struct vm *out);
void vm_close(struct vm *m);

/* The address of a label of guest.S in the VM. */
uint64_t vm_address(const uint8_t *label);

/* The host address of guest-physical memory. */
void *vm_mem(struct vm *m, uint64_t gpa);

/* The state with that bank fetched; vm_change() also marks it as changed. */
struct arm64_state *vm_state(struct vm *m, unsigned int bank);
struct arm64_state *vm_change(struct vm *m, unsigned int bank);

/* A system register of those in enum arm64_sys. */
void vm_set_sys(struct vm *m, enum arm64_sys reg, uint64_t value);

/* Set PC to that label, at EL1h with these bits of DAIF, stacks and vectors set up. */
void vm_start(struct vm *m, const uint8_t *label, uint64_t daif);

/*
 * Store, arm, KVM_RUN, classify. MMIO is served and the guest entered again. Returns 0 or -errno of
 * KVM_RUN; a t->kind of 0 is an exit that was not the debugger's.
 */
int vm_run(struct vm *m, const struct debug_control *w, struct trap *t);

/* The same for one entry, whichever exit it ends by. */
int vm_enter(struct vm *m, const struct debug_control *w, struct trap *t);

/* Store what was changed and forget what was fetched. */
int vm_flush(struct vm *m);

/* One step by the stepping rules, as the engine makes it. */
int vm_step(struct vm *m, struct trap *t);

/* The trap is a BRK with this immediate. */
bool is_brk(const struct trap *t, unsigned int imm);

#endif
