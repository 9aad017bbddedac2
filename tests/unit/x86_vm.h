/* SPDX-License-Identifier: MIT */
/*
 * For tests: an x86 vCPU that a test drives. Either its state and memory alone (struct x86_pure),
 * or a tiny KVM guest driven through vcpu_ops without an engine (struct x86_vm).
 */
#ifndef TESTS_UNIT_X86_VM_H
#define TESTS_UNIT_X86_VM_H

#include "arch/x86/cpu.h"
#include "arch/x86/state.h"
#include <linux/kvm.h>

#include "arch/x86/kvm_vcpu.h"

enum x86_guest { X86_GUEST_REAL, X86_GUEST_32, X86_GUEST_64 };

/* Where things are in a guest's memory, 1 MiB from guest-physical 0, mapped one to one. */
enum {
	X86_MEM_SIZE = 1 << 20,
	X86_GDT = 0x1000,
	X86_IDT = 0x2000,
	X86_HANDLERS = 0x3000, /* 16 bytes each, HLT to begin with */
	X86_TABLES = 0x4000,
	X86_TSS = 0x9000,
	X86_CODE = 0x10000,
	X86_STACK = 0x20000, /* its top */
};

/* Selectors of the GDT there. */
enum {
	X86_SEL_CODE64 = 0x08,
	X86_SEL_DATA = 0x10,
	X86_SEL_CODE32 = 0x18,
	X86_SEL_USER_DATA = 0x23,
	X86_SEL_USER_CODE64 = 0x2b,
	X86_SEL_ABSENT = 0x30,
	X86_SEL_TSS = 0x38, /* two entries */
	X86_SEL_CODE16 = 0x48,
	X86_GDT_LIMIT = 0x4f,
};

struct x86_pure {
	struct cpu_view view; /* first member */
	struct x86_state state;
	uint8_t *mem;
	unsigned int dirty;  /* a bit for each bank */
	unsigned int broken; /* banks that can't be read */
};

/* A vCPU in that mode, at X86_CODE, privilege level 0. Free with x86_pure_free(). */
void x86_pure_init(struct x86_pure *p, enum x86_guest mode);
void x86_pure_free(struct x86_pure *p);

/* The state and tables that a guest starts with. */
void x86_guest_state(struct x86_state *s, enum x86_guest mode);
void x86_guest_memory(uint8_t *mem, enum x86_guest mode);

#ifdef __x86_64__

struct x86_vm {
	struct cpu_view view; /* first member */
	struct x86_state state;
	unsigned int valid, dirty; /* a bit for each bank */
	unsigned int fetches;	   /* how many banks were fetched */
	int kvm, vm, vcpu;
	struct kvm_run *run;
	size_t run_size;
	uint8_t *mem;
	struct x86_kvm *k;
	const struct vcpu_ops *ops;
	struct vcpu_caps caps;
};

/* False: there is no /dev/kvm here. Any other failure ends the test. */
bool x86_vm_open(struct x86_vm *m, enum x86_guest mode);
/* With KVM's own interrupt controllers: HLT does not exit then. */
bool x86_vm_open_irqchip(struct x86_vm *m, enum x86_guest mode);
void x86_vm_close(struct x86_vm *m);

/* Put code at X86_CODE and the vCPU on it. */
void x86_vm_code(struct x86_vm *m, const void *code, size_t len);

/* State for reading, after need() of the bank; for writing, and mark it. */
const struct x86_state *x86_vm_get(struct x86_vm *m, unsigned int bank);
struct x86_state *x86_vm_set(struct x86_vm *m, unsigned int bank);

/* Store what was changed, arm, KVM_RUN, classify. Returns KVM_RUN's 0 or -errno. */
int x86_vm_run(struct x86_vm *m, const struct debug_control *control, struct trap *t);

/* One step by the stepping rules, as the engine makes it; how: block_irq and room. */
void x86_vm_step(struct x86_vm *m, const struct step_plan *how, struct trap *t);

/* The reason for skipping a test when x86_vm_open() returns false. */
#define X86_NO_KVM "no /dev/kvm here: not shown on KVM"
#endif

#endif
