/* SPDX-License-Identifier: MIT */
/* The KVM side of an x86 vCPU. Only files named kvm*.c know KVM. */
#ifndef VMGDB_ARCH_X86_KVM_H
#define VMGDB_ARCH_X86_KVM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>

#include "arch/x86/x86.h"
#include "core/accel.h"

struct x86_kvm {
	int fd; /* the VMM's */
	struct kvm_run *run;
	int kick_signal;
	uint32_t debug_flags; /* what KVM_SET_GUEST_DEBUG knows */
	bool sync_regs;	      /* registers may come with an exit, in run->s.regs */
	bool xsave2;

	/* The thread that runs it: known to itself, and for whoever kicks. */
	pthread_t self;
	atomic_int tid; /* 0: none yet */

	struct kvm_guest_debug armed; /* as KVM has it */
	struct debug_control control; /* as it was asked for */
	uint64_t valid_regs_added;    /* to run->kvm_valid_regs, by us */
	uint64_t synced; /* what of run->s.regs is of the last exit and was not used yet */
	uint64_t
		own_hit; /* the guest's own breakpoints that hit in the step that was the last exit */
	bool wrote;	 /* I/O, in a step: when that is completed nothing is left of it */
	bool ran;	 /* CPUID is fixed from the first KVM_RUN on */
	bool dead_known;
	unsigned int dead; /* traps that never come on this host */
	bool halted_known;
	const char *halted;

	/* Between fetch and store: what of KVM's form is not in the state. */
	struct kvm_sregs sregs;
	struct x86_cpuid cpuid;
	bool cpuid_known;
	uint8_t *xsave;
};

extern const struct vcpu_ops x86_kvm_ops;

/*
 * The KVM side of a vCPU: ctx for x86_kvm_ops, whose release() frees it; the descriptor and the
 * mapping stay the caller's. kick_signal has a handler. Any thread. 0; -ENOTSUP: no guest
 * debugging in this KVM; -ENOMEM.
 */
int x86_kvm_create(int vcpu_fd, struct kvm_run *run, int kick_signal, struct x86_kvm **out,
		   struct vcpu_caps *caps);

/*
 * kvm_probe.c: the kinds of trap that never come on this host, as a mask of enum trap_kind. Runs a
 * guest of its own: milliseconds, any thread. What can't be tried counts as alive.
 */
unsigned int x86_kvm_dead_traps(void);

/* Until the vCPU is armed again there is no debug control. Parked; any thread. 0 or -errno. */
int x86_kvm_disarm(struct x86_kvm *k);

/* kvm_regs.c: see struct vcpu_ops. */
int x86_kvm_fetch(void *ctx, unsigned int bank, void *state);
int x86_kvm_store(void *ctx, unsigned int bank, const void *state);

#endif
