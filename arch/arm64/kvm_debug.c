// SPDX-License-Identifier: MIT
/* Arming a vCPU: KVM API 4.87, KVM_SET_GUEST_DEBUG. */
#include <errno.h>

#include "arch/arm64/debug_regs.h"
#include "arch/arm64/kvm_vcpu.h"

/* Slots of one kind beyond what the host has would be ignored by KVM, silently. */
static int encode(const struct arm64_kvm *k, const struct debug_control *control,
		  struct kvm_guest_debug_arch *arch)
{
	unsigned int nexec = 0, nwatch = 0, i;
	struct arm64_debug_pair pair;

	for (i = 0; i < control->nhw; i++) {
		pair = arm64_hw_encode(&control->hw[i]);
		if (control->hw[i].kind == HW_EXEC) {
			if (nexec == k->caps.exec_slots)
				return -ENOSPC;
			arch->dbg_bvr[nexec] = pair.value;
			arch->dbg_bcr[nexec++] = pair.control;
		} else {
			if (nwatch == k->caps.watch_slots)
				return -ENOSPC;
			arch->dbg_wvr[nwatch] = pair.value;
			arch->dbg_wcr[nwatch++] = pair.control;
		}
	}
	return 0;
}

/*
 * A step that was cut may have executed its instruction. KVM keeps its trap for the next step, which
 * would end before its own instruction: only a KVM_SET_GUEST_DEBUG with nothing enabled drops it.
 */
static int drop_cut_step(struct arm64_kvm *k)
{
	struct kvm_guest_debug off = { 0 };

	return k->step_pending ? kvm_set_guest_debug(&k->vcpu, &off) : 0;
}

/*
 * An entry that comes back at once leaves the exit reason as it is. KVM completes an access by that
 * reason: there it stays.
 */
static void forget_exit(struct arm64_kvm *k)
{
	if (k->completing || k->vcpu.run->exit_reason != KVM_EXIT_MMIO)
		k->vcpu.run->exit_reason = KVM_EXIT_INTR;
	k->completing = false;
}

int arm64_kvm_arm(void *ctx, const struct debug_control *control)
{
	struct arm64_kvm *k = ctx;
	struct kvm_guest_debug d = { .control = control->nhw ? KVM_GUESTDBG_USE_HW : 0 };
	int ret = encode(k, control, &d.arch);

	if (ret)
		return ret;
	forget_exit(k);
	arm64_kvm_forget(k);
	if (control->step && !control->step_goes_on)
		ret = drop_cut_step(k);
	k->step_pending |= control->step;
	return ret ? ret : kvm_arm(&k->vcpu, control, &d, false);
}
