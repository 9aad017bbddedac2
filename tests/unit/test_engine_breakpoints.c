// SPDX-License-Identifier: MIT
/* The engine's software breakpoints, and the guest's own, on software vCPUs that run freely in
 * threads. */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tests/unit/softvm.h"

/* ---- software breakpoints ---------------------------------------------------------------- */

SOFT_TEST(engine_breakpoints, hit, "a hit is reported once, with its vCPU and PC, each time round")
{
	const uint64_t at = loop_of(1) + 8;
	uint64_t laps;
	unsigned int i;
	struct stop s;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_break(vm, at);
	continue_to(vm, STOP_SWBREAK, 1);
	laps = softvm_regs(vm, 1)->r[0];
	for (i = 1; i <= 20; i++) {
		cr_assert_eq(softvm_pc(vm, 1), at);
		cr_assert_eq(softvm_regs(vm, 1)->r[0], laps + i - 1, "one lap between hits");
		cr_expect_not(softvm_wait(vm, &s, 0), "reported once");
		continue_to(vm, STOP_SWBREAK, 1);
	}
	softvm_fini(vm);
}

SOFT_TEST(engine_breakpoints, hidden,
	  "at a stop a breakpoint is neither in guest memory nor in what the debugger reads")
{
	const uint64_t at = loop_of(0) + 8;
	uint8_t before[16], now[16];
	unsigned int off;

	softvm_init_loops(vm, ops, 1, NULL);
	memcpy(before, vm->mem + at - 8, sizeof(before));
	softvm_begin(vm);
	softvm_break(vm, at);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(memcmp(vm->mem + at - 8, before, sizeof(before)), 0, "as it is");
	for (off = 0; off < 12; off++) {
		cr_assert_eq(vm->t->ops->read(vm->t, 0, at - 8 + off, now, 4), 4);
		cr_expect_eq(memcmp(now, before + off, 4), 0, "at %u", off);
	}
	softvm_detach(vm);
	cr_expect_eq(memcmp(vm->mem + at - 8, before, sizeof(before)), 0);
	softvm_fini(vm);
}

/* The debugger leaves, and what it leaves behind there is this. */
static void end_with(struct softvm *vm, uint64_t at, const struct soft_insn *insn)
{
	softvm_detach(vm);
	softvm_stop(vm);
	cr_expect_eq(memcmp(vm->mem + at, insn, sizeof(*insn)), 0);
	softvm_fini(vm);
}

SOFT_TEST(engine_breakpoints, write_under,
	  "a debugger's write goes under a breakpoint, and it still works")
{
	const uint64_t at = loop_of(0) + 8;
	const struct soft_insn add = I(ADDI, 2, 0, 1);
	uint8_t now[4];

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	softvm_break(vm, at);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_assert_eq(vm->t->ops->write(vm->t, 0, at, &add, 4), 0);
	cr_assert_eq(vm->t->ops->read(vm->t, 0, at, now, 4), 4);
	cr_expect_eq(memcmp(now, &add, 4), 0);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[2], 1, "the new instruction ran, stepped over");
	end_with(vm, at, &add);
}

SOFT_TEST(engine_breakpoints, hole, "reads stop at a hole, writes into one are refused whole")
{
	uint8_t buf[16] = { 0 }, was[8];

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	memcpy(was, vm->mem + SOFTVM_MEM - 8, 8);
	cr_expect_eq(vm->t->ops->read(vm->t, 0, SOFTVM_MEM - 8, buf, 16), 8);
	cr_expect_eq(vm->t->ops->read(vm->t, 0, SOFTVM_MEM, buf, 16), -EFAULT);
	cr_expect_eq(vm->t->ops->read(vm->t, 7, 0, buf, 16), -EFAULT);
	buf[0] = 1;
	cr_expect_eq(vm->t->ops->write(vm->t, 0, SOFTVM_MEM - 8, buf, 16), -EFAULT);
	cr_expect_eq(memcmp(vm->mem + SOFTVM_MEM - 8, was, 8), 0);
	softvm_fini(vm);
}

/* r2 holds an instruction; each lap writes it over the one at +8, and the breakpoint there. */
static void begin_overwriting(struct softvm *vm, const struct vcpu_ops *ops,
			      const struct soft_insn *insn)
{
	struct soft_regs *r = &vm->cpus[0].cpu.regs;
	uint32_t word;

	softvm_init_loops(vm, ops, 1, NULL);
	memcpy(&word, insn, sizeof(word));
	r->r[2] = word;
	r->r[3] = LOOP;
	CODE(vm, LOOP, I(ADDI, 0, 0, 1), I(STW, 2, 3, 8), I(NOP, 0, 0, 0), I(NOP, 0, 0, 0),
	     JMP(-5));
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
}

static bool shows(struct softvm *vm, uint64_t at, const struct soft_insn *insn)
{
	struct soft_insn now;
	unsigned int i;
	uint8_t byte;

	if (vm->t->ops->read(vm->t, 0, at, &now, 4) != 4 || memcmp(&now, insn, 4) != 0)
		return false;
	for (i = 0; i < 4; i++)
		if (vm->t->ops->read(vm->t, 0, at + i, &byte, 1) != 1 ||
		    byte != ((const uint8_t *)insn)[i])
			return false;
	return true;
}

SOFT_TEST_MEMORY(
	engine_breakpoints, overwritten,
	"the guest writes over a breakpoint: no stale byte comes back, it is inserted again, "
	"and the debugger is told")
{
	const struct soft_insn add = I(ADDI, 4, 0x3c, 1);
	const uint64_t at = LOOP + 8;

	begin_overwriting(vm, ops, &add);
	softvm_break(vm, LOOP + 12);
	continue_to(vm, STOP_SWBREAK, 0); /* written over on the way to +8 */
	cr_assert_eq(softvm_pc(vm, 0), LOOP + 12, "what the guest wrote ran");
	cr_expect(shows(vm, at, &add));
	cr_expect_str_eq(softvm_console(vm), "");
	softvm_unbreak(vm, LOOP + 12);
	softvm_break(vm, LOOP + 16);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect(strstr(softvm_console(vm), "overwritten"));
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 16);
	cr_expect_eq(softvm_regs(vm, 0)->r[4], 1);
	softvm_go_to(vm, 0, at);
	cr_assert_eq(softvm_pc(vm, 0), at);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), at);
	cr_expect_eq(softvm_regs(vm, 0)->r[4], 1,
		     "hit where the debugger has moved it to, not a lap later");
	end_with(vm, at, &add);
}

SOFT_TEST(engine_breakpoints, overwritten_by_step,
	  "an instruction that is stepped writes over a breakpoint: that one is hit all the same")
{
	const struct soft_insn add = I(ADDI, 4, 0x3c, 1);
	const uint64_t at = LOOP + 8;

	begin_overwriting(vm, ops, &add);
	softvm_go_to(vm, 0, LOOP + 4);
	softvm_step(vm, 0);
	cr_expect(shows(vm, at, &add), "the new instruction");
	softvm_go_to(vm, 0, LOOP + 16);
	vm->mem[LOOP + 4] = SOFT_NOP;
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), at);
	end_with(vm, at, &add);
}

SOFT_TEST(engine_breakpoints, overwritten_shares_bytes,
	  "a new instruction with bytes of the breakpoint in it is shown as it is")
{
	const struct soft_insn like = I(NOP, 0x20, 0x3c, 0xd4); /* as soft32's, but for the first */
	const uint64_t at = LOOP + 8;

	begin_overwriting(vm, ops, &like);
	softvm_go_to(vm, 0, LOOP + 4);
	softvm_step(vm, 0);
	cr_expect(shows(vm, at, &like));
	softvm_fini(vm);
}

SOFT_TEST(engine_breakpoints, alias,
	  "a vCPU that reaches a breakpoint by an address that the debugger did not name passes it")
{
	struct stop s;
	unsigned int i;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_paging(vm);
	softvm_map(vm, 0x800, LOOP); /* all loops are there once more */
	softvm_begin(vm);
	softvm_go_to(vm, 0, 0x800);
	softvm_break(vm, loop_of(0) + 8);
	softvm_break(vm, loop_of(1) + 8);
	for (i = 1; i <= 5; i++) {
		continue_to(vm, STOP_SWBREAK, 1);
		cr_expect_eq(softvm_regs(vm, 1)->r[0], i);
	}
	softvm_resume_one(vm, 0, RESUME_CONTINUE, RESUME_HOLD);
	softvm_run_on(vm, 0, 100);
	cr_expect_not(softvm_wait(vm, &s, 0));
	softvm_interrupt(vm);
	expect_stop(s = softvm_stopped(vm), STOP_INTERRUPT, s.vcpu);
	cr_expect_eq(softvm_pc(vm, 0) & ~0xfULL, 0x800);
	cr_expect_eq(softvm_regs(vm, 0)->r[7], 0, "no exception reached the guest");
	softvm_break(vm, 0x808);
	softvm_continue(vm);
	expect_stop(s = softvm_stopped(vm), STOP_SWBREAK, s.vcpu);
	softvm_resume_one(vm, 0, RESUME_CONTINUE, RESUME_HOLD);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), 0x808, "the debugger has named that one now");
	softvm_fini(vm);
}

SOFT_TEST_MEMORY(
	engine_breakpoints, remapped,
	"a page that is mapped elsewhere: its breakpoint follows when it is set again, not before")
{
	const uint64_t copy = 0xe00;
	struct stop s;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		softvm_init_loops(vm, ops, 1, NULL);
		softvm_paging(vm);
		memcpy(vm->mem + copy, vm->mem + LOOP, SOFT_PAGE);
		softvm_begin(vm);
		softvm_break(vm, LOOP + 8);
		continue_to(vm, STOP_SWBREAK, 0);
		softvm_map(vm, LOOP, copy);
		softvm_step(vm, 0);
		softvm_continue(vm);
		softvm_run_on(vm, 0, 50);
		cr_expect_not(softvm_wait(vm, &s, 0));
		softvm_interrupt(vm);
		expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
		softvm_go_to(vm, 0, LOOP);
		if (i) /* gdb removes all at each stop, lldb leaves them */
			softvm_unbreak(vm, LOOP + 8);
		softvm_break(vm, LOOP + 8);
		continue_to(vm, STOP_SWBREAK, 0);
		cr_expect_eq(softvm_pc(vm, 0), LOOP + 8);
		softvm_detach(vm);
		cr_expect_eq(memcmp(vm->mem + LOOP, vm->mem + copy, SOFT_PAGE), 0);
		softvm_fini(vm);
	}
}

SOFT_TEST(engine_breakpoints, two_names,
	  "two virtual addresses of one place: the second keeps it when the first goes")
{
	struct stop s;

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_paging(vm);
	softvm_map(vm, 0x800, LOOP);
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	softvm_break(vm, 0x808);
	continue_to(vm, STOP_SWBREAK, 0);
	softvm_unbreak(vm, LOOP + 8);
	softvm_go_to(vm, 0, 0x800);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), 0x808);
	softvm_unbreak(vm, 0x808);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 100);
	cr_expect_not(softvm_wait(vm, &s, 0));
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	softvm_fini(vm);
}

SOFT_TEST(engine_breakpoints, stopped_on_it,
	  "a vCPU that another's stop caught right before a breakpoint hits it afterwards")
{
	uint64_t laps;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_go_to(vm, 1, loop_of(1) + 8);
	laps = softvm_regs(vm, 1)->r[0];
	softvm_break(vm, loop_of(1) + 8);
	softvm_step(vm, 0);
	continue_to(vm, STOP_SWBREAK, 1);
	cr_expect_eq(softvm_regs(vm, 1)->r[0], laps, "the first time that it is there");
	continue_to(vm, STOP_SWBREAK, 1);
	cr_expect_eq(softvm_regs(vm, 1)->r[0], laps + 1);
	softvm_fini(vm);
}

SOFT_TEST(
	engine_breakpoints, reported_here,
	"a vCPU that was reported at a breakpoint goes on from it, however long it was held there")
{
	uint64_t laps;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_break(vm, loop_of(0) + 8);
	continue_to(vm, STOP_SWBREAK, 0);
	laps = softvm_regs(vm, 0)->r[0];
	softvm_step(vm, 1);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], laps + 1, "not reported twice");
	softvm_fini(vm);
}

SOFT_TEST(engine_breakpoints, inserted_here,
	  "a breakpoint set where the reported vCPU stands is not a hit, the next time round it is")
{
	uint64_t laps, at;

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	softvm_step(vm, 0);
	at = softvm_pc(vm, 0);
	softvm_break(vm, at);
	laps = softvm_regs(vm, 0)->r[0];
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), at);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], laps + 1);
	softvm_fini(vm);
}

/* ---- the guest's own --------------------------------------------------------------------- */

SOFT_TEST(engine_breakpoints, guests_own,
	  "the guest's own breakpoint is its exception, with ours set or not")
{
	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP, I(ADDI, 0, 0, 1), I(BRK, 0, 0, 0), I(NOP, 0, 0, 0), JMP(-4));
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[7], 1);
	cr_expect_eq(softvm_regs(vm, 0)->cause, SOFT_EXC_BRK);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[7], 2);
	softvm_fini(vm);
}

SOFT_TEST(engine_breakpoints, on_guests_own,
	  "a breakpoint on the guest's own: a hit, then the guest's exception")
{
	unsigned int i;

	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP, I(ADDI, 0, 0, 1), I(BRK, 0, 0, 0), I(NOP, 0, 0, 0), JMP(-4));
	softvm_begin(vm);
	softvm_break(vm, LOOP + 4);
	for (i = 0; i < 3; i++) {
		continue_to(vm, STOP_SWBREAK, 0);
		cr_expect_eq(softvm_pc(vm, 0), LOOP + 4);
		cr_expect_eq(softvm_regs(vm, 0)->r[0], i + 1, "a lap each");
		cr_expect_eq(softvm_regs(vm, 0)->r[7], i, "an exception each");
	}
	softvm_detach(vm);
	cr_expect_eq(vm->mem[LOOP + 4], SOFT_BRK);
	softvm_fini(vm);
}

/* Ctrl-C when the vCPU is about to take the exception that was reinjected. */
static void interrupt_reinjected(void *opaque, struct softcpu *c)
{
	struct softvm *vm = opaque;

	if (c->regs.inject)
		softvm_interrupt(vm);
}

SOFT_TEST_MEMORY(
	engine_breakpoints, on_guests_own_stopped,
	"stops before the guest takes the exception that was reinjected: the hit is not reported again")
{
	static struct soft_hooks hooks;
	unsigned int i;

	hooks = (struct soft_hooks){ .opaque = vm, .point = interrupt_reinjected };
	softvm_init_loops(vm, ops, 1, &hooks);
	CODE(vm, LOOP, I(ADDI, 0, 0, 1), I(BRK, 0, 0, 0), I(NOP, 0, 0, 0), JMP(-4));
	softvm_begin(vm);
	softvm_break(vm, LOOP + 4);
	continue_to(vm, STOP_SWBREAK, 0);
	for (i = 0; i < 3; i++) {
		continue_to(vm, STOP_INTERRUPT, 0);
		cr_expect_eq(softvm_pc(vm, 0), LOOP + 4);
		cr_expect_eq(softvm_regs(vm, 0)->r[7], 0);
		vm->cpus[0].vcpu->pc = PC_UNCHECKED; /* another one was reported in between */
	}
	hooks.point = NULL;
	vm->t->ops->set_option(vm->t, OPTION_SOFTWARE_WATCH, true);
	softvm_insert(vm, BP_WRITE, DATA, 8); /* from here on it steps */
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[7], 1, "the exception first");
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 2, "the next lap");
	softvm_fini(vm);
}

SOFT_TEST(engine_breakpoints, guests_steps,
	  "the guest's own single-step traps are its own while a breakpoint is set")
{
	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP, I(TF, 1, 0, 0), I(NOP, 0, 0, 0), I(NOP, 0, 0, 0), I(TF, 0, 0, 0),
	     I(ADDI, 0, 0, 1), JMP(-6));
	softvm_begin(vm);
	softvm_break(vm, LOOP + 16);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[7], 3, "one after each but the first");
	cr_expect_eq(softvm_regs(vm, 0)->cause, SOFT_EXC_STEP);
	softvm_fini(vm);
}

/* ---- memory that comes, goes and is mapped twice ------------------------------------------- */

SOFT_TEST(
	engine_breakpoints, unmapped_at_stop,
	"breakpoints set again where the stopped vCPU's tables do not map them stay where they were")
{
	softvm_init_loops(vm, ops, 1, NULL);
	softvm_paging(vm);
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	continue_to(vm, STOP_SWBREAK, 0);
	softvm_unmap(vm, LOOP); /* as in tables without the kernel */
	softvm_unbreak(vm, LOOP + 8);
	softvm_break(vm, LOOP + 8);
	softvm_resume(vm, RESUME_HOLD);
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	softvm_map(vm, LOOP, LOOP);
	softvm_unbreak(vm, LOOP + 8);
	softvm_unmap(vm, LOOP);
	softvm_break(vm, LOOP + 8);
	softvm_resume(vm, RESUME_HOLD);
	softvm_map(vm, LOOP, LOOP); /* by the guest */
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 2, "the next lap");
	softvm_fini(vm);
}

SOFT_TEST_MEMORY(engine_breakpoints, other_process_at_stop,
		 "breakpoints set again in the tables of another process stay where they were")
{
	const uint64_t at = LOOP + 8, tables = 0x1c00, copy = 0x800, pte = copy | 1;
	const unsigned int kind = ops->cpu->brk_kind;
	const char *why = NULL;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_paging(vm);
	memcpy(vm->mem + copy, vm->mem + LOOP, SOFT_PAGE);
	memcpy(vm->mem + tables, vm->mem + TABLE, SOFT_PTES * sizeof(pte));
	memcpy(vm->mem + tables + LOOP / SOFT_PAGE * sizeof(pte), &pte, sizeof(pte));
	vm->cpus[1].cpu.regs.ptb = tables;
	softvm_begin(vm);
	softvm_break(vm, at);
	continue_to(vm, STOP_SWBREAK, 0);
	softvm_unbreak(vm, at);
	cr_assert_eq(vm->t->ops->insert(vm->t, 1, BP_SOFTWARE, at, kind, &why), 0);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), at);
	softvm_fini(vm);
}

SOFT_TEST_SLOTS(engine_breakpoints, loaded_over,
		"a breakpoint that a loader writes over is hit, while a slot is free for it")
{
	const struct soft_insn add = I(ADDI, 4, 0x3c, 1);

	begin_overwriting(vm, ops, &add);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8);
	cr_expect(shows(vm, LOOP + 8, &add));
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 1, "the first time");
	end_with(vm, LOOP + 8, &add);
}

SOFT_TEST(engine_breakpoints, mapped_by_another,
	  "memory that one vCPU's tables do not map is there through those of another that do")
{
	const uint64_t empty = 0x1c00;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_paging(vm);
	vm->cpus[0].cpu.regs.ptb = empty;
	vm->mem[data_of(1)] = 77;
	softvm_begin(vm);
	cr_expect_eq(softvm_read(vm, 0, data_of(1)), 77);
	softvm_break(vm, loop_of(1) + 8); /* through vCPU 0 */
	softvm_resume_one(vm, 1, RESUME_CONTINUE, RESUME_HOLD);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 1);
	softvm_fini(vm);
}

SOFT_TEST(engine_breakpoints, pages_of_others,
	  "memory is found page by page: one that only another vCPU maps, behind one that both do")
{
	const uint64_t at = 0x1000 + SOFT_PAGE - 4;
	uint8_t bytes[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, got[8] = { 0 };

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_paging(vm);
	softvm_unmap(vm, 0x1000 + SOFT_PAGE);
	vm->cpus[1].cpu.regs.ptb = 0;
	softvm_begin(vm);
	cr_expect_eq(vm->t->ops->write(vm->t, 0, at, bytes, 8), 0);
	cr_expect_eq(memcmp(vm->mem + at, bytes, 8), 0);
	cr_expect_eq(vm->t->ops->read(vm->t, 0, at, got, 8), 8);
	cr_expect_eq(memcmp(got, bytes, 8), 0);
	softvm_fini(vm);
}

static int (*soft_walk)(struct cpu_view *v, uint64_t va, struct xlat *out);

/* The last page of the address space is mapped to DATA, and so is the first. */
static int walk_last_page(struct cpu_view *v, uint64_t va, struct xlat *out)
{
	return soft_walk(v, va >= -(uint64_t)SOFT_PAGE ? DATA + va % SOFT_PAGE : va, out);
}

SOFT_TEST(engine_breakpoints, end_of_address_space, "reads and writes end at 2^64")
{
	struct vcpu_ops walking = *ops;
	struct cpu cpu = *ops->cpu;
	uint8_t buf[8] = { 0 };

	soft_walk = cpu.translate;
	cpu.translate = walk_last_page;
	walking.cpu = &cpu;
	softvm_init_loops(vm, &walking, 1, NULL);
	softvm_begin(vm);
	cr_expect_eq(vm->t->ops->read(vm->t, 0, -4ULL, buf, 8), 4);
	cr_expect_eq(vm->t->ops->write(vm->t, 0, -4ULL, buf, 8), -EFAULT);
	cr_expect_eq(vm->t->ops->write(vm->t, 0, -8ULL, buf, 8), 0);
	softvm_fini(vm);
}
