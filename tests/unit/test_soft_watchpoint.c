// SPDX-License-Identifier: MIT
/* Watchpoints without debug registers. */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tests/unit/bp_vm.h"

enum { PAGE = BP_PAGE };

static int watch(uint64_t addr, uint64_t len)
{
	const char *why = NULL;
	int ret = breakpoints_insert(bp_vm.b, 0, BP_WRITE, addr, len, true, &why);

	if (ret)
		cr_expect_not_null(why, "a refusal has a reason");
	return ret;
}

static void unwatch(uint64_t addr, uint64_t len)
{
	breakpoints_remove(bp_vm.b, BP_WRITE, addr, len);
}

static bool changed_at(uint64_t addr)
{
	uint64_t at = 0;

	return breakpoints_changed(bp_vm.b, &at) && at == addr;
}

static bool nothing_changed(void)
{
	uint64_t at;

	return !breakpoints_changed(bp_vm.b, &at);
}

BP_TEST(soft_watch, change, "a change is reported once, one watchpoint after the other")
{
	cr_expect_not(breakpoints_by_steps(bp_vm.b));
	cr_assert_eq(watch(0x100, 8), 0);
	cr_assert_eq(watch(0x104, 8), 0);
	cr_expect(breakpoints_by_steps(bp_vm.b));
	cr_expect(breakpoints_watching(bp_vm.b, HW_WRITE, 0x104));
	cr_expect_not(breakpoints_watching(bp_vm.b, HW_ACCESS, 0x104));
	cr_expect_str_eq(bp_state_of(BP_WRITE, 0x104), "compared after each step");
	bp_sync_run();
	cr_expect(nothing_changed());
	bp_vm.host[0x106]++;
	cr_expect(changed_at(0x100));
	cr_expect(changed_at(0x104));
	cr_expect(nothing_changed());
	unwatch(0x100, 8);
	cr_expect_not(breakpoints_watching(bp_vm.b, HW_WRITE, 0x100));
	unwatch(0x104, 8);
	cr_expect_not(breakpoints_by_steps(bp_vm.b));
	bp_sync_run();
	bp_vm.host[0x106]++;
	cr_expect(nothing_changed());
}

BP_TEST(soft_watch, two_pages, "one that lies on two pages sees both")
{
	bp_vm.map[2] = 6;
	cr_assert_eq(watch(2 * PAGE - 4, 8), 0);
	bp_vm.host[2 * PAGE - 1]++;
	cr_expect(changed_at(2 * PAGE - 4));
	bp_vm.host[6 * PAGE + 3]++;
	cr_expect(changed_at(2 * PAGE - 4));
	bp_vm.host[2 * PAGE]++;
	bp_vm.host[6 * PAGE + 4]++;
	cr_expect(nothing_changed());
}

BP_TEST(soft_watch, writes, "the debugger knows what it wrote; what steps write is the guest's")
{
	const uint8_t bytes[] = { 1, 2, 3, 4 };
	const uint8_t others[] = { 5, 6, 7, 8 };

	cr_assert_eq(watch(0x100, 8), 0);
	cr_assert_eq(breakpoints_write(bp_vm.b, 0xfe, bytes, sizeof(bytes)), 0);
	cr_expect(nothing_changed());
	cr_assert_eq(breakpoints_write_as_guest(bp_vm.b, 0xfe, others, sizeof(others)), 0);
	cr_expect(changed_at(0x100));
	cr_assert_eq(watch(BP_MEM - 8, 8), 0);
	cr_assert_eq(breakpoints_write(bp_vm.b, BP_MEM - 2, bytes, sizeof(bytes)), -EFAULT);
	cr_expect(nothing_changed());
}

BP_TEST(soft_watch, breakpoints_hidden, "a breakpoint in watched memory is no change")
{
	bp_set(0x100);
	cr_assert_eq(watch(0x100, 8), 0);
	bp_sync_run();
	cr_expect(bp_inserted_at(0x100));
	cr_expect(nothing_changed());
	breakpoints_withdraw(bp_vm.b);
	cr_expect(nothing_changed());
}

BP_TEST(soft_watch, set_again,
	"removed and set again at a stop it keeps what it saw, also in tables without the address")
{
	cr_assert_eq(watch(PAGE, 8), 0);
	bp_sync_run();
	bp_vm.host[PAGE]++;
	unwatch(PAGE, 8);
	bp_vm.map[1] = UNMAPPED;
	cr_assert_eq(watch(PAGE, 8), 0);
	bp_sync_run();
	cr_expect(changed_at(PAGE), "not reported yet");
	bp_vm.host[PAGE]++;
	unwatch(PAGE, 8);
	bp_vm.map[1] = 1;
	cr_assert_eq(watch(PAGE, 8), 0);
	bp_sync_run();
	cr_expect(changed_at(PAGE), "neither");
	bp_vm.map[1] = UNMAPPED;
	unwatch(PAGE, 8);
	bp_sync_run();
	cr_expect_eq(watch(PAGE, 8), -EFAULT, "forgotten at the sync");
}

BP_TEST(soft_watch, other_process,
	"set again in tables that map the address to other memory, it stays where it was")
{
	cr_assert_eq(watch(PAGE, 8), 0);
	bp_sync_run();
	unwatch(PAGE, 8);
	bp_vm.tables = 2;
	bp_vm.map[1] = 3;
	cr_assert_eq(watch(PAGE, 8), 0);
	bp_sync_run();
	bp_vm.host[3 * PAGE]++;
	cr_expect(nothing_changed());
	bp_vm.host[PAGE]++;
	cr_expect(changed_at(PAGE));
}

BP_TEST(soft_watch, moves, "set again when the page is elsewhere, it is there")
{
	cr_assert_eq(watch(PAGE, 8), 0);
	bp_sync_run();
	unwatch(PAGE, 8);
	bp_vm.map[1] = 3;
	cr_assert_eq(watch(PAGE, 8), 0);
	bp_sync_run();
	cr_expect(nothing_changed());
	bp_vm.host[PAGE]++;
	cr_expect(nothing_changed());
	bp_vm.host[3 * PAGE]++;
	cr_expect(changed_at(PAGE));
}

BP_TEST(soft_watch, memory_goes, "memory that has gone has not changed")
{
	uint8_t *host = bp_vm.host;

	cr_assert_eq(watch(0x100, 8), 0);
	cr_assert_eq(breakpoints_remove_memory(bp_vm.b, 0), 0);
	cr_expect(nothing_changed());
	cr_assert_eq(memory_add(&bp_vm.mem, 0, host, BP_MEM), 0);
	host[0x100]++;
	cr_expect(changed_at(0x100));
}

BP_TEST(soft_watch, refused_with_reason, "what can't be watched so, and more than may be")
{
	const char *why = NULL;
	unsigned int i;

	cr_expect_eq(watch(0x100, 0), -EINVAL);
	cr_expect_eq(watch(0x100, 65), -EINVAL);
	cr_expect_eq(watch(BP_MEM - 4, 8), -EFAULT);
	cr_expect_eq(breakpoints_insert(bp_vm.b, 0, BP_ACCESS, 0x100, 8, true, &why), -EOPNOTSUPP);
	cr_expect_not_null(why);
	for (i = 0; !watch(0x100 + i * 8, 8); i++)
		;
	cr_expect_eq(i, 64);
	cr_expect_eq(watch(0x1000, 8), -ENOSPC);
	cr_expect_eq(watch(0x100, 8), 0, "is there");
	for (i = 0; i < 64; i++)
		unwatch(0x100 + i * 8, 8);
	cr_expect_eq(watch(0x1000, 8), 0, "removed ones make room");
}

BP_TEST(soft_watch, after_all_removed, "what the last debugger has watched is not there any more")
{
	cr_assert_eq(watch(0x100, 8), 0);
	bp_sync_run();
	breakpoints_remove_all(bp_vm.b);
	cr_expect_not(breakpoints_watching(bp_vm.b, HW_WRITE, 0x100));
	cr_assert_eq(watch(0x100, 8), 0);
	cr_expect(breakpoints_by_steps(bp_vm.b));
}
