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

static bool same_control(const struct debug_control *a, const struct debug_control *b)
{
	unsigned int i;

	if (a->trap_brk != b->trap_brk || a->step != b->step || a->nhw != b->nhw)
		return false;
	for (i = 0; i < a->nhw; i++)
		if (a->hw[i].kind != b->hw[i].kind || a->hw[i].addr != b->hw[i].addr ||
		    a->hw[i].len != b->hw[i].len)
			return false;
	return true;
}

static int set_guest_debug(struct arm64_kvm *k, const struct debug_control *control)
{
	struct kvm_guest_debug d = { 0 };
	int ret = encode(k, control, &d.arch);

	if (ret)
		return ret;
	d.control = (control->trap_brk ? KVM_GUESTDBG_USE_SW_BP : 0) |
		    (control->step ? KVM_GUESTDBG_SINGLESTEP : 0) |
		    (control->nhw ? KVM_GUESTDBG_USE_HW : 0);
	d.control |= d.control ? KVM_GUESTDBG_ENABLE : 0;
	return kvm_call(k->fd, KVM_SET_GUEST_DEBUG, &d);
}

/* Only what is used: it is copied before every entry. */
static void copy_control(struct debug_control *to, const struct debug_control *from)
{
	unsigned int i;

	to->trap_brk = from->trap_brk;
	to->step = from->step;
	to->nhw = from->nhw;
	for (i = 0; i < from->nhw; i++)
		to->hw[i] = from->hw[i];
}

/*
 * An entry that comes back at once leaves the exit reason as it is. KVM completes an access by that
 * reason: there it stays.
 */
static void forget_exit(struct arm64_kvm *k)
{
	if (k->completing || k->run->exit_reason != KVM_EXIT_MMIO)
		k->run->exit_reason = KVM_EXIT_INTR;
	k->completing = false;
}

int arm64_kvm_arm(void *ctx, const struct debug_control *control)
{
	struct arm64_kvm *k = ctx;
	int ret;

	kvm_kick_learn_thread(&k->kick);
	forget_exit(k);
	arm64_kvm_forget(k);
	if (same_control(&k->armed, control))
		return 0;
	ret = set_guest_debug(k, control);
	if (!ret)
		copy_control(&k->armed, control);
	return ret;
}
