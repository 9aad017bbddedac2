/* SPDX-License-Identifier: MIT */
/* The interrupt controller, version 2 or 3 as the processor says, of the first CPU. */
#ifndef VMGDB_GUESTS_ARM64_GIC_H
#define VMGDB_GUESTS_ARM64_GIC_H

#include <stdint.h>

/* Ready, with one of the CPU's own interrupts (number 0 to 31) enabled. */
void gic_init(void);
void gic_enable(uint32_t number);

/* In the handler: which it is; that it has been served. */
uint32_t gic_acknowledge(void);
void gic_end(uint32_t number);

/* Send the first CPU interrupt number, 0 to 15; who gets it there (platform.c). */
void gic_send_self(uint32_t number);
void platform_handle_sgi(void (*handler)(uint32_t number));

#endif
