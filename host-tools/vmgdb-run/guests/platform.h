/* SPDX-License-Identifier: MIT */
/*
 * What the machine offers to guests in C: x86/apic.c, smp.c and serial.c, arm64/platform.c and
 * serial.c.
 */
#ifndef VMGDB_GUESTS_PLATFORM_H
#define VMGDB_GUESTS_PLATFORM_H

#include <stdint.h>

/* Set up exception handlers and interrupts. On the first CPU, before anything else. */
void platform_init(void);

/* From now on timer_tick() is called about a hundred times a second, on the first CPU. */
void platform_start_timer(void);

/* Start the other CPUs at worker(cpu), cpu from 1 on. */
void platform_start_cpus(void);

/* Returns true about once a second. */
int platform_second_passed(void);

void platform_putc(char c);

/*
 * End vmgdb-run with this status; or power off as the machine does: PSCI SYSTEM_OFF, a PC's reset.
 */
_Noreturn void platform_exit(int status);
_Noreturn void platform_power_off(void);

/* The guest defines: */
void timer_tick(void);
_Noreturn void worker(unsigned long cpu);

#endif
