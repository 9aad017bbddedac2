// SPDX-License-Identifier: MIT
/* Debug exceptions that turned out to be the guest's own: KVM API, KVM_SET_VCPU_EVENTS. */
#include <cpuid.h>
#include <string.h>

#include "arch/x86/kvm_vcpu.h"

#define DR6_CAUSES (0xfull | 0xe000)

enum { CPUID_1_ECX_VMX = 1 << 5, NO_VECTOR = -1 };

/* The causes stay in DR6 until the guest clears them (SDM vol. 3, 17.2.3). */
static int add_causes(const struct x86_kvm *k, uint64_t dr6)
{
	struct kvm_debugregs regs;
	int ret = kvm_call(k->vcpu.fd, KVM_GET_DEBUGREGS, &regs);

	if (ret)
		return ret;
	regs.dr6 |= dr6 & DR6_CAUSES;
	return kvm_call(k->vcpu.fd, KVM_SET_DEBUGREGS, &regs);
}

/* Past an instruction of one byte: the exception saves the address after it. */
static int skip_insn(struct x86_kvm *k)
{
	struct kvm_regs regs;
	int ret = kvm_call(k->vcpu.fd, KVM_GET_REGS, &regs);

	if (ret)
		return ret;
	k->rip_known = false;
	regs.rip++;
	return kvm_call(k->vcpu.fd, KVM_SET_REGS, &regs);
}

/*
 * INT1 raises #DB without a cause in DR6. VT-x exits with RIP on it, AMD-V with RIP after it (SDM vol. 3,
 * 25.1.3 and 27.2.1).
 */
static bool exits_on_int1(uint64_t dr6)
{
	unsigned int a, b, c = 0, d;

	return !(dr6 & DR6_CAUSES) && __get_cpuid(1, &a, &b, &c, &d) && c & CPUID_1_ECX_VMX;
}

/* In place of any exception that KVM has queued; NO_VECTOR: none. */
static int set_exception(struct x86_kvm *k, int vector)
{
	struct kvm_vcpu_events e;
	int ret = kvm_call(k->vcpu.fd, KVM_GET_VCPU_EVENTS, &e);

	if (ret || (vector == NO_VECTOR && !e.exception.injected && !e.exception.pending))
		return ret;
	memset(&e.exception, 0, sizeof(e.exception));
	e.exception_has_payload = 0;
	e.exception.injected = vector != NO_VECTOR;
	e.exception.nr = vector != NO_VECTOR ? vector : 0;
	return x86_kvm_set_events(k, &e, 0);
}

/*
 * A #BP that the processor has intercepted is injected with the length of its instruction and saves
 * the address after it; one at which KVM's emulator gave up is not.
 */
int x86_kvm_reinject(void *ctx, const struct trap *t)
{
	struct x86_kvm *k = ctx;
	int ret = 0;

	k->synced = 0;
	if (t->kind & TRAP_BRK ? t->syndrome[X86_SYNDROME_EXCEPTION] == X86_EMULATED_INT3
			       : exits_on_int1(t->syndrome[X86_SYNDROME_DR6]))
		ret = skip_insn(k);
	if (!ret && !(t->kind & TRAP_BRK))
		ret = add_causes(k, t->syndrome[X86_SYNDROME_DR6]);
	if (ret)
		return ret;
	return set_exception(k, t->kind & TRAP_BRK ? X86_VEC_BP : X86_VEC_DB);
}

int x86_kvm_drop_exception(struct x86_kvm *k)
{
	k->synced &= ~(uint32_t)KVM_SYNC_X86_EVENTS;
	return set_exception(k, NO_VECTOR);
}
