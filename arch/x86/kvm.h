/* SPDX-License-Identifier: MIT */
/*
 * x86 vCPUs under KVM, driven by struct vcpu_ops. Only files named kvm* know KVM.
 */
#ifndef VMGDB_ARCH_X86_KVM_H
#define VMGDB_ARCH_X86_KVM_H

#include "core/accel.h"

struct kvm_run;
struct x86_kvm;

extern const struct vcpu_ops x86_kvm_ops;

/*
 * A backend for one vCPU: ctx for x86_kvm_ops, whose release() frees it. The descriptor and the
 * mapping stay the caller's, and so does any guest debugging of its own until a debugger arms the
 * vCPU. Any thread.
 *
 * @kick_signal: has a handler that does nothing
 *
 * Returns 0; -ENOTSUP: this KVM has no guest debugging; -ENOMEM.
 */
int x86_kvm_create(int vcpu_fd, struct kvm_run *run, int kick_signal, struct x86_kvm **out,
		   struct vcpu_caps *caps);

#endif
