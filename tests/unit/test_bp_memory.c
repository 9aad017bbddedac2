// SPDX-License-Identifier: MIT
/* Guest memory that is no plain RAM: no access to it ends the VMM. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "tests/unit/bp_vm.h"

enum { PAGE = BP_PAGE };

static void protect(uint64_t gpa, int prot)
{
	cr_assert_eq(mprotect(bp_vm.host + gpa, PAGE, prot), 0);
}

BP_TEST(bp_memory, read_only, "read-only memory: reads work, a write is an error")
{
	uint8_t bytes[8] = { 1, 2, 3 };

	protect(PAGE, PROT_READ);
	cr_expect(bp_reads_as_before(PAGE - 8, 64));
	cr_expect_eq(breakpoints_write(bp_vm.b, PAGE + 8, bytes, sizeof(bytes)), -EFAULT);
	cr_expect_eq(breakpoints_write(bp_vm.b, PAGE - 4, bytes, sizeof(bytes)), -EFAULT);
	cr_expect_eq(breakpoints_write(bp_vm.b, 2 * PAGE - 4, bytes, sizeof(bytes)), -EFAULT);
	cr_expect(bp_untouched(), "nothing of it");
	cr_expect_eq(bp_vm.synced, 0, "no cache is told of it");
	cr_expect_eq(breakpoints_write(bp_vm.b, PAGE - 8, bytes, sizeof(bytes)), 0);
}

BP_TEST(bp_memory, no_access, "PROT_NONE memory: neither can be, up to it both")
{
	uint8_t bytes[64];

	protect(PAGE, PROT_NONE);
	cr_expect_eq(breakpoints_read(bp_vm.b, PAGE - 40, bytes, sizeof(bytes)), 40);
	cr_expect_eq(memcmp(bytes, bp_vm.before + PAGE - 40, 40), 0);
	cr_expect_eq(breakpoints_read(bp_vm.b, PAGE + 8, bytes, sizeof(bytes)), 0);
	cr_expect_eq(breakpoints_write(bp_vm.b, PAGE + 8, bytes, sizeof(bytes)), -EFAULT);
	cr_expect_eq(breakpoints_write(bp_vm.b, PAGE - 8, bytes, sizeof(bytes)), -EFAULT);
	cr_expect(bp_reads_as_before(PAGE - 40, 40));
	protect(PAGE, PROT_READ | PROT_WRITE);
	cr_expect(bp_untouched());
}

BP_TEST(bp_memory, protected_later,
	"memory that is protected while breakpoints are in it is left alone until it is not")
{
	bp_set(PAGE);
	bp_set(PAGE + 0x10);
	bp_set(0x10);
	bp_sync_run();
	protect(PAGE, PROT_NONE);
	breakpoints_lift(bp_vm.b, breakpoints_location(bp_vm.b, PAGE + 0x10));
	breakpoints_withdraw(bp_vm.b);
	bp_sync_run();
	cr_expect(bp_inserted_at(0x10), "the others are not harmed");
	cr_expect(
		bp_notice_is("breakpoint at 0x1000 can't be hit: the memory can't be written, and "
			     "no debug register is free"));
	breakpoints_withdraw(bp_vm.b);
	protect(PAGE, PROT_READ | PROT_WRITE);
	memcpy(bp_vm.host + PAGE, bp_vm.before + PAGE, PAGE); /* by the VMM */
	bp_sync_run();
	cr_expect(bp_inserted_at(PAGE) && bp_inserted_at(PAGE + 0x10));
	breakpoints_withdraw(bp_vm.b);
	cr_expect(bp_untouched());
}

BP_TEST(bp_memory, read_only_later, "a breakpoint that can't be taken out any more stays hidden")
{
	bp_set(PAGE);
	bp_sync_run();
	protect(PAGE, PROT_READ);
	breakpoints_withdraw(bp_vm.b);
	cr_expect(bp_inserted_at(PAGE));
	cr_expect(bp_reads_as_before(PAGE - 8, 32));
	protect(PAGE, PROT_READ | PROT_WRITE);
	breakpoints_withdraw(bp_vm.b);
	cr_expect(bp_untouched());
}

BP_TEST(bp_memory, removed_read_only,
	"one that is removed while it can't be taken out is not taken for another one's")
{
	bp_set(PAGE);
	bp_set(PAGE + 8);
	bp_set(2 * PAGE);
	bp_sync_run();
	protect(PAGE, PROT_READ);
	breakpoints_withdraw(bp_vm.b);
	bp_clear(PAGE);
	cr_assert_eq(breakpoints_sync(bp_vm.b, BP_SYNC_STEP, false), 0);
	protect(PAGE, PROT_READ | PROT_WRITE);
	memcpy(bp_vm.host + PAGE, bp_vm.before + PAGE, 8); /* by the VMM */
	bp_sync_run();
	cr_expect(bp_notice_is(NULL));
	cr_expect(bp_inserted_at(PAGE + 8) && bp_inserted_at(2 * PAGE));
	breakpoints_withdraw(bp_vm.b);
	cr_expect(bp_untouched());
}

BP_TEST(bp_memory, written_over_read_only,
	"a write that fails, over a breakpoint that can't be taken out: it is hidden as before")
{
	uint8_t bytes[16] = { 0 };

	bp_set(PAGE);
	bp_set(PAGE - 4);
	bp_sync_run();
	protect(PAGE, PROT_READ);
	cr_expect_eq(breakpoints_write(bp_vm.b, PAGE - 8, bytes, sizeof(bytes)), -EFAULT);
	cr_expect(bp_inserted_at(PAGE) && bp_inserted_at(PAGE - 4));
	cr_expect(bp_reads_as_before(PAGE - 8, 16));
	protect(PAGE, PROT_READ | PROT_WRITE);
	breakpoints_withdraw(bp_vm.b);
	cr_expect(bp_untouched());
}

static bool all_inserted(uint64_t gpa, uint64_t end)
{
	for (; gpa < end; gpa += 8)
		if (!bp_inserted_at(gpa))
			return false;
	return true;
}

BP_TEST(bp_memory, among_many,
	"of thousands those in pages that can't be accessed, or overwritten, harm no other one")
{
	uint64_t gpa;

	for (gpa = 0; gpa < BP_MEM; gpa += 8)
		bp_set(gpa);
	protect(PAGE, PROT_READ);
	protect(5 * PAGE, PROT_NONE);
	bp_sync_run();
	cr_expect(all_inserted(0, PAGE) && all_inserted(2 * PAGE, 5 * PAGE));
	cr_expect(all_inserted(6 * PAGE, BP_MEM));
	protect(5 * PAGE, PROT_READ);
	cr_expect_eq(memcmp(bp_vm.host + 5 * PAGE, bp_vm.before + 5 * PAGE, PAGE), 0);
	bp_guest_writes(8, 0x11);
	bp_guest_writes(7 * PAGE + 16, 0x12);
	protect(3 * PAGE, PROT_READ);
	breakpoints_withdraw(bp_vm.b);
	cr_expect(all_inserted(3 * PAGE, 4 * PAGE), "they can't be removed");
	cr_expect(bp_reads_as_before(3 * PAGE, 64) && bp_reads_as_before(4 * PAGE - 32, 32));
	cr_expect_eq(memcmp(bp_vm.host, bp_vm.before, 3 * PAGE), 0);
	cr_expect_eq(memcmp(bp_vm.host + 4 * PAGE, bp_vm.before + 4 * PAGE, 4 * PAGE), 0);
	for (gpa = 0; gpa < BP_MEM; gpa += PAGE)
		protect(gpa, PROT_READ | PROT_WRITE);
	bp_sync_run();
	cr_expect(all_inserted(0, BP_MEM));
	for (gpa = 0; gpa < BP_MEM; gpa += 16)
		bp_clear(gpa);
	breakpoints_withdraw(bp_vm.b);
	cr_expect(bp_untouched());
	bp_sync_run();
	for (gpa = 0; gpa < BP_MEM; gpa += 8)
		cr_assert_eq(bp_inserted_at(gpa), gpa % 16 != 0);
	breakpoints_remove_all(bp_vm.b);
	cr_expect(bp_untouched());
}

BP_TEST(bp_memory, overwritten_in_part,
	"what the guest wrote is kept, though it begins as a breakpoint instruction does")
{
	uint8_t insn[SOFT_INSN] = { *bp_vm.cpu->brk, 1, 2, 3 };

	if (bp_vm.cpu->brk_size == 1)
		return;
	bp_set(PAGE);
	bp_sync_run();
	memcpy(bp_vm.host + PAGE, insn, sizeof(insn));
	breakpoints_withdraw(bp_vm.b);
	cr_expect_eq(memcmp(bp_vm.host + PAGE, insn, sizeof(insn)), 0);
}

BP_TEST(bp_memory, one_reason_at_a_time,
	"overwritten first, read-only later: each is reported as it is")
{
	bp_set(PAGE);
	bp_sync_run();
	bp_guest_writes(PAGE, 0x11);
	breakpoints_withdraw(bp_vm.b);
	bp_sync_run();
	cr_expect(bp_notice_is("breakpoint at 0x1000 was overwritten by the guest; it is inserted "
			       "again"));
	breakpoints_withdraw(bp_vm.b);
	protect(PAGE, PROT_READ);
	bp_sync_run();
	cr_expect(
		bp_notice_is("breakpoint at 0x1000 can't be hit: the memory can't be written, and "
			     "no debug register is free"));
	cr_expect(bp_notice_is(NULL));
	protect(PAGE, PROT_READ | PROT_WRITE);
}

BP_TEST(bp_memory, beside_no_access,
	"a breakpoint right before a page that can't be accessed is inserted")
{
	bp_set(PAGE - 8);
	bp_set(PAGE);
	bp_sync_run();
	breakpoints_withdraw(bp_vm.b);
	protect(PAGE, PROT_NONE);
	bp_sync_run();
	cr_expect(bp_inserted_at(PAGE - 8));
	breakpoints_withdraw(bp_vm.b);
	protect(PAGE, PROT_READ | PROT_WRITE);
	cr_expect(bp_untouched());
}

BP_TEST(bp_memory, written, "the instruction cache is synchronized with what the debugger writes")
{
	uint8_t bytes[8] = { 0 };

	cr_expect_eq(breakpoints_write(bp_vm.b, 2 * PAGE, bytes, sizeof(bytes)), 0);
	cr_expect_eq(bp_vm.synced, 1);
}

BP_TEST(bp_memory, cut_short,
	"a file that was cut short: up to its end all works, behind it nothing")
{
	int fd = memfd_create("guest", MFD_CLOEXEC);
	uint8_t bytes[64], *cut;

	cr_assert_geq(fd, 0);
	cr_assert_eq(ftruncate(fd, 2 * PAGE), 0);
	cut = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert_neq(cut, MAP_FAILED);
	cr_assert_eq(memory_add(&bp_vm.mem, 16 * PAGE, cut, 2 * PAGE), 0);
	bp_vm.map[16] = 16;
	bp_vm.map[17] = 17;
	bp_set(16 * PAGE + 0x10);
	bp_set(17 * PAGE + 0x10);
	bp_set(17 * PAGE + 0x20);
	bp_sync_run();
	cr_expect_eq(memcmp(cut + PAGE + 0x20, bp_vm.cpu->brk, bp_vm.cpu->brk_size), 0);
	cr_assert_eq(ftruncate(fd, PAGE), 0);
	breakpoints_lift(bp_vm.b, breakpoints_location(bp_vm.b, 17 * PAGE + 0x10));
	cr_expect_eq(breakpoints_read(bp_vm.b, 17 * PAGE - 16, bytes, sizeof(bytes)), 16);
	cr_expect_eq(breakpoints_write(bp_vm.b, 17 * PAGE - 16, bytes, sizeof(bytes)), -EFAULT);
	cr_expect_eq(breakpoints_write(bp_vm.b, 17 * PAGE, bytes, 8), -EFAULT);
	breakpoints_withdraw(bp_vm.b);
	bp_sync_run();
	cr_expect_eq(memcmp(cut + 0x10, bp_vm.cpu->brk, bp_vm.cpu->brk_size), 0);
	cr_expect_eq(breakpoints_remove_memory(bp_vm.b, 16 * PAGE), 0);
	munmap(cut, 2 * PAGE);
	close(fd);
}

static void all_works(void)
{
	uint8_t bytes[PAGE];

	bp_set(0x100);
	bp_sync_run();
	cr_expect(bp_inserted_at(0x100));
	cr_expect(bp_reads_as_before(0xf0, 64));
	cr_expect_eq(breakpoints_read(bp_vm.b, BP_MEM - 8, bytes, sizeof(bytes)), 8);
	bp_vm.before[0x100] = 0x11;
	cr_expect_eq(breakpoints_write(bp_vm.b, 0x100, &bp_vm.before[0x100], 1), 0);
	breakpoints_withdraw(bp_vm.b);
	cr_expect(bp_untouched());
}

BP_TEST(bp_memory, plain_copies, "where the host has no memory files all is done by plain copies")
{
	bp_vm.mem.plain = true;
	all_works();
}

BP_TEST(bp_memory, closed, "a VMM that closes all descriptors that it does not know: the same")
{
	close(bp_vm.mem.window_fd);
	all_works();
	cr_expect(bp_vm.mem.plain);
	bp_vm.mem.window_fd = -1;
}
