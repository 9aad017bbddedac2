/* SPDX-License-Identifier: MIT */
/* Interrupts, timer and the other CPUs of the arm64 guests. */
#include "host-tools/vmgdb-run/guests/platform.h"
#include "host-tools/vmgdb-run/guests/arm64/gic.h"
#include "host-tools/vmgdb-run/guests/arm64/insn.h"
#include "host-tools/vmgdb-run/guests/arm64/traps.h"

enum {
	SGIS = 16,
	FIRST_PPI = 16,
	TIMER_IRQ = FIRST_PPI + TIMER_PPI,
	TIMER_HZ = 100,
	CNTV_CTL_ENABLE = 1,
	AFF0_MAX = 16, /* KVM numbers this many CPUs by Aff0 before it increments Aff1 */
};

static void (*sgi_handler)(uint32_t number);

void secondary_start(void);
void secondary_main(unsigned long cpu);

static void rearm(void)
{
	write_sysreg(cntv_tval_el0, read_sysreg(cntfrq_el0) / TIMER_HZ);
}

static void interrupt(struct frame *frame)
{
	uint32_t number = gic_acknowledge();

	(void)frame;
	if (number == TIMER_IRQ) {
		rearm();
		timer_tick();
	}
	if (number < SGIS && sgi_handler)
		sgi_handler(number);
	gic_end(number);
}

void platform_handle_sgi(void (*handler)(uint32_t number))
{
	sgi_handler = handler;
}

void platform_init(void)
{
	trap_handle_irq(interrupt);
	gic_init();
	__asm__ volatile("msr daifclr, #2");
}

void platform_start_timer(void)
{
	gic_enable(TIMER_IRQ);
	rearm();
	write_sysreg(cntv_ctl_el0, CNTV_CTL_ENABLE);
}

static uint64_t affinity(unsigned long cpu)
{
	return cpu % AFF0_MAX | (cpu / AFF0_MAX) << 8;
}

/* There are as many CPUs as PSCI starts. */
void platform_start_cpus(void)
{
	for (unsigned long cpu = 1; cpu < GUEST_CPUS; cpu++) {
		if (psci(PSCI_CPU_ON, affinity(cpu), (uint64_t)secondary_start, cpu) != 0)
			return;
	}
}

/* Interrupts are unmasked as in a kernel, although none is sent. */
void secondary_main(unsigned long cpu)
{
	__asm__ volatile("msr daifclr, #2");
	worker(cpu);
}
