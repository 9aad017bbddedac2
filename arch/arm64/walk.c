// SPDX-License-Identifier: MIT
#include "arch/arm64/walk.h"

#include <endian.h>
#include <errno.h>

#include "arch/arm64/state.h"

enum { SHIFT_4K = 12, SHIFT_16K = 14, SHIFT_64K = 16, LAST_LEVEL = 3 };

#define SCTLR_M		 (1ULL << 0)
#define SCTLR_EE	 (1ULL << 25)

#define DESC_VALID	 (1ULL << 0)
#define DESC_TABLE	 (1ULL << 1) /* at the last level: page */
#define DESC_AP_USER	 (1ULL << 6)
#define DESC_AP_RO	 (1ULL << 7)
#define DESC_PXN	 (1ULL << 53)
#define DESC_UXN	 (1ULL << 54)
#define DESC_PXN_TABLE	 (1ULL << 59)
#define DESC_UXN_TABLE	 (1ULL << 60)
#define DESC_AP_NO_USER	 (1ULL << 61)
#define DESC_AP_RO_TABLE (1ULL << 62)

/* One of the two address ranges, as TCR_EL1 and the identification registers have it. */
struct range {
	uint64_t table;		 /* physical address of the first table */
	unsigned int va_bits;	 /* of an address in the range */
	unsigned int page_shift; /* granule */
	unsigned int pa_bits;	 /* output address size */
	bool ds;		 /* 52-bit addresses with 4K and 16K granules */
	bool lpa;		 /* 52-bit output addresses with 64K granules */
	bool top_ignored;
	bool flat; /* table descriptors' attributes are ignored */
	bool big_endian;
	bool disabled; /* no walks through this range */
};

static uint64_t field(uint64_t value, unsigned int low, unsigned int bits)
{
	return value >> low & ((1ULL << bits) - 1);
}

static uint64_t low_bits(unsigned int n)
{
	return (1ULL << n) - 1;
}

/* ---- what the registers say -------------------------------------------------------------- */

/* TG0 and TG1 have the same three granules in different codes; 0: reserved. */
static unsigned int page_shift(uint64_t tcr, bool high)
{
	static const uint8_t tg0[] = { SHIFT_4K, SHIFT_64K, SHIFT_16K, 0 };
	static const uint8_t tg1[] = { 0, SHIFT_16K, SHIFT_4K, SHIFT_64K };

	return high ? tg1[field(tcr, 30, 2)] : tg0[field(tcr, 14, 2)];
}

/* TCR_EL1.IPS: 48 bits at most, unless this range can have more. */
static unsigned int pa_bits(uint64_t tcr, bool has_52)
{
	static const uint8_t ips[] = { 32, 36, 40, 42, 44, 48, 52, 52 };
	const unsigned int bits = ips[field(tcr, 32, 3)];

	return bits > 48 && !has_52 ? 48 : bits;
}

static unsigned int va_bits(uint64_t tcr, bool high, bool has_52)
{
	const unsigned int most = has_52 ? 52 : 48;
	const unsigned int bits = 64 - (high ? field(tcr, 16, 6) : field(tcr, 0, 6));

	return bits > most ? most : bits;
}

static bool has_ds(uint64_t tcr, uint64_t mmfr0, unsigned int shift)
{
	if (!field(tcr, 59, 1))
		return false;
	return (shift == SHIFT_4K && field(mmfr0, 28, 4) == 1) ||
	       (shift == SHIFT_16K && field(mmfr0, 20, 4) == 2);
}

/* 52-bit tables have the address's top in bits 5:2 and are aligned to 64 bytes at least. */
static uint64_t first_table(const struct range *r, uint64_t ttbr, unsigned int size_shift)
{
	const uint64_t base = ttbr & low_bits(48);

	if (!r->ds && !(r->lpa && r->pa_bits == 52))
		return base & ~low_bits(size_shift);
	return (base & ~low_bits(size_shift < 6 ? 6 : size_shift)) | field(ttbr, 2, 4) << 48;
}

static unsigned int stride(const struct range *r)
{
	return r->page_shift - 3;
}

static unsigned int level_shift(const struct range *r, int level)
{
	return r->page_shift + (LAST_LEVEL - level) * stride(r);
}

static int first_level(const struct range *r)
{
	const unsigned int indexed = r->va_bits - r->page_shift;

	return LAST_LEVEL + 1 - (int)((indexed + stride(r) - 1) / stride(r));
}

static int range_of(struct cpu_view *v, uint64_t sctlr, bool high, struct range *r)
{
	uint64_t tcr, ttbr, mmfr0, mmfr2;
	int ret;

	if ((ret = arm64_sys(v, ARM64_TCR, &tcr)) ||
	    (ret = arm64_sys(v, high ? ARM64_TTBR1 : ARM64_TTBR0, &ttbr)) ||
	    (ret = arm64_sys(v, ARM64_MMFR0, &mmfr0)) || (ret = arm64_sys(v, ARM64_MMFR2, &mmfr2)))
		return ret;
	r->page_shift = page_shift(tcr, high);
	if (!r->page_shift)
		return -EFAULT;
	r->ds = has_ds(tcr, mmfr0, r->page_shift);
	r->lpa = r->page_shift == SHIFT_64K && field(mmfr0, 0, 4) >= 6;
	r->pa_bits = pa_bits(tcr, r->ds || r->lpa);
	r->va_bits =
		va_bits(tcr, high, r->ds || (r->page_shift == SHIFT_64K && field(mmfr2, 16, 4)));
	if (r->va_bits <= r->page_shift)
		return -EFAULT;
	r->top_ignored = field(tcr, high ? 38 : 37, 1);
	r->flat = field(tcr, high ? 42 : 41, 1);
	r->disabled = field(tcr, high ? 23 : 7, 1);
	r->big_endian = sctlr & SCTLR_EE;
	r->table = first_table(r, ttbr, r->va_bits - level_shift(r, first_level(r)) + 3);
	return 0;
}

/* Bit 55 chose the range; all bits from there down to its size must agree, and above if they count. */
static bool in_range(const struct range *r, uint64_t va)
{
	const uint64_t extended = r->top_ignored ? (uint64_t)((int64_t)(va << 8) >> 8) : va;
	const uint64_t above = extended >> r->va_bits;

	return above == (field(va, 55, 1) ? low_bits(64 - r->va_bits) : 0);
}

/* ---- descriptors ------------------------------------------------------------------------- */

static uint64_t output(const struct range *r, uint64_t desc, unsigned int shift)
{
	uint64_t pa = desc & low_bits(r->ds ? 50 : 48) & ~low_bits(shift);

	if (r->ds)
		pa |= field(desc, 8, 2) << 50;
	else if (r->lpa && r->pa_bits == 52)
		pa |= field(desc, 12, 4) << 48;
	return pa;
}

static bool block_allowed(const struct range *r, int level)
{
	switch (r->page_shift) {
	case SHIFT_4K: return level >= (r->ds ? 0 : 1);
	case SHIFT_16K: return level >= (r->ds ? 1 : 2);
	default: return level >= (r->lpa ? 1 : 2);
	}
}

static int read_desc(struct cpu_view *v, const struct range *r, uint64_t pa, uint64_t *desc)
{
	if (pa >> r->pa_bits)
		return -EFAULT;
	if (v->read_phys(v, pa, desc, sizeof(*desc)) != (ssize_t)sizeof(*desc))
		return -EFAULT;
	*desc = r->big_endian ? be64toh(*desc) : le64toh(*desc);
	return *desc & DESC_VALID ? 0 : -EFAULT;
}

/* What a table's descriptor takes away from all below it, as bits of a page's descriptor. */
static uint64_t table_limits(uint64_t desc)
{
	return (desc & DESC_PXN_TABLE ? DESC_PXN : 0) | (desc & DESC_UXN_TABLE ? DESC_UXN : 0) |
	       (desc & DESC_AP_RO_TABLE ? DESC_AP_RO : 0) | (desc & DESC_AP_NO_USER);
}

/* What EL0 can write EL1 never executes. */
static unsigned int prot_of(uint64_t desc, uint64_t limits)
{
	const uint64_t d = desc | (limits & ~DESC_AP_NO_USER);
	const bool user = desc & DESC_AP_USER && !(limits & DESC_AP_NO_USER);
	const bool writable = !(d & DESC_AP_RO);
	const bool exec = !(d & DESC_UXN) || (!(d & DESC_PXN) && !(user && writable));

	return PROT_R | (writable ? PROT_W : 0) | (exec ? PROT_X : 0) | (user ? PROT_USER : 0);
}

static int leaf(const struct range *r, uint64_t va, uint64_t desc, int level, uint64_t limits,
		struct xlat *out)
{
	const unsigned int shift = level_shift(r, level);
	const uint64_t pa = output(r, desc, shift);

	if (pa >> r->pa_bits)
		return -EFAULT;
	*out = (struct xlat){
		.gpa = pa | (va & low_bits(shift)),
		.page = 1ULL << shift,
		.prot = prot_of(desc, limits),
		.tables = r->table,
	};
	return 0;
}

static int walk(struct cpu_view *v, const struct range *r, uint64_t va, struct xlat *out)
{
	uint64_t table = r->table, limits = 0, desc, index;
	unsigned int top = r->va_bits, shift;
	int level, ret;

	for (level = first_level(r);; level++) {
		shift = level_shift(r, level);
		index = field(va, shift, top - shift);
		ret = read_desc(v, r, table + index * sizeof(desc), &desc);
		if (ret)
			return ret;
		if (level == LAST_LEVEL)
			return desc & DESC_TABLE ? leaf(r, va, desc, level, limits, out) : -EFAULT;
		if (!(desc & DESC_TABLE))
			return block_allowed(r, level) ? leaf(r, va, desc, level, limits, out)
						       : -EFAULT;
		if (!r->flat)
			limits |= table_limits(desc);
		table = output(r, desc, r->page_shift);
		top = shift;
	}
}

int arm64_translate(struct cpu_view *v, uint64_t va, struct xlat *out)
{
	struct range r;
	uint64_t sctlr;
	int ret;

	ret = arm64_sys(v, ARM64_SCTLR, &sctlr);
	if (ret)
		return ret;
	if (!(sctlr & SCTLR_M)) {
		*out = (struct xlat){ va, 1ULL << 63, PROT_R | PROT_W | PROT_X | PROT_USER,
				      XLAT_FLAT };
		return 0;
	}
	ret = range_of(v, sctlr, field(va, 55, 1), &r);
	if (ret)
		return ret;
	return r.disabled || !in_range(&r, va) ? -EFAULT : walk(v, &r, va, out);
}

bool arm64_decode_at(struct cpu_view *v, uint64_t va, struct arm64_insn *in)
{
	uint32_t word;
	struct xlat x;

	if (va % ARM64_INSN_SIZE || arm64_translate(v, va, &x) ||
	    v->read_phys(v, x.gpa, &word, sizeof(word)) != (ssize_t)sizeof(word))
		return false;
	*in = arm64_decode(le32toh(word));
	return true;
}
