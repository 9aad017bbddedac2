/* SPDX-License-Identifier: MIT */
/*
 * The boot protocol, which is that of Linux (Documentation/arm64/booting): vCPU 0 starts at the
 * image's entry in EL1h with interrupts masked and the MMU off; X0 is the address of the device
 * tree, X1 to X3 are 0. The other vCPUs are off until PSCI CPU_ON, by hvc.
 *
 *	64-bit ELF	its segments go to their physical addresses, in memory from 0x40010000 on
 *	flat		loaded to 0x40080000, and entered there
 *
 * The device tree is at 0x40000000. Devices are where guests/arm64/layout.h has them.
 */
#include <elf.h>
#include <linux/kvm.h>

#include "host-tools/vmgdb-run/arm64/arm64.h"
#include "host-tools/vmgdb-run/load.h"

const struct ram machine_flat = { .gpa = KERNEL_ADDR, .size = 1ULL << 30 };
const struct ram machine_reserved = { .gpa = DTB_ADDR, .size = DTB_SIZE };

bool machine_runs(uint16_t elf_machine)
{
	return elf_machine == EM_AARCH64;
}

/* What a reset leaves in the other registers is what the protocol wants. */
static int set_regs(struct vm *vm, uint64_t entry)
{
	const struct vcpu *vcpu = &vm->vcpus[0];
	int ret = arm64_set_reg(vcpu, CORE_REG(regs.pc), entry);

	if (ret == 0)
		ret = arm64_set_reg(vcpu, CORE_REG(regs.regs[0]), DTB_ADDR);
	return ret < 0 ? vm_fail(vm, -ret, "vCPU 0: KVM_SET_ONE_REG") : 0;
}

int machine_boot(struct vm *vm, const struct image *image)
{
	int ret = arm64_gic_init(vm);

	if (ret == 0)
		ret = arm64_device_tree(vm);
	return ret < 0 ? ret : set_regs(vm, image->entry);
}
