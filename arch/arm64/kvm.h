/* SPDX-License-Identifier: MIT */
/*
 * arm64 vCPUs under KVM, driven by struct vcpu_ops. Only files named kvm* know KVM.
 */
#ifndef VMGDB_ARCH_ARM64_KVM_H
#define VMGDB_ARCH_ARM64_KVM_H

#include "core/accel.h"

struct kvm_run;
struct arm64_kvm;

extern const struct vcpu_ops arm64_kvm_ops;

/*
 * A backend for one vCPU: ctx for arm64_kvm_ops, whose release() frees it. The descriptor and the
 * mapping stay the caller's, and so does any guest debugging of its own until a debugger arms the
 * vCPU. The vCPU must be initialized (KVM_ARM_VCPU_INIT) before its registers are asked for, not for
 * this call. Any thread.
 *
 * @kick_signal: has a handler that does nothing
 *
 * Returns 0; -ENOTSUP: this KVM has no guest debugging; -ENOMEM.
 */
int arm64_kvm_create(int vcpu_fd, struct kvm_run *run, int kick_signal, struct arm64_kvm **out,
		     struct vcpu_caps *caps);

#endif
