/* SPDX-License-Identifier: MIT */
/* The interrupt controller (KVM API, devices/arm-vgic-v3 and devices/arm-vgic). */
#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "host-tools/message.h"
#include "host-tools/vmgdb-run/arm64/arm64.h"

enum { V2_CPUS_MAX = 8 };

static int set_addr(struct vm *vm, uint64_t type, uint64_t addr)
{
	struct kvm_device_attr attr = {
		.group = KVM_DEV_ARM_VGIC_GRP_ADDR,
		.attr = type,
		.addr = (uintptr_t)&addr,
	};

	if (ioctl(vm->machine->gic, KVM_SET_DEVICE_ATTR, &attr) < 0)
		return vm_fail(vm, errno, "GICv%u: its address %#" PRIx64, vm->machine->gic_version,
			       addr);
	return 0;
}

static int create(struct vm *vm, unsigned int version, uint32_t type)
{
	struct kvm_create_device device = { .type = type };

	if (ioctl(vm->fd, KVM_CREATE_DEVICE, &device) < 0)
		return -errno;
	vm->machine->gic = (int)device.fd;
	vm->machine->gic_version = version;
	return 0;
}

static int create_v3(struct vm *vm)
{
	int ret = set_addr(vm, KVM_VGIC_V3_ADDR_TYPE_DIST, GICD_ADDR);

	return ret < 0 ? ret : set_addr(vm, KVM_VGIC_V3_ADDR_TYPE_REDIST, GICR_ADDR);
}

static int create_v2(struct vm *vm)
{
	int ret;

	if (vm->want_cpus > V2_CPUS_MAX)
		return vm_fail(vm, 0, "--cpus %u: this host's GICv2 can have %d", vm->want_cpus,
			       V2_CPUS_MAX);
	message("this host has no GICv3 for its guests; the guest gets a GICv2");
	ret = set_addr(vm, KVM_VGIC_V2_ADDR_TYPE_DIST, GICD_ADDR);
	return ret < 0 ? ret : set_addr(vm, KVM_VGIC_V2_ADDR_TYPE_CPU, GICC_ADDR);
}

int arm64_gic_create(struct vm *vm)
{
	int ret;

	if (create(vm, 3, KVM_DEV_TYPE_ARM_VGIC_V3) == 0)
		return create_v3(vm);
	ret = create(vm, 2, KVM_DEV_TYPE_ARM_VGIC_V2);
	if (ret < 0)
		return vm_fail(vm, -ret, "/dev/kvm: neither a GICv3 nor a GICv2");
	return create_v2(vm);
}

int arm64_gic_init(struct vm *vm)
{
	struct kvm_device_attr attr = {
		.group = KVM_DEV_ARM_VGIC_GRP_CTRL,
		.attr = KVM_DEV_ARM_VGIC_CTRL_INIT,
	};

	if (ioctl(vm->machine->gic, KVM_SET_DEVICE_ATTR, &attr) < 0)
		return vm_fail(vm, errno, "GICv%u: its start", vm->machine->gic_version);
	return 0;
}
