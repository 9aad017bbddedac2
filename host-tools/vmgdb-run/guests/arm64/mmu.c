/* SPDX-License-Identifier: MIT */
/* Translation tables. This code runs where virtual addresses equal physical ones. */
#include "host-tools/vmgdb-run/guests/arm64/insn.h"
#include "host-tools/vmgdb-run/guests/arm64/mmu.h"

enum {
	LAST_LEVEL = 3,
	ENTRY_BLOCK = 1,
	ENTRY_TABLE_OR_PAGE = 3,
	ENTRY_ACCESSED = 1 << 10,
	GRANULE_MAX = 1 << 16,
	TABLES = 24,
	PARANGE_48 = 5,

	/* One half of TCR_EL1: write-back walks, inner shareable. */
	TCR_CACHED = 1 << 8 | 1 << 10 | 3 << 12,
	TCR_HIGH_SHIFT = 16,
	TCR_TG0_SHIFT = 14,
	TCR_TG1_SHIFT = 30,
	TCR_IPS_SHIFT = 32,
};

#define ENTRY_ADDRESS 0x0000fffffffff000ULL

static uint8_t pool[TABLES * GRANULE_MAX] __attribute__((aligned(GRANULE_MAX)));
static uint64_t pool_used;

static uint64_t *new_table(unsigned int shift)
{
	uint64_t *table = (uint64_t *)(pool + pool_used);

	pool_used += 1ULL << shift;
	return table;
}

/* The first level of a walk: a table resolves shift - 3 bits. */
static unsigned int first_level(const struct mmu_half *half)
{
	unsigned int bits = half->shift - 3;

	return LAST_LEVEL + 1 - (half->va_bits - half->shift + bits - 1) / bits;
}

/* The lowest bit of an address that a level resolves. */
static unsigned int level_shift(const struct mmu_half *half, unsigned int level)
{
	return half->shift + (LAST_LEVEL - level) * (half->shift - 3);
}

static uint64_t *entry(const struct mmu_half *half, uint64_t *table, uint64_t va,
		       unsigned int level)
{
	uint64_t in_half = va & ((1ULL << half->va_bits) - 1);
	uint64_t index = in_half >> level_shift(half, level);

	return table + (index & ((1ULL << (half->shift - 3)) - 1));
}

/* The entry of this level for va; makes the tables that lead to it. */
static uint64_t *walk(struct mmu_half *half, uint64_t va, unsigned int level)
{
	uint64_t *table = half->root;
	uint64_t *e;

	for (unsigned int l = first_level(half); l < level; l++) {
		e = entry(half, table, va, l);
		if (*e == 0)
			*e = (uint64_t)new_table(half->shift) | ENTRY_TABLE_OR_PAGE;
		table = (uint64_t *)(*e & ENTRY_ADDRESS);
	}
	return entry(half, table, va, level);
}

/* Tables are aligned to their size, so tables of different granules must not be mixed. */
void mmu_init(struct mmu_half *half, unsigned int shift, unsigned int va_bits)
{
	uint64_t size = 1ULL << shift;

	pool_used = (pool_used + size - 1) & ~(size - 1);
	*half = (struct mmu_half){ .shift = shift, .va_bits = va_bits, .root = new_table(shift) };
}

uint64_t mmu_size(const struct mmu_half *half, unsigned int level)
{
	return 1ULL << level_shift(half, level);
}

void mmu_map(struct mmu_half *half, uint64_t va, uint64_t pa, unsigned int level, uint64_t attrs)
{
	uint64_t kind = level == LAST_LEVEL ? ENTRY_TABLE_OR_PAGE : ENTRY_BLOCK;

	*walk(half, va, level) = pa | attrs | ENTRY_ACCESSED | kind;
}

void mmu_limit(struct mmu_half *half, uint64_t va, unsigned int level, uint64_t limits)
{
	*walk(half, va, level) |= limits;
}

/* TG0 and TG1 have different codes for the same granules. */
static uint64_t tg0(unsigned int shift)
{
	return shift == 12 ? 0 : shift == 14 ? 2 : 1;
}

static uint64_t tg1(unsigned int shift)
{
	return shift == 12 ? 2 : shift == 14 ? 1 : 3;
}

static uint64_t physical_size(void)
{
	uint64_t parange = read_sysreg(id_aa64mmfr0_el1) & 7;

	return parange < PARANGE_48 ? parange : PARANGE_48;
}

void mmu_use(const struct mmu_half *low, const struct mmu_half *high)
{
	uint64_t tcr0 = (64 - low->va_bits) | TCR_CACHED | tg0(low->shift) << TCR_TG0_SHIFT;
	uint64_t tcr1 = (uint64_t)((64 - high->va_bits) | TCR_CACHED) << TCR_HIGH_SHIFT |
			tg1(high->shift) << TCR_TG1_SHIFT;

	mmu_switch(low->root, high->root, tcr0 | tcr1 | physical_size() << TCR_IPS_SHIFT);
}
