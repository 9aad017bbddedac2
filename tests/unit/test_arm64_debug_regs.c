// SPDX-License-Identifier: MIT
/* Debug register pairs: splitting of ranges, encoding, and which one fired. */
#include <errno.h>

#include <criterion/criterion.h>

#include "arch/arm64/debug_regs.h"

static int split(enum hw_kind kind, uint64_t addr, uint64_t len, struct hw_slot *out,
		 unsigned int max)
{
	const char *why = NULL;
	int n = arm64_hw_split(kind, addr, len, out, max, &why);

	cr_assert((n < 0) == !!why, "a refusal has a reason, and only that");
	return n;
}

/* What the pair watches, from the manual's definition: is this byte watched? */
static bool pair_watches(struct arm64_debug_pair p, uint64_t addr)
{
	const unsigned int mask = p.control >> 24 & 31, bas = p.control >> 5 & 0xff;

	if (mask)
		return bas == 0xff && addr >> mask == p.value >> mask;
	return addr >> 3 == p.value >> 3 && bas >> (addr & 7) & 1;
}

static bool well_formed(struct arm64_debug_pair p)
{
	const unsigned int mask = p.control >> 24 & 31, bas = p.control >> 5 & 0xff;
	const unsigned int run = bas >> __builtin_ctz(bas);

	if (p.value & 7 || mask == 1 || mask == 2)
		return false;
	return mask ? bas == 0xff && !(p.value & ((1ULL << mask) - 1)) : !(run & (run + 1));
}

/* Every byte of the range and none around it, with at most max slots. */
static void check_cover(uint64_t addr, uint64_t len, int max)
{
	struct arm64_debug_pair pair;
	struct hw_slot out[HW_SLOTS_MAX];
	const int n = split(HW_WRITE, addr, len, out, HW_SLOTS_MAX);
	uint64_t a;
	bool watched;
	int i;

	cr_assert(n > 0 && n <= max, "%lx + %lx: %d slots", addr, len, n);
	for (a = addr - 16; a != addr + len + 16; a++) {
		for (watched = false, i = 0; i < n; i++) {
			pair = arm64_hw_encode(&out[i]);
			cr_assert(well_formed(pair));
			watched |= pair_watches(pair, a);
		}
		cr_assert_eq(watched, a >= addr && a < addr + len, "%lx + %lx: byte %lx", addr, len,
			     a);
	}
}

Test(arm64_hw, in_doubleword, .description = "1 to 8 bytes inside a doubleword take one slot")
{
	unsigned int at, len;

	for (at = 0; at < 8; at++)
		for (len = 1; len <= 8 - at; len++)
			check_cover(0x40001000 + at, len, 1);
}

Test(arm64_hw, ranges, .description = "any range is covered to the byte")
{
	check_cover(0x40001004, 8, 2);
	check_cover(0x40001000, 64, 1);
	check_cover(0x40001000, 4096, 1);
	check_cover(0x40000ff8, 4096, 10);
	check_cover(0x40001001, 30, 4);
	check_cover(0x40001010, 48, 2);
	check_cover(0xffff000012345670, 16, 1);
	check_cover(0, 4096, 1);
}

Test(arm64_hw, mask_limit, .description = "a slot watches up to 2 GiB")
{
	struct hw_slot out[2];

	cr_assert_eq(split(HW_ACCESS, 1ULL << 32, 1ULL << 31, out, 2), 1);
	cr_assert_eq(arm64_hw_encode(&out[0]).control >> 24 & 31, 31);
	cr_assert_eq(split(HW_ACCESS, 1ULL << 32, 1ULL << 32, out, 2), 2);
	cr_assert_eq(out[0].len, 1ULL << 31);
	cr_assert_eq(out[1].addr, (1ULL << 32) + (1ULL << 31));
}

Test(arm64_hw, refused, .description = "what can't be watched is refused with a reason")
{
	struct hw_slot out[4];

	cr_expect_eq(split(HW_WRITE, 0x1000, 0, out, 4), -EINVAL);
	cr_expect_eq(split(HW_WRITE, UINT64_MAX, 2, out, 4), -EINVAL);
	cr_expect_eq(split(HW_WRITE, UINT64_MAX, 1, out, 4), 1);
	cr_expect_eq(split(HW_WRITE, 0x1001, 4096, out, 4), -ENOSPC);
	cr_expect_eq(split(HW_EXEC, 0x1002, 4, out, 4), -EINVAL);
	cr_expect_eq(split(HW_EXEC, 0x1000, 2, out, 4), -EINVAL);
	cr_expect_eq(split(HW_EXEC, 0x1000, 4, out, 0), -ENOSPC);
	cr_expect_eq(arm64_hw_split(HW_EXEC, 0x1002, 4, out, 4, NULL), -EINVAL);
}

Test(arm64_hw, encode, .description = "DBGBCR and DBGWCR: at EL0 and EL1, by kind")
{
	const struct hw_slot exec = { HW_EXEC, 0xffff800008010004, 4 };
	const struct hw_slot write = { HW_WRITE, 0x1004, 4 }, read = { HW_READ, 0x1000, 1 };
	const struct hw_slot access = { HW_ACCESS, 0x40, 64 };

	/* E, PMC 3, BAS f */
	cr_expect_eq(arm64_hw_encode(&exec).control, 0x1e7);
	cr_expect_eq(arm64_hw_encode(&exec).value, 0xffff800008010004);
	/* E, PAC 3, LSC, BAS, MASK */
	cr_expect_eq(arm64_hw_encode(&write).control, 0xf0 << 5 | 2 << 3 | 7);
	cr_expect_eq(arm64_hw_encode(&write).value, 0x1000);
	cr_expect_eq(arm64_hw_encode(&read).control, 1 << 5 | 1 << 3 | 7);
	cr_expect_eq(arm64_hw_encode(&access).control, 6 << 24 | 0xff << 5 | 3 << 3 | 7);
}

Test(arm64_hw, tag, .description = "a tag in the top byte is not compared")
{
	const struct hw_slot user = { HW_WRITE, 0xaa00ffff00001000, 8 };
	const struct hw_slot kernel = { HW_WRITE, 0xaaff000000001000, 8 };

	cr_expect_eq(arm64_hw_encode(&user).value, 0x0000ffff00001000);
	cr_expect_eq(arm64_hw_encode(&kernel).value, 0xffff000000001000);
}

Test(arm64_hw, which, .description = "FAR within a slot, below it, and the direction of the access")
{
	const struct hw_slot s[] = {
		{ HW_EXEC, 0x1000, 4 },	 { HW_WRITE, 0x1000, 4 }, { HW_READ, 0x1000, 4 },
		{ HW_WRITE, 0x1008, 8 }, { HW_WRITE, 0x100c, 1 }, { HW_ACCESS, 0x4000, 4096 },
	};

	cr_expect_eq(arm64_watch_slots(s, 6, 0x1000, true), 1 << 1);
	cr_expect_eq(arm64_watch_slots(s, 6, 0x1003, false), 1 << 2);
	cr_expect_eq(arm64_watch_slots(s, 6, 0x100c, true), 1 << 3 | 1 << 4, "two that overlap");
	cr_expect_eq(arm64_watch_slots(s, 6, 0x0ff0, true), 1 << 1, "a wide access from below");
	cr_expect_eq(arm64_watch_slots(s, 6, 0x1005, true), 1 << 1, "the nearer side");
	cr_expect_eq(arm64_watch_slots(s, 6, 0x4abc, false), 1 << 5);
	cr_expect_eq(arm64_watch_slots(s, 6, 0xff00000000004abc, true), 1 << 5, "tagged");
	cr_expect_eq(arm64_watch_slots(s, 2, 0x1000, false), 1 << 1,
		     "an atomic, reported as a read");
	cr_expect_eq(arm64_watch_slots(s, 1, 0x1000, true), 0);
}
