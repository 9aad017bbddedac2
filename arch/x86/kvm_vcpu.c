// SPDX-License-Identifier: MIT
#include "arch/x86/kvm_vcpu.h"

#include <errno.h>
#include <stdlib.h>

#include "arch/x86/debug_regs.h"

enum { XSAVE_ROOM = 16384 };

/* What every KVM with KVM_CAP_SET_GUEST_DEBUG has; KVM_CAP_SET_GUEST_DEBUG2 names more. */
#define DEBUG_FLAGS_BASE                                                          \
	(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_SW_BP | \
	 KVM_GUESTDBG_USE_HW_BP)

/* What this KVM can; how many bytes its XSAVE area needs. */
static size_t find_features(struct x86_kvm *k)
{
	enum { FLAGS, SYNC, XSAVE, NCAPS };
	static const int caps[NCAPS] = { KVM_CAP_SET_GUEST_DEBUG2, KVM_CAP_SYNC_REGS,
					 KVM_CAP_XSAVE2 };
	int has[NCAPS];

	kvm_capabilities(caps, has, NCAPS);
	k->debug_flags = has[FLAGS] > 0 ? (uint32_t)has[FLAGS] : DEBUG_FLAGS_BASE;
	k->sync_regs = has[SYNC] > 0 && !(~has[SYNC] & X86_KVM_SYNC);
	k->xsave2 = has[XSAVE] > 0;
	return has[XSAVE] > XSAVE_ROOM ? has[XSAVE] : XSAVE_ROOM;
}

int x86_kvm_create(int vcpu_fd, struct kvm_run *run, int kick_signal, struct x86_kvm **out,
		   struct vcpu_caps *caps)
{
	struct x86_kvm *k;

	if (!kvm_has_guest_debug(vcpu_fd))
		return -ENOTSUP;
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->vcpu = (struct kvm_vcpu){ .run = run, .fd = vcpu_fd, .signal = kick_signal };
	k->xsave = calloc(1, find_features(k));
	if (!k->xsave) {
		free(k);
		return -ENOMEM;
	}
	*caps = (struct vcpu_caps){
		.shared_slots = X86_HW_SLOTS,
		.block_irq = k->debug_flags & KVM_GUESTDBG_BLOCKIRQ,
	};
	*out = k;
	return 0;
}

void x86_kvm_release(void *ctx)
{
	struct x86_kvm *k = ctx;

	free(k->xsave);
	free(k);
}

void x86_kvm_forget(struct x86_kvm *k)
{
	k->synced = 0;
	k->vcpu.runnable = false;
	k->rip_known = false;
}
