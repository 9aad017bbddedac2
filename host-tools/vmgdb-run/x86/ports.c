/* SPDX-License-Identifier: MIT */
/*
 * I/O ports:
 *	0x3f8-0x3ff	the serial console, IRQ 4
 *	0x64		keyboard controller; a write of 0xfe is a reset, which ends vmgdb-run with 0
 *	0xf4		exit port; a write ends vmgdb-run with the value's low byte as its status
 * What is not there reads as all ones, as on a PC's bus.
 */
#include <linux/kvm.h>
#include <string.h>

#include <vmgdb/vmgdb.h>
#include "host-tools/vmgdb-run/x86/x86.h"

struct port {
	uint16_t first, count;
	uint8_t (*in)(struct vcpu *vcpu, unsigned int offset);
	void (*out)(struct vcpu *vcpu, unsigned int offset, uint8_t value);
};

static uint8_t console_in(struct vcpu *vcpu, unsigned int offset)
{
	return console_read(vcpu->vm->console, offset);
}

static void console_out(struct vcpu *vcpu, unsigned int offset, uint8_t value)
{
	console_write(vcpu->vm->console, offset, value);
}

/* Status: neither buffer full. */
static uint8_t keyboard_in(struct vcpu *vcpu, unsigned int offset)
{
	(void)vcpu;
	(void)offset;
	return 0;
}

static void keyboard_out(struct vcpu *vcpu, unsigned int offset, uint8_t value)
{
	(void)offset;
	if (value != 0xfe)
		return;
	vmgdb_vcpu_event(vcpu->stub, "reset");
	vm_end(vcpu->vm, 0, NULL);
}

static uint8_t nothing_in(struct vcpu *vcpu, unsigned int offset)
{
	(void)vcpu;
	(void)offset;
	return 0xff;
}

static void exit_out(struct vcpu *vcpu, unsigned int offset, uint8_t value)
{
	(void)offset;
	vm_end(vcpu->vm, value, NULL);
}

static const struct port ports[] = {
	{ 0x3f8, CONSOLE_REGS, console_in, console_out },
	{ 0x64, 1, keyboard_in, keyboard_out },
	{ 0xf4, 1, nothing_in, exit_out },
};

static const struct port *find_port(unsigned int port)
{
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		if (port - ports[i].first < ports[i].count)
			return &ports[i];
	}
	return NULL;
}

/* One byte at one port; a wider access is one of these for each byte. */
static void access_byte(struct vcpu *vcpu, bool out, unsigned int port, uint8_t *byte)
{
	const struct port *p = find_port(port);

	if (!p && !out)
		*byte = 0xff;
	else if (p && out)
		p->out(vcpu, port - p->first, *byte);
	else if (p)
		*byte = p->in(vcpu, port - p->first);
}

void x86_port_io(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	bool out = run->io.direction == KVM_EXIT_IO_OUT;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	for (uint32_t n = 0; n < run->io.count; n++, data += run->io.size) {
		for (unsigned int i = 0; i < run->io.size; i++)
			access_byte(vcpu, out, run->io.port + i, data + i);
	}
}
