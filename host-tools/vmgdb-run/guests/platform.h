/* SPDX-License-Identifier: MIT */
/* What a guest in C has of its machine; x86/platform.c and arm64/platform.c. */
#ifndef VMGDB_GUESTS_PLATFORM_H
#define VMGDB_GUESTS_PLATFORM_H

#include <stdint.h>

/* Exception handlers and interrupts. On the first CPU, before anything else. */
void platform_init(void);

/* From now on timer_tick() is called about a hundred times a second, on the first CPU. */
void platform_start_timer(void);

/* Let the other CPUs come to worker(cpu), cpu from 1 on. */
void platform_start_cpus(void);

/* Once a second or so, true. */
int platform_second_passed(void);

void platform_putc(char c);

/* End vmgdb-run with this status; or as a machine ends: PSCI SYSTEM_OFF, a PC's reset. */
_Noreturn void platform_exit(int status);
_Noreturn void platform_power_off(void);

/* By the guest: */
void timer_tick(void);
_Noreturn void worker(unsigned long cpu);

#endif
