/* SPDX-License-Identifier: MIT */
/* pae32: PAE paging, with 2 MiB pages (Intel SDM vol. 3, 4.4). */
#include <stdint.h>

#include "host-tools/vmgdb-run/guests/x86/insn.h"
#include "host-tools/vmgdb-run/guests/x86/paging32.h"

enum { ENTRIES = 512, DIRECTORIES = 4, CR4_PAE = 1 << 5 };

#define CR0_PG (1UL << 31)

const char paging32_name[] = "pae32";

static uint64_t pointers[DIRECTORIES] __attribute__((aligned(32)));
static uint64_t directory[DIRECTORIES * ENTRIES] __attribute__((aligned(4096)));
static uint64_t table[ENTRIES] __attribute__((aligned(4096)));

unsigned long paging32_start(void)
{
	uint32_t alias = ALIAS32 >> 21;

	for (uint32_t i = 0; i < DIRECTORIES; i++)
		pointers[i] = (uint32_t)(directory + i * ENTRIES) | PTE_PRESENT;
	for (uint32_t i = 0; i < ENTRIES; i++)
		table[i] = i << 12 | PTE_PRESENT | PTE_WRITE;
	for (uint32_t i = 0; i < DIRECTORIES * ENTRIES; i++)
		directory[i] =
			(i < alias ? i : i - alias) << 21 | PTE_PRESENT | PTE_WRITE | PTE_LARGE;
	directory[0] = (uint32_t)table | PTE_PRESENT | PTE_WRITE;
	directory[alias] = directory[0];
	write_cr4(read_cr4() | CR4_PAE);
	write_cr3((unsigned long)pointers);
	write_cr0(read_cr0() | CR0_PG);
	return ALIAS32;
}
