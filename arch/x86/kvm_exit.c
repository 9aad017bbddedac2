// SPDX-License-Identifier: MIT
/* What an exit means: KVM API 5, "The kvm_run structure". */
#include "arch/x86/kvm_vcpu.h"

enum { INT3 = 0xcc };

/* ---- accesses that another entry completes --------------------------------------------------- */

static bool is_write(const struct kvm_run *run)
{
	switch (run->exit_reason) {
	case KVM_EXIT_IO: return run->io.direction == KVM_EXIT_IO_OUT;
	case KVM_EXIT_MMIO: return run->mmio.is_write;
	default: return false;
	}
}

/*
 * KVM may move RIP on before it exits for a write, and would step the next instruction after it: the
 * step ends with the completion of the write, if nothing else comes.
 */
bool x86_kvm_needs_completion(void *ctx)
{
	struct x86_kvm *k = ctx;

	switch (k->vcpu.run->exit_reason) {
	case KVM_EXIT_IO:
	case KVM_EXIT_MMIO:
	case KVM_EXIT_HYPERCALL:
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
	case KVM_EXIT_HYPERV:
	case KVM_EXIT_XEN: break;
	default: return false;
	}
	k->wrote = k->vcpu.control.step && is_write(k->vcpu.run);
	k->vcpu.run->exit_reason = KVM_EXIT_INTR;
	return true;
}

/* ---- debug exits ----------------------------------------------------------------------------- */

/*
 * DR6 may have the bit of a slot whose condition is not met (SDM vol. 3, 17.2.3): an execution slot has
 * hit only at its address.
 */
static void find_slots(const struct debug_control *control, uint64_t dr6, struct trap *t)
{
	const struct hw_slot *s = control->hw;
	unsigned int i;

	for (i = 0; i < control->nhw; i++) {
		if (!(dr6 >> i & 1) || (s[i].kind == HW_EXEC && s[i].addr != t->pc))
			continue;
		t->slots |= 1u << i;
		t->kind |= s[i].kind == HW_EXEC ? TRAP_EXEC : TRAP_WATCH;
	}
}

/* Slots of the debugger's keep the guest's own debug registers from hitting. */
static void classify_db(struct x86_kvm *k, uint64_t dr6, struct trap *t)
{
	find_slots(&k->vcpu.control, dr6, t);
	if (!k->vcpu.control.nhw)
		k->guest_hits = dr6 & X86_DR6_HITS;
	if (dr6 & X86_DR6_BS || !t->kind)
		t->kind |= TRAP_STEP;
}

/* A vCPU that has stepped HLT is halted; one at a breakpoint is not. */
static void classify_debug(struct x86_kvm *k, struct trap *t)
{
	const struct kvm_debug_exit_arch *d = &k->vcpu.run->debug.arch;

	t->pc = d->pc;
	t->syndrome[X86_SYNDROME_EXCEPTION] = d->exception;
	t->syndrome[X86_SYNDROME_DR6] = d->dr6;
	if (d->exception == X86_VEC_BP)
		t->kind = TRAP_BRK;
	else
		classify_db(k, d->dr6, t);
	if (!(t->kind & TRAP_STEP))
		k->vcpu.runnable = true;
}

/* ---- exits from which the vCPU can't go on --------------------------------------------------- */

/*
 * Where KVM runs the guest in its instruction emulator, that does not know INT3 and says so, whether
 * breakpoints are armed or not.
 */
static bool is_emulated_int3(const struct kvm_run *run)
{
	return run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION &&
	       run->emulation_failure.ndata >= 3 &&
	       run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES &&
	       run->emulation_failure.insn_size && run->emulation_failure.insn_bytes[0] == INT3;
}

static const char *internal_error(uint32_t suberror)
{
	switch (suberror) {
	case KVM_INTERNAL_ERROR_EMULATION: return "KVM can't emulate this instruction";
	case KVM_INTERNAL_ERROR_SIMUL_EX: return "KVM internal error: simultaneous exceptions";
	case KVM_INTERNAL_ERROR_DELIVERY_EV:
		return "KVM internal error: exit while delivering an event";
	case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
		return "KVM internal error: unexpected exit";
	default: return "KVM internal error";
	}
}

/* KVM may have queued a #UD for the INT3 that it could not emulate: the guest is not to get that. */
static void classify_internal(struct x86_kvm *k, struct trap *t)
{
	if (is_emulated_int3(k->vcpu.run) && !x86_kvm_code_addr(k, &t->pc) &&
	    !x86_kvm_drop_exception(k)) {
		t->kind = TRAP_BRK;
		t->syndrome[X86_SYNDROME_EXCEPTION] = X86_EMULATED_INT3;
		k->vcpu.runnable = true;
	} else {
		kvm_trap(t, TRAP_FATAL, internal_error(k->vcpu.run->internal.suberror));
	}
}

/* ---- any exit -------------------------------------------------------------------------------- */

static void classify_interrupted(struct x86_kvm *k, bool wrote, struct trap *t)
{
	t->kind = TRAP_INTERRUPTED;
	if (wrote && !x86_kvm_code_addr(k, &t->pc))
		t->kind |= TRAP_STEP;
}

/* Called at every exit of a vCPU that runs freely too: no system calls but for what is the debugger's. */
void x86_kvm_classify(void *ctx, struct trap *t)
{
	struct x86_kvm *k = ctx;
	bool wrote = k->wrote;

	kvm_kick_learn_thread(&k->vcpu);
	x86_kvm_forget(k);
	*t = (struct trap){ 0 };
	k->wrote = false;
	k->vcpu.has_run = true;
	k->guest_hits = 0;
	switch (k->vcpu.run->exit_reason) {
	case KVM_EXIT_DEBUG:
		k->synced = X86_KVM_SYNC & k->vcpu.run->kvm_valid_regs;
		classify_debug(k, t);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		k->synced = X86_KVM_SYNC & k->vcpu.run->kvm_valid_regs;
		classify_internal(k, t);
		break;
	case KVM_EXIT_SHUTDOWN: kvm_trap(t, TRAP_FATAL, "triple fault"); break;
	case KVM_EXIT_FAIL_ENTRY:
		kvm_trap(t, TRAP_FATAL, "the processor refuses to enter the guest");
		break;
	case KVM_EXIT_SYSTEM_EVENT: kvm_classify_event(k->vcpu.run, t); break;
	case KVM_EXIT_INTR: classify_interrupted(k, wrote, t); break;
	default: break;
	}
}
