/* SPDX-License-Identifier: MIT */
/*
 * Where KVM runs a guest by its instruction emulator alone, that emulator gives up at instructions
 * which the guest of a processor may well use: KVM_EXIT_INTERNAL_ERROR, with RIP on the instruction
 * and its bytes in the exit. Two of them are mended here: int3 and int n.
 */
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "host-tools/vmgdb-run/x86/x86.h"

enum { OPCODE_INT3 = 0xcc, OPCODE_INT = 0xcd, VECTOR_BP = 3 };

/* The bytes of the instruction that could not be emulated, or NULL. */
static const uint8_t *failed_insn(const struct kvm_run *run, unsigned int *len)
{
	if (run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION ||
	    !(run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES))
		return NULL;
	*len = run->emulation_failure.insn_size;
	return *len > 0 ? run->emulation_failure.insn_bytes : NULL;
}

/* Raise what the instruction, len bytes long, would have: the address pushed is the next one's. */
static bool soft_interrupt(const struct vcpu *vcpu, uint8_t vector, unsigned int len)
{
	struct kvm_vcpu_events events;
	struct kvm_regs regs;

	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) < 0 ||
	    ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &events) < 0)
		return false;
	regs.rip += len;
	if (vector == VECTOR_BP) {
		events.exception.injected = 1;
		events.exception.nr = vector;
		events.exception.has_error_code = 0;
	} else {
		events.interrupt.injected = 1;
		events.interrupt.nr = vector;
		events.interrupt.soft = 0;
	}
	return ioctl(vcpu->fd, KVM_SET_REGS, &regs) == 0 &&
	       ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events) == 0;
}

static void give_up(const struct vcpu *vcpu, const uint8_t *insn, unsigned int len)
{
	char bytes[3 * sizeof(vcpu->run->emulation_failure.insn_bytes) + 1] = "";

	for (unsigned int i = 0; i < len && i < sizeof(bytes) / 3; i++)
		snprintf(bytes + 3 * i, 4, " %02x", insn[i]);
	vm_end(vcpu->vm, 1, "vCPU %u: KVM can't emulate the instruction%s at rip %#" PRIx64,
	       vcpu->index, bytes, machine_pc(vcpu));
}

bool x86_internal_error(struct vcpu *vcpu)
{
	unsigned int len;
	const uint8_t *insn = failed_insn(vcpu->run, &len);

	if (!insn)
		return false;
	if (insn[0] == OPCODE_INT3 && soft_interrupt(vcpu, VECTOR_BP, 1))
		return true;
	if (insn[0] == OPCODE_INT && len > 1 && soft_interrupt(vcpu, insn[1], 2))
		return true;
	give_up(vcpu, insn, len);
	return true;
}
