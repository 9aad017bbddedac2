/* SPDX-License-Identifier: MIT */
/* The machine of the 64-bit guests: the local APIC. */
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/x86/apic.h"
#include "host-tools/vmgdb-run/guests/x86/traps.h"

enum {
	/* Intel SDM vol. 3, "Local APIC Register Address Map" */
	APIC_EOI = 0xb0,
	APIC_SPURIOUS = 0xf0,
	APIC_ICR_LOW = 0x300,
	APIC_ICR_HIGH = 0x310,
	APIC_LVT_TIMER = 0x320,
	APIC_TIMER_INITIAL = 0x380,
	APIC_TIMER_DIVIDE = 0x3e0,
	APIC_ENABLE = 1 << 8,
	APIC_PERIODIC = 1 << 17,
	APIC_DIVIDE_BY_1 = 0xb,

	TIMER_VECTOR = 0x40,
	SPURIOUS_VECTOR = 0xff,
	TIMER_PERIOD = 10 * 1000 * 1000, /* KVM's APIC counts nanoseconds */
};

#define APIC_BASE 0xfee00000UL

static void apic_write(unsigned int reg, uint32_t value)
{
	*(volatile uint32_t *)(APIC_BASE + reg) = value;
}

void apic_send(uint32_t command)
{
	apic_write(APIC_ICR_HIGH, 0);
	apic_write(APIC_ICR_LOW, command);
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

static void timer_interrupt(struct frame *frame)
{
	(void)frame;
	timer_tick();
	apic_eoi();
}

static void spurious_interrupt(struct frame *frame)
{
	(void)frame;
}

void platform_init(void)
{
	idt_init();
	idt_handle(TIMER_VECTOR, timer_interrupt);
	idt_handle(SPURIOUS_VECTOR, spurious_interrupt);
	apic_write(APIC_SPURIOUS, APIC_ENABLE | SPURIOUS_VECTOR);
}

void apic_one_shot(uint32_t ns)
{
	apic_write(APIC_LVT_TIMER, TIMER_VECTOR);
	apic_write(APIC_TIMER_INITIAL, ns);
}

void platform_start_timer(void)
{
	apic_write(APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
	apic_write(APIC_LVT_TIMER, APIC_PERIODIC | TIMER_VECTOR);
	apic_write(APIC_TIMER_INITIAL, TIMER_PERIOD);
}
