// SPDX-License-Identifier: MIT
/* x86 vCPUs of KVM as the engine runs them: struct vcpu_ops, and the public call that adds one. */

#include "arch/x86/cpu.h"
#include "arch/x86/kvm_vcpu.h"
#include <vmgdb/vmgdb.h>

/* Segments in real mode end here. */
enum { REAL_END = 0xffff0 + 0x10000 };

static unsigned int unsupported_traps(struct x86_kvm *k)
{
	if (!k->traps_known)
		k->unsupported = x86_kvm_unsupported_traps();
	k->traps_known = true;
	return k->unsupported;
}

static const char *unsupported_trap(void *ctx, enum trap_kind kind)
{
	switch (unsupported_traps(ctx) & kind) {
	case TRAP_BRK: return "this host's KVM does not report breakpoint instructions";
	case TRAP_EXEC: return "this host's KVM takes hardware breakpoints, but they never hit";
	case TRAP_WATCH:
		return "this host's KVM takes watchpoints, but they never hit; "
		       "`monitor set software-watch on' watches by single steps";
	default: return NULL;
	}
}

/* What is above the segments of real mode is for another mode. */
static const char *brk_ignored(void *ctx, struct cpu_view *v, uint64_t addr)
{
	if (addr >= REAL_END || !(unsupported_traps(ctx) & X86_TRAP_BRK_REAL) ||
	    v->need(v, X86_BANK_SREGS) || !x86_real_mode(v->state))
		return NULL;
	return "this host's KVM does not report breakpoint instructions in real mode";
}

const struct vcpu_ops x86_kvm_ops = {
	.cpu = &x86_cpu,
	.fetch = x86_kvm_fetch,
	.store = x86_kvm_store,
	.arm = x86_kvm_arm,
	.kick = kvm_kick,
	.clear_kick = kvm_kick_clear,
	.needs_completion = x86_kvm_needs_completion,
	.classify = x86_kvm_classify,
	.reinject = x86_kvm_reinject,
	.halted = kvm_halted,
	.unsupported_trap = unsupported_trap,
	.brk_ignored = brk_ignored,
	.release = x86_kvm_release,
};

int vmgdb_add_kvm_vcpu(struct vmgdb *v, unsigned int index, int vcpu_fd, struct kvm_run *run,
		       struct vmgdb_vcpu **out)
{
	struct vcpu_caps caps;
	struct x86_kvm *k;
	int ret = x86_kvm_create(vcpu_fd, run, vmgdb_kick_signal(v), &k, &caps);

	return ret ? ret : vmgdb_add_vcpu(v, index, &x86_kvm_ops, &caps, k, out);
}
