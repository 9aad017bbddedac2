/* SPDX-License-Identifier: MIT */
/* The local APIC, for 64-bit guests that have platform_init(). */
#ifndef VMGDB_GUESTS_X86_APIC_H
#define VMGDB_GUESTS_X86_APIC_H

#include <stdint.h>

/* Low half of the interrupt command register (Intel SDM vol. 3, figure "ICR"). */
enum {
	APIC_SELF = 0x44000, /* and a vector */
	APIC_INIT_OTHERS = 0xc4500,
	APIC_STARTUP_OTHERS = 0xc4600, /* and a page number */
};

/* Send an interrupt; end the interrupt in its handler. */
void apic_send(uint32_t command);
void apic_eoi(void);

/* The timer fires once more, after so many nanoseconds, and then not until it is started again. */
void apic_one_shot(uint32_t ns);

#endif
