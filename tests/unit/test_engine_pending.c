// SPDX-License-Identifier: MIT
/* Breakpoints where no memory is mapped yet, or no more. */
#include <errno.h>
#include <string.h>

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

SOFT_TEST_SLOTS(engine_pending, mapped_later,
		"a breakpoint on a page that is not mapped yet is hit the first time, by a slot")
{
	begin_mapping(vm, ops);
	softvm_break(vm, PAGE_VA);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), PAGE_VA);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 0, "the first time");
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 1);
	cr_expect_str_eq(softvm_state_of(vm, BP_SOFTWARE, PAGE_VA), "in a debug register");
	softvm_detach(vm);
	softvm_fini(vm);
}

SOFT_TEST_SLOTS(
	engine_pending, without_slot,
	"with all slots in use it is inserted at the next resume, and the debugger is told so")
{
	unsigned int i, slots = ops->cpu == &soft8_cpu ? 4 : 3;

	begin_mapping(vm, ops);
	for (i = 0; i < slots; i++)
		softvm_insert(vm, BP_HARDWARE, 0x700 + 4 * i, ops->cpu->brk_kind);
	softvm_break(vm, PAGE_VA);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 100);
	cr_expect(strstr(softvm_console(vm), "not mapped"));
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	cr_expect(strstr(softvm_state_of(vm, BP_SOFTWARE, PAGE_VA), "waits"));
	cr_expect_gt(softvm_regs(vm, 0)->r[0], 0);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), PAGE_VA);
	softvm_fini(vm);
}

SOFT_TEST(engine_pending, memory_removed_and_added,
	  "a breakpoint in memory that the VMM removes and adds again waits, and hits again")
{
	struct stop s;

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_assert_eq(engine_remove_memory(&vm->engine, LOOP + 10), -ENOENT);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_assert_eq(engine_remove_memory(&vm->engine, 0), 0);
	softvm_continue(vm);
	if (softvm_memory_only(vm)) {
		softvm_run_on(vm, 0, 100);
		cr_expect_not(softvm_wait(vm, &s, 0));
		softvm_interrupt(vm);
		expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
		cr_expect(strstr(softvm_state_of(vm, BP_SOFTWARE, LOOP + 8), "waits"));
		softvm_go_to(vm, 0, LOOP);
	} else { /* no memory is needed for a slot */
		expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	}
	cr_assert_eq(engine_add_memory(&vm->engine, 0, vm->mem, SOFTVM_MEM), 0);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8);
	continue_to(vm, STOP_SWBREAK, 0);
	softvm_fini(vm);
}

SOFT_TEST_MEMORY(engine_pending, memory_removed_running,
		 "memory that the VMM removes while vCPUs run goes without the breakpoint in it")
{
	struct stop s;

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	softvm_break(vm, 0x800);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 10);
	cr_expect(softvm_has_brk(vm, 0x800));
	cr_assert_eq(engine_remove_memory(&vm->engine, 0), 0);
	cr_expect_not(softvm_has_brk(vm, 0x800));
	softvm_run_on(vm, 0, 10);
	cr_expect_not(softvm_wait(vm, &s, 0));
	softvm_fini(vm);
}

SOFT_TEST(engine_pending, removed_meanwhile,
	  "a breakpoint that is removed while its memory is gone is not there when that is back")
{
	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_assert_eq(engine_remove_memory(&vm->engine, 0), 0);
	softvm_unbreak(vm, LOOP + 8);
	cr_assert_eq(engine_add_memory(&vm->engine, 0, vm->mem, SOFTVM_MEM), 0);
	softvm_break(vm, LOOP + 12);
	continue_to(vm, STOP_SWBREAK, 0);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 12);
	cr_expect_not(softvm_has_brk(vm, LOOP + 8));
	cr_expect_eq(softvm_regs(vm, 0)->r[7], 0, "no exception of ours");
	softvm_fini(vm);
}

SOFT_TEST(
	engine_pending, no_memory,
	"a breakpoint where no memory is, as while paging is off, waits for it, in a slot if one is free")
{
	const char *state;

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	softvm_break(vm, 0xffff800000000000);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8);
	state = softvm_state_of(vm, BP_SOFTWARE, 0xffff800000000000);
	cr_expect(strstr(state, softvm_memory_only(vm) ? "waits" : "in a debug register"));
	softvm_fini(vm);
}
