// SPDX-License-Identifier: MIT
/* Translation against the processor's own, by AT S1E1R in the guest: fact 9 of arm64. */
#include "probe.h"

#include <stdlib.h>
#include <string.h>

#include "arch/arm64/walk.h"

enum { LEVELS = 5, TABLES_EACH = 3, TABLE_SIZE = 1 << 16, TRIES = 400 };

#define CODE_ATTR (1ULL << 10)

static const struct debug_control brks = { .trap_brk = true };

/* A granule: its code for TTBR0 and for TTBR1, its shift, and where ID_AA64MMFR0 has it. */
static const struct granule {
	const char *name;
	unsigned int tg0, tg1, shift;
	unsigned int id_low, id_value; /* as signed: >= value means it is there */
	unsigned int id_ds;	       /* value for 52-bit addresses by TCR.DS; 0: another way */
} granules[] = {
	{ "4K", 0, 2, 12, 28, 0, 1 },
	{ "16K", 2, 1, 14, 20, 1, 2 },
	{ "64K", 1, 3, 16, 24, 0, 0 },
};

struct setting {
	const struct granule *g;
	int size0, size1; /* bits of an address in either range */
	bool wide;	  /* 52-bit output addresses */
};

static uint64_t random64(void)
{
	return (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();
}

static uint64_t id(struct vm *m, uint16_t enc)
{
	uint64_t value = 0;

	arm64_kvm_get_sysreg(m->k, enc, &value);
	return value;
}

static uint64_t mmfr0(struct vm *m)
{
	return id(m, SYSREG(3, 0, 0, 7, 0));
}

static bool has_granule(struct vm *m, const struct granule *g)
{
	const int value = (int64_t)(mmfr0(m) << (60 - g->id_low)) >> 60;

	return value >= (int)g->id_value;
}

/* ---- tables ------------------------------------------------------------------------------ */

/* A table of a level; levels are counted from the last one, which is 0. */
static uint64_t table(unsigned int level, unsigned int n)
{
	return TABLES + (level * TABLES_EACH + n % TABLES_EACH) * TABLE_SIZE;
}

static unsigned int stride(const struct granule *g)
{
	return g->shift - 3;
}

static unsigned int nlevels(const struct setting *s, int size)
{
	return (size - s->g->shift + stride(s->g) - 1) / stride(s->g);
}

static unsigned int index_of(const struct setting *s, int size, uint64_t va, unsigned int level)
{
	const unsigned int low = s->g->shift + level * stride(s->g);
	const unsigned int bits = level + 1 == nlevels(s, size) ? size - low : stride(s->g);

	return va >> low & ((1U << bits) - 1);
}

/*
 * Does the last level but so many have blocks? (An emulator takes them anywhere, a processor does
 * not.)
 */
static bool has_blocks(const struct setting *s, unsigned int level)
{
	if (s->g->shift == 12)
		return level <= (s->wide ? 3 : 2);
	return level <= (s->wide ? 2 : 1);
}

static uint64_t random_entry(const struct setting *s, unsigned int level)
{
	/* 51:48 of an address lie here where it has them */
	const uint64_t top = !s->wide ? 0 : s->g->id_ds ? 3ULL << 8 : 0xfULL << 12;
	/* not all of them beyond what the CPU can address */
	const uint64_t r = random() % 4 ? random64() & ~(0xffULL << 40) : random64();
	const bool leads = level && random() % 3;

	if (random() % 8 == 0)
		return r & ~1ULL;
	if (leads || !(level == 0 || has_blocks(s, level)))
		return level ? (r & 0x7800000000000000) | table(level - 1, random()) | 3 : 0;
	return (r & (0x7ffffffff00000c0 | top)) | 1ULL << 10 | (level ? 1 : 3);
}

/* Random entries that lead to tables of the next level, to blocks and pages, or nowhere. */
static void fill_tables(struct vm *m, const struct setting *s)
{
	uint64_t *entries;
	unsigned int level, n, i;

	for (level = 0; level < LEVELS; level++)
		for (n = 0; n < TABLES_EACH; n++) {
			entries = vm_mem(m, table(level, n));
			for (i = 0; i < TABLE_SIZE / 8; i++)
				entries[i] = random_entry(s, level);
		}
}

/* The page of the code, one to one, through tables that nothing else leads to. */
static void map_code(struct vm *m, const struct setting *s)
{
	unsigned int level = nlevels(s, s->size0) - 1;
	uint64_t *entries = vm_mem(m, table(level, 0)), next;

	for (; level > 0; level--) {
		next = table(LEVELS, 0) + level * TABLE_SIZE;
		memset(vm_mem(m, next), 0, TABLE_SIZE);
		entries[index_of(s, s->size0, CODE, level)] = next | 3;
		entries = vm_mem(m, next);
	}
	entries[index_of(s, s->size0, CODE, 0)] =
		(CODE & ~((1ULL << s->g->shift) - 1)) | CODE_ATTR | 3;
}

static void set_tables(struct vm *m, const struct setting *s)
{
	uint64_t tcr = (64 - s->size0) | (uint64_t)(64 - s->size1) << 16;

	tcr |= (uint64_t)s->g->tg0 << 14 | (uint64_t)s->g->tg1 << 30;
	tcr |= (s->wide ? 6 : (mmfr0(m) & 7) > 5 ? 5 : mmfr0(m) & 7) << 32;
	tcr |= (uint64_t)(random() & 3) << 37; /* TBI */
	if (s->wide && s->g->id_ds)
		tcr |= 1ULL << 59;
	vm_set_sys(m, ARM64_TCR, tcr);
	vm_set_sys(m, ARM64_TTBR0, table(nlevels(s, s->size0) - 1, 0));
	vm_set_sys(m, ARM64_TTBR1, table(nlevels(s, s->size1) - 1, 1));
	vm_set_sys(m, ARM64_SCTLR, 0x30d00801);
}

/* ---- comparing --------------------------------------------------------------------------- */

static uint64_t random_address(const struct setting *s)
{
	const bool high = random() & 1;
	const int size = high ? s->size1 : s->size0;
	uint64_t va = random64() & ((1ULL << size) - 1);

	if (high)
		va |= ~((1ULL << size) - 1);
	if (random() % 8 == 0)
		va ^= 1ULL << (random() % 64);
	return va;
}

/* Compare with AT: the address, or a fault. */
static const char *compare(struct vm *m, const struct setting *s, uint64_t va, unsigned int *mapped)
{
	struct xlat x = { 0 };
	struct trap t;
	uint64_t par, pa;
	int ret;

	vm_start(m, s_translate, PSTATE_DAIF);
	vm_change(m, ARM64_BANK_X)->x[0] = va;
	ret = vm_run(m, &brks, &t);
	CHECK(!ret && is_brk(&t, END_BRK), "%s, %d and %d bits, %#lx: %d, exit %u, kind %u at %#lx",
	      s->g->name, s->size0, s->size1, va, ret, m->run->exit_reason, t.kind, t.pc);
	par = vm_state(m, ARM64_BANK_X)->x[1];
	ret = arm64_translate(&m->view, va, &x);
	pa = (par & 0x000ffffffffff000) | (va & 0xfff);
	CHECK(!ret == !(par & 1), "%s, %d and %d bits, %#lx: walk %d, PAR_EL1 %#lx", s->g->name,
	      s->size0, s->size1, va, ret, par);
	CHECK(ret || x.gpa == pa, "%s, %d and %d bits, %#lx: walk %#lx, PAR_EL1 %#lx", s->g->name,
	      s->size0, s->size1, va, x.gpa, par);
	*mapped += !ret;
	return NULL;
}

/*
 * QEMU 7.2 reports a wrong level to KVM when a stage 1 table of level -1 is missing in stage 2: so
 * the guest accesses all tables first. The host has written them by then: its first write to a page
 * that was only read would map another page.
 */
static const char *touch_tables(struct vm *m)
{
	struct trap t;

	vm_set_sys(m, ARM64_SCTLR, 0x30d00800);
	vm_start(m, s_touch, PSTATE_DAIF);
	vm_change(m, ARM64_BANK_X)->x[0] = TABLES;
	m->state.x[1] = table(LEVELS, 0) + LEVELS * TABLE_SIZE;
	CHECK(!vm_run(m, &brks, &t) && is_brk(&t, END_BRK), "accessing the tables: kind %u",
	      t.kind);
	return NULL;
}

static const char *compare_many(struct vm *m, const struct setting *s, unsigned int *mapped)
{
	const char *text;
	unsigned int i;

	fill_tables(m, s);
	map_code(m, s);
	text = touch_tables(m);
	set_tables(m, s);
	for (i = 0; i < TRIES && !text; i++)
		text = compare(m, s, random_address(s), mapped);
	return text;
}

static const char *translate(struct vm *m, const struct granule *g)
{
	static const int sizes[] = { 48, 47, 42, 39, 36 };
	struct setting s = { .g = g };
	unsigned int mapped = 0;
	const char *text;
	size_t i;

	if (!has_granule(m, g))
		return NOT_APPLICABLE "this CPU does not have the granule";
	srandom(g->shift);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		s.size0 = sizes[i];
		s.size1 = sizes[(i + 2) % 5];
		text = compare_many(m, &s, &mapped);
		if (text)
			return text;
	}
	CHECK(mapped > 100, "only %u addresses were mapped", mapped);
	return NULL;
}

static const char *translate_4k(struct vm *m)
{
	return translate(m, &granules[0]);
}

static const char *translate_16k(struct vm *m)
{
	return translate(m, &granules[1]);
}

static const char *translate_64k(struct vm *m)
{
	return translate(m, &granules[2]);
}

static bool has_52(struct vm *m, const struct granule *g)
{
	if (g->id_ds)
		return (mmfr0(m) >> g->id_low & 15) == g->id_ds;
	return (mmfr0(m) & 15) >= 6 && id(m, SYSREG(3, 0, 0, 7, 2)) >> 16 & 15;
}

static const char *translate_52(struct vm *m)
{
	unsigned int mapped = 0, tried = 0;
	struct setting s = { .wide = true };
	const char *text;
	size_t i;

	srandom(52);
	for (i = 0; i < 3; i++) {
		s.g = &granules[i];
		if (!has_granule(m, s.g) || !has_52(m, s.g))
			continue;
		s.size0 = 52;
		s.size1 = 50;
		text = compare_many(m, &s, &mapped);
		if (text)
			return text;
		tried++;
	}
	if (!tried)
		return NOT_APPLICABLE "this CPU, as KVM shows it, has no 52-bit addresses";
	CHECK(mapped > 100, "only %u addresses were mapped", mapped);
	return NULL;
}

static const char *translate_off(struct vm *m)
{
	const struct setting s = { .g = &granules[0], .size0 = 48, .size1 = 48 };
	unsigned int mapped = 0, i;
	const char *text = NULL;

	set_tables(m, &s);
	vm_set_sys(m, ARM64_SCTLR, 0x30d00800);
	for (i = 0; i < 20 && !text; i++)
		text = compare(m, &s, random64() & 0xffffffffff, &mapped);
	return text;
}

const struct fact translation_facts[] = {
	{ "translation as AT has it, 4K", translate_4k, NULL },
	{ "translation as AT has it, 16K", translate_16k, NULL },
	{ "translation as AT has it, 64K", translate_64k, NULL },
	{ "translation as AT has it, 52 bits", translate_52, NULL },
	{ "translation as AT has it, MMU off", translate_off, NULL },
	{ 0 },
};
