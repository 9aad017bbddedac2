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
	cr_assert_eq(mprotect(vm.host + gpa, PAGE, prot), 0);
}

BP_TEST(bp_memory, read_only, "read-only memory: reads work, a write is an error")
{
	uint8_t bytes[8] = { 1, 2, 3 };

	protect(PAGE, PROT_READ);
	cr_expect(reads_as_before(PAGE - 8, 64));
	cr_expect_eq(breakpoints_write(vm.b, PAGE + 8, bytes, sizeof(bytes)), -EFAULT);
	cr_expect_eq(breakpoints_write(vm.b, PAGE - 4, bytes, sizeof(bytes)), -EFAULT);
	cr_expect_eq(breakpoints_write(vm.b, 2 * PAGE - 4, bytes, sizeof(bytes)), -EFAULT);
	cr_expect(untouched(), "nothing of it");
	cr_expect_eq(vm.synced, 0, "no cache is told of it");
	cr_expect_eq(breakpoints_write(vm.b, PAGE - 8, bytes, sizeof(bytes)), 0);
}

BP_TEST(bp_memory, no_access, "PROT_NONE memory: neither can be, up to it both")
{
	uint8_t bytes[64];

	protect(PAGE, PROT_NONE);
	cr_expect_eq(breakpoints_read(vm.b, PAGE - 40, bytes, sizeof(bytes)), 40);
	cr_expect_eq(memcmp(bytes, vm.before + PAGE - 40, 40), 0);
	cr_expect_eq(breakpoints_read(vm.b, PAGE + 8, bytes, sizeof(bytes)), 0);
	cr_expect_eq(breakpoints_write(vm.b, PAGE + 8, bytes, sizeof(bytes)), -EFAULT);
	cr_expect_eq(breakpoints_write(vm.b, PAGE - 8, bytes, sizeof(bytes)), -EFAULT);
	cr_expect(reads_as_before(PAGE - 40, 40));
	protect(PAGE, PROT_READ | PROT_WRITE);
	cr_expect(untouched());
}

BP_TEST(bp_memory, protected_later,
	"memory that is protected while breakpoints are in it is left alone until it is not")
{
	set(PAGE);
	set(PAGE + 0x10);
	set(0x10);
	sync_run();
	protect(PAGE, PROT_NONE);
	breakpoints_lift(vm.b, breakpoints_location(vm.b, PAGE + 0x10));
	breakpoints_withdraw(vm.b);
	sync_run();
	cr_expect(inserted_at(0x10), "the others are not harmed");
	cr_expect(notice_is("breakpoint at 0x1000 can't be hit: the memory can't be written, and "
			    "no debug register is free"));
	breakpoints_withdraw(vm.b);
	protect(PAGE, PROT_READ | PROT_WRITE);
	memcpy(vm.host + PAGE, vm.before + PAGE, PAGE); /* by the VMM */
	sync_run();
	cr_expect(inserted_at(PAGE) && inserted_at(PAGE + 0x10));
	breakpoints_withdraw(vm.b);
	cr_expect(untouched());
}

BP_TEST(bp_memory, read_only_later, "a breakpoint that can't be taken out any more stays hidden")
{
	set(PAGE);
	sync_run();
	protect(PAGE, PROT_READ);
	breakpoints_withdraw(vm.b);
	cr_expect(inserted_at(PAGE));
	cr_expect(reads_as_before(PAGE - 8, 32));
	protect(PAGE, PROT_READ | PROT_WRITE);
	breakpoints_withdraw(vm.b);
	cr_expect(untouched());
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
	cr_assert_eq(memory_add(&vm.mem, 16 * PAGE, cut, 2 * PAGE), 0);
	vm.map[16] = 16;
	vm.map[17] = 17;
	set(16 * PAGE + 0x10);
	set(17 * PAGE + 0x10);
	set(17 * PAGE + 0x20);
	sync_run();
	cr_expect_eq(memcmp(cut + PAGE + 0x20, vm.cpu->brk, vm.cpu->brk_size), 0);
	cr_assert_eq(ftruncate(fd, PAGE), 0);
	breakpoints_lift(vm.b, breakpoints_location(vm.b, 17 * PAGE + 0x10));
	cr_expect_eq(breakpoints_read(vm.b, 17 * PAGE - 16, bytes, sizeof(bytes)), 16);
	cr_expect_eq(breakpoints_write(vm.b, 17 * PAGE - 16, bytes, sizeof(bytes)), -EFAULT);
	cr_expect_eq(breakpoints_write(vm.b, 17 * PAGE, bytes, 8), -EFAULT);
	breakpoints_withdraw(vm.b);
	sync_run();
	cr_expect_eq(memcmp(cut + 0x10, vm.cpu->brk, vm.cpu->brk_size), 0);
	breakpoints_memory_gone(vm.b, 16 * PAGE, 2 * PAGE);
	cr_expect_eq(memory_remove(&vm.mem, 16 * PAGE), 0);
	munmap(cut, 2 * PAGE);
	close(fd);
}

static void all_works(void)
{
	uint8_t bytes[PAGE];

	set(0x100);
	sync_run();
	cr_expect(inserted_at(0x100));
	cr_expect(reads_as_before(0xf0, 64));
	cr_expect_eq(breakpoints_read(vm.b, BP_MEM - 8, bytes, sizeof(bytes)), 8);
	vm.before[0x100] = 0x11;
	cr_expect_eq(breakpoints_write(vm.b, 0x100, &vm.before[0x100], 1), 0);
	breakpoints_withdraw(vm.b);
	cr_expect(untouched());
}

BP_TEST(bp_memory, plain_copies, "where the host has no memory files all is done by plain copies")
{
	vm.mem.plain = true;
	all_works();
}

BP_TEST(bp_memory, closed, "a VMM that closes all descriptors that it does not know: the same")
{
	close(vm.mem.window_fd);
	all_works();
	cr_expect(vm.mem.plain);
	vm.mem.window_fd = -1;
}
