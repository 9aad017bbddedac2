// SPDX-License-Identifier: MIT
/* Breakpoints in memory that is not there yet, or no more: slots stand in for them. */
#include <errno.h>

#include <criterion/criterion.h>

#include "tests/unit/softvm.h"

enum { PAGE_VA = 0x900, PAGE_GPA = 0xc00 };

/* A loop that maps the page at PAGE_VA and jumps there; that comes back and goes round. */
static void begin_mapping(struct softvm *vm, const struct vcpu_ops *ops)
{
	const int to_page = (PAGE_VA - (LOOP + 8)) / SOFT_INSN;
	struct soft_regs *r = &vm->cpus[0].cpu.regs;

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_paging(vm);
	softvm_unmap(vm, PAGE_VA);
	CODE(vm, LOOP, I(ST, 2, 3, 0), JMP(to_page));
	CODE(vm, PAGE_GPA, I(NOP, 0, 0, 0), I(ADDI, 0, 0, 1), JMP(-to_page - 4));
	r->r[2] = PAGE_GPA | 1;
	r->r[3] = TABLE + PAGE_VA / SOFT_PAGE * 8;
	softvm_begin(vm);
}

SOFT_TEST(engine_pending, mapped_later,
	  "a breakpoint on a page that is not mapped yet is hit the first time, by a slot")
{
	begin_mapping(vm, ops);
	softvm_break(vm, PAGE_VA);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), PAGE_VA);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 0, "the first time");
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 1);
	cr_expect(softvm_planted(vm, PAGE_GPA), "it is a software one by now");
	cr_expect_eq(vm->engine.hw.narmed, 0);
	softvm_detach(vm);
	cr_expect_not(softvm_planted(vm, PAGE_GPA));
	softvm_fini(vm);
}

SOFT_TEST(engine_pending, without_slot,
	  "with all slots in use it is set at the next stop and resume")
{
	unsigned int i, slots = ops == &soft8_ops ? 4 : 3;

	begin_mapping(vm, ops);
	for (i = 0; i < slots; i++)
		softvm_insert(vm, BP_HARDWARE, 0x700 + 4 * i, ops->cpu->brk_kind);
	softvm_break(vm, PAGE_VA);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 100);
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	cr_expect_gt(softvm_regs(vm, 0)->r[0], 0);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), PAGE_VA);
	softvm_fini(vm);
}

SOFT_TEST(engine_pending, memory_taken_and_given,
	  "breakpoints in memory that the VMM removes and adds again: a slot, then set again")
{
	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect(softvm_planted(vm, LOOP + 8));
	cr_assert_eq(engine_remove_memory(&vm->engine, LOOP + 10), -ENOENT);
	cr_expect(softvm_planted(vm, LOOP + 8));
	cr_assert_eq(engine_remove_memory(&vm->engine, 0), 0);
	cr_expect_not(softvm_planted(vm, LOOP + 8), "it goes without our breakpoint");
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_not(softvm_planted(vm, LOOP + 8));
	cr_expect_eq(vm->engine.hw.narmed, 1);
	cr_assert_eq(memory_add(&vm->engine.mem, 0, vm->mem, SOFTVM_MEM), 0);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect(softvm_planted(vm, LOOP + 8));
	cr_expect_eq(vm->engine.hw.narmed, 0);
	softvm_detach(vm);
	cr_expect_not(softvm_planted(vm, LOOP + 8));
	softvm_fini(vm);
}

SOFT_TEST(engine_pending, taken_out_meanwhile,
	  "a breakpoint that is taken out while its memory is gone is not there when that is back")
{
	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_assert_eq(engine_remove_memory(&vm->engine, 0), 0);
	softvm_unbreak(vm, LOOP + 8);
	softvm_break(vm, LOOP + 12);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_assert_eq(memory_add(&vm->engine.mem, 0, vm->mem, SOFTVM_MEM), 0);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 12);
	cr_expect_not(softvm_planted(vm, LOOP + 8));
	cr_expect_eq(softvm_regs(vm, 0)->r[7], 0, "no exception of ours");
	softvm_fini(vm);
}

SOFT_TEST(engine_pending, no_memory,
	  "a breakpoint where no memory is, as while paging is off, waits for it in a slot")
{
	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	softvm_break(vm, 0xffff800000000000);
	softvm_break(vm, LOOP + 8);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8);
	cr_expect_eq(vm->engine.points.npending, 1);
	cr_expect_eq(vm->engine.hw.narmed, 1);
	softvm_fini(vm);
}
