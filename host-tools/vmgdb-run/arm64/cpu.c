/* SPDX-License-Identifier: MIT */
/* A vCPU: PSCI 0.2, all but the first powered off, SVE and pointer authentication where KVM has them. */
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "host-tools/vmgdb-run/arm64/arm64.h"

/* The affinity fields of MPIDR_EL1 (Arm ARM, D19.2). */
#define MPIDR_AFFINITY 0xff00ffffffULL

static bool has(const struct vm *vm, int cap)
{
	return ioctl(vm->fd, KVM_CHECK_EXTENSION, cap) > 0;
}

static void choose_features(const struct vcpu *vcpu, struct kvm_vcpu_init *init)
{
	const struct vm *vm = vcpu->vm;

	init->features[0] |= 1U << KVM_ARM_VCPU_PSCI_0_2;
	if (vcpu->index > 0)
		init->features[0] |= 1U << KVM_ARM_VCPU_POWER_OFF;
	if (has(vm, KVM_CAP_ARM_SVE))
		init->features[0] |= 1U << KVM_ARM_VCPU_SVE;
	if (has(vm, KVM_CAP_ARM_PTRAUTH_ADDRESS) && has(vm, KVM_CAP_ARM_PTRAUTH_GENERIC))
		init->features[0] |=
			1U << KVM_ARM_VCPU_PTRAUTH_ADDRESS | 1U << KVM_ARM_VCPU_PTRAUTH_GENERIC;
}

int machine_create_vcpu(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	struct kvm_vcpu_init init = { 0 };
	int sve = KVM_ARM_VCPU_SVE;

	if (ioctl(vm->fd, KVM_ARM_PREFERRED_TARGET, &init) < 0)
		return vm_fail(vm, errno, "/dev/kvm: KVM_ARM_PREFERRED_TARGET");
	choose_features(vcpu, &init);
	if (ioctl(vcpu->fd, KVM_ARM_VCPU_INIT, &init) < 0)
		return vm_fail(vm, errno, "vCPU %u: KVM_ARM_VCPU_INIT", vcpu->index);
	if ((init.features[0] & 1U << KVM_ARM_VCPU_SVE) &&
	    ioctl(vcpu->fd, KVM_ARM_VCPU_FINALIZE, &sve) < 0)
		return vm_fail(vm, errno, "vCPU %u: KVM_ARM_VCPU_FINALIZE of SVE", vcpu->index);
	return 0;
}

int arm64_cpu_affinity(const struct vcpu *vcpu, uint64_t *affinity)
{
	int ret = arm64_get_reg(vcpu, ARM64_SYS_REG(3, 0, 0, 0, 5), affinity);

	*affinity &= MPIDR_AFFINITY;
	return ret;
}
