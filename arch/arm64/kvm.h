/* SPDX-License-Identifier: MIT */
/*
 * arm64 vCPUs under KVM: struct vcpu_ops. The files kvm*.c are the only ones here that know KVM.
 * KVM API 4.68 (KVM_SET_ONE_REG), 4.87 (KVM_SET_GUEST_DEBUG).
 */
#ifndef VMGDB_ARCH_ARM64_KVM_H
#define VMGDB_ARCH_ARM64_KVM_H

#include <stdatomic.h>
#include <sys/types.h>

#include "arch/arm64/layout.h"
#include "core/accel.h"

struct kvm_run;

struct arm64_kvm {
	int fd;
	struct kvm_run *run;
	int signal;	   /* that kicks */
	_Atomic pid_t tid; /* of the vCPU's thread; 0: has not been here */
	struct vcpu_caps caps;

	struct debug_control armed;
	bool completing; /* the last exit is being completed by another entry */

	struct arm64_state seen;     /* what KVM holds: only what differs is stored */
	unsigned int seen_banks;     /* which banks of it hold now, a bit each */
	struct arm64_layout *layout; /* NULL until it is asked for */
};

/*
 * A backend for one vCPU: ctx of arm64_kvm_ops, freed by its release. The vCPU must be
 * initialized (KVM_ARM_VCPU_INIT) before its registers are asked for, not for this call.
 *
 * @fd, @run: the vCPU's, kept by the caller
 * @signal:   kicks it
 *
 * Returns 0; -ENOTSUP: this KVM has no guest debugging; -ENOMEM.
 */
int arm64_kvm_open(int fd, struct kvm_run *run, int signal, struct arm64_kvm **out);

extern const struct vcpu_ops arm64_kvm_ops;

/* ---- registers: kvm_regs.c --------------------------------------------------------------- */

/* As vcpu_ops.fetch and store. */
int arm64_kvm_fetch(void *ctx, unsigned int bank, void *state);
int arm64_kvm_store(void *ctx, unsigned int bank, const void *state);

int arm64_kvm_get_pc(const struct arm64_kvm *k, uint64_t *pc);

/* A system register by SYSREG(): 0 or -errno. */
int arm64_kvm_get_sysreg(const struct arm64_kvm *k, uint16_t enc, uint64_t *out);
int arm64_kvm_set_sysreg(const struct arm64_kvm *k, uint16_t enc, uint64_t value);

#endif
