// SPDX-License-Identifier: MIT
/*
 * Debug exceptions that turned out to be the guest's own. While KVM debugs, all of them are KVM's: they
 * are taken for the guest by its registers.
 */
#include "arch/arm64/event_delivery.h"
#include "arch/arm64/kvm_vcpu.h"

static int inject(struct arm64_kvm *k, uint32_t syndrome)
{
	struct arm64_state s;
	size_t i;
	int ret = 0;

	for (i = 0; i < ARM64_EXCEPTION_BANKS && !ret; i++)
		ret = arm64_kvm_fetch(k, arm64_exception_banks[i], &s);
	if (ret)
		return ret;
	if (arm64_debug_class(syndrome) < ARM64_EC_BKPT32)
		syndrome = arm64_esr_from(syndrome, s.pstate);
	ret = arm64_take_exception(&s, syndrome);
	if (!ret)
		ret = arm64_kvm_store(k, ARM64_BANK_SYS + ARM64_ESR, &s);
	if (!ret)
		ret = arm64_kvm_store(k, ARM64_BANK_EL1, &s);
	return ret ? ret : arm64_kvm_store(k, ARM64_BANK_CORE, &s);
}

/* KVM holds a guest's own single steps back while it debugs: a step is never the guest's. */
int arm64_kvm_reinject(void *ctx, const struct trap *t)
{
	struct arm64_kvm *k = ctx;
	int ret;

	if (t->kind & TRAP_STEP)
		return 0;
	ret = inject(k, t->syndrome[ARM64_SYNDROME_ESR]);
	if (!ret && t->kind & TRAP_WATCH)
		ret = arm64_kvm_set_sysreg(k, SYSREG(3, 0, 6, 0, 0), /* FAR_EL1 */
					   t->syndrome[ARM64_SYNDROME_FAR]);
	return ret;
}
