/* SPDX-License-Identifier: MIT */
/* The machine of the 64-bit guests: serial port, local APIC, IDT. */
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/print.h"
#include "host-tools/vmgdb-run/guests/x86/bootinfo.h"
#include "host-tools/vmgdb-run/guests/x86/cpu.h"
#include "host-tools/vmgdb-run/guests/x86/layout.h"

enum {
	COM1 = 0x3f8,
	COM1_LSR = COM1 + 5,
	LSR_THRE = 1 << 5,
	EXIT_PORT = 0xf4,
	PIC1_DATA = 0x21,
	PIC2_DATA = 0xa1,

	/* Local APIC (Intel SDM vol. 3, "Local APIC Register Address Map") */
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
	APIC_INIT_OTHERS = 0xc4500,
	APIC_STARTUP_OTHERS = 0xc4600,

	TIMER_VECTOR = 0x40,
	SPURIOUS_VECTOR = 0xff,
	TIMER_PERIOD = 10 * 1000 * 1000, /* KVM's APIC counts nanoseconds */
};

#define APIC_BASE 0xfee00000UL

void secondary_main(unsigned long cpu);
int main(void);

const struct boot_info *boot_info;
unsigned char stacks[CPUS_MAX * STACK_SIZE] __attribute__((aligned(16)));

extern const unsigned char trampoline[], trampoline_end[];
extern const uint64_t trampoline_cr3;

static void apic_write(unsigned int reg, uint32_t value)
{
	*(volatile uint32_t *)(APIC_BASE + reg) = value;
}

/* ---- console and exit ---- */

void platform_putc(char c)
{
	while (!(inb(COM1_LSR) & LSR_THRE))
		;
	outb(COM1, (uint8_t)c);
}

void platform_exit(int status)
{
	for (;;)
		outb(EXIT_PORT, (uint8_t)status);
}

/* ---- interrupts ---- */

static void timer_interrupt(struct frame *frame)
{
	(void)frame;
	timer_tick();
	apic_write(APIC_EOI, 0);
}

static void spurious_interrupt(struct frame *frame)
{
	(void)frame;
}

void platform_init(void)
{
	outb(PIC1_DATA, 0xff);
	outb(PIC2_DATA, 0xff);
	idt_init();
	idt_handle(TIMER_VECTOR, timer_interrupt);
	idt_handle(SPURIOUS_VECTOR, spurious_interrupt);
	apic_write(APIC_SPURIOUS, APIC_ENABLE | SPURIOUS_VECTOR);
	__asm__ volatile("sti");
}

void platform_start_timer(void)
{
	apic_write(APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
	apic_write(APIC_LVT_TIMER, APIC_PERIODIC | TIMER_VECTOR);
	apic_write(APIC_TIMER_INITIAL, TIMER_PERIOD);
}

/* ---- the other CPUs ---- */

void platform_start_cpus(void)
{
	volatile unsigned char *to = (volatile unsigned char *)TRAMPOLINE;
	unsigned long size = (unsigned long)(trampoline_end - trampoline);

	if (boot_info->ncpus == 1)
		return;
	for (unsigned long i = 0; i < size; i++)
		to[i] = trampoline[i];
	*(volatile uint64_t *)(to + ((const unsigned char *)&trampoline_cr3 - trampoline)) =
		read_cr3();
	apic_write(APIC_ICR_HIGH, 0);
	apic_write(APIC_ICR_LOW, APIC_INIT_OTHERS);
	apic_write(APIC_ICR_LOW, APIC_STARTUP_OTHERS | TRAMPOLINE >> 12);
}

/* Interrupts are let in although none is sent, as a kernel has them. */
void secondary_main(unsigned long cpu)
{
	idt_load();
	__asm__ volatile("sti");
	worker(cpu);
}

/* ---- time ---- */

int platform_second_passed(void)
{
	static uint64_t next;
	uint64_t now = rdtsc();

	if (now < next)
		return 0;
	next = now + boot_info->tsc_khz * 1000UL;
	return 1;
}
