/* SPDX-License-Identifier: MIT */
/* Translation tables of the arm64 guests (Arm ARM, D8). Addresses are guest-physical ones. */
#ifndef VMGDB_GUESTS_ARM64_MMU_H
#define VMGDB_GUESTS_ARM64_MMU_H

#include <stdint.h>

/* Attributes of a page or block. */
enum {
	PTE_DEVICE = 0 << 2,
	PTE_NORMAL = 1 << 2 | 3 << 8, /* inner shareable */
	PTE_USER = 1 << 6,
	PTE_READ_ONLY = 1 << 7,
};

#define PTE_PXN (1ULL << 53)
#define PTE_UXN (1ULL << 54)
#define PTE_XN	(PTE_PXN | PTE_UXN)

/* Limits that a table puts on all below it. */
#define TABLE_READ_ONLY (1ULL << 62)
#define TABLE_XN	(3ULL << 59)

/* One half of the address space: its granule is 1 << shift bytes, its addresses have va_bits. */
struct mmu_half {
	unsigned int shift, va_bits;
	uint64_t *root;
};

void mmu_init(struct mmu_half *half, unsigned int shift, unsigned int va_bits);

/* Bytes that an entry of this level maps; level 3 is a page. */
uint64_t mmu_size(const struct mmu_half *half, unsigned int level);

/* Map one page or block of this level, va and pa being multiples of its size. */
void mmu_map(struct mmu_half *half, uint64_t va, uint64_t pa, unsigned int level, uint64_t attrs);

/* Set limits in the table entry of this level for va, which must exist. */
void mmu_limit(struct mmu_half *half, uint64_t va, unsigned int level, uint64_t limits);

/* Switch to these tables. The lower half must map the running code to itself. */
void mmu_use(const struct mmu_half *low, const struct mmu_half *high);

/* Load these registers with the MMU off in between (mmu_switch.S). */
void mmu_switch(const void *ttbr0, const void *ttbr1, uint64_t tcr);

#endif
