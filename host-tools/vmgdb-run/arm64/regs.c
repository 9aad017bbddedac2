/* SPDX-License-Identifier: MIT */
/* One register at a time: KVM API, KVM_GET_ONE_REG and KVM_SET_ONE_REG. */
#include <errno.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "host-tools/vmgdb-run/arm64/arm64.h"

int arm64_get_reg(const struct vcpu *vcpu, uint64_t id, uint64_t *value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)value };

	*value = 0;
	return ioctl(vcpu->fd, KVM_GET_ONE_REG, &reg) < 0 ? -errno : 0;
}

int arm64_set_reg(const struct vcpu *vcpu, uint64_t id, uint64_t value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

	return ioctl(vcpu->fd, KVM_SET_ONE_REG, &reg) < 0 ? -errno : 0;
}

uint64_t machine_pc(const struct vcpu *vcpu)
{
	uint64_t pc;

	arm64_get_reg(vcpu, CORE_REG(regs.pc), &pc);
	return pc;
}
