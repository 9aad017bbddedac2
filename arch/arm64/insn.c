// SPDX-License-Identifier: MIT
#include "arch/arm64/insn.h"

#include <stddef.h>

/* The first row that fits gives the kind. */
struct pattern {
	uint32_t mask, value;
	enum arm64_op op;
	bool conditional;
	uint8_t low, bits; /* of its immediate; of a branch the offset, in words */
};

static const struct pattern patterns[] = {
	{ 0xffffffff, 0xd503205f, ARM64_OP_WFE, false, 0, 0 },
	{ 0xffffffff, 0xd503207f, ARM64_OP_WFI, false, 0, 0 },
	{ 0xffffffe0, 0xd5031000, ARM64_OP_WFE, false, 0, 0 }, /* WFET */
	{ 0xffffffe0, 0xd5031020, ARM64_OP_WFI, false, 0, 0 }, /* WFIT */
	{ 0xffffffff, 0xd69f03e0, ARM64_OP_ERET, false, 0, 0 },
	{ 0xfffffbff, 0xd69f0bff, ARM64_OP_ERET, false, 0, 0 }, /* ERETAA, ERETAB */
	{ 0xfffff0ff, 0xd50340df, ARM64_OP_MSR_DAIFSET, false, 8, 4 },
	{ 0xfffff0ff, 0xd50340ff, ARM64_OP_MSR_DAIFCLR, false, 8, 4 },
	{ 0xffffffe0, 0xd51b4220, ARM64_OP_MSR_DAIF, false, 0, 0 },
	{ 0xffffffe0, 0xd53b4220, ARM64_OP_MRS_DAIF, false, 0, 0 },

	/* exclusive register: o2 = 0, o1 = 0; exclusive pair: o2 = 0, o1 = 1, size = 1x */
	{ 0x3fe00000, 0x08400000, ARM64_OP_LOAD_EXCLUSIVE, false, 0, 0 },
	{ 0xbfe00000, 0x88600000, ARM64_OP_LOAD_EXCLUSIVE, false, 0, 0 },
	{ 0x3fe00000, 0x08000000, ARM64_OP_STORE_EXCLUSIVE, false, 0, 0 },
	{ 0xbfe00000, 0x88200000, ARM64_OP_STORE_EXCLUSIVE, false, 0, 0 },

	{ 0xfc000000, 0x14000000, ARM64_OP_BRANCH, false, 0, 26 }, /* B */
	{ 0xff000000, 0x54000000, ARM64_OP_BRANCH, true, 5, 19 },  /* B.cond, BC.cond */
	{ 0x7e000000, 0x34000000, ARM64_OP_BRANCH, true, 5, 19 },  /* CBZ, CBNZ */
	{ 0x7e000000, 0x36000000, ARM64_OP_BRANCH, true, 5, 14 },  /* TBZ, TBNZ */

	{ 0xffe0001f, 0xd4200000, ARM64_OP_BRK, false, 5, 16 },

	{ 0xfc000000, 0x94000000, ARM64_OP_LEAVES, false, 0, 0 }, /* BL */
	{ 0xfe000000, 0xd6000000, ARM64_OP_LEAVES, false, 0, 0 }, /* BR, BLR, RET, DRPS */
	{ 0xff000000, 0xd4000000, ARM64_OP_LEAVES, false, 0, 0 }, /* SVC, HVC, SMC, HLT, DCPS */
	{ 0xffff0000, 0x00000000, ARM64_OP_LEAVES, false, 0, 0 }, /* UDF */
};

static int64_t signed_field(uint32_t word, unsigned int low, unsigned int bits)
{
	return (int64_t)((uint64_t)word << (64 - low - bits)) >> (64 - bits);
}

static const struct pattern *match(uint32_t word)
{
	size_t i;

	for (i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		if ((word & patterns[i].mask) == patterns[i].value)
			return &patterns[i];
	return NULL;
}

struct arm64_insn arm64_decode(uint32_t word)
{
	const struct pattern *p = match(word);
	struct arm64_insn in = { .op = ARM64_OP_OTHER, .reg = word & 31 };

	if (!p)
		return in;
	in.op = p->op;
	in.conditional = p->conditional;
	if (p->op == ARM64_OP_BRANCH)
		in.offset = signed_field(word, p->low, p->bits) * 4;
	else
		in.imm = word >> p->low & ((1U << p->bits) - 1);
	return in;
}
