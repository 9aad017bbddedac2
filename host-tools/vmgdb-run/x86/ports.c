/* SPDX-License-Identifier: MIT */
/*
 * I/O ports:
 *	0x3f8-0x3ff	the serial console, IRQ 4
 *	0x64		keyboard controller; a write of 0xfe is a reset, which ends vmgdb-run with 0
 *	0xf4		exit port; a write ends vmgdb-run with the value's low byte as its status
 * What is not there reads as all ones, as on a PC's bus.
 */
#include <linux/kvm.h>

#include <vmgdb/vmgdb.h>
#include "host-tools/vmgdb-run/x86/x86.h"

enum { COM1 = 0x3f8, KEYBOARD = 0x64, KEYBOARD_RESET = 0xfe, EXIT = 0xf4 };

static uint8_t port_in(struct vcpu *vcpu, unsigned int port)
{
	if (port - COM1 < CONSOLE_REGS)
		return console_read(vcpu->vm->console, port - COM1);
	return port == KEYBOARD ? 0 : 0xff; /* the keyboard's status: neither buffer full */
}

static void reset(struct vcpu *vcpu)
{
	vmgdb_vcpu_event(vcpu->stub, "reset");
	vm_end(vcpu->vm, 0, NULL);
}

static void port_out(struct vcpu *vcpu, unsigned int port, uint8_t value)
{
	if (port - COM1 < CONSOLE_REGS)
		console_write(vcpu->vm->console, port - COM1, value);
	else if (port == KEYBOARD && value == KEYBOARD_RESET)
		reset(vcpu);
	else if (port == EXIT)
		vm_end(vcpu->vm, value, NULL);
}

/* A wider access is one of a byte for each byte. */
void x86_port_io(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	bool out = run->io.direction == KVM_EXIT_IO_OUT;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	for (uint32_t n = 0; n < run->io.count; n++, data += run->io.size) {
		for (unsigned int i = 0; i < run->io.size; i++) {
			if (out)
				port_out(vcpu, run->io.port + i, data[i]);
			else
				data[i] = port_in(vcpu, run->io.port + i);
		}
	}
}
