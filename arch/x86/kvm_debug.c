// SPDX-License-Identifier: MIT
/* Arming a vCPU: KVM API, KVM_SET_GUEST_DEBUG and KVM_CAP_SYNC_REGS. */
#include <string.h>

#include "arch/x86/debug_regs.h"
#include "arch/x86/kvm_vcpu.h"

static int guest_debug(const struct x86_kvm *k, const struct debug_control *control,
		       struct kvm_guest_debug *d)
{
	uint64_t dr[8] = { 0 };
	int ret = 0;

	if (control->nhw) {
		ret = x86_hw_encode(control->hw, control->nhw, dr);
		memcpy(d->arch.debugreg, dr, sizeof(dr));
		d->control |= KVM_GUESTDBG_USE_HW_BP;
	}
	if (control->block_irq)
		d->control |= KVM_GUESTDBG_BLOCKIRQ & k->debug_flags;
	return ret;
}

int x86_kvm_disarm(struct x86_kvm *k)
{
	struct kvm_guest_debug off = { 0 };

	return memcmp(&off, &k->vcpu.armed, sizeof(off)) ? kvm_set_guest_debug(&k->vcpu, &off) : 0;
}

/* Have registers come along with exits, or not; what the VMM wants along stays as it is. */
static void sync_with_exits(struct x86_kvm *k, bool on)
{
	uint64_t missing = on && k->sync_regs ? X86_KVM_SYNC & ~k->vcpu.run->kvm_valid_regs : 0;

	if (!on)
		k->vcpu.run->kvm_valid_regs &= ~(uint64_t)k->sync_added;
	k->sync_added = on ? k->sync_added | missing : 0;
	k->vcpu.run->kvm_valid_regs |= missing;
}

/*
 * A step is armed each time, although nothing has changed: where KVM has emulated an instruction
 * meanwhile the trap flag would be gone. The exit reason is overwritten because an entry that comes
 * back at once leaves it as it is.
 */
int x86_kvm_arm(void *ctx, const struct debug_control *control)
{
	struct x86_kvm *k = ctx;
	struct kvm_guest_debug d = { 0 };
	int ret = guest_debug(k, control, &d);

	if (ret)
		return ret;
	x86_kvm_forget(k);
	k->vcpu.run->exit_reason = KVM_EXIT_INTR;
	ret = kvm_arm(&k->vcpu, control, &d, control->step);
	sync_with_exits(k, d.control);
	return ret;
}
