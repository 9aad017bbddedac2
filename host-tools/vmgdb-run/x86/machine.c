/* SPDX-License-Identifier: MIT */
/*
 * The x86 machine: KVM's own interrupt controllers and PIT, memory with the hole below 4 GiB where
 * the local APIC is, and a few ports (ports.c). No firmware, no ACPI, no PCI.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "host-tools/vmgdb-run/x86/x86.h"

#define GIB (1ULL << 30)

enum {
	/* Three pages and one that VT-x wants, in the hole, where nothing else is. */
	TSS_ADDR = 0xfffbd000,
	IDENTITY_MAP_ADDR = 0xfffbc000,

	RESET_RIP = 0xfff0,
};

unsigned int machine_memory_map(uint64_t size, struct ram *ram)
{
	uint64_t low = size < 3 * GIB ? size : 3 * GIB;

	ram[0] = (struct ram){ .gpa = 0, .size = low };
	ram[1] = (struct ram){ .gpa = 4 * GIB, .size = size - low };
	return size > low ? 2 : 1;
}

/* Have KVM exit at what it can't emulate also in user code, which otherwise gets an invalid opcode exception. */
static void enable_emulation_failure_exits(const struct vm *vm)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_EXIT_ON_EMULATION_FAILURE, .args = { 1 } };

	if (ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_EXIT_ON_EMULATION_FAILURE) > 0)
		ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

int machine_create(struct vm *vm)
{
	uint64_t identity_map = IDENTITY_MAP_ADDR;
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	if (ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0)
		return vm_fail(vm, errno, "/dev/kvm: KVM_SET_IDENTITY_MAP_ADDR");
	if (ioctl(vm->fd, KVM_SET_TSS_ADDR, (unsigned long)TSS_ADDR) < 0)
		return vm_fail(vm, errno, "/dev/kvm: KVM_SET_TSS_ADDR");
	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return vm_fail(vm, errno, "/dev/kvm: KVM_CREATE_IRQCHIP");
	if (ioctl(vm->fd, KVM_CREATE_PIT2, &pit) < 0)
		return vm_fail(vm, errno, "/dev/kvm: KVM_CREATE_PIT2");
	enable_emulation_failure_exits(vm);
	return 0;
}

void machine_destroy(struct vm *vm)
{
	(void)vm;
}

void machine_console_irq(struct vm *vm, bool level)
{
	struct kvm_irq_level line = { .irq = COM1_IRQ, .level = level };

	ioctl(vm->fd, KVM_IRQ_LINE, &line);
}

/* Nothing is there: reads give all ones, writes are lost, as on a PC's bus. */
static void mmio(struct kvm_run *run)
{
	if (!run->mmio.is_write)
		memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
}

/* With AMD-V KVM has reset the vCPU before this exit. */
static void triple_fault(struct vcpu *vcpu)
{
	uint64_t rip = machine_pc(vcpu);

	if (rip == RESET_RIP)
		vm_end(vcpu->vm, 1, "vCPU %u: triple fault", vcpu->index);
	else
		vm_end(vcpu->vm, 1, "vCPU %u: triple fault at rip %#" PRIx64, vcpu->index, rip);
}

bool machine_exit(struct vcpu *vcpu)
{
	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_IO: x86_port_io(vcpu); return true;
	case KVM_EXIT_MMIO: mmio(vcpu->run); return true;
	case KVM_EXIT_SHUTDOWN: triple_fault(vcpu); return true;
	case KVM_EXIT_INTERNAL_ERROR: return x86_internal_error(vcpu);
	default: return false;
	}
}
