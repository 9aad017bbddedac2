// SPDX-License-Identifier: MIT
#define _GNU_SOURCE /* gettid, tgkill */
#include "arch/kvm_vcpu.h"

#include <signal.h>
#include <unistd.h>

void kvm_kick_learn_thread(struct kvm_vcpu *k)
{
	if (atomic_load_explicit(&k->tid, memory_order_relaxed) &&
	    pthread_equal(k->thread, pthread_self()))
		return;
	k->thread = pthread_self();
	atomic_store(&k->tid, gettid());
}

/* By thread id: to signal a thread that has ended does no harm then. */
void kvm_kick(void *ctx)
{
	struct kvm_vcpu *k = ctx;
	int tid = atomic_load(&k->tid);

	if (!__atomic_exchange_n(&k->run->immediate_exit, 1, __ATOMIC_SEQ_CST))
		atomic_store(&k->ours, true);
	if (tid)
		tgkill(getpid(), tid, k->signal);
}

/*
 * A kick that comes between these two is cleared along with the one before it: what its sender wants
 * was written before immediate_exit, so the vCPU thread sees it before the next entry.
 */
void kvm_kick_clear(void *ctx)
{
	struct kvm_vcpu *k = ctx;

	if (atomic_exchange(&k->ours, false))
		__atomic_exchange_n(&k->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
}
