/* SPDX-License-Identifier: MIT */
/*
 * Where KVM runs a guest by its instruction emulator alone, a breakpoint instruction is one that
 * the emulator gives up at: KVM_EXIT_INTERNAL_ERROR, with RIP on it and its bytes in the exit. The
 * guest is given the exception that a processor would have raised.
 */
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "host-tools/vmgdb-run/x86/x86.h"

enum { OPCODE_INT3 = 0xcc, VECTOR_BP = 3 };

static bool at_int3(const struct kvm_run *run)
{
	return run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION &&
	       (run->emulation_failure.flags &
		KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) &&
	       run->emulation_failure.insn_size > 0 &&
	       run->emulation_failure.insn_bytes[0] == OPCODE_INT3;
}

/* A trap: the address that is pushed is that of the next instruction. */
static bool raise_breakpoint(const struct vcpu *vcpu)
{
	struct kvm_vcpu_events events;
	struct kvm_regs regs;

	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) < 0 ||
	    ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &events) < 0)
		return false;
	regs.rip++;
	events.exception.injected = 1;
	events.exception.nr = VECTOR_BP;
	events.exception.has_error_code = 0;
	return ioctl(vcpu->fd, KVM_SET_REGS, &regs) == 0 &&
	       ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events) == 0;
}

bool x86_emulation_failed(struct vcpu *vcpu)
{
	return at_int3(vcpu->run) && raise_breakpoint(vcpu);
}
