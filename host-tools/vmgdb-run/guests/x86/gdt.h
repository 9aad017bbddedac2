/* SPDX-License-Identifier: MIT */
/* Segments of the 64-bit guests; layout.h has the selectors. */
#ifndef VMGDB_GUESTS_X86_GDT_H
#define VMGDB_GUESTS_X86_GDT_H

#include <stdint.h>

/* What lgdt and lidt take. */
struct __attribute__((packed)) table_pointer {
	uint16_t limit;
	const void *base;
};

extern const struct table_pointer gdt_pointer;

/* Let interrupts of ring 3 come in on this stack. */
void tss_load(uint64_t rsp0);

#endif
