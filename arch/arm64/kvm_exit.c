// SPDX-License-Identifier: MIT
/* What an exit means: KVM API 5, "The kvm_run structure". */
#include "arch/arm64/debug_regs.h"
#include "arch/arm64/event_delivery.h"
#include "arch/arm64/kvm_vcpu.h"

#define ESR_WNR (1U << 6)

/* The next entry moves PC past the instruction and sets a load's register. */
bool arm64_kvm_needs_completion(void *ctx)
{
	struct arm64_kvm *k = ctx;

	if (k->completing || k->vcpu.run->exit_reason != KVM_EXIT_MMIO)
		return false;
	k->completing = true;
	arm64_kvm_forget(k);
	return true;
}

static uint32_t exec_slots(const struct debug_control *control, uint64_t pc)
{
	uint32_t hit = 0;
	unsigned int i;

	for (i = 0; i < control->nhw; i++)
		if (control->hw[i].kind == HW_EXEC && control->hw[i].addr == pc)
			hit |= 1U << i;
	return hit;
}

static void classify_debug(struct arm64_kvm *k, struct trap *t)
{
	const struct kvm_debug_exit_arch *d = &k->vcpu.run->debug.arch;

	t->syndrome[ARM64_SYNDROME_ESR] = d->hsr;
	t->syndrome[ARM64_SYNDROME_FAR] = d->far;
	if (arm64_kvm_get_pc(k, &t->pc)) {
		kvm_trap(t, TRAP_FATAL, "KVM does not give the PC of a debug exit");
		return;
	}
	switch (arm64_debug_class(d->hsr)) {
	case ARM64_EC_BKPT32:
	case ARM64_EC_BRK64: t->kind = TRAP_BRK; break;
	case ARM64_EC_STEP:
		t->kind = TRAP_STEP;
		k->step_pending = false;
		break;
	case ARM64_EC_BREAKPOINT:
		t->kind = TRAP_EXEC;
		t->slots = exec_slots(&k->vcpu.control, t->pc);
		break;
	case ARM64_EC_WATCHPOINT:
		t->kind = TRAP_WATCH;
		t->slots = arm64_watch_slots(k->vcpu.control.hw, k->vcpu.control.nhw, d->far,
					     d->hsr & ESR_WNR);
		break;
	default: kvm_trap(t, TRAP_FATAL, "KVM reported a debug exit of an unknown class");
	}
}

/* A completed access was all of its instruction: it ends a step. The exit reason is still MMIO. */
static void classify_completed(struct arm64_kvm *k, struct trap *t)
{
	k->completing = false;
	k->vcpu.run->exit_reason = KVM_EXIT_INTR;
	t->kind = TRAP_INTERRUPTED;
	if (!k->vcpu.control.step || arm64_kvm_get_pc(k, &t->pc))
		return;
	t->kind |= TRAP_STEP;
	k->step_pending = false;
}

/* Called at every exit of a vCPU that runs freely too: no system calls but for what is the debugger's. */
void arm64_kvm_classify(void *ctx, struct trap *t)
{
	struct arm64_kvm *k = ctx;

	kvm_kick_learn_thread(&k->vcpu);
	arm64_kvm_forget(k);
	*t = (struct trap){ 0 };
	k->vcpu.has_run = true;
	if (k->completing) {
		classify_completed(k, t);
		return;
	}
	switch (k->vcpu.run->exit_reason) {
	case KVM_EXIT_DEBUG: classify_debug(k, t); break;
	case KVM_EXIT_SYSTEM_EVENT: kvm_classify_event(k->vcpu.run, t); break;
	case KVM_EXIT_INTR: t->kind = TRAP_INTERRUPTED; break;
	case KVM_EXIT_FAIL_ENTRY:
		kvm_trap(t, TRAP_FATAL, "KVM could not enter the guest on this processor");
		break;
	case KVM_EXIT_INTERNAL_ERROR: kvm_trap(t, TRAP_FATAL, "KVM internal error"); break;
	case KVM_EXIT_ARM_NISV:
		kvm_trap(t, TRAP_FATAL, "KVM can't emulate this access outside of memory");
		break;
	default: break;
	}
}
