// SPDX-License-Identifier: MIT
#include "arch/arm64/kvm_vcpu.h"

#include <errno.h>
#include <stdlib.h>

/* How many pairs of a kind there are: never under 2 (Arm ARM, ID_AA64DFR0_EL1.BRPs and .WRPs). */
static unsigned int pairs(const struct arm64_kvm *k, int capability, unsigned int dfr0_shift)
{
	uint64_t dfr0;

	if (capability > 0)
		return capability;
	if (arm64_kvm_get_sysreg(k, SYSREG(3, 0, 0, 5, 0), &dfr0))
		return 2;
	return (dfr0 >> dfr0_shift & 15) + 1;
}

/* Where /dev/kvm can't be opened the vCPU's identification register has the numbers. */
static void find_caps(struct arm64_kvm *k)
{
	static const int caps[] = { KVM_CAP_GUEST_DEBUG_HW_BPS, KVM_CAP_GUEST_DEBUG_HW_WPS };
	int values[2];

	kvm_capabilities(caps, values, 2);
	k->caps.exec_slots = pairs(k, values[0], 12);
	k->caps.watch_slots = pairs(k, values[1], 20);
}

int arm64_kvm_create(int vcpu_fd, struct kvm_run *run, int kick_signal, struct arm64_kvm **out,
		     struct vcpu_caps *caps)
{
	struct arm64_kvm *k;

	if (!kvm_has_guest_debug(vcpu_fd))
		return -ENOTSUP;
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->vcpu = (struct kvm_vcpu){ .run = run, .fd = vcpu_fd, .signal = kick_signal };
	find_caps(k);
	*caps = k->caps;
	*out = k;
	return 0;
}

void arm64_kvm_release(void *ctx)
{
	struct arm64_kvm *k = ctx;

	free(k->layout);
	free(k);
}

void arm64_kvm_forget(struct arm64_kvm *k)
{
	k->seen_banks = 0;
	k->vcpu.runnable = k->pc_seen = false;
}
