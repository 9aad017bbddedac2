/* SPDX-License-Identifier: MIT */
/* Segments of the 64-bit guests; layout.h has the selectors. */
#ifndef VMGDB_GUESTS_X86_GDT_H
#define VMGDB_GUESTS_X86_GDT_H

#include <stdint.h>

/* The operand of lgdt and lidt. */
struct __attribute__((packed)) table_pointer {
	uint16_t limit;
	const void *base;
};

extern const struct table_pointer gdt_pointer;

/* Set the stack for interrupts taken in ring 3. */
void tss_load(uint64_t rsp0);

#endif
