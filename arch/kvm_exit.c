// SPDX-License-Identifier: MIT
#include "arch/kvm_vcpu.h"

void kvm_trap(struct trap *t, unsigned int kind, const char *text)
{
	t->kind = kind;
	t->text = text;
}

/* WAKEUP and SUSPEND are no end: they are between the guest and its VMM. */
void kvm_classify_event(const struct kvm_run *run, struct trap *t)
{
	switch (run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN: kvm_trap(t, TRAP_EVENT, "the guest powered off"); break;
	case KVM_SYSTEM_EVENT_RESET: kvm_trap(t, TRAP_EVENT, "the guest asked for a reset"); break;
	case KVM_SYSTEM_EVENT_CRASH: kvm_trap(t, TRAP_EVENT, "the guest reported a crash"); break;
	default: break;
	}
}
