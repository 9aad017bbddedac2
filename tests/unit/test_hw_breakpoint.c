// SPDX-License-Identifier: MIT
#include <errno.h>

#include <criterion/criterion.h>

#include "core/breakpoints/hw_breakpoint.h"
#include "tests/unit/softcpu.h"

static struct points none;

static struct hw_breakpoints like(const struct vcpu_ops *ops, const struct vcpu_caps *caps)
{
	return (struct hw_breakpoints){ .cpu = ops->cpu, .caps = *caps };
}

static int insert(struct hw_breakpoints *h, enum bp_type type, uint64_t addr, uint64_t len)
{
	const char *why = NULL;
	int ret = hw_breakpoints_insert(h, type, addr, len, &why);

	if (ret && ret != -ENOMEM)
		cr_expect_not_null(why, "a refusal has a reason");
	return ret;
}

Test(hw_breakpoints, shared,
     .description = "x86: four slots in all, for either kind; a fifth is refused")
{
	struct hw_breakpoints h = like(&soft8_ops, &soft8_caps);

	cr_expect_eq(insert(&h, BP_HARDWARE, 0x100, 1), 0);
	cr_expect_eq(insert(&h, BP_WRITE, 0x1000, 8), 0);
	cr_expect_eq(insert(&h, BP_ACCESS, 0x1010, 8), 0);
	cr_expect_eq(insert(&h, BP_HARDWARE, 0x104, 1), 0);
	cr_expect_eq(insert(&h, BP_HARDWARE, 0x108, 1), -ENOSPC);
	cr_expect_eq(insert(&h, BP_WRITE, 0x1020, 8), -ENOSPC);
	hw_breakpoints_remove(&h, BP_HARDWARE, 0x100, 1);
	cr_expect_eq(insert(&h, BP_WRITE, 0x1020, 8), 0);
	hw_breakpoints_commit(&h, &none);
	cr_expect_eq(h.narmed, 4);
	hw_breakpoints_fini(&h);
}

Test(hw_breakpoints, apart, .description = "arm64: each kind has slots of its own")
{
	struct hw_breakpoints h = like(&soft32_ops, &soft32_caps);
	unsigned int i;

	for (i = 0; i < soft32_caps.exec_slots; i++)
		cr_expect_eq(insert(&h, BP_HARDWARE, 0x100 + 4 * i, 4), 0);
	cr_expect_eq(insert(&h, BP_HARDWARE, 0x200, 4), -ENOSPC);
	for (i = 0; i < soft32_caps.watch_slots; i++)
		cr_expect_eq(insert(&h, BP_READ, 0x1000 + 8 * i, 8), 0);
	cr_expect_eq(insert(&h, BP_READ, 0x2000, 8), -ENOSPC);
	hw_breakpoints_fini(&h);
}

Test(hw_breakpoints, several_slots,
     .description = "a long watch takes as many slots as it needs, or none")
{
	struct hw_breakpoints h = like(&soft8_ops, &soft8_caps);
	unsigned int i;

	cr_expect_eq(insert(&h, BP_WRITE, 0x1004, 16), 0);
	cr_expect_eq(insert(&h, BP_WRITE, 0x2004, 8), -ENOSPC);
	cr_expect_eq(insert(&h, BP_WRITE, 0x2000, 8), 0);
	hw_breakpoints_commit(&h, &none);
	cr_assert_eq(h.narmed, 4);
	for (i = 0; i < h.narmed; i++)
		cr_expect_eq(h.armed[i].addr, i < 3 ? 0x1004 : 0x2000,
			     "a stop tells the address that the debugger gave");
	cr_expect_eq(insert(&h, BP_WRITE, 0x3000, 64), -ENOSPC);
	hw_breakpoints_fini(&h);
}

Test(hw_breakpoints, no_slots, .description = "a host without debug hardware says so")
{
	const struct vcpu_caps caps = { .block_irq = true };
	struct hw_breakpoints h = like(&soft8_ops, &caps);

	cr_expect_eq(insert(&h, BP_HARDWARE, 0x100, 1), -EOPNOTSUPP);
	cr_expect_eq(insert(&h, BP_WRITE, 0x100, 1), -EOPNOTSUPP);
	hw_breakpoints_fini(&h);
}

Test(hw_breakpoints, refused_by_arch,
     .description = "what the architecture can't watch is refused as it says")
{
	struct hw_breakpoints h = like(&soft8_ops, &soft8_caps);

	cr_expect_eq(insert(&h, BP_READ, 0x1000, 8), -EOPNOTSUPP);
	cr_expect_eq(insert(&h, BP_WRITE, 0x1000, 0), -EINVAL);
	cr_expect_eq(insert(&h, BP_HARDWARE, 0x101, 1), -EINVAL);
	cr_expect_eq(h.npoints, 0);
	hw_breakpoints_fini(&h);
}

Test(hw_breakpoints, twice,
     .description = "the same control twice is one; removing what is not there is nothing")
{
	struct hw_breakpoints h = like(&soft8_ops, &soft8_caps);

	cr_expect_eq(insert(&h, BP_WRITE, 0x1000, 8), 0);
	cr_expect_eq(insert(&h, BP_WRITE, 0x1000, 8), 0);
	cr_expect_eq(h.npoints, 1);
	hw_breakpoints_remove(&h, BP_WRITE, 0x1000, 4);
	hw_breakpoints_remove(&h, BP_ACCESS, 0x1000, 8);
	cr_expect_eq(h.npoints, 1);
	hw_breakpoints_remove(&h, BP_WRITE, 0x1000, 8);
	cr_expect_eq(h.npoints, 0);
	hw_breakpoints_fini(&h);
}

/* Only for what is unmapped for ever. */
static int unmapped(void *opaque, unsigned int vcpu, uint64_t va, uint64_t *gpa)
{
	(void)opaque;
	(void)vcpu;
	(void)va;
	(void)gpa;
	return -EFAULT;
}

Test(hw_breakpoints, pending,
     .description = "breakpoints without memory get the execution slots that are left")
{
	struct points p = { .cpu = &soft8_cpu, .mmu = { unmapped, NULL } };
	struct hw_breakpoints h = like(&soft8_ops, &soft8_caps);
	unsigned int i, soft = 0;

	cr_assert_eq(insert(&h, BP_WRITE, 0x1000, 8), 0);
	for (i = 0; i < 5; i++)
		cr_assert_eq(points_insert(&p, 0, 0x100 + 4 * i), 0);
	hw_breakpoints_commit(&h, &p);
	cr_assert_eq(h.narmed, 4);
	for (i = 0; i < h.narmed; i++)
		soft += h.armed[i].type == BP_SOFTWARE && h.armed[i].slot.kind == HW_EXEC;
	cr_expect_eq(soft, 3);
	cr_expect_eq(insert(&h, BP_HARDWARE, 0x200, 1), 0, "a control goes before what is pending");
	hw_breakpoints_commit(&h, &p);
	cr_expect_eq(h.narmed, 4);
	points_remove_all(&p);
	hw_breakpoints_commit(&h, &p);
	cr_expect_eq(h.narmed, 2);
	hw_breakpoints_fini(&h);
	points_fini(&p);
}
