// SPDX-License-Identifier: MIT
/* Slots: hardware breakpoints, watchpoints, and software breakpoints that get those that are left. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <criterion/criterion.h>

#include "tests/unit/bp_vm.h"

enum { PAGE = BP_PAGE };

static int insert(enum bp_type type, uint64_t addr, uint64_t len)
{
	const char *why = NULL;
	int ret = breakpoints_insert(bp_vm.b, 0, type, addr, len, false, &why);

	if (ret && ret != -ENOMEM)
		cr_expect_not_null(why, "a refusal has a reason");
	return ret;
}

/* How many slots of that type are laid out at addr, or anywhere if it is 0. */
static unsigned int laid_out(enum bp_type type, uint64_t addr)
{
	unsigned int i, n, found = 0;
	const struct bp_slot *s = breakpoints_slots(bp_vm.b, &n);

	for (i = 0; i < n; i++)
		found += s[i].type == type && (!addr || s[i].addr == addr);
	return found;
}

static unsigned int all_slots(void)
{
	unsigned int n;

	breakpoints_slots(bp_vm.b, &n);
	return n;
}

/* ---- what the debugger asks for --------------------------------------------------------------- */

Test(hw, shared, .description = "x86: four slots in all, for either kind; a fifth is refused")
{
	bp_vm_init(&bp_soft8_host, 0);
	cr_expect_eq(insert(BP_HARDWARE, 0x100, 1), 0);
	cr_expect_eq(insert(BP_WRITE, 0x1000, 8), 0);
	cr_expect_eq(insert(BP_ACCESS, 0x1010, 8), 0);
	cr_expect_eq(breakpoints_exec_room(bp_vm.b), 2);
	cr_expect_eq(insert(BP_HARDWARE, 0x104, 1), 0);
	cr_expect_eq(insert(BP_HARDWARE, 0x108, 1), -ENOSPC);
	cr_expect_eq(insert(BP_WRITE, 0x1020, 8), -ENOSPC);
	breakpoints_remove(bp_vm.b, BP_HARDWARE, 0x100, 1);
	cr_expect_eq(insert(BP_WRITE, 0x1020, 8), 0);
	cr_expect_eq(all_slots(), 0, "laid out at the sync");
	bp_sync_run();
	cr_expect_eq(all_slots(), 4);
	cr_expect_str_eq(bp_state_of(BP_WRITE, 0x1000), "in a debug register");
	breakpoints_remove_all(bp_vm.b);
	cr_expect_eq(all_slots(), 0);
	bp_vm_fini();
}

Test(hw, apart, .description = "arm64: each kind has slots of its own")
{
	unsigned int i;

	bp_vm_init(&bp_soft32_host, 0);
	for (i = 0; i < bp_soft32_host.caps.exec_slots; i++)
		cr_expect_eq(insert(BP_HARDWARE, 0x100 + 4 * i, 4), 0);
	cr_expect_eq(insert(BP_HARDWARE, 0x200, 4), -ENOSPC);
	for (i = 0; i < bp_soft32_host.caps.watch_slots; i++)
		cr_expect_eq(insert(BP_READ, 0x1000 + 8 * i, 8), 0);
	cr_expect_eq(insert(BP_READ, 0x2000, 8), -ENOSPC);
	cr_expect_eq(breakpoints_exec_room(bp_vm.b), 3);
	bp_vm_fini();
}

Test(hw, several_slots, .description = "a long watchpoint takes as many slots as it needs, or none")
{
	const struct bp_slot *s;
	unsigned int i, n;

	bp_vm_init(&bp_soft8_host, 0);
	cr_expect_eq(insert(BP_WRITE, 0x1004, 16), 0);
	cr_expect_eq(insert(BP_WRITE, 0x2004, 8), -ENOSPC);
	cr_expect_eq(insert(BP_WRITE, 0x2000, 8), 0);
	bp_sync_run();
	s = breakpoints_slots(bp_vm.b, &n);
	cr_assert_eq(n, 4);
	for (i = 0; i < n; i++)
		cr_expect_eq(s[i].addr, i < 3 ? 0x1004 : 0x2000,
			     "a hit is reported by the address that the debugger gave");
	cr_expect_eq(insert(BP_WRITE, 0x3000, 64), -ENOSPC);
	bp_vm_fini();
}

Test(hw, no_slots, .description = "a host without debug hardware says so")
{
	bp_vm_init(&bp_soft8_bare, 0);
	cr_expect_eq(insert(BP_HARDWARE, 0x100, 1), -EOPNOTSUPP);
	cr_expect_eq(insert(BP_WRITE, 0x100, 1), -EOPNOTSUPP);
	cr_expect_eq(breakpoints_exec_room(bp_vm.b), 0);
	bp_vm_fini();
}

Test(hw, never_fire, .description = "a host whose slots never fire says so, kind by kind")
{
	struct breakpoints_host host = bp_soft8_host;
	int err;

	host.no_exec = "no exec traps";
	bp_vm_init(&host, 0);
	cr_expect_str_eq(bp_refused(BP_HARDWARE, 0x100, 1, &err), "no exec traps");
	cr_expect_eq(err, -EOPNOTSUPP);
	cr_expect_eq(insert(BP_WRITE, 0x1000, 8), 0);
	bp_set(0x200);
	bp_sync_run();
	cr_expect(bp_inserted_at(0x200), "no slot for software breakpoints either");
	cr_expect_eq(breakpoints_exec_room(bp_vm.b), 0);
	bp_vm_fini();
	host = bp_soft8_host;
	host.no_watch = "no watch traps";
	bp_vm_init(&host, 0);
	cr_expect_str_eq(bp_refused(BP_WRITE, 0x1000, 8, &err), "no watch traps");
	cr_expect_eq(err, -EOPNOTSUPP);
	cr_expect_eq(insert(BP_HARDWARE, 0x100, 1), 0);
	bp_vm_fini();
}

Test(hw, refused_by_arch, .description = "what the architecture can't watch is refused as it says")
{
	bp_vm_init(&bp_soft8_host, 0);
	cr_expect_eq(insert(BP_READ, 0x1000, 8), -EOPNOTSUPP);
	cr_expect_eq(insert(BP_WRITE, 0x1000, 0), -EINVAL);
	cr_expect_eq(insert(BP_HARDWARE, 0x101, 1), -EINVAL);
	bp_sync_run();
	cr_expect_eq(all_slots(), 0);
	bp_vm_fini();
}

Test(hw, twice, .description = "the same one twice is one; removing what is not there is nothing")
{
	bp_vm_init(&bp_soft8_host, 0);
	cr_expect_eq(insert(BP_WRITE, 0x1000, 8), 0);
	cr_expect_eq(insert(BP_WRITE, 0x1000, 8), 0);
	breakpoints_remove(bp_vm.b, BP_WRITE, 0x1000, 4);
	breakpoints_remove(bp_vm.b, BP_ACCESS, 0x1000, 8);
	bp_sync_run();
	cr_expect_eq(all_slots(), 1);
	cr_expect(breakpoints_watching(bp_vm.b, HW_WRITE, 0x1000));
	cr_expect_not(breakpoints_watching(bp_vm.b, HW_ACCESS, 0x1000));
	cr_expect_not(breakpoints_watching(bp_vm.b, HW_WRITE, 0x1008));
	breakpoints_remove(bp_vm.b, BP_WRITE, 0x1000, 8);
	cr_expect_not(breakpoints_watching(bp_vm.b, HW_WRITE, 0x1000));
	bp_sync_run();
	cr_expect_eq(all_slots(), 0);
	bp_vm_fini();
}

Test(hw, step, .description = "for single steps watchpoints are laid out, execution slots are not")
{
	bp_vm_init(&bp_soft8_host, 0);
	cr_expect_eq(insert(BP_WRITE, 0x1000, 8), 0);
	cr_expect_eq(insert(BP_HARDWARE, 0x100, 1), 0);
	bp_set(0x200);
	bp_sync_run();
	cr_expect_eq(all_slots(), 3);
	cr_expect_eq(breakpoints_sync(bp_vm.b, BP_SYNC_STEP, false), 0);
	cr_expect_eq(all_slots(), 1);
	cr_expect_eq(laid_out(BP_WRITE, 0x1000), 1);
	cr_expect(breakpoints_watching(bp_vm.b, HW_EXEC, 0x100), "it is still set");
	bp_sync_run();
	cr_expect_eq(all_slots(), 3);
	bp_vm_fini();
}

/* ---- software breakpoints in slots ------------------------------------------------------------- */

Test(hw, no_patched_byte,
     .description = "as many software breakpoints as there are free slots have one, and no byte")
{
	unsigned int i;

	bp_vm_init(&bp_soft8_host, 0);
	cr_assert_eq(insert(BP_WRITE, 0x1000, 8), 0);
	for (i = 0; i < 5; i++)
		bp_set(0x100 + 4 * i);
	bp_sync_run();
	cr_expect_eq(laid_out(BP_SOFTWARE, 0), 3);
	for (i = 0; i < 5; i++)
		cr_expect_eq(bp_inserted_at(0x100 + 4 * i), i >= 3);
	cr_expect_str_eq(bp_state_of(BP_SOFTWARE, 0x100), "in a debug register");
	cr_expect_str_eq(bp_state_of(BP_SOFTWARE, 0x110), "inserted");
	bp_clear(0x100);
	bp_sync_run();
	cr_expect_eq(laid_out(BP_SOFTWARE, 0), 3);
	cr_expect_not(bp_inserted_at(0x10c), "the next one has the slot");
	cr_expect_eq(laid_out(BP_SOFTWARE, 0x10c), 1);
	bp_vm_fini();
}

Test(hw, survives_a_loader,
     .description = "one that the guest's loader writes over, before the page is mapped or after")
{
	bp_vm_init(&bp_soft8_host, 0);
	bp_vm.map[5] = UNMAPPED;
	bp_set(5 * PAGE);
	bp_set(0x100);
	bp_sync_run();
	bp_vm.map[5] = 5;
	bp_guest_writes(5 * PAGE, 0x11);
	bp_guest_writes(0x100, 0x11);
	breakpoints_withdraw(bp_vm.b);
	bp_sync_run();
	cr_expect(bp_untouched());
	cr_expect_eq(laid_out(BP_SOFTWARE, 5 * PAGE), 1);
	cr_expect_eq(laid_out(BP_SOFTWARE, 0x100), 1);
	cr_expect(bp_notice_is(NULL), "nobody need know");
	bp_vm_fini();
}

Test(hw, waiting_first,
     .description = "those that wait for memory get slots first, the oldest of them first")
{
	unsigned int i;

	bp_vm_init(&bp_soft8_host, 0);
	bp_vm.map[5] = UNMAPPED;
	bp_set(0x100);
	for (i = 0; i < 5; i++)
		bp_set(5 * PAGE + 4 * i);
	bp_sync_run();
	cr_expect(bp_inserted_at(0x100));
	for (i = 0; i < 5; i++)
		cr_expect_eq(laid_out(BP_SOFTWARE, 5 * PAGE + 4 * i), i < 4);
	cr_expect(bp_notice_is("breakpoint at 0x5010 waits: the address is not mapped yet"),
		  "the others can be hit");
	cr_expect(bp_notice_is(NULL));
	bp_vm_fini();
}

Test(hw, gives_way,
     .description =
	     "what the debugger asks for takes the slot; the software breakpoint goes to memory")
{
	unsigned int i;

	bp_vm_init(&bp_soft8_host, 0);
	for (i = 0; i < 4; i++)
		bp_set(0x100 + 4 * i);
	bp_sync_run();
	cr_expect(bp_untouched());
	breakpoints_withdraw(bp_vm.b);
	cr_expect_eq(insert(BP_WRITE, 0x1004, 8), 0);
	cr_expect_eq(insert(BP_HARDWARE, 0x200, 1), 0);
	bp_sync_run();
	cr_expect_eq(laid_out(BP_WRITE, 0x1004), 2);
	cr_expect_eq(laid_out(BP_HARDWARE, 0x200), 1);
	cr_expect_eq(laid_out(BP_SOFTWARE, 0x100), 1);
	for (i = 1; i < 4; i++)
		cr_expect(bp_inserted_at(0x100 + 4 * i), "%u", i);
	bp_vm_fini();
}

Test(hw, waiting_gives_way,
     .description = "one that waits loses its slot to what is asked for, and that is reported")
{
	bp_vm_init(&bp_soft32_host, 0);
	bp_vm.map[5] = UNMAPPED;
	bp_set(5 * PAGE);
	bp_sync_run();
	cr_expect(bp_notice_is(NULL));
	cr_expect_eq(insert(BP_HARDWARE, 0x100, 4), 0);
	cr_expect_eq(insert(BP_HARDWARE, 0x104, 4), 0);
	cr_expect_eq(insert(BP_HARDWARE, 0x108, 4), 0);
	bp_sync_run();
	cr_expect_eq(laid_out(BP_SOFTWARE, 0), 0);
	cr_expect(bp_notice_is("breakpoint at 0x5000 waits: the address is not mapped yet"));
	bp_vm_fini();
}

Test(hw, guest_uses_slots,
     .description = "a guest with debug registers in use keeps them, but for those that wait")
{
	bp_vm_init(&bp_soft8_host, 0);
	bp_vm.map[5] = UNMAPPED;
	bp_set(0x100);
	bp_set(5 * PAGE);
	cr_assert_eq(breakpoints_sync(bp_vm.b, BP_SYNC_RUN, true), 0);
	cr_expect(bp_inserted_at(0x100));
	cr_expect_eq(all_slots(), 1);
	cr_expect_eq(laid_out(BP_SOFTWARE, 5 * PAGE), 1);
	bp_vm.map[5] = 5;
	cr_assert_eq(breakpoints_sync(bp_vm.b, BP_SYNC_RUN, true), 0);
	cr_expect(bp_inserted_at(5 * PAGE));
	cr_expect_eq(all_slots(), 0);
	bp_sync_run();
	cr_expect(bp_untouched());
	cr_expect_eq(all_slots(), 2);
	bp_vm_fini();
}

Test(hw, two_names_one_slot,
     .description = "of two names of one place one has the slot, the other one is in memory")
{
	struct breakpoints_host host = bp_soft8_host;

	host.caps.shared_slots = 1;
	bp_vm_init(&host, 0);
	bp_vm.map[2] = 1;
	bp_set(PAGE + 0x40);
	bp_set(2 * PAGE + 0x40);
	bp_sync_run();
	cr_expect_eq(all_slots(), 1);
	cr_expect(bp_inserted_at(PAGE + 0x40));
	bp_clear(2 * PAGE + 0x40);
	bp_sync_run();
	cr_expect(bp_untouched());
	bp_set(2 * PAGE + 0x40);
	bp_clear(PAGE + 0x40);
	cr_assert_eq(breakpoints_sync(bp_vm.b, BP_SYNC_RUN, true), 0);
	cr_expect(bp_inserted_at(PAGE + 0x40));
	bp_vm_fini();
}

/* ---- hosts and memory where only slots will do --------------------------------------------------- */

Test(hw, no_brk,
     .description =
	     "a host that has no traps for breakpoint instructions: slots, or a clear refusal")
{
	struct breakpoints_host host = bp_soft8_host;
	unsigned int i;
	int err;

	host.no_brk = "no int3 traps";
	bp_vm_init(&host, 0);
	bp_vm.map[5] = UNMAPPED;
	bp_set(5 * PAGE);
	for (i = 0; i < 3; i++)
		bp_set(0x100 + 4 * i);
	bp_refused(BP_SOFTWARE, 0x200, 1, &err);
	cr_expect_eq(err, -ENOSPC);
	cr_expect_eq(insert(BP_HARDWARE, 0x300, 1), -ENOSPC, "no breakpoint that would not hit");
	bp_sync_run();
	cr_expect(bp_untouched());
	cr_expect_eq(laid_out(BP_SOFTWARE, 0), 4);
	bp_clear(0x100);
	cr_expect_eq(insert(BP_HARDWARE, 0x300, 1), 0);
	bp_refused(BP_SOFTWARE, 0x100, 1, &err);
	bp_vm.map[5] = 5;
	cr_assert_eq(breakpoints_sync(bp_vm.b, BP_SYNC_RUN, true), 0);
	cr_expect(bp_untouched());
	cr_expect_eq(laid_out(BP_SOFTWARE, 0), 3, "also where the guest uses some");
	bp_vm_fini();
}

Test(hw, no_brk_no_slots, .description = "neither traps nor slots: the host's reason")
{
	struct breakpoints_host host = bp_soft8_bare;
	int err;

	host.no_brk = "no int3 traps";
	bp_vm_init(&host, 0);
	cr_expect_str_eq(bp_refused(BP_SOFTWARE, 0x100, 1, &err), "no int3 traps");
	cr_expect_eq(err, -EOPNOTSUPP);
	bp_vm_fini();
	host = bp_soft8_host;
	host.no_brk = "no int3 traps";
	host.no_exec = "no exec traps";
	bp_vm_init(&host, 0);
	cr_expect_str_eq(bp_refused(BP_SOFTWARE, 0x100, 1, &err), "no int3 traps");
	cr_expect_eq(err, -EOPNOTSUPP);
	bp_vm_fini();
}

Test(hw, no_brk_in_mode,
     .description =
	     "where breakpoint instructions do not trap in the CPU's mode: slots, or a clear refusal")
{
	unsigned int i;
	int err;

	bp_vm_init(&bp_soft8_host, 0);
	bp_vm.no_brk = "no int3 traps in this mode";
	for (i = 0; i < 4; i++)
		bp_set(0x100 + 4 * i);
	cr_expect_str_eq(bp_refused(BP_SOFTWARE, 0x200, 1, &err),
			 "breakpoints need debug registers in this mode on this host, and all are "
			 "in use");
	cr_expect_eq(err, -ENOSPC);
	cr_expect_eq(insert(BP_HARDWARE, 0x300, 1), -ENOSPC, "no breakpoint that would not hit");
	cr_assert_eq(breakpoints_sync(bp_vm.b, BP_SYNC_RUN, true), 0);
	cr_expect(bp_untouched());
	cr_expect_eq(laid_out(BP_SOFTWARE, 0), 4, "also where the guest uses some");
	bp_clear(0x100);
	cr_expect_eq(insert(BP_HARDWARE, 0x300, 1), 0);
	bp_refused(BP_SOFTWARE, 0x100, 1, &err);
	bp_vm_fini();
	bp_vm_init(&bp_soft8_bare, 0);
	bp_vm.no_brk = "no int3 traps in this mode";
	cr_expect_str_eq(bp_refused(BP_SOFTWARE, 0x100, 1, &err), bp_vm.no_brk);
	cr_expect_eq(err, -EOPNOTSUPP);
	bp_vm_fini();
}

Test(hw, no_brk_mode_left,
     .description = "in another mode, where they trap, the same breakpoints go to memory")
{
	unsigned int i;

	bp_vm_init(&bp_soft8_host, 0);
	bp_vm.no_brk = "no int3 traps in this mode";
	for (i = 0; i < 4; i++)
		bp_set(0x100 + 4 * i);
	bp_sync_run();
	breakpoints_withdraw(bp_vm.b);
	bp_vm.no_brk = NULL;
	bp_vm.tables++;
	cr_assert_eq(breakpoints_sync(bp_vm.b, BP_SYNC_RUN, true), 0);
	for (i = 0; i < 4; i++)
		cr_expect(bp_inserted_at(0x100 + 4 * i), "%u", i);
	cr_expect_eq(all_slots(), 0);
	bp_set(0x200);
	breakpoints_withdraw(bp_vm.b);
	bp_clear(0x200);
	bp_vm.no_brk = "no int3 traps in this mode";
	for (i = 0; i < 4; i++) {
		bp_clear(0x100 + 4 * i);
		bp_set(0x100 + 4 * i);
	}
	cr_assert_eq(breakpoints_sync(bp_vm.b, BP_SYNC_RUN, true), 0);
	cr_expect(bp_untouched());
	cr_expect_eq(all_slots(), 4, "set again they follow the mode of now");
	bp_vm_fini();
}

Test(hw, no_brk_named,
     .description =
	     "one that is mapped in such a mode and gets no slot is named, and not in memory")
{
	unsigned int i;

	bp_vm_init(&bp_soft8_host, 0);
	bp_vm.map[5] = UNMAPPED;
	for (i = 0; i < 5; i++)
		bp_set(5 * PAGE + 4 * i);
	bp_vm.map[5] = 5;
	bp_vm.no_brk = "no int3 traps in this mode";
	bp_sync_run();
	cr_expect(bp_untouched());
	cr_expect_eq(all_slots(), 4);
	cr_expect(bp_notice_is("breakpoint at 0x5010 can't be hit: breakpoint instructions do not "
			       "trap in this CPU mode, and no debug register is free"));
	cr_expect(bp_notice_is(NULL));
	cr_expect_str_eq(bp_state_of(BP_SOFTWARE, 5 * PAGE + 16),
			 "can't be inserted: breakpoint instructions do not trap in this CPU mode");
	bp_vm.no_brk = NULL;
	bp_sync_run();
	cr_expect_eq(bp_inserted_at(5 * PAGE + 16), laid_out(BP_SOFTWARE, 5 * PAGE + 16) == 0);
	bp_vm_fini();
}

Test(hw, no_brk_two_names,
     .description = "a location is not in memory while one of its names has no traps")
{
	struct breakpoints_host host = bp_soft8_host;

	host.caps.shared_slots = 1;
	bp_vm_init(&host, 0);
	bp_vm.map[2] = 1;
	bp_set(PAGE + 0x40);
	bp_vm.no_brk = "no int3 traps in this mode";
	bp_set(2 * PAGE + 0x40);
	bp_sync_run();
	cr_expect_eq(laid_out(BP_SOFTWARE, 2 * PAGE + 0x40), 1);
	cr_expect(bp_untouched());
	bp_clear(2 * PAGE + 0x40);
	cr_assert_eq(breakpoints_sync(bp_vm.b, BP_SYNC_RUN, true), 0);
	cr_expect(bp_inserted_at(PAGE + 0x40));
	bp_vm_fini();
}

static void protect(uint64_t gpa, int prot)
{
	cr_assert_eq(mprotect(bp_vm.host + gpa, PAGE, prot), 0);
}

Test(hw, rom, .description = "in read-only memory a breakpoint takes a slot, or is refused")
{
	const char *why;
	unsigned int i;
	int err;

	bp_vm_init(&bp_soft8_host, 0);
	protect(PAGE, PROT_READ);
	for (i = 0; i < 4; i++)
		bp_set(0x100 + 4 * i);
	bp_set(PAGE);
	bp_set(PAGE + 4);
	bp_sync_run();
	cr_expect_eq(laid_out(BP_SOFTWARE, PAGE) + laid_out(BP_SOFTWARE, PAGE + 4), 2,
		     "before those that can be in memory");
	cr_expect(bp_inserted_at(0x10c));
	cr_expect_eq(insert(BP_WRITE, 0x2004, 8), 0);
	cr_expect_eq(insert(BP_HARDWARE, 0x200, 1), -ENOSPC, "they keep theirs");
	why = bp_refused(BP_SOFTWARE, PAGE + 8, 1, &err);
	cr_expect_eq(err, -ENOSPC);
	cr_expect_str_eq(why, "the memory there can't be written, and all debug registers are in "
			      "use");
	bp_clear(PAGE);
	cr_expect_eq(insert(BP_HARDWARE, 0x200, 1), 0);
	bp_refused(BP_SOFTWARE, PAGE, 1, &err);
	bp_sync_run();
	cr_expect_eq(laid_out(BP_SOFTWARE, PAGE + 4), 1);
	cr_expect_eq(all_slots(), 4);
	breakpoints_remove(bp_vm.b, BP_HARDWARE, 0x200, 1);
	cr_expect_eq(insert(BP_HARDWARE, 0x204, 1), 0);
	cr_expect_eq(insert(BP_HARDWARE, 0x208, 1), -ENOSPC);
	breakpoints_remove_all(bp_vm.b);
	cr_expect(bp_untouched());
	bp_vm_fini();
	bp_vm_init(&bp_soft8_bare, 0);
	protect(PAGE, PROT_READ);
	cr_expect_str_eq(bp_refused(BP_SOFTWARE, PAGE, 1, &err),
			 "the memory there can't be written");
	cr_expect_eq(err, -EFAULT);
	cr_expect_null(bp_state_of(BP_SOFTWARE, PAGE));
	bp_vm_fini();
}

Test(hw, rom_first, .description = "what can't be in memory has its slot before what only waits")
{
	struct breakpoints_host host = bp_soft8_host;

	host.caps.shared_slots = 1;
	bp_vm_init(&host, 0);
	bp_vm.map[5] = UNMAPPED;
	bp_set(5 * PAGE);
	protect(PAGE, PROT_READ);
	bp_set(PAGE);
	bp_sync_run();
	cr_expect_eq(laid_out(BP_SOFTWARE, PAGE), 1);
	cr_expect_eq(all_slots(), 1);
	bp_vm_fini();
}

Test(hw, no_rom_any_more,
     .description = "memory that can be written again: set again, its breakpoints need no slot")
{
	unsigned int i;

	bp_vm_init(&bp_soft8_host, 0);
	protect(PAGE, PROT_READ);
	bp_set(PAGE);
	bp_sync_run();
	breakpoints_withdraw(bp_vm.b);
	protect(PAGE, PROT_READ | PROT_WRITE);
	bp_clear(PAGE);
	bp_set(PAGE);
	for (i = 0; i < 4; i++)
		cr_expect_eq(insert(BP_HARDWARE, 0x200 + 4 * i, 1), 0);
	bp_sync_run();
	cr_expect(bp_inserted_at(PAGE));
	bp_vm_fini();
}

Test(hw, becomes_rom,
     .description = "memory that becomes read-only: its breakpoints take slots from others")
{
	unsigned int i;

	bp_vm_init(&bp_soft8_host, 0);
	for (i = 0; i < 4; i++)
		bp_set(0x100 + 4 * i);
	for (i = 0; i < 6; i++)
		bp_set(PAGE + 4 * i);
	bp_sync_run();
	cr_expect(bp_inserted_at(PAGE) && !bp_inserted_at(0x100));
	breakpoints_withdraw(bp_vm.b);
	protect(PAGE, PROT_READ);
	bp_sync_run();
	for (i = 0; i < 4; i++)
		cr_expect(bp_inserted_at(0x100 + 4 * i), "no gap");
	for (i = 0; i < 6; i++)
		cr_expect_eq(laid_out(BP_SOFTWARE, PAGE + 4 * i), i < 4);
	cr_expect(
		bp_notice_is("breakpoint at 0x1010 can't be hit: the memory can't be written, and "
			     "no debug register is free"));
	cr_expect(
		bp_notice_is("breakpoint at 0x1014 can't be hit: the memory can't be written, and "
			     "no debug register is free"));
	cr_expect(bp_notice_is(NULL));
	cr_expect_str_eq(bp_state_of(BP_SOFTWARE, PAGE + 0x14),
			 "can't be inserted: the memory can't be written");
	protect(PAGE, PROT_READ | PROT_WRITE);
	bp_sync_run();
	cr_expect(bp_inserted_at(PAGE + 0x10) && bp_inserted_at(PAGE + 0x14));
	breakpoints_withdraw(bp_vm.b);
	cr_expect(bp_untouched());
	bp_vm_fini();
}

/* ---- the list ------------------------------------------------------------------------------- */

Test(hw, listed_when_removed,
     .description = "what the debugger removes at a stop is listed, with its state, until the sync")
{
	const struct {
		enum bp_type type;
		uint64_t addr, kind;
		const char *state;
	} all[] = {
		{ BP_SOFTWARE, 0x100, 1, "inserted" },
		{ BP_SOFTWARE, 5 * PAGE, 1, "waits: the address is not mapped to memory" },
		{ BP_HARDWARE, 0x200, 1, "in a debug register" },
		{ BP_HARDWARE, 0x208, 1, "in a debug register" },
		{ BP_HARDWARE, 0x210, 1, "in a debug register" },
		{ BP_ACCESS, 0x300, 8, "in a debug register" },
		{ BP_WRITE, 0x400, 8, "compared after each step" },
	};
	const unsigned int n = sizeof(all) / sizeof(*all);
	const char *why;
	unsigned int i;

	bp_vm_init(&bp_soft8_host, 0);
	bp_vm.map[5] = UNMAPPED;
	for (i = 0; i < n; i++)
		cr_assert_eq(breakpoints_insert(bp_vm.b, 0, all[i].type, all[i].addr, all[i].kind,
						all[i].type == BP_WRITE, &why),
			     0);
	bp_sync_run();
	breakpoints_withdraw(bp_vm.b);
	for (i = 0; i < 2 * n; i++)
		breakpoints_remove(bp_vm.b, all[i % n].type, all[i % n].addr, all[i % n].kind);
	for (i = 0; i < n; i++) {
		cr_expect(bp_is_listed(all[i].type, all[i].addr, true), "%u", i);
		cr_expect_str_eq(bp_state_of(all[i].type, all[i].addr), all[i].state);
	}
	for (i = 0; i < n; i += 2)
		cr_assert_eq(breakpoints_insert(bp_vm.b, 0, all[i].type, all[i].addr, all[i].kind,
						all[i].type == BP_WRITE, &why),
			     0);
	for (i = 0; i < n; i++)
		cr_expect(bp_is_listed(all[i].type, all[i].addr, i % 2), "%u", i);
	bp_sync_run();
	for (i = 0; i < n; i++)
		cr_expect_eq(bp_is_listed(all[i].type, all[i].addr, false), i % 2 == 0, "%u", i);
	bp_vm_fini();
}

Test(hw, removed_at_a_stop_without_end,
     .description = "any number of watchpoints can be set and removed at one stop")
{
	struct bp_info info;
	unsigned int i;

	bp_vm_init(&bp_soft8_host, 0);
	for (i = 0; i < 100; i++) {
		cr_assert_eq(insert(BP_WRITE, i * 8, 8), 0);
		breakpoints_remove(bp_vm.b, BP_WRITE, i * 8, 8);
	}
	cr_expect_eq(breakpoints_info(bp_vm.b, HW_SLOTS_MAX - 1, &info), 0);
	cr_expect_eq(breakpoints_info(bp_vm.b, HW_SLOTS_MAX, &info), -ENOENT);
	breakpoints_remove_all(bp_vm.b);
	cr_expect_eq(breakpoints_info(bp_vm.b, 0, &info), -ENOENT);
	bp_vm_fini();
}
