/* SPDX-License-Identifier: MIT */
/*
 * A vCPU of KVM, in the files kvm*.c: only these know KVM. Calls go one way:
 *
 *	kvm.c -> kvm_probe.c -> kvm_exit.c -> kvm_reinject.c -> kvm_regs.c -> kvm_debug.c -> kvm_vcpu.c
 */
#ifndef VMGDB_ARCH_X86_KVM_VCPU_H
#define VMGDB_ARCH_X86_KVM_VCPU_H

#include "arch/kvm_vcpu.h"
#include "arch/x86/state.h"

/* What comes along with an exit: what every stop and every step needs. */
#define X86_KVM_SYNC (KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS)

struct x86_kvm {
	struct kvm_vcpu vcpu; /* first member */

	/* What this KVM has. */
	uint32_t debug_flags; /* that KVM_SET_GUEST_DEBUG knows */
	bool sync_regs;	      /* registers may come along with an exit, in run->s.regs */
	uint32_t sync_added;  /* what was set here in run->kvm_valid_regs */
	bool xsave2;
	bool traps_known;	  /* kvm_probe.c has tried */
	unsigned int unsupported; /* traps that never come, as a mask of enum trap_kind */

	/* What is known of the last exit, until the next entry. */
	uint32_t synced;     /* what of run->s.regs came along with it and was not used yet */
	uint64_t guest_hits; /* the guest's own debug registers that hit in it, a bit each */
	bool wrote; /* it was a write of a step: nothing of the step is left but to complete it */
	bool rip_known; /* `rip' is what KVM has */
	uint64_t rip;

	/* Between fetch and store: what of KVM's form is not in the state. */
	struct kvm_sregs sregs;
	struct x86_cpuid cpuid;
	bool cpuid_known;
	uint8_t *xsave;
};

/* ---- kvm.c ------------------------------------------------------------------------------- */

extern const struct vcpu_ops x86_kvm_ops;

/* ---- kvm_vcpu.c ------------------------------------------------------------------------------ */

/* It ran, or is about to: what was known of it holds no more. */
void x86_kvm_forget(struct x86_kvm *k);

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

/* As vcpu_ops.release. */
void x86_kvm_release(void *ctx);

/* ---- kvm_debug.c: KVM_SET_GUEST_DEBUG -------------------------------------------------------- */

/* As vcpu_ops.arm. */
int x86_kvm_arm(void *ctx, const struct debug_control *control);

/* Until the vCPU is armed again there is no debug control. Parked; any thread. 0 or -errno. */
int x86_kvm_disarm(struct x86_kvm *k);

/* ---- kvm_regs.c ------------------------------------------------------------------------------ */

/* As vcpu_ops.fetch and store. */
int x86_kvm_fetch(void *ctx, unsigned int bank, void *state);
int x86_kvm_store(void *ctx, unsigned int bank, const void *state);

/* Where the instruction at RIP is, as struct trap.pc: 0 or -errno. */
int x86_kvm_code_addr(struct x86_kvm *k, uint64_t *addr);

/* Set what is set always (exceptions, injected interrupts and NMIs) and what the flags in `valid' name;
 * what is pending by now and not named stays as it is. */
int x86_kvm_set_events(struct x86_kvm *k, struct kvm_vcpu_events *e, uint32_t valid);

/* ---- kvm_reinject.c -------------------------------------------------------------------------- */

/* struct trap.syndrome: of TRAP_BRK and TRAP_STEP, from kvm_exit.c */
enum { X86_SYNDROME_EXCEPTION, X86_SYNDROME_DR6 };
/* In place of the exception: an INT3 at which KVM's instruction emulator gave up. */
enum { X86_EMULATED_INT3 = 256 };

/* As vcpu_ops.reinject. */
int x86_kvm_reinject(void *ctx, const struct trap *t);

/* Take back an exception that KVM has queued. 0 or -errno. */
int x86_kvm_drop_exception(struct x86_kvm *k);

/* ---- kvm_exit.c ------------------------------------------------------------------------------ */

/* As vcpu_ops.needs_completion and classify. */
bool x86_kvm_needs_completion(void *ctx);
void x86_kvm_classify(void *ctx, struct trap *t);

/* ---- kvm_probe.c ----------------------------------------------------------------------------- */

/* Beside enum trap_kind: TRAP_BRK in real mode. */
enum { X86_TRAP_BRK_REAL = 1 << 16 };

/*
 * The kinds of trap that never come on this host, as a mask of enum trap_kind. Runs a guest of its own:
 * milliseconds, any thread. A kind that can't be tried counts as one that comes.
 */
unsigned int x86_kvm_unsupported_traps(void);

#endif
