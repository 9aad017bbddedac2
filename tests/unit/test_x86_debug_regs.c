// SPDX-License-Identifier: MIT
/* Watchpoints and breakpoints split into x86 debug registers. */
#include <errno.h>

#include <criterion/criterion.h>

#include "arch/x86/debug_regs.h"

Test(x86_hw, aligned, .description = "aligned lengths of 1, 2, 4 and 8 take one slot")
{
	struct hw_slot out[4];
	uint64_t len;

	for (len = 1; len <= 8; len *= 2) {
		cr_expect_eq(x86_hw_split(HW_WRITE, 0x1000, len, out, 4, NULL), 1);
		cr_expect_eq(out[0].addr, 0x1000);
		cr_expect_eq(out[0].len, len);
		cr_expect_eq(out[0].kind, HW_WRITE);
	}
}

Test(x86_hw, covered, .description = "any range is covered exactly by aligned slots in order")
{
	struct hw_slot out[16];
	uint64_t addr, len, at;
	int i, n;

	for (addr = 0x1000; addr < 0x1010; addr++)
		for (len = 1; len < 40; len++) {
			n = x86_hw_split(HW_ACCESS, addr, len, out, 16, NULL);
			cr_assert_gt(n, 0);
			for (at = addr, i = 0; i < n; at += out[i++].len) {
				cr_assert_eq(out[i].addr, at);
				cr_assert_eq(out[i].addr % out[i].len, 0);
				cr_assert_eq(out[i].len & (out[i].len - 1), 0);
				cr_assert_leq(out[i].len, 8);
			}
			cr_assert_eq(at, addr + len);
		}
}

Test(x86_hw, fewest, .description = "a misaligned quadword takes three slots, not eight")
{
	struct hw_slot out[8];

	cr_expect_eq(x86_hw_split(HW_WRITE, 0x1004, 8, out, 8, NULL), 2);
	cr_expect_eq(x86_hw_split(HW_WRITE, 0x1001, 8, out, 8, NULL), 4);
	cr_expect_eq(x86_hw_split(HW_WRITE, 0x1002, 8, out, 8, NULL), 3);
}

Test(x86_hw, refused, .description = "what can't be watched is refused with the reason")
{
	struct hw_slot out[4];
	const char *why = NULL;

	cr_expect_eq(x86_hw_split(HW_READ, 0x1000, 4, out, 4, &why), -EOPNOTSUPP);
	cr_expect_not_null(why);
	why = NULL;
	cr_expect_eq(x86_hw_split(HW_WRITE, 0x1000, 0, out, 4, &why), -EINVAL);
	cr_expect_not_null(why);
	cr_expect_eq(x86_hw_split(HW_WRITE, ~0ull, 2, out, 4, &why), -EINVAL);
	cr_expect_eq(x86_hw_split(HW_EXEC, 0x1000, 2, out, 4, &why), -EINVAL);
	why = NULL;
	cr_expect_eq(x86_hw_split(HW_WRITE, 0x1000, 64, out, 4, &why), -ENOSPC);
	cr_expect_not_null(why);
	cr_expect_eq(x86_hw_split(HW_WRITE, 0x1000, ~0ull, out, 4, &why), -EINVAL);
	cr_expect_eq(x86_hw_split(HW_EXEC, 0x1000, 1, out, 0, &why), -ENOSPC);
}

Test(x86_hw, top, .description = "the last bytes of the address space can be watched")
{
	struct hw_slot out[4];

	cr_expect_eq(x86_hw_split(HW_WRITE, ~0ull - 7, 8, out, 4, NULL), 1);
	cr_expect_eq(x86_hw_split(HW_WRITE, ~0ull, 1, out, 4, NULL), 1);
}

Test(x86_hw, exec, .description = "an execution slot takes any address")
{
	struct hw_slot out[4];

	cr_expect_eq(x86_hw_split(HW_EXEC, 0x1003, 1, out, 4, NULL), 1);
	cr_expect_eq(out[0].addr, 0x1003);
	cr_expect_eq(out[0].len, 1);
}
