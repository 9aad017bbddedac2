// SPDX-License-Identifier: MIT
/* Table walks: against tables that the test makes, and against a second walk in this file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "arch/arm64/walk.h"
#include "tests/unit/arm64_cpu.h"

enum { G4K, G16K, G64K };

/* Which bits of an address index the table of each level, -1 to 3: Arm ARM D8.2, tables of D8. */
struct bits {
	int high, low;
};

static const struct geometry {
	unsigned int tg0, tg1; /* TCR_EL1's codes */
	int page;	       /* bits of the offset */
	struct bits level[5];
	int first_block; /* lowest level with blocks, without 52-bit addresses; with them */
	int first_block_52;
} geometries[] = {
	[G4K] = { 0, 2, 12, { { 51, 48 }, { 47, 39 }, { 38, 30 }, { 29, 21 }, { 20, 12 } }, 1, 0 },
	[G16K] = { 2, 1, 14, { { 0, 0 }, { 51, 47 }, { 46, 36 }, { 35, 25 }, { 24, 14 } }, 2, 1 },
	[G64K] = { 1, 3, 16, { { 0, 0 }, { 0, 0 }, { 51, 42 }, { 41, 29 }, { 28, 16 } }, 2, 1 },
};

/* The translation regime of a test. */
struct regime {
	int granule;
	int size; /* bits of an address in the range */
	bool high;
	bool wide; /* 52-bit output addresses: LPA with 64K, LPA2 (TCR.DS) with the others */
};

enum { IPS_48 = 5, IPS_52 = 6 };

#define TABLE  0x3ULL
#define PAGE   0x3ULL
#define BLOCK  0x1ULL
#define AF     (1ULL << 10)
#define ROOT   0x10000ULL
#define ALL    (PROT_R | PROT_W | PROT_X)
#define TOP_52 0x000a000000000000ULL

static void set_regime(struct arm64_test *t, const struct regime *r, uint64_t root)
{
	const struct geometry *g = &geometries[r->granule];
	const uint64_t tsz = 64 - r->size, wide_root = (root >> 48 & 0xf) << 2;
	uint64_t *sys = t->state.sys, tcr;

	tcr = r->high ? tsz << 16 | (uint64_t)g->tg1 << 30 : tsz | (uint64_t)g->tg0 << 14;
	tcr |= (uint64_t)(r->wide ? IPS_52 : IPS_48) << 32;
	if (r->wide && r->granule != G64K)
		tcr |= 1ULL << 59;
	sys[ARM64_TCR] = tcr;
	sys[ARM64_SCTLR] = 1;
	sys[ARM64_TTBR0] = sys[ARM64_TTBR1] = 0xdead0000;
	sys[r->high ? ARM64_TTBR1 : ARM64_TTBR0] =
		0x5a5a000000000000 | (root & 0xffffffffffff) | wide_root;
	/* PARange 52 bits, 4K and 16K granules with 52-bit addresses; VARange 52 bits */
	sys[ARM64_MMFR0] = r->wide ? 6 | 1ULL << 28 | 2ULL << 20 : 5;
	sys[ARM64_MMFR2] = r->size > 48 ? 1 << 16 : 0;
}

static int start_level(const struct regime *r)
{
	const struct geometry *g = &geometries[r->granule];
	int level;

	for (level = 3; level > -1; level--)
		if (r->size - 1 <= g->level[level + 1].high)
			return level;
	return -1;
}

static unsigned int index_at(const struct regime *r, uint64_t va, int level)
{
	const struct bits b = geometries[r->granule].level[level + 1];
	const int high = level == start_level(r) ? r->size - 1 : b.high;

	return va >> b.low & ((1ULL << (high - b.low + 1)) - 1);
}

static uint64_t page_of_level(const struct regime *r, int level)
{
	return 1ULL << geometries[r->granule].level[level + 1].low;
}

static uint64_t address_bits(const struct regime *r, uint64_t pa)
{
	if (!r->wide)
		return pa;
	if (r->granule == G64K)
		return (pa & 0xffffffff0000) | (pa >> 48 & 0xf) << 12;
	return (pa & 0x3fffffffff000) | (pa >> 50 & 3) << 8;
}

static bool has_block(const struct regime *r, int level)
{
	const struct geometry *g = &geometries[r->granule];

	return level >= (r->wide ? g->first_block_52 : g->first_block);
}

/* Map va to pa by tables from root on, with a leaf at that level. Each table is a chunk. */
static void map_leaf(struct arm64_test *t, const struct regime *r, uint64_t root, uint64_t va,
		     uint64_t pa, int leaf, uint64_t attributes)
{
	uint64_t table = root, next, desc;
	int level;

	for (level = start_level(r); level < leaf; level++) {
		next = table + ARM64_CHUNK_SIZE;
		desc = address_bits(r, next) | TABLE;
		memcpy((uint64_t *)arm64_test_mem(t, table) + index_at(r, va, level), &desc, 8);
		table = next;
	}
	desc = address_bits(r, pa) | (leaf == 3 ? PAGE : BLOCK) | attributes;
	memcpy((uint64_t *)arm64_test_mem(t, table) + index_at(r, va, leaf), &desc, 8);
}

static uint64_t in_half(const struct regime *r, uint64_t va)
{
	va &= (1ULL << r->size) - 1;
	return r->high ? va | ~((1ULL << r->size) - 1) : va;
}

static void check_leaf(const struct regime *r, int leaf)
{
	const uint64_t size = page_of_level(r, leaf), root = r->wide ? ROOT | TOP_52 : ROOT;
	const uint64_t va = in_half(r, 0x000b7a5c3db97654), offset = va & (size - 1);
	const uint64_t pa = (r->wide ? 0x000d8e4b2a5c0000 : 0x00007e4b2a5c0000) & ~(size - 1);
	struct xlat x = { 0 };
	struct arm64_test t;
	int ret;

	arm64_test_init(&t);
	set_regime(&t, r, root);
	map_leaf(&t, r, root, va, pa, leaf, AF);
	ret = arm64_translate(&t.view, va, &x);
	cr_expect_eq(ret, 0, "granule %d size %d half %d wide %d leaf %d: %d", r->granule, r->size,
		     r->high, r->wide, leaf, ret);
	cr_expect_eq(x.gpa, pa | offset, "granule %d size %d wide %d leaf %d: %lx != %lx",
		     r->granule, r->size, r->wide, leaf, x.gpa, pa | offset);
	cr_expect_eq(x.page, size);
	cr_expect_eq(x.prot, ALL);
	cr_expect_eq(arm64_translate(&t.view, va ^ size, &x), -EFAULT);
	arm64_test_free(&t);
}

static void check_size(const struct regime *r)
{
	int level;

	for (level = start_level(r); level <= 3; level++)
		if (level == 3 || has_block(r, level))
			check_leaf(r, level);
}

Test(arm64_walk, sizes, .description = "all granules, 36 to 48 bits, both halves, each leaf level")
{
	struct regime r;
	int half;

	for (r.granule = G4K; r.granule <= G64K; r.granule++)
		for (r.size = 36; r.size <= 48; r.size++)
			for (half = 0; half < 2; half++) {
				r.high = half;
				r.wide = false;
				check_size(&r);
			}
}

Test(arm64_walk, sizes_52, .description = "52-bit addresses: LVA and LPA, and LPA2")
{
	static const int sizes[] = { 36, 42, 48, 49, 50, 51, 52 };
	struct regime r = { .wide = true };
	size_t i;

	for (r.granule = G4K; r.granule <= G64K; r.granule++)
		for (i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
			r.size = sizes[i / 2];
			r.high = i & 1;
			check_size(&r);
		}
}

Test(arm64_walk, no_block, .description = "a block where the granule has none is not mapped")
{
	struct xlat x;
	struct arm64_test t;
	struct regime r = { .size = 48 };
	int level;

	for (r.granule = G4K; r.granule <= G64K; r.granule++)
		for (level = start_level(&r); level < 3; level++) {
			if (has_block(&r, level))
				continue;
			arm64_test_init(&t);
			set_regime(&t, &r, ROOT);
			map_leaf(&t, &r, ROOT, 0, 0, level, AF);
			cr_expect_eq(arm64_translate(&t.view, 0x1234, &x), -EFAULT,
				     "granule %d level %d", r.granule, level);
			arm64_test_free(&t);
		}
}

/* ---- details, on 4K pages and 39-bit addresses ------------------------------------------- */

static const struct regime plain = { G4K, 39, false, false };
static struct arm64_test t;

static void setup(void)
{
	arm64_test_init(&t);
	set_regime(&t, &plain, ROOT);
	map_leaf(&t, &plain, ROOT, 0x1000, 0x5000, 3, AF);
}

static void teardown(void)
{
	arm64_test_free(&t);
}

TestSuite(arm64_walk_detail, .init = setup, .fini = teardown);

static int translate(uint64_t va, struct xlat *x)
{
	return arm64_translate(&t.view, va, x);
}

static unsigned int prot_with(uint64_t table, uint64_t leaf)
{
	uint64_t *first = arm64_test_mem(&t, ROOT), old = *first;
	struct xlat x = { 0 };

	*first |= table;
	map_leaf(&t, &plain, ROOT + ARM64_CHUNK_SIZE, 0, 0, 3, 0); /* no effect on 0x1000 */
	((uint64_t *)arm64_test_mem(&t, ROOT + 2 * ARM64_CHUNK_SIZE))[1] = 0x5000 | PAGE | leaf;
	cr_assert_eq(translate(0x1000, &x), 0);
	*first = old;
	return x.prot;
}

Test(arm64_walk_detail, mmu_off, .description = "MMU off: addresses are physical")
{
	struct xlat x;

	t.state.sys[ARM64_SCTLR] = 0;
	cr_assert_eq(translate(0x123456789, &x), 0);
	cr_assert_eq(x.gpa, 0x123456789);
	cr_assert_eq(x.page, 1ULL << 63);
	cr_assert_eq(x.prot, ALL | PROT_USER);
	cr_assert_eq(x.tables, XLAT_FLAT);
}

Test(arm64_walk_detail, tables, .description = "tables are those of TTBR, whatever its ASID is")
{
	struct xlat x = { 0 };

	t.state.sys[ARM64_TTBR0] |= 7ULL << 48;
	cr_assert_eq(translate(0x1000, &x), 0);
	cr_expect_eq(x.tables, ROOT);
}

Test(arm64_walk_detail, access_flag, .description = "a clear access flag does not hide a page")
{
	cr_assert_eq(prot_with(0, 0), ALL);
}

Test(arm64_walk_detail, page_attributes, .description = "AP, PXN and UXN of a page")
{
	const uint64_t user = 1 << 6, ro = 1 << 7, pxn = 1ULL << 53, uxn = 1ULL << 54;

	cr_expect_eq(prot_with(0, ro), PROT_R | PROT_X);
	cr_expect_eq(prot_with(0, pxn), ALL, "executable at EL0");
	cr_expect_eq(prot_with(0, pxn | uxn), PROT_R | PROT_W);
	cr_expect_eq(prot_with(0, user | uxn), PROT_R | PROT_W | PROT_USER,
		     "EL1 does not execute what EL0 writes");
	cr_expect_eq(prot_with(0, user | ro | uxn), PROT_R | PROT_X | PROT_USER);
	cr_expect_eq(prot_with(0, user | ro | uxn | pxn), PROT_R | PROT_USER);
}

Test(arm64_walk_detail, table_attributes, .description = "APTable, PXNTable, UXNTable add up; HPD")
{
	const uint64_t user = 1 << 6, pxn = 1ULL << 59, uxn = 1ULL << 60;
	const uint64_t no_user = 1ULL << 61, ro = 1ULL << 62;

	cr_expect_eq(prot_with(no_user, user), ALL);
	cr_expect_eq(prot_with(ro, 0), PROT_R | PROT_X);
	cr_expect_eq(prot_with(pxn | uxn, 0), PROT_R | PROT_W);
	cr_expect_eq(prot_with(pxn, 1ULL << 54), PROT_R | PROT_W);
	t.state.sys[ARM64_TCR] |= 1ULL << 41;
	cr_expect_eq(prot_with(ro | pxn | uxn | no_user, user), ALL | PROT_USER, "HPD0");
}

Test(arm64_walk_detail, holes, .description = "invalid and reserved descriptors, missing tables")
{
	uint64_t *last = arm64_test_mem(&t, ROOT + 2 * ARM64_CHUNK_SIZE);
	uint64_t *first = arm64_test_mem(&t, ROOT);
	struct xlat x;

	cr_expect_eq(translate(0x2000, &x), -EFAULT);
	last[1] &= ~2ULL;
	cr_expect_eq(translate(0x1000, &x), -EFAULT, "reserved at the last level");
	first[0] = 0x7fff0000 | TABLE;
	cr_expect_eq(translate(0x1000, &x), -EFAULT, "table where there is no memory");
}

Test(arm64_walk_detail, canonical, .description = "bits above the range; TBI; EPD")
{
	const uint64_t tagged = 0x5a00000000001000;
	struct xlat x;

	cr_expect_eq(translate(1ULL << 39 | 0x1000, &x), -EFAULT);
	cr_expect_eq(translate(1ULL << 54 | 0x1000, &x), -EFAULT);
	cr_expect_eq(translate(tagged, &x), -EFAULT);
	t.state.sys[ARM64_TCR] |= 1ULL << 37;
	cr_expect_eq(translate(tagged, &x), 0);
	cr_expect_eq(x.gpa, 0x5000);
	cr_expect_eq(translate(1ULL << 54 | 0x1000, &x), -EFAULT);
	t.state.sys[ARM64_TCR] |= 1ULL << 7;
	cr_expect_eq(translate(0x1000, &x), -EFAULT, "EPD0");
}

Test(arm64_walk_detail, output_size, .description = "an address beyond IPS is a fault")
{
	uint64_t *last = arm64_test_mem(&t, ROOT + 2 * ARM64_CHUNK_SIZE);
	struct xlat x;

	last[1] = 1ULL << 40 | PAGE;
	cr_expect_eq(translate(0x1000, &x), 0);
	t.state.sys[ARM64_TCR] &= ~(7ULL << 32);
	t.state.sys[ARM64_TCR] |= 2ULL << 32; /* 40 bits */
	cr_expect_eq(translate(0x1000, &x), -EFAULT);
	last[1] = 1ULL << 39 | PAGE;
	cr_expect_eq(translate(0x1000, &x), 0);
}

Test(arm64_walk_detail, no_52, .description = "TCR.DS and small T0SZ count only with the feature")
{
	struct xlat x;

	t.state.sys[ARM64_TCR] |= 1ULL << 59;
	((uint64_t *)arm64_test_mem(&t, ROOT + 2 * ARM64_CHUNK_SIZE))[1] = 0x5000 | PAGE | 0x300;
	cr_expect_eq(translate(0x1000, &x), 0);
	cr_expect_eq(x.gpa, 0x5000, "shareability, not address bits");
}

Test(arm64_walk_detail, big_endian, .description = "SCTLR_EL1.EE: tables in the other byte order")
{
	uint64_t *d;
	struct xlat x;
	int level;

	t.state.sys[ARM64_SCTLR] |= 1ULL << 25;
	cr_expect_eq(translate(0x1000, &x), -EFAULT);
	for (level = 0; level < 3; level++) {
		d = (uint64_t *)arm64_test_mem(&t, ROOT + level * ARM64_CHUNK_SIZE);
		d += level == 2;
		*d = __builtin_bswap64(*d);
	}
	cr_expect_eq(translate(0x1000, &x), 0);
	cr_expect_eq(x.gpa, 0x5000);
}

Test(arm64_walk_detail, unreadable, .description = "a register that can't be read gives its error")
{
	struct xlat x;

	t.broken = ARM64_BANK_SYS + ARM64_TCR;
	cr_expect_eq(translate(0x1000, &x), -EIO);
	t.broken = ARM64_BANK_SYS + ARM64_SCTLR;
	cr_expect_eq(translate(0x1000, &x), -EIO);
}

Test(arm64_walk_detail, fetch,
     .description = "an instruction fetch goes through the tables, aligned PCs only")
{
	struct arm64_insn in;

	*(uint32_t *)arm64_test_mem(&t, 0x5008) = 0xd503207f;
	cr_expect(arm64_decode_at(&t.view, 0x1008, &in));
	cr_expect_eq(in.op, ARM64_OP_WFI);
	cr_expect_not(arm64_decode_at(&t.view, 0x1009, &in));
	cr_expect_not(arm64_decode_at(&t.view, 0x2000, &in));
}

/* ---- a second walk ----------------------------------------------------------------------- */

static uint64_t output_of(const struct regime *r, uint64_t desc, int low)
{
	uint64_t pa = 0;
	int bit, from;

	for (bit = low; bit < (r->wide ? 52 : 48); bit++) {
		from = bit;
		if (r->wide && r->granule == G64K && bit >= 48)
			from = bit - 36;
		if (r->wide && r->granule != G64K && bit >= 50)
			from = bit - 42;
		pa |= (desc >> from & 1) << bit;
	}
	return pa;
}

/* Bit by bit, a level at a time; only the address, without access rights. */
static int reference(struct arm64_test *m, const struct regime *r, uint64_t root, uint64_t va,
		     uint64_t *pa)
{
	const struct geometry *g = &geometries[r->granule];
	uint64_t table = root, desc;
	int level;

	if (va != in_half(r, va))
		return -EFAULT;
	for (level = start_level(r); level <= 3; level++) {
		if (m->view.read_phys(&m->view, table + 8 * index_at(r, va, level), &desc, 8) != 8)
			return -EFAULT;
		if (!(desc & 1) || (level == 3 && !(desc & 2)))
			return -EFAULT;
		if (level == 3 || !(desc & 2)) {
			if (level < 3 && !has_block(r, level))
				return -EFAULT;
			*pa = output_of(r, desc, g->level[level + 1].low) |
			      (va & (page_of_level(r, level) - 1));
			return 0;
		}
		table = output_of(r, desc, g->page);
	}
	return -EFAULT;
}

enum { RANDOM_TABLES = 8 };

static uint64_t random64(void)
{
	return (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();
}

/* Tables that are full of random descriptors, most of which lead to one another. */
static void random_tables(struct arm64_test *m, const struct regime *r, uint64_t root)
{
	uint64_t *table, next;
	unsigned int i, n;

	for (n = 0; n < RANDOM_TABLES; n++) {
		table = arm64_test_mem(m, root + n * ARM64_CHUNK_SIZE);
		for (i = 0; i < ARM64_CHUNK_SIZE / 8; i++) {
			next = root + random() % RANDOM_TABLES * ARM64_CHUNK_SIZE;
			table[i] = random64();
			if (random() % 4)
				table[i] = (table[i] & 0x7ff0000000000000) | address_bits(r, next) |
					   TABLE;
		}
	}
}

static unsigned int compare_random(const struct regime *r, unsigned int count)
{
	const uint64_t root = r->wide ? ROOT | TOP_52 : ROOT;
	unsigned int mapped = 0;
	struct arm64_test m;
	struct xlat x = { 0 };
	uint64_t va, pa = 0;
	int got, want;

	arm64_test_init(&m);
	set_regime(&m, r, root);
	random_tables(&m, r, root);
	while (count--) {
		va = random() % 16 ? in_half(r, random64()) : random64();
		if ((va >> 55 & 1) != r->high)
			continue;
		want = reference(&m, r, root, va, &pa);
		got = arm64_translate(&m.view, va, &x);
		cr_assert_eq(got, want, "granule %d size %d wide %d va %lx: %d, not %d", r->granule,
			     r->size, r->wide, va, got, want);
		cr_assert(want || x.gpa == pa, "granule %d size %d wide %d va %lx: %lx, not %lx",
			  r->granule, r->size, r->wide, va, x.gpa, pa);
		mapped += !want;
	}
	arm64_test_free(&m);
	return mapped;
}

Test(arm64_walk, random,
     .description = "random tables: the walk agrees with a second walk, bit by bit")
{
	unsigned int mapped = 0, i;
	struct regime r;

	srandom(20240601);
	for (i = 0; i < 60; i++) {
		r.granule = i % 3;
		r.high = i / 3 % 2;
		r.wide = i / 6 % 2;
		r.size = 36 + random() % (r.wide ? 17 : 13);
		mapped += compare_random(&r, 2000);
	}
	cr_assert_gt(mapped, 10000, "random tables map something: %u", mapped);
}
