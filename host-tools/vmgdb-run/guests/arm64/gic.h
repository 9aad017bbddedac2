/* SPDX-License-Identifier: MIT */
/* The interrupt controller, version 2 or 3 by the ID registers, for the first CPU. */
#ifndef VMGDB_GUESTS_ARM64_GIC_H
#define VMGDB_GUESTS_ARM64_GIC_H

#include <stdint.h>

/* Set up, and enable one of the CPU's private interrupts (number 0 to 31). */
void gic_init(void);
void gic_enable(uint32_t number);

/* In the handler: acknowledge the interrupt and get its number; end it. */
uint32_t gic_acknowledge(void);
void gic_end(uint32_t number);

/* Send interrupt number, 0 to 15, to the first CPU; set the handler of these (platform.c). */
void gic_send_self(uint32_t number);
void platform_handle_sgi(void (*handler)(uint32_t number));

#endif
