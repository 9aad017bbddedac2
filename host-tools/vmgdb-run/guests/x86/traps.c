/* SPDX-License-Identifier: MIT */
/* IDT and traps of the 64-bit guests. A trap without a handler ends the guest. */
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/print.h"
#include "host-tools/vmgdb-run/guests/x86/traps.h"
#include "host-tools/vmgdb-run/guests/x86/gdt.h"

enum { VECTORS = 256, STUB_SIZE = 16, EXCEPTION_STATUS = 100 };

/* Intel SDM vol. 3, figure 6-8 */
struct gate {
	uint16_t offset0, selector;
	uint16_t type;
	uint16_t offset1;
	uint32_t offset2, reserved;
};

enum { GATE_INTERRUPT = 0x8e00, GATE_DPL3 = 0x6000 };

void trap(struct frame *frame);

extern const unsigned char trap_stubs[];

static struct gate idt[VECTORS];
static trap_handler *handlers[VECTORS];

static void set_gate(unsigned int vector, uint16_t type)
{
	uint64_t stub = (uint64_t)trap_stubs + vector * STUB_SIZE;

	idt[vector] = (struct gate){
		.offset0 = (uint16_t)stub,
		.offset1 = (uint16_t)(stub >> 16),
		.offset2 = (uint32_t)(stub >> 32),
		.selector = KERNEL_CS,
		.type = type,
	};
}

void idt_load(void)
{
	const struct table_pointer pointer = { sizeof(idt) - 1, idt };

	__asm__ volatile("lidt %0" : : "m"(pointer));
}

void idt_init(void)
{
	for (unsigned int i = 0; i < VECTORS; i++)
		set_gate(i, GATE_INTERRUPT);
	idt_load();
}

void idt_handle(unsigned int vector, trap_handler *handler)
{
	handlers[vector] = handler;
}

void idt_allow_user(unsigned int vector)
{
	set_gate(vector, GATE_INTERRUPT | GATE_DPL3);
}

void trap_unexpected(const struct frame *frame)
{
	print("exception ");
	print_decimal(frame->vector);
	print(" code ");
	print_hex(frame->code);
	print(" at ");
	print_hex(frame->rip);
	print("\n");
	platform_exit(EXCEPTION_STATUS);
}

void trap(struct frame *frame)
{
	if (!handlers[frame->vector])
		trap_unexpected(frame);
	handlers[frame->vector](frame);
}
