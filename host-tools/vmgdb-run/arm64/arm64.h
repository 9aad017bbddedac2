/* SPDX-License-Identifier: MIT */
/* The parts of the arm64 machine among themselves. */
#ifndef VMGDB_RUN_ARM64_H
#define VMGDB_RUN_ARM64_H

#include <linux/kvm.h>
#include <stddef.h>

#include "host-tools/vmgdb-run/guests/arm64/layout.h"
#include "host-tools/vmgdb-run/machine.h"

/* The ID of a core register by its place in struct kvm_regs. */
#define CORE_REG(name) \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(name))

struct machine {
	int gic; /* the device's descriptor */
	unsigned int gic_version;
};

/* gic.c: the interrupt controller, version 3 or else 2; and after the vCPUs are there. */
int arm64_gic_create(struct vm *vm);
int arm64_gic_init(struct vm *vm);

/* cpu.c: a vCPU's affinity, as the device tree has it. */
int arm64_cpu_affinity(const struct vcpu *vcpu, uint64_t *affinity);

/* fdt.c: write the device tree to DTB_ADDR. */
int arm64_device_tree(struct vm *vm);

/* regs.c: the value of one register; KVM API, KVM_GET_ONE_REG. 0 or -errno. */
int arm64_get_reg(const struct vcpu *vcpu, uint64_t id, uint64_t *value);
int arm64_set_reg(const struct vcpu *vcpu, uint64_t id, uint64_t value);

#endif
