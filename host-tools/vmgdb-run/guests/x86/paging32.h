/* SPDX-License-Identifier: MIT */
/* How a 32-bit guest maps its memory. */
#ifndef VMGDB_GUESTS_X86_PAGING32_H
#define VMGDB_GUESTS_X86_PAGING32_H

extern const char paging32_name[]; /* the guest's name */

/*
 * Turn paging on: it maps all memory to itself, the first 2 MiB by 4 KiB pages and the rest
 * by large ones, and once more from ALIAS32 on. Returns the distance between the two: ALIAS32 or,
 * where there is no paging, 0.
 */
unsigned long paging32_start(void);

#define ALIAS32 0xc0000000UL

enum { PTE_PRESENT = 1 << 0, PTE_WRITE = 1 << 1, PTE_LARGE = 1 << 7 };

#endif
