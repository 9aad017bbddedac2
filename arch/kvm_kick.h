/* SPDX-License-Identifier: MIT */
/*
 * Making a vCPU come back from KVM_RUN, the same on every architecture: kvm_run's immediate_exit ends
 * an entry that is still to come, a signal one that is under way (KVM API 5, "The kvm_run structure").
 */
#ifndef VMGDB_ARCH_KVM_KICK_H
#define VMGDB_ARCH_KVM_KICK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct kvm_run;

/* The first member of every KVM backend's vCPU, so that vcpu_ops.kick and clear_kick point here. */
struct kvm_kick {
	struct kvm_run *run;
	int signal;	  /* has a handler that does nothing */
	pthread_t thread; /* the vCPU's, for that thread to know itself by */
	atomic_int tid;	  /* the same thread, for kvm_kick(); 0: it has not run the vCPU yet */
	atomic_bool ours; /* immediate_exit was set by kvm_kick(), not by the VMM */
};

/* The caller is the thread that runs the vCPU. */
void kvm_kick_learn_thread(struct kvm_kick *k);

/* As vcpu_ops.kick and clear_kick. */
void kvm_kick(void *ctx);
void kvm_kick_clear(void *ctx);

#endif
