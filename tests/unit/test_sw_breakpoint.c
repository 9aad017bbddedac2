// SPDX-License-Identifier: MIT
/* Software breakpoints in guest memory, as the engine sees them. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <criterion/criterion.h>

#include "tests/unit/bp_vm.h"

enum { PAGE = BP_PAGE };

/* ---- set, inserted, withdrawn -------------------------------------------------------------- */

BP_TEST(sw, inserted_at_sync, "memory changes when the VM runs, and not when a breakpoint is set")
{
	bp_set(0x100);
	cr_expect(bp_untouched());
	cr_expect_not(breakpoints_in_memory(bp_vm.b));
	bp_sync_run();
	cr_expect(bp_inserted_at(0x100));
	cr_expect(breakpoints_in_memory(bp_vm.b));
	cr_expect_not_null(breakpoints_location(bp_vm.b, 0x100));
	cr_expect_null(breakpoints_location(bp_vm.b, 0x104));
	cr_expect(breakpoints_named(bp_vm.b, 0x100) && !breakpoints_named(bp_vm.b, 0x104));
	bp_clear(0x100);
	cr_expect_not(breakpoints_named(bp_vm.b, 0x100));
	bp_sync_run();
	cr_expect(bp_untouched());
	cr_expect_not(breakpoints_in_memory(bp_vm.b));
}

BP_TEST(sw, nothing_in_a_stopped_vm,
	"while the VM is stopped there is no byte of the library in its memory")
{
	unsigned int i;

	for (i = 0; i < 1000; i++)
		bp_set(i * 8);
	bp_sync_run();
	cr_expect(bp_inserted_at(0) && bp_inserted_at(999 * 8));
	breakpoints_withdraw(bp_vm.b);
	cr_expect(bp_untouched());
	cr_expect_not(breakpoints_in_memory(bp_vm.b));
	cr_expect_null(breakpoints_location(bp_vm.b, 0));
	bp_sync_run();
	cr_expect(bp_inserted_at(0) && bp_inserted_at(999 * 8));
	breakpoints_remove_all(bp_vm.b);
	cr_expect(bp_untouched(), "at once");
	cr_expect_null(bp_state_of(BP_SOFTWARE, 0));
}

BP_TEST(sw, nothing_in_a_step, "for single steps nothing is inserted")
{
	bp_set(0x100);
	bp_sync_run();
	cr_assert_eq(breakpoints_sync(bp_vm.b, BP_SYNC_STEP, false), 0);
	cr_expect(bp_untouched());
	cr_expect_not(breakpoints_in_memory(bp_vm.b));
	bp_sync_run();
	cr_expect(bp_inserted_at(0x100));
}

BP_TEST(sw, twice, "the same breakpoint twice is one; removing what is not there is nothing")
{
	bp_set(0x100);
	bp_set(0x100);
	bp_sync_run();
	bp_clear(0x100);
	bp_clear(0x100);
	bp_clear(0x200);
	bp_sync_run();
	cr_expect(bp_untouched());
}

BP_TEST(sw, alias, "two virtual addresses of one place share it: the last one takes it away")
{
	bp_vm.map[2] = 1;
	bp_set(PAGE + 0x40);
	bp_set(2 * PAGE + 0x40);
	bp_sync_run();
	bp_clear(PAGE + 0x40);
	bp_sync_run();
	cr_expect(bp_inserted_at(PAGE + 0x40));
	bp_clear(2 * PAGE + 0x40);
	bp_sync_run();
	cr_expect(bp_untouched());
}

BP_TEST(sw, refused_alignment, "a wrong kind or alignment is refused, and leaves nothing")
{
	int err;

	bp_refused(BP_SOFTWARE, 0x100, bp_vm.cpu->brk_kind + 1, &err);
	cr_expect_eq(err, -EINVAL);
	if (bp_vm.cpu->brk_size == 4) {
		bp_refused(BP_SOFTWARE, 0x102, 4, &err);
		cr_expect_eq(err, -EINVAL);
	}
	cr_expect_null(bp_state_of(BP_SOFTWARE, 0x102));
	cr_expect_null(bp_state_of(BP_SOFTWARE, 0x100));
}

Test(sw, at_most_max, .description = "more breakpoints than may be set are refused with a reason")
{
	const char *why;
	unsigned int i;
	int err;

	bp_vm_init(&bp_soft8_host, 100);
	cr_assert_eq(breakpoints_insert(bp_vm.b, 0, BP_WRITE, 0x1000, 8, false, &why), 0);
	cr_assert_eq(breakpoints_insert(bp_vm.b, 0, BP_WRITE, 0x2000, 8, true, &why), 0);
	for (i = 0; i < 98; i++)
		bp_set(0x100000 + i);
	bp_refused(BP_SOFTWARE, 0x200000, 1, &err);
	cr_expect_eq(err, -ENOSPC);
	bp_refused(BP_HARDWARE, 0x200000, 1, &err);
	cr_expect_eq(err, -ENOSPC);
	why = NULL;
	cr_expect_eq(breakpoints_insert(bp_vm.b, 0, BP_WRITE, 0x3000, 8, true, &why), -ENOSPC);
	cr_expect_not_null(why);
	bp_set(0x100000); /* is there */
	cr_expect_eq(breakpoints_insert(bp_vm.b, 0, BP_WRITE, 0x2000, 8, true, &why), 0,
		     "so is it");
	for (i = 0; i < 98; i++)
		bp_clear(0x100000 + i);
	for (i = 0; i < 98; i++)
		bp_set(0x200000 + i);
	bp_refused(BP_SOFTWARE, 0x100000, 1, &err);
	bp_vm_fini();
}

/* ---- one host page at two guest-physical addresses ------------------------------------------- */

BP_TEST(sw, two_gpas, "memory at two guest-physical addresses: hidden and hit through both")
{
	uint8_t buf[16];

	cr_assert_eq(memory_add(&bp_vm.mem, 0x100000, bp_vm.host + PAGE, PAGE), 0);
	bp_vm.map[9] = 0x100;
	bp_set(PAGE + 0x40);
	bp_set(9 * PAGE + 0x40);
	bp_set(9 * PAGE + 0x80);
	bp_sync_run();
	cr_expect_not_null(breakpoints_location(bp_vm.b, PAGE + 0x40));
	cr_expect_eq(breakpoints_location(bp_vm.b, PAGE + 0x40),
		     breakpoints_location(bp_vm.b, 0x100040));
	cr_expect_eq(breakpoints_location(bp_vm.b, PAGE + 0x80),
		     breakpoints_location(bp_vm.b, 0x100080));
	cr_assert_eq(breakpoints_read(bp_vm.b, 0x100038, buf, 16), 16);
	cr_expect_eq(memcmp(buf, bp_vm.before + PAGE + 0x38, 16), 0);
	cr_expect(bp_reads_as_before(PAGE + 0x78, 16));
	bp_clear(PAGE + 0x40);
	bp_sync_run();
	cr_expect(bp_inserted_at(PAGE + 0x40), "it is set by another name");
	breakpoints_withdraw(bp_vm.b);
	cr_expect(bp_untouched());
}

BP_TEST(sw, one_of_two_gpas_goes, "memory that goes at one address stays at the other")
{
	cr_assert_eq(memory_add(&bp_vm.mem, 0x100000, bp_vm.host + PAGE, PAGE), 0);
	bp_set(PAGE + 0x40);
	bp_sync_run();
	cr_assert_eq(breakpoints_remove_memory(bp_vm.b, 0x100000), 0);
	cr_expect(bp_inserted_at(PAGE + 0x40));
	cr_expect_not_null(breakpoints_location(bp_vm.b, PAGE + 0x40));
}

/* ---- addresses that are mapped elsewhere, or not at all -------------------------------------- */

BP_TEST(sw, other_tables,
	"set again at a stop in tables without the address, it stays where it was (KPTI)")
{
	bp_set(PAGE + 0x40);
	bp_set(PAGE + 0x80);
	bp_sync_run();
	breakpoints_withdraw(bp_vm.b);
	bp_vm.map[1] = UNMAPPED;
	bp_clear(PAGE + 0x40);
	bp_set(PAGE + 0x40);
	bp_clear(PAGE + 0x80);
	bp_sync_run();
	cr_expect(bp_inserted_at(PAGE + 0x40));
	cr_expect_not(bp_inserted_at(PAGE + 0x80), "that one was not set again");
	cr_expect(bp_notice_is(NULL));
	breakpoints_withdraw(bp_vm.b);
	bp_clear(PAGE + 0x40);
	bp_sync_run();
	bp_set(PAGE + 0x40);
	bp_sync_run();
	cr_expect(bp_untouched(), "forgotten at the sync");
	cr_expect(bp_notice_is("breakpoint at 0x1040 waits: the address is not mapped yet"));
}

BP_TEST(sw, paging_begins,
	"set again when paging has begun since, it goes where the tables map its address")
{
	bp_vm.tables = XLAT_FLAT;
	bp_set(PAGE + 0x40);
	bp_sync_run();
	breakpoints_withdraw(bp_vm.b);
	bp_vm.tables = 2;
	bp_vm.map[1] = 3;
	bp_clear(PAGE + 0x40);
	bp_set(PAGE + 0x40);
	bp_sync_run();
	cr_expect(bp_inserted_at(3 * PAGE + 0x40) && !bp_inserted_at(PAGE + 0x40));
}

BP_TEST(sw, other_process,
	"set again at a stop in tables that map the address to other memory, it stays where it was")
{
	bp_set(PAGE + 0x40);
	bp_sync_run();
	breakpoints_withdraw(bp_vm.b);
	bp_vm.tables = 2;
	bp_vm.map[1] = 3;
	bp_clear(PAGE + 0x40);
	bp_set(PAGE + 0x40);
	bp_set(PAGE + 0x40);
	bp_sync_run();
	cr_expect(bp_inserted_at(PAGE + 0x40) && !bp_inserted_at(3 * PAGE + 0x40));
	breakpoints_withdraw(bp_vm.b);
	bp_vm.tables = 0;
	bp_vm.map[1] = 4;
	bp_clear(PAGE + 0x40);
	bp_set(PAGE + 0x40);
	bp_sync_run();
	cr_expect(bp_inserted_at(4 * PAGE + 0x40), "its own tables: the page went there");
	breakpoints_withdraw(bp_vm.b);
	bp_clear(PAGE + 0x40);
	bp_sync_run();
	bp_vm.tables = 2;
	bp_vm.map[1] = 3;
	bp_set(PAGE + 0x40);
	bp_sync_run();
	cr_expect(bp_inserted_at(3 * PAGE + 0x40), "forgotten at the sync, and set there");
	breakpoints_withdraw(bp_vm.b);
	cr_expect(bp_untouched());
}

BP_TEST(sw, moves_when_set_again,
	"the page went elsewhere: a breakpoint stays until it is set again, then it is there")
{
	bp_set(PAGE + 0x40);
	bp_set(3 * PAGE + 0x40); /* where it will go there is one already */
	bp_set(0x40);
	bp_sync_run();
	breakpoints_withdraw(bp_vm.b);
	bp_vm.map[1] = 3;
	bp_sync_run();
	cr_expect(bp_inserted_at(PAGE + 0x40), "not moved");
	breakpoints_withdraw(bp_vm.b);
	bp_clear(PAGE + 0x40);
	bp_set(PAGE + 0x40);
	bp_sync_run();
	cr_expect_not(bp_inserted_at(PAGE + 0x40));
	bp_clear(3 * PAGE + 0x40);
	bp_sync_run();
	cr_expect(bp_inserted_at(3 * PAGE + 0x40), "two names of one place");
	breakpoints_remove_all(bp_vm.b);
	cr_expect(bp_untouched());
}

BP_TEST(sw, waits, "on an unmapped page it waits, and is inserted when the page is there")
{
	bp_vm.map[5] = UNMAPPED;
	bp_set(5 * PAGE);
	bp_sync_run();
	cr_expect(bp_untouched());
	cr_expect_str_eq(bp_state_of(BP_SOFTWARE, 5 * PAGE),
			 "waits: the address is not mapped to memory");
	bp_vm.map[5] = 6;
	bp_sync_run();
	cr_expect(bp_inserted_at(6 * PAGE));
	cr_expect_str_eq(bp_state_of(BP_SOFTWARE, 5 * PAGE), "inserted");
	breakpoints_remove_all(bp_vm.b);
	cr_expect(bp_untouched());
}

BP_TEST(sw, waits_for_memory, "an address that is mapped to what is no memory waits as well")
{
	bp_vm.map[5] = BP_PAGES + 4; /* a device */
	bp_set(5 * PAGE);
	bp_sync_run();
	bp_vm.map[5] = 5;
	bp_sync_run();
	cr_expect(bp_inserted_at(5 * PAGE));
}

BP_TEST(sw, waiting_removed, "one that was never inserted leaves nothing")
{
	bp_vm.map[5] = UNMAPPED;
	bp_set(5 * PAGE);
	bp_clear(5 * PAGE);
	bp_vm.map[5] = 5;
	bp_sync_run();
	cr_expect(bp_untouched());
	cr_expect_null(bp_state_of(BP_SOFTWARE, 5 * PAGE));
}

BP_TEST(sw, asked_for, "all that were set since the last sync are tried at the next")
{
	unsigned int i;

	bp_vm.map[5] = UNMAPPED;
	for (i = 0; i < 1000; i++)
		bp_set(5 * PAGE + i * 4);
	bp_vm.map[5] = 5; /* by the debugger, before it resumes */
	bp_sync_run();
	for (i = 0; i < 1000; i++)
		cr_assert(bp_inserted_at(5 * PAGE + i * 4), "%u", i);
	bp_vm.map[6] = UNMAPPED;
	for (i = 0; i < 100; i++)
		bp_set(6 * PAGE + i * 4);
	bp_sync_run();
	bp_set(6 * PAGE + 99 * 4); /* set again, still waiting */
	bp_vm.map[6] = 6;
	bp_sync_run();
	cr_expect(bp_inserted_at(6 * PAGE + 99 * 4));
}

BP_TEST(sw, many_wait, "those that wait are tried in turn: a few at each sync, all in the end")
{
	unsigned int i, left = 0, rounds;

	bp_vm.map[5] = bp_vm.map[6] = UNMAPPED;
	for (i = 0; i < 500; i++) {
		bp_set(5 * PAGE + i * 4);
		bp_set(6 * PAGE + i * 4);
	}
	bp_sync_run();
	bp_vm.translations = 0;
	bp_sync_run();
	cr_expect_leq(bp_vm.translations, 16, "%u", bp_vm.translations);
	cr_expect_gt(bp_vm.translations, 0);
	bp_vm.map[5] = 2;
	for (i = 0; i < 500; i += 2)
		bp_clear(6 * PAGE + i * 4);
	for (rounds = 0; rounds < 1000 / 16 + 1; rounds++)
		bp_sync_run();
	for (i = 0; i < 500; i++)
		left += !bp_inserted_at(2 * PAGE + i * 4);
	cr_expect_eq(left, 0);
	bp_vm.map[6] = 3;
	for (rounds = 0; rounds < 250 / 16 + 1; rounds++)
		bp_sync_run();
	for (i = 0; i < 500; i++)
		cr_assert_eq(bp_inserted_at(3 * PAGE + i * 4), i % 2);
	breakpoints_remove_all(bp_vm.b);
	cr_expect(bp_untouched());
}

BP_TEST(sw, removed_in_turn, "those that wait are removed while their turn comes: the rest goes on")
{
	unsigned int i;

	bp_vm.map[5] = UNMAPPED;
	for (i = 0; i < 100; i++)
		bp_set(5 * PAGE + i * 4);
	for (i = 0; i < 90; i++) {
		bp_sync_run();
		bp_clear(5 * PAGE + (i * 37 % 90 + 5) * 4);
	}
	bp_vm.map[5] = 5;
	bp_sync_run();
	for (i = 0; i < 100; i++)
		cr_assert_eq(bp_inserted_at(5 * PAGE + i * 4), i < 5 || i >= 95, "%u", i);
}

/* ---- what the guest and the debugger write ---------------------------------------------------- */

BP_TEST(sw, hidden, "reads of any length and alignment show what the guest has")
{
	uint64_t from, len;

	bp_set(0x100);
	bp_set(0x104);
	bp_sync_run();
	for (from = 0xf8; from < 0x110; from++)
		for (len = 1; len <= 24; len++)
			cr_expect(bp_reads_as_before(from, len), "%u bytes at %#x",
				  (unsigned int)len, (unsigned int)from);
}

BP_TEST(sw, hidden_in_long_reads, "a read of all memory shows no breakpoint, few or many")
{
	static uint8_t buf[BP_MEM];
	unsigned int i;

	bp_set(0x100);
	bp_sync_run();
	cr_expect_eq(breakpoints_read(bp_vm.b, 0, buf, BP_MEM), BP_MEM);
	cr_expect_eq(memcmp(buf, bp_vm.before, BP_MEM), 0);
	for (i = 0; i < BP_MEM; i += 4)
		bp_set(i);
	bp_sync_run();
	cr_expect(bp_inserted_at(BP_MEM - 4));
	cr_expect_eq(breakpoints_read(bp_vm.b, 1, buf, BP_MEM), BP_MEM - 1, "up to the hole");
	cr_expect_eq(memcmp(buf, bp_vm.before + 1, BP_MEM - 1), 0);
}

BP_TEST(sw, write_beneath, "a write goes beneath what is inserted, which stays")
{
	uint64_t from;
	uint8_t bytes[16];
	unsigned int i, len;

	bp_set(0x100);
	bp_set(0x108);
	bp_sync_run();
	for (from = 0xf8; from < 0x110; from++) {
		len = from % 15 + 1;
		for (i = 0; i < len; i++)
			bytes[i] = bp_vm.before[from + i] = (uint8_t)(from * 5 + i) & 0x7f;
		cr_assert_eq(breakpoints_write(bp_vm.b, from, bytes, len), 0);
		cr_expect(bp_inserted_at(0x100) && bp_inserted_at(0x108));
		cr_expect(bp_reads_as_before(0xf0, 48));
	}
	breakpoints_withdraw(bp_vm.b);
	cr_expect(bp_untouched());
}

BP_TEST(sw, long_write_beneath, "a write of many pages goes beneath what is inserted, too")
{
	unsigned int i;

	for (i = 0; i < BP_PAGES; i++)
		bp_set(i * PAGE + 0x20);
	bp_sync_run();
	for (i = 0; i < BP_MEM; i++)
		bp_vm.before[i] = (uint8_t)(i * 7) & 0x7f;
	cr_assert_eq(breakpoints_write(bp_vm.b, 0, bp_vm.before, BP_MEM), 0);
	cr_expect(bp_inserted_at(0x20) && bp_inserted_at(7 * PAGE + 0x20));
	cr_expect(bp_reads_as_before(7 * PAGE, 64));
	breakpoints_withdraw(bp_vm.b);
	cr_expect(bp_untouched());
}

BP_TEST(sw, write_is_all_or_nothing, "a write that runs into a hole changes nothing")
{
	uint8_t bytes[64] = { 0 };

	bp_set(BP_MEM - 8);
	bp_sync_run();
	cr_expect_eq(breakpoints_write(bp_vm.b, BP_MEM - 32, bytes, sizeof(bytes)), -EFAULT);
	cr_expect(bp_reads_as_before(BP_MEM - 32, 32));
	cr_expect(bp_inserted_at(BP_MEM - 8));
	breakpoints_withdraw(bp_vm.b);
	cr_expect(bp_untouched());
}

BP_TEST(sw, guest_overwrites, "what the guest wrote over a breakpoint stays, and gets a new one")
{
	bp_set(0x100);
	bp_sync_run();
	bp_guest_writes(0x100, 0x11);
	cr_expect(bp_reads_as_before(0xf8, 16), "seen at once");
	breakpoints_withdraw(bp_vm.b);
	cr_expect(bp_untouched());
	bp_sync_run();
	cr_expect(bp_inserted_at(0x100));
	cr_expect(bp_reads_as_before(0xf8, 16));
	cr_expect(bp_notice_is("breakpoint at 0x100 was overwritten by the guest; it is inserted "
			       "again"));
	cr_expect(bp_notice_is(NULL));
	breakpoints_withdraw(bp_vm.b);
	cr_expect(bp_untouched());
	bp_sync_run();
	cr_expect(bp_notice_is(NULL));
}

BP_TEST(sw, both_names_overwritten, "what has two names is reported by both, and moves with both")
{
	bp_vm.map[2] = 1;
	bp_set(PAGE + 0x40);
	bp_set(2 * PAGE + 0x40);
	bp_sync_run();
	bp_guest_writes(PAGE + 0x40, 0x11);
	breakpoints_withdraw(bp_vm.b);
	bp_sync_run();
	cr_expect(bp_inserted_at(PAGE + 0x40));
	cr_expect(bp_notice_is("breakpoint at 0x1040 was overwritten by the guest; it is inserted "
			       "again"));
	cr_expect(bp_notice_is("breakpoint at 0x2040 was overwritten by the guest; it is inserted "
			       "again"));
	bp_guest_writes(PAGE + 0x40, 0x12);
	breakpoints_withdraw(bp_vm.b);
	bp_vm.map[1] = 3;
	bp_vm.map[2] = 4;
	bp_sync_run();
	cr_expect(bp_inserted_at(3 * PAGE + 0x40) && bp_inserted_at(4 * PAGE + 0x40));
	cr_expect_not(bp_inserted_at(PAGE + 0x40));
	cr_expect(bp_notice_is("breakpoint at 0x1040 was overwritten by the guest; it is inserted "
			       "again"));
	cr_expect(bp_notice_is("breakpoint at 0x2040 was overwritten by the guest; it is inserted "
			       "again"));
}

BP_TEST(sw, overwritten_and_removed, "one removed after the guest wrote over it: no stale bytes")
{
	bp_set(0x100);
	bp_sync_run();
	bp_guest_writes(0x100, 0x22);
	bp_clear(0x100);
	bp_sync_run();
	cr_expect(bp_untouched());
	cr_expect(bp_notice_is(NULL));
}

BP_TEST(sw, shared_byte,
	"a new instruction that shares bytes with the breakpoint is shown as it is")
{
	unsigned int i, size = bp_vm.cpu->brk_size;

	bp_set(0x100);
	bp_sync_run();
	for (i = 1; i < size; i++) /* on soft8 there is no such instruction */
		bp_vm.before[0x100 + i] = bp_vm.cpu->brk[i];
	if (size > 1) {
		bp_vm.before[0x100] = bp_vm.host[0x100] = SOFT_NOP;
		for (i = 0; i < size; i++)
			cr_expect(bp_reads_as_before(0x100 + i, 1), "byte %u", i);
	}
	cr_expect(bp_reads_as_before(0x100, 4));
}

BP_TEST(sw, overwritten_and_moved, "overwritten, and the page is elsewhere now: it is there")
{
	bp_set(PAGE + 0x40);
	bp_sync_run();
	bp_guest_writes(PAGE + 0x40, 0x33); /* the page was given to something else */
	breakpoints_withdraw(bp_vm.b);
	bp_vm.map[1] = 3;
	bp_sync_run();
	cr_expect(bp_inserted_at(3 * PAGE + 0x40));
	cr_expect_not(bp_inserted_at(PAGE + 0x40));
	breakpoints_remove_all(bp_vm.b);
	cr_expect(bp_untouched());
}

BP_TEST(sw, overwritten_and_unmapped, "overwritten, and mapped nowhere: that memory is left alone")
{
	bp_set(PAGE + 0x40);
	bp_sync_run();
	bp_guest_writes(PAGE + 0x40, 0x33);
	breakpoints_withdraw(bp_vm.b);
	bp_vm.map[1] = UNMAPPED;
	bp_sync_run();
	cr_expect(bp_untouched());
	cr_expect(bp_notice_is("breakpoint at 0x1040 waits: the guest has overwritten it, and the "
			       "address is not mapped"));
	bp_vm.map[1] = 1;
	bp_sync_run();
	cr_expect(bp_inserted_at(PAGE + 0x40));
}

/* ---- steps over it ---------------------------------------------------------------------------- */

BP_TEST(sw, lift, "lifted it is out of memory, put back it is in again, over what was written")
{
	struct bp_location *l;

	bp_set(0x100);
	bp_set(0x200);
	bp_sync_run();
	l = breakpoints_location(bp_vm.b, 0x100);
	cr_assert_not_null(l);
	breakpoints_lift(bp_vm.b, l);
	cr_expect_not(bp_inserted_at(0x100));
	cr_expect(bp_inserted_at(0x200));
	cr_expect_null(breakpoints_location(bp_vm.b, 0x100));
	bp_guest_writes(0x100, 0x44); /* by the very instruction */
	breakpoints_put_back(bp_vm.b, l);
	cr_expect(bp_inserted_at(0x100));
	cr_expect(bp_reads_as_before(0xf8, 16));
	breakpoints_withdraw(bp_vm.b);
	cr_expect(bp_untouched());
}

BP_TEST(sw, lifted_at_a_stop, "one that is lifted when the VM stops is not put back into it")
{
	struct bp_location *l;

	bp_set(0x100);
	bp_sync_run();
	l = breakpoints_location(bp_vm.b, 0x100);
	breakpoints_lift(bp_vm.b, l);
	breakpoints_withdraw(bp_vm.b);
	breakpoints_put_back(bp_vm.b, l);
	cr_expect(bp_untouched());
	bp_sync_run();
	cr_expect(bp_inserted_at(0x100));
}

/* ---- memory that goes and comes ---------------------------------------------------------------- */

static void goes(uint64_t gpa)
{
	cr_assert_eq(breakpoints_remove_memory(bp_vm.b, gpa), 0);
}

BP_TEST(sw, memory_goes, "memory goes without breakpoints; back as it was, they are inserted again")
{
	bp_set(0x100);
	bp_set(0x200);
	bp_sync_run();
	goes(0);
	cr_expect(bp_untouched());
	cr_expect_null(breakpoints_location(bp_vm.b, 0x100));
	bp_clear(0x200);
	bp_sync_run();
	cr_expect(bp_untouched());
	cr_expect(bp_notice_is("breakpoint at 0x100 waits: the address is not mapped yet"));
	cr_assert_eq(memory_add(&bp_vm.mem, 0, bp_vm.host, BP_MEM), 0);
	bp_sync_run();
	cr_expect(bp_inserted_at(0x100));
	cr_expect_not(bp_inserted_at(0x200));
	breakpoints_remove_all(bp_vm.b);
	cr_expect(bp_untouched());
}

BP_TEST(sw, some_memory_goes, "of many breakpoints those wait whose memory has gone, no other one")
{
	enum { HALF = BP_MEM / 2 };
	uint64_t gpa;

	goes(0);
	cr_assert_eq(memory_add(&bp_vm.mem, 0, bp_vm.host, HALF), 0);
	cr_assert_eq(memory_add(&bp_vm.mem, HALF, bp_vm.host + HALF, HALF), 0);
	for (gpa = 0; gpa < BP_MEM; gpa += 8) /* of both in turns */
		bp_set(gpa % 16 ? HALF + gpa / 16 * 8 : gpa / 2);
	bp_sync_run();
	goes(0);
	for (gpa = 0; gpa < BP_MEM; gpa += 8)
		cr_assert_eq(bp_inserted_at(gpa), gpa >= HALF);
	breakpoints_withdraw(bp_vm.b);
	cr_expect(bp_untouched());
	bp_sync_run();
	for (gpa = 0; gpa < BP_MEM; gpa += 8)
		cr_assert_eq(bp_inserted_at(gpa), gpa >= HALF);
	breakpoints_remove_all(bp_vm.b);
	cr_expect(bp_untouched());
}

BP_TEST(sw, memory_comes_back, "memory that comes back: its breakpoints go before others that wait")
{
	unsigned int i;

	bp_vm.map[5] = UNMAPPED;
	for (i = 0; i < 100; i++)
		bp_set(5 * PAGE + i * 4);
	bp_set(0x100);
	bp_sync_run();
	goes(0);
	cr_assert_eq(memory_add(&bp_vm.mem, 0, bp_vm.host, BP_MEM), 0);
	bp_sync_run();
	cr_expect(bp_inserted_at(0x100));
}

BP_TEST(sw, memory_about_to_go, "from the first word on that memory goes, it is a hole")
{
	uint8_t byte;

	bp_set(0x100);
	bp_sync_run();
	cr_assert_eq(breakpoints_remove_memory(bp_vm.b, 0), 0);
	breakpoints_withdraw(bp_vm.b);
	bp_sync_run();
	cr_expect(bp_untouched(), "nothing is inserted again before it is unmapped");
	cr_expect_eq(breakpoints_read(bp_vm.b, 0x100, &byte, 1), 0);
	cr_expect_eq(breakpoints_write(bp_vm.b, 0x100, &byte, 1), -EFAULT);
}

BP_TEST(sw, overwritten_memory_goes, "what the guest wrote over a breakpoint goes with the memory")
{
	bp_set(0x100);
	bp_sync_run();
	bp_guest_writes(0x100, 0x44);
	goes(0);
	cr_expect(bp_untouched());
	breakpoints_remove_all(bp_vm.b);
	cr_expect(bp_untouched());
}

BP_TEST(sw, memory_elsewhere, "memory that is mapped elsewhere in the VMM: breakpoints go there")
{
	uint8_t *first = bp_vm.host, *second = mmap(NULL, BP_MEM, PROT_READ | PROT_WRITE,
						    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(second, MAP_FAILED);
	bp_set(0x100);
	bp_sync_run();
	goes(0);
	memcpy(second, first, BP_MEM);
	munmap(first, BP_MEM);
	bp_vm.host = second;
	cr_assert_eq(memory_add(&bp_vm.mem, 0, second, BP_MEM), 0);
	bp_sync_run();
	cr_expect(bp_inserted_at(0x100));
	breakpoints_withdraw(bp_vm.b);
	cr_expect(bp_untouched());
}

BP_TEST(sw, memory_goes_before_sync,
	"memory that goes before the sync leaves the breakpoint waiting")
{
	bp_set(0x100);
	goes(0);
	bp_sync_run();
	cr_assert_eq(memory_add(&bp_vm.mem, 0, bp_vm.host, BP_MEM), 0);
	bp_sync_run();
	cr_expect(bp_inserted_at(0x100), "it is not forgotten");
}

BP_TEST(sw, memory_goes_in_a_step, "memory that goes while a breakpoint is lifted is left alone")
{
	struct bp_location *l;

	bp_set(0x100);
	bp_sync_run();
	l = breakpoints_location(bp_vm.b, 0x100);
	breakpoints_lift(bp_vm.b, l);
	goes(0);
	breakpoints_put_back(bp_vm.b, l);
	cr_expect(bp_untouched());
	breakpoints_lift(bp_vm.b, l);
	cr_assert_eq(memory_add(&bp_vm.mem, 0, bp_vm.host, BP_MEM), 0);
	breakpoints_put_back(bp_vm.b, l);
	cr_expect(bp_untouched());
	bp_sync_run();
	cr_expect(bp_inserted_at(0x100));
}

static void *take_memory_away(void *stop)
{
	while (!__atomic_load_n((bool *)stop, __ATOMIC_RELAXED)) {
		goes(0x100000);
		cr_assert_eq(memory_add(&bp_vm.mem, 0x100000, bp_vm.host + PAGE, PAGE), 0);
	}
	return NULL;
}

Test(sw, memory_goes_at_any_time,
     .description = "while memory comes and goes no read shows a breakpoint, no byte stays")
{
	bool stop = false;
	uint8_t buf[16];
	pthread_t t;
	size_t n;
	int i;

	bp_vm_init(&bp_soft8_bare, 0);
	goes(0);
	cr_assert_eq(memory_add(&bp_vm.mem, 0, bp_vm.host, PAGE), 0);
	cr_assert_eq(memory_add(&bp_vm.mem, 0x100000, bp_vm.host + PAGE, PAGE), 0);
	bp_vm.map[1] = 0x100;
	cr_assert_eq(pthread_create(&t, NULL, take_memory_away, &stop), 0);
	for (i = 0; i < 5000; i++) {
		bp_set(PAGE + 0x10);
		bp_sync_run();
		n = breakpoints_read(bp_vm.b, 0x100008, buf, sizeof(buf));
		cr_assert(n == 0 || n == sizeof(buf));
		cr_assert(!n || !memcmp(buf, bp_vm.before + PAGE + 8, n));
		if (i % 3)
			breakpoints_withdraw(bp_vm.b);
		else
			bp_clear(PAGE + 0x10);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	breakpoints_remove_all(bp_vm.b);
	cr_expect(bp_untouched());
	bp_vm_fini();
}

/* What vCPU threads do while they run: one steps over a breakpoint, the others read. */
static void *step_over(void *stop)
{
	struct bp_location *l = breakpoints_location(bp_vm.b, 0x10);

	cr_assert(l);
	while (!__atomic_load_n((bool *)stop, __ATOMIC_RELAXED)) {
		breakpoints_lift(bp_vm.b, l);
		breakpoints_put_back(bp_vm.b, l);
		cr_assert_eq(breakpoints_write(bp_vm.b, 0x20, &bp_vm.before[0x20], 8), 0);
	}
	return NULL;
}

static void *read_memory(void *stop)
{
	struct bp_location *l;
	uint8_t buf[64];
	size_t n;

	while (!__atomic_load_n((bool *)stop, __ATOMIC_RELAXED)) {
		n = breakpoints_read(bp_vm.b, 0, buf, sizeof(buf));
		cr_assert_eq(n, sizeof(buf));
		cr_assert_eq(memcmp(buf, bp_vm.before, n), 0);
		n = breakpoints_read(bp_vm.b, 0x100000, buf, sizeof(buf));
		cr_assert(!n || !memcmp(buf, bp_vm.before + PAGE, n));
		l = breakpoints_location(bp_vm.b, 0x100010);
		cr_assert(!l || l == breakpoints_location(bp_vm.b, PAGE + 0x10));
		cr_assert(breakpoints_in_memory(bp_vm.b) && breakpoints_named(bp_vm.b, 0x10));
	}
	return NULL;
}

Test(sw, at_once, .description = "vCPUs step over breakpoints and read while memory comes and goes")
{
	void *(*const work[])(void *) = { step_over, read_memory, read_memory };
	bool stop = false;
	pthread_t t[3];
	int i;

	bp_vm_init(&bp_soft32_bare, 0);
	cr_assert_eq(memory_add(&bp_vm.mem, 0x100000, bp_vm.host + PAGE, PAGE), 0);
	bp_vm.map[9] = 0x100;
	for (i = 0; i < 4; i++)
		bp_set(0x10 + i * 8);
	bp_set(9 * PAGE + 0x10);
	bp_sync_run();
	for (i = 0; i < 3; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, work[i], &stop), 0);
	for (i = 0; i < 1000; i++) {
		goes(0x100000);
		cr_assert_eq(memory_add(&bp_vm.mem, 0x100000, bp_vm.host + PAGE, PAGE), 0);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	breakpoints_withdraw(bp_vm.b);
	cr_expect(bp_untouched());
	bp_vm_fini();
}

/* ---- notices ------------------------------------------------------------------------------------ */

BP_TEST(sw, told_once, "a breakpoint that can't be hit is reported once, until that changes")
{
	bp_vm.map[5] = UNMAPPED;
	bp_set(5 * PAGE);
	cr_expect(bp_notice_is(NULL), "before the sync nobody knows");
	bp_sync_run();
	cr_expect(bp_notice_is("breakpoint at 0x5000 waits: the address is not mapped yet"));
	cr_expect(bp_notice_is(NULL));
	bp_clear(5 * PAGE);
	bp_set(5 * PAGE);
	bp_sync_run();
	cr_expect(bp_notice_is(NULL), "the same one, set again");
	bp_set(5 * PAGE + 8);
	bp_sync_run();
	bp_clear(5 * PAGE + 8);
	cr_expect(bp_notice_is(NULL), "removed before anybody asked");
	bp_set(5 * PAGE + 8);
	cr_expect(bp_notice_is(NULL), "and set again: the next sync will show");
	bp_clear(5 * PAGE + 8);
	bp_vm.map[5] = 5;
	bp_sync_run();
	goes(0);
	bp_sync_run();
	cr_expect(bp_notice_is("breakpoint at 0x5000 waits: the address is not mapped yet"));
	cr_expect(bp_notice_is(NULL));
}

BP_TEST(sw, many_told, "of very many that wait a few are reported, and how many more there are")
{
	char line[128];
	unsigned int i, lines = 0;

	bp_vm.map[5] = UNMAPPED;
	for (i = 0; i < 1000; i++)
		bp_set(5 * PAGE + i * 4);
	bp_sync_run();
	while (breakpoints_notice(bp_vm.b, line, sizeof(line)))
		lines++;
	cr_expect_eq(lines, 17);
	cr_expect_str_eq(line, "984 more breakpoints wait or were overwritten");
	bp_set(5 * PAGE + 4000);
	bp_sync_run();
	cr_expect(bp_notice_is("breakpoint at 0x5fa0 waits: the address is not mapped yet"));
}

/* ---- all of it ---------------------------------------------------------------------------------- */

BP_TEST(sw, random_walk, "set, removed, overwritten, written beneath at random: a model agrees")
{
	bool wanted[32] = { 0 };
	unsigned int n, i, r;

	srand(1);
	for (n = 0; n < 20000; n++) {
		i = (unsigned int)rand() % 32;
		r = (unsigned int)rand() % 9;
		if (r < 3) {
			bp_set(i * 4);
			wanted[i] = true;
		} else if (r < 5) {
			bp_clear(i * 4);
			wanted[i] = false;
		} else if (r == 5) {
			bp_guest_writes(i * 4, (uint8_t)n);
		} else if (r == 6) {
			bp_vm.before[i * 4] = (uint8_t)n & 0x7f;
			cr_assert_eq(breakpoints_write(bp_vm.b, i * 4, &bp_vm.before[i * 4], 1), 0);
		} else if (r == 7) {
			breakpoints_withdraw(bp_vm.b);
			cr_assert(bp_untouched());
		} else {
			breakpoints_withdraw(bp_vm.b);
			bp_sync_run();
			for (i = 0; i < 32; i++)
				cr_assert_eq(bp_inserted_at(i * 4), wanted[i]);
		}
		cr_assert(bp_reads_as_before(0, 64) && bp_reads_as_before(64, 64));
	}
	breakpoints_remove_all(bp_vm.b);
	cr_expect(bp_untouched());
}

Test(sw, slot_lost_unwritable,
     .description = "one that has waited in a slot and has none any more where it can't be written")
{
	const struct breakpoints_host host = { .cpu = &soft8_cpu, .caps = { .shared_slots = 1 } };
	const char *why;

	bp_vm_init(&host, 0);
	bp_set(20 * PAGE);
	bp_sync_run();
	cr_expect(bp_notice_is(NULL), "it can hit where it is");
	cr_assert_eq(breakpoints_insert(bp_vm.b, 0, BP_HARDWARE, 0x100, 1, false, &why), 0);
	bp_vm.map[20] = 1;
	cr_assert_eq(mprotect(bp_vm.host + PAGE, PAGE, PROT_READ), 0);
	bp_sync_run();
	cr_expect(
		bp_notice_is("breakpoint at 0x14000 can't be hit: the memory can't be written, and "
			     "no debug register is free"));
	bp_vm_fini();
}

BP_TEST(sw, lost_not_tried,
	"one whose memory has gone is not said to wait before it was tried once more")
{
	bp_set(PAGE);
	bp_sync_run();
	cr_assert_eq(breakpoints_remove_memory(bp_vm.b, 0), 0);
	cr_assert_eq(breakpoints_sync(bp_vm.b, BP_SYNC_STEP, false), 0);
	cr_expect(bp_notice_is(NULL));
	cr_assert_eq(memory_add(&bp_vm.mem, 0, bp_vm.host, BP_MEM), 0);
	bp_sync_run();
	cr_expect(bp_notice_is(NULL));
	cr_expect(bp_inserted_at(PAGE));
}
