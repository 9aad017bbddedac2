/* SPDX-License-Identifier: MIT */
/* Starting the other CPUs. */
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/x86/apic.h"
#include "host-tools/vmgdb-run/guests/x86/bootinfo.h"
#include "host-tools/vmgdb-run/guests/x86/insn.h"
#include "host-tools/vmgdb-run/guests/x86/traps.h"

void secondary_main(unsigned long cpu);

/* trampoline.S; the offset at which it reads CR3 */
extern const unsigned char trampoline[];
extern const unsigned long trampoline_size, trampoline_cr3;

void platform_start_cpus(void)
{
	volatile unsigned char *to = (volatile unsigned char *)TRAMPOLINE;

	if (boot_info.ncpus == 1)
		return;
	for (unsigned long i = 0; i < trampoline_size; i++)
		to[i] = trampoline[i];
	*(volatile uint64_t *)(to + trampoline_cr3) = read_cr3();
	apic_send(APIC_INIT_OTHERS);
	apic_send(APIC_STARTUP_OTHERS | TRAMPOLINE >> 12);
}

/* Interrupts are unmasked as in a kernel, although none is sent. */
void secondary_main(unsigned long cpu)
{
	idt_load();
	__asm__ volatile("sti");
	worker(cpu);
}
