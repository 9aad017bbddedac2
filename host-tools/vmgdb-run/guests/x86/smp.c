/* SPDX-License-Identifier: MIT */
/* Starting the other CPUs. */
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/x86/apic.h"
#include "host-tools/vmgdb-run/guests/x86/bootinfo.h"
#include "host-tools/vmgdb-run/guests/x86/insn.h"
#include "host-tools/vmgdb-run/guests/x86/traps.h"

void secondary_main(unsigned long cpu);

extern const unsigned char trampoline[], trampoline_cr3[], trampoline_end[];

void platform_start_cpus(void)
{
	volatile unsigned char *to = (volatile unsigned char *)TRAMPOLINE;
	long size = trampoline_end - trampoline;

	if (boot_info.ncpus == 1)
		return;
	for (long i = 0; i < size; i++)
		to[i] = trampoline[i];
	*(volatile uint64_t *)(to + (trampoline_cr3 - trampoline)) = read_cr3();
	apic_send(APIC_INIT_OTHERS);
	apic_send(APIC_STARTUP_OTHERS | TRAMPOLINE >> 12);
}

/* Interrupts are let in although none is sent, as a kernel has them. */
void secondary_main(unsigned long cpu)
{
	idt_load();
	__asm__ volatile("sti");
	worker(cpu);
}
