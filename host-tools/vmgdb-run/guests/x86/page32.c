/* SPDX-License-Identifier: MIT */
/* page32: the 32-bit paging of the i386, with 4 MiB pages (Intel SDM vol. 3, 4.3). */
#include <stdint.h>

#include "host-tools/vmgdb-run/guests/x86/insn.h"
#include "host-tools/vmgdb-run/guests/x86/paging32.h"

enum { ENTRIES = 1024, CR4_PSE = 1 << 4 };

#define CR0_PG (1UL << 31)

const char paging32_name[] = "page32";

static uint32_t directory[ENTRIES] __attribute__((aligned(4096)));
static uint32_t table[ENTRIES] __attribute__((aligned(4096)));

unsigned long paging32_start(void)
{
	uint32_t alias = ALIAS32 >> 22;

	for (uint32_t i = 0; i < ENTRIES; i++)
		table[i] = i << 12 | PTE_PRESENT | PTE_WRITE;
	for (uint32_t i = 0; i < ENTRIES; i++)
		directory[i] =
			(i < alias ? i : i - alias) << 22 | PTE_PRESENT | PTE_WRITE | PTE_LARGE;
	directory[0] = (uint32_t)table | PTE_PRESENT | PTE_WRITE;
	directory[alias] = directory[0];
	write_cr4(read_cr4() | CR4_PSE);
	write_cr3((unsigned long)directory);
	write_cr0(read_cr0() | CR0_PG);
	return ALIAS32;
}
