/* SPDX-License-Identifier: MIT */
/*
 * What is the same for a vCPU of KVM on every architecture: how it is called, kicked, and asked why it
 * does not run, and exits that mean the same.
 */
#ifndef VMGDB_ARCH_KVM_VCPU_H
#define VMGDB_ARCH_KVM_VCPU_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>

#include "core/accel.h"

/* The first member of every KVM backend's vCPU, so that vcpu_ops.kick and others point here. */
struct kvm_vcpu {
	struct kvm_run *run;
	int fd;		  /* the VMM's, as is the mapping */
	int signal;	  /* the one that kicks; has a handler that does nothing */
	pthread_t thread; /* the vCPU's, for that thread to know itself by */
	atomic_int tid;	  /* the same thread, for kvm_kick(); 0: it has not run the vCPU yet */
	atomic_bool ours; /* immediate_exit was set by kvm_kick(), not by the VMM */

	struct kvm_guest_debug armed; /* as KVM has it from here; zero: nothing was set */
	struct debug_control control; /* as it was asked for */
	bool has_run;		      /* CPUID, identification registers are fixed from then on */
	bool runnable;		      /* neither halted nor off: known, until the next entry */
};

/* ---- kvm_ioctl.c ------------------------------------------------------------------------- */

/* 0 or -errno. */
int kvm_call(int fd, unsigned long request, void *arg);

/* Can vCPUs of this KVM be debugged? Changes nothing: the VMM may be debugging it by itself. */
bool kvm_has_guest_debug(int vcpu_fd);

/* KVM_SET_GUEST_DEBUG: 0 or -errno. */
int kvm_set_guest_debug(struct kvm_vcpu *k, struct kvm_guest_debug *d);

/*
 * The vCPU's thread arms it so, also when nothing has changed with `always`: d has what an architecture
 * has of its own, flags for breakpoint instructions and steps are added here. 0 or -errno.
 */
int kvm_arm(struct kvm_vcpu *k, const struct debug_control *control, struct kvm_guest_debug *d,
	    bool always);

/*
 * KVM_CHECK_EXTENSION of n capabilities, asked of /dev/kvm as a vCPU's descriptor does not answer.
 * Where a VMM has no access to it any more each is -1.
 */
void kvm_capabilities(const int *caps, int *values, unsigned int n);

/* KVM_GET_MP_STATE: KVM_MP_STATE_..., or -errno. */
int kvm_mp_state(struct kvm_vcpu *k);

/* As vcpu_ops.halted. */
const char *kvm_halted(void *ctx);

/* ---- kvm_kick.c -------------------------------------------------------------------------- */

/*
 * Making a vCPU come back from KVM_RUN: kvm_run's immediate_exit ends an entry that is still to come, a
 * signal one that is under way (KVM API 5, "The kvm_run structure").
 */

/* The caller is the thread that runs the vCPU. */
void kvm_kick_learn_thread(struct kvm_vcpu *k);

/* As vcpu_ops.kick and clear_kick. */
void kvm_kick(void *ctx);
void kvm_kick_clear(void *ctx);

/* ---- kvm_exit.c: KVM API 5, "The kvm_run structure" -------------------------------------- */

/* A trap of that kind, TRAP_FATAL or TRAP_EVENT, with its reason. */
void kvm_trap(struct trap *t, unsigned int kind, const char *text);

/* KVM_EXIT_SYSTEM_EVENT: one that ends the VM is a trap. */
void kvm_classify_event(const struct kvm_run *run, struct trap *t);

#endif
