/* SPDX-License-Identifier: MIT */
/*
 * libvmgdb: a GDB remote stub for virtual machines. Public; docs/embedding.md walks through it.
 *
 *	vmgdb_create(&v, &config);
 *	vmgdb_add_memory(v, 0, hva, size);
 *	vmgdb_add_kvm_vcpu(v, 0, vcpu_fd, run, &vcpu);
 *	vmgdb_endpoint_open("tcp:1234", VMGDB_STUB, &ep, err, sizeof(err));
 *	vmgdb_add_endpoint(v, ep);
 *	vmgdb_start(v);
 *
 * and in the loop of each vCPU thread:
 *
 *	while (vmgdb_vcpu_enter(vcpu) == 0) {
 *		ret = ioctl(vcpu_fd, KVM_RUN, 0);
 *		if (vmgdb_vcpu_exit(vcpu))
 *			continue;
 *		if (ret < 0 && (errno == EINTR || errno == EAGAIN))
 *			continue;
 *		... what the VMM does with run->exit_reason ...
 *	}
 *
 * Nothing is global: several VMs in one process each have their own struct vmgdb. The library
 * never prints, exits or touches a signal other than the kick signal. Errors are negative errno.
 *
 * Callbacks are called with no lock of the library held, and may call it back: vmgdb_exited(),
 * vmgdb_shutdown(), vmgdb_add_memory(), vmgdb_remove_memory() and vmgdb_add_kvm_vcpu() from any of
 * them; not vmgdb_destroy(), nor what the thread that they run on waits for (stopped, resumed and kill
 * run on the stub's thread; log also on vCPU threads, within the call that they have made).
 */
#ifndef VMGDB_CORE_VMGDB_H
#define VMGDB_CORE_VMGDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct kvm_run;
struct vmgdb;
struct vmgdb_vcpu;
struct vmgdb_endpoint;

enum vmgdb_log_level { VMGDB_LOG_ERROR, VMGDB_LOG_WARNING, VMGDB_LOG_INFO, VMGDB_LOG_DEBUG };

struct vmgdb_config {
	void *opaque; /* handed to every callback */

	/* SIGRTMIN to SIGRTMAX, SIGUSR1 or SIGUSR2, which nobody else uses. A handler that does
	 * nothing is installed, unless the VMM has one of its own for it, and stays after the last
	 * vmgdb_destroy(): a kick may still be on its way. */
	int kick_signal;

	/* One line, no newline. NULL: not logged. Called from any of the stub's or vCPU threads. */
	void (*log)(void *opaque, enum vmgdb_log_level level, const char *line);

	/* All vCPUs have stopped, or are about to run: pause and start clocks and devices here.
	 * Called in turns. NULL: not called. */
	void (*stopped)(void *opaque);
	void (*resumed)(void *opaque);

	/* The debugger's `kill`. NULL: it detaches instead. End the VM from there by
	 * vmgdb_exited() or by making the vCPU threads leave. */
	void (*kill)(void *opaque);
};

/*
 * Make a stub. The config is copied. Returns 0; -EINVAL (the kick signal is another one); -ENOMEM;
 * or the errno of the descriptor or signal call that failed. On success *out must be given to vmgdb_destroy().
 */
int vmgdb_create(struct vmgdb **out, const struct vmgdb_config *config);

/*
 * Add guest memory: [gpa, gpa + size) is mapped at hva in this process, writable, for as long as
 * the stub lives or until vmgdb_remove_memory(). gpa and size are bytes, page aligned. Any thread.
 * Returns 0, -EINVAL (misaligned, empty, wraps), -EEXIST (overlaps another), -ENOMEM.
 */
int vmgdb_add_memory(struct vmgdb *v, uint64_t gpa, void *hva, uint64_t size);

/*
 * Forget the memory that starts at gpa, before it is unmapped: breakpoints are taken out of it, and are
 * set again in what is added there later. Any thread. Returns 0 or -ENOENT.
 */
int vmgdb_remove_memory(struct vmgdb *v, uint64_t gpa);

/*
 * Give a KVM vCPU to the stub. index: 0 for the first; the debugger's thread is index + 1. The
 * caller keeps the descriptor and the mapping and may close them after vmgdb_destroy(). Any thread,
 * also while a debugger is attached (a hot-added vCPU). KVM API: KVM_SET_GUEST_DEBUG.
 * Returns 0; -EEXIST; -ENOTSUP (this KVM has no guest debugging); -ENOMEM.
 */
int vmgdb_add_kvm_vcpu(struct vmgdb *v, unsigned int index, int vcpu_fd, struct kvm_run *run,
		       struct vmgdb_vcpu **out);

/* Let debuggers in at ep, which the stub owns from here on, also on failure. Before
 * vmgdb_start(). Returns 0 or -ENOMEM. */
int vmgdb_add_endpoint(struct vmgdb *v, struct vmgdb_endpoint *ep);

/* Hold the VM, from its first instruction, until a debugger has come and lets it run, or detaches;
 * one that is lost when it has only asked does not count. Before vmgdb_start(). */
void vmgdb_hold(struct vmgdb *v);

/* Start the stub's thread. Returns 0 or the errno of thread creation. */
int vmgdb_start(struct vmgdb *v);

/*
 * Before each KVM_RUN, from the vCPU's thread: parks while the VM is stopped. Without a debugger it
 * is one load. Returns 0: enter the guest; -ESHUTDOWN: the stub is being taken down. A vCPU whose
 * thread has ended counts as parked; a parked thread may be cancelled (pthread_cancel(3), deferred).
 *
 * To make the vCPU leave the guest the library sets kvm_run->immediate_exit and sends the kick signal.
 * It clears the flag only if it has set it, and only right after a KVM_RUN that was interrupted; so a
 * VMM that uses both for requests of its own loses none as long as it looks for them after each
 * KVM_RUN that gave EINTR.
 */
int vmgdb_vcpu_enter(struct vmgdb_vcpu *vcpu);

/*
 * After each KVM_RUN, from the vCPU's thread, whatever it returned: true when the exit was the
 * debugger's and there is nothing for the VMM to do but to go round its loop. Without a debugger it
 * is one load. errno is kept.
 */
bool vmgdb_vcpu_exit(struct vmgdb_vcpu *vcpu);

/*
 * The guest asks for a reset or power-off by one of the VMM's own devices, of which vmgdb_vcpu_exit()
 * can't know. From the thread of the vCPU that asked, before the VMM acts on it: returns when an
 * attached debugger has seen it and lets the vCPU go on; at once without one, or if it does not want
 * to (`monitor set stop-on-reset off'). The caller holds no lock that another vCPU's thread may wait
 * for on its way to vmgdb_vcpu_enter(): the debugger sees it when all have come there.
 * reason: for a person ("reset"), static.
 */
void vmgdb_vcpu_event(struct vmgdb_vcpu *vcpu, const char *reason);

/* The same for a caller that does hold such locks: returns at once, and the vCPU waits for the debugger
 * in its next vmgdb_vcpu_enter(). */
void vmgdb_vcpu_event_nowait(struct vmgdb_vcpu *vcpu, const char *reason);

/* The VM has ended by itself, with this exit status (0 to 255): it is reported to debuggers, and nothing of it is
 * touched any more. vCPUs that are parked stay so until vmgdb_shutdown(). Any thread. */
void vmgdb_exited(struct vmgdb *v, int status);

/* Wake all parked vCPUs: from now on vmgdb_vcpu_enter() gives -ESHUTDOWN. Any thread, also a vCPU's
 * own. Call it before joining the vCPU threads. */
void vmgdb_shutdown(struct vmgdb *v);

/* Ends the stub's thread, closes its endpoints, frees all. No vCPU thread may be in the library's
 * calls any more (vmgdb_shutdown(), then join them). NULL is fine. */
void vmgdb_destroy(struct vmgdb *v);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
#endif
