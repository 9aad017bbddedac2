// SPDX-License-Identifier: MIT
/* arm64 vCPUs of KVM as the engine runs them: struct vcpu_ops, and the public call that adds one. */

#include "arch/arm64/cpu.h"
#include "arch/arm64/kvm_vcpu.h"
#include <vmgdb/vmgdb.h>

static void sync_icache(void *hva, size_t len)
{
	__builtin___clear_cache((char *)hva, (char *)hva + len);
}

const struct vcpu_ops arm64_kvm_ops = {
	.cpu = &arm64_cpu,
	.fetch = arm64_kvm_fetch,
	.store = arm64_kvm_store,
	.arm = arm64_kvm_arm,
	.kick = kvm_kick,
	.clear_kick = kvm_kick_clear,
	.needs_completion = arm64_kvm_needs_completion,
	.classify = arm64_kvm_classify,
	.reinject = arm64_kvm_reinject,
	.sync_icache = sync_icache,
	.halted = kvm_halted,
	.release = arm64_kvm_release,
};

int vmgdb_add_kvm_vcpu(struct vmgdb *v, unsigned int index, int vcpu_fd, struct kvm_run *run,
		       struct vmgdb_vcpu **out)
{
	struct vcpu_caps caps;
	struct arm64_kvm *k;
	int ret = arm64_kvm_create(vcpu_fd, run, vmgdb_kick_signal(v), &k, &caps);

	return ret ? ret : vmgdb_add_vcpu(v, index, &arm64_kvm_ops, &caps, k, out);
}
