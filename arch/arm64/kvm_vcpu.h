/* SPDX-License-Identifier: MIT */
/*
 * A vCPU of KVM, in the files kvm*.c: only these know KVM. Calls go one way:
 *
 *	kvm.c -> kvm_exit.c, kvm_reinject.c -> kvm_vcpu.c, kvm_debug.c -> kvm_regs.c
 */
#ifndef VMGDB_ARCH_ARM64_KVM_VCPU_H
#define VMGDB_ARCH_ARM64_KVM_VCPU_H

#include "arch/arm64/regs.h"
#include "arch/kvm_vcpu.h"

struct arm64_kvm {
	struct kvm_vcpu vcpu; /* first member */
	struct vcpu_caps caps;

	bool completing;   /* the next entry only completes the access of the last exit */
	bool step_pending; /* a step was armed, and its trap has not come */

	/* Between fetch and store. */
	struct arm64_state seen; /* what KVM has: only what differs is stored */
	unsigned int seen_banks; /* which banks of it hold now, a bit each */
	bool pc_seen;		 /* its PC holds now */
	unsigned int
		seen_ids; /* identification registers in seen.sys[] hold for ever, a bit each */
	struct arm64_layout *layout; /* NULL until it is asked for */
};

/* ---- kvm.c ------------------------------------------------------------------------------- */

extern const struct vcpu_ops arm64_kvm_ops;

/* ---- kvm_vcpu.c -------------------------------------------------------------------------- */

/* It ran, or is about to: what was known of it holds no more. */
void arm64_kvm_forget(struct arm64_kvm *k);

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

/* As vcpu_ops.release. */
void arm64_kvm_release(void *ctx);

/* ---- kvm_debug.c: KVM_SET_GUEST_DEBUG ---------------------------------------------------- */

/* As vcpu_ops.arm. */
int arm64_kvm_arm(void *ctx, const struct debug_control *control);

/* ---- kvm_regs.c -------------------------------------------------------------------------- */

/* As vcpu_ops.fetch and store. */
int arm64_kvm_fetch(void *ctx, unsigned int bank, void *state);
int arm64_kvm_store(void *ctx, unsigned int bank, const void *state);

int arm64_kvm_get_pc(struct arm64_kvm *k, uint64_t *pc);

/* A system register by SYSREG(): 0 or -errno. */
int arm64_kvm_get_sysreg(const struct arm64_kvm *k, uint16_t enc, uint64_t *out);
int arm64_kvm_set_sysreg(const struct arm64_kvm *k, uint16_t enc, uint64_t value);

/* ---- kvm_reinject.c ---------------------------------------------------------------------- */

/* struct trap.syndrome: ESR and FAR of the exit, from kvm_exit.c */
enum { ARM64_SYNDROME_ESR, ARM64_SYNDROME_FAR };

/* As vcpu_ops.reinject. */
int arm64_kvm_reinject(void *ctx, const struct trap *t);

/* ---- kvm_exit.c -------------------------------------------------------------------------- */

/* As vcpu_ops.needs_completion and classify. */
bool arm64_kvm_needs_completion(void *ctx);
void arm64_kvm_classify(void *ctx, struct trap *t);

#endif
