/* SPDX-License-Identifier: MIT */
/*
 * The arm64 machine: KVM's interrupt controller and timers, PSCI by hvc, and the devices of
 * guests/arm64/layout.h. The device tree describes all of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host-tools/vmgdb-run/arm64/arm64.h"

enum { FIRST_SPI = 32 };

unsigned int machine_memory_map(uint64_t size, struct ram *ram)
{
	ram[0] = (struct ram){ .gpa = RAM_ADDR, .size = size };
	return 1;
}

/* Without these exits KVM_RUN fails at such an access, and the debugger would not see what the guest did. */
static void enable_nisv_exits(const struct vm *vm)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_ARM_NISV_TO_USER };

	if (ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_ARM_NISV_TO_USER) > 0)
		ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

int machine_create(struct vm *vm)
{
	vm->machine = calloc(1, sizeof(*vm->machine));
	if (!vm->machine)
		return vm_fail(vm, ENOMEM, "the machine");
	vm->machine->gic = -1;
	enable_nisv_exits(vm);
	return arm64_gic_create(vm);
}

void machine_destroy(struct vm *vm)
{
	if (vm->machine && vm->machine->gic >= 0)
		close(vm->machine->gic);
	free(vm->machine);
}

void machine_console_irq(struct vm *vm, bool level)
{
	struct kvm_irq_level line = {
		.irq = KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | (FIRST_SPI + UART_SPI),
		.level = level,
	};

	ioctl(vm->fd, KVM_IRQ_LINE, &line);
}

/* ---- exits ---- */

static void access_byte(struct vm *vm, bool write, uint64_t addr, uint8_t *byte)
{
	if (addr - UART_ADDR < CONSOLE_REGS) {
		if (write)
			console_write(vm->console, (unsigned int)(addr - UART_ADDR), *byte);
		else
			*byte = console_read(vm->console, (unsigned int)(addr - UART_ADDR));
	} else if (addr == EXIT_ADDR && write) {
		vm_end(vm, *byte, NULL);
	} else if (!write) {
		*byte = 0xff;
	}
}

/* A wider access is one for each byte. */
static void mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	for (uint32_t i = 0; i < run->mmio.len && i < sizeof(run->mmio.data); i++)
		access_byte(vcpu->vm, run->mmio.is_write, run->mmio.phys_addr + i,
			    run->mmio.data + i);
}

/* An access by an instruction for which the processor gives no syndrome (ESR_EL2.ISV is 0). */
static void nisv_access(struct vcpu *vcpu)
{
	vm_end(vcpu->vm, 1, "vCPU %u: KVM can't emulate the access to %#llx at pc %#" PRIx64,
	       vcpu->index, vcpu->run->arm_nisv.fault_ipa, machine_pc(vcpu));
}

bool machine_exit(struct vcpu *vcpu)
{
	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_MMIO: mmio(vcpu); return true;
	case KVM_EXIT_ARM_NISV: nisv_access(vcpu); return true;
	default: return false;
	}
}
