// SPDX-License-Identifier: MIT
/* Watchpoints that the engine carries by stepping: every change that the guest makes is reported, once,
 * and none that the debugger makes. */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tests/unit/softvm.h"

/* New watchpoints are software ones. */
static void begin(struct softvm *vm)
{
	softvm_begin(vm);
	vm->t->ops->set_option(vm->t, OPTION_SOFTWARE_WATCH, true);
}

static void watch(struct softvm *vm, uint64_t addr, uint64_t len)
{
	softvm_insert(vm, BP_WRITE, addr, len);
}

/* As gdb does at every stop and resume. */
static void reinsert(struct softvm *vm, uint64_t addr, uint64_t len)
{
	softvm_remove(vm, BP_WRITE, addr, len);
	watch(vm, addr, len);
}

static void expect_watch(struct softvm *vm, unsigned int cpu, uint64_t addr)
{
	const struct stop s = softvm_stopped(vm);

	expect_stop(s, STOP_WATCH, cpu);
	cr_assert_eq(s.watch, HW_WRITE);
	cr_assert_eq(s.addr, addr, "at %#llx", (unsigned long long)s.addr);
}

static void expect_no_more(struct softvm *vm)
{
	struct stop s;

	softvm_continue(vm);
	softvm_run_on(vm, 0, 40);
	cr_expect_not(softvm_wait(vm, &s, 0));
	softvm_interrupt(vm);
	expect_stop(s = softvm_stopped(vm), STOP_INTERRUPT, s.vcpu);
}

SOFT_TEST(engine_watch, each,
	  "each change is reported, with its vCPU, right behind the instruction")
{
	unsigned int i, last[2] = { 0 };
	struct stop s;

	softvm_init_loops(vm, ops, 2, NULL);
	begin(vm);
	watch(vm, data_of(0), 8);
	watch(vm, data_of(1), 4);
	for (i = 0; i < 40; i++) {
		softvm_continue(vm);
		s = softvm_stopped(vm);
		expect_stop(s, STOP_WATCH, s.vcpu);
		cr_assert_eq(s.addr, data_of(s.vcpu), "by the one whose data it is");
		cr_assert_eq(softvm_pc(vm, s.vcpu), loop_of(s.vcpu) + 8);
		cr_assert_eq(softvm_regs(vm, s.vcpu)->r[0], ++last[s.vcpu], "none is passed");
	}
	softvm_remove(vm, BP_WRITE, data_of(0), 8);
	softvm_remove(vm, BP_WRITE, data_of(1), 4);
	expect_no_more(vm);
	softvm_fini(vm);
}

SOFT_TEST(engine_watch, by_any_name, "a store by another name of the memory is a change, too")
{
	softvm_init_loops(vm, ops, 1, NULL);
	softvm_paging(vm);
	softvm_map(vm, 0x800, data_of(0));
	vm->cpus[0].cpu.regs.r[1] = 0x800 + data_of(0) % SOFT_PAGE;
	begin(vm);
	watch(vm, data_of(0), 8);
	softvm_continue(vm);
	expect_watch(vm, 0, data_of(0));
	softvm_fini(vm);
}

SOFT_TEST(
	engine_watch, over_pages,
	"a watch over two pages that lie apart in memory sees both, and what the debugger writes there")
{
	enum { VA = 0x1100, ELSEWHERE = 0x1500 }; /* the second page */
	const uint8_t news[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	const char *why = NULL;

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_paging(vm);
	softvm_map(vm, VA, ELSEWHERE);
	CODE(vm, LOOP + 4, I(STB, 0, 1, 0));
	vm->cpus[0].cpu.regs.r[1] = VA + 2;
	begin(vm);
	watch(vm, VA - 4, 8);
	softvm_continue(vm);
	expect_watch(vm, 0, VA - 4);
	cr_expect_eq(vm->mem[ELSEWHERE + 2], 1);
	cr_assert_eq(vm->t->ops->write(vm->t, 0, VA - 4, news, 8), 0);
	softvm_step(vm, 0);
	softvm_change(vm, 0, 0)->r[1] = VA - 1;
	softvm_continue(vm);
	expect_watch(vm, 0, VA - 4);
	cr_expect_eq(vm->mem[VA - 1], 2);
	softvm_unmap(vm, VA);
	cr_expect_eq(vm->t->ops->insert(vm->t, 0, BP_WRITE, VA - 2, 4, &why), -EFAULT);
	softvm_fini(vm);
}

SOFT_TEST(engine_watch, refused, "reads, lengths and addresses that can't be watched are refused")
{
	const char *why = NULL;

	softvm_init_loops(vm, ops, 1, NULL);
	begin(vm);
	cr_expect_eq(vm->t->ops->insert(vm->t, 0, BP_READ, DATA, 8, &why), -EOPNOTSUPP);
	cr_expect_not_null(why);
	cr_expect_eq(vm->t->ops->insert(vm->t, 0, BP_WRITE, DATA, 65, &why), -EINVAL);
	cr_expect_eq(vm->t->ops->insert(vm->t, 0, BP_WRITE, DATA, 0, &why), -EINVAL);
	cr_expect_eq(vm->t->ops->insert(vm->t, 0, BP_WRITE, SOFTVM_MEM, 8, &why), -EFAULT);
	softvm_fini(vm);
}

SOFT_TEST(engine_watch, many, "more of them than there are slots, each exact")
{
	unsigned int i;

	softvm_init_loops(vm, ops, 1, NULL);
	begin(vm);
	for (i = 0; i < 32; i++)
		watch(vm, DATA + 0x100 + i, 1);
	for (i = 0; i < 32; i += 8) {
		softvm_change(vm, 0, 0)->r[1] = DATA + 0x100 + i;
		softvm_change(vm, 0, 0)->r[0] = 0x100 - 1; /* the store changes the second byte */
		softvm_go_to(vm, 0, LOOP);
		softvm_continue(vm);
		expect_watch(vm, 0, DATA + 0x100 + i + 1);
	}
	softvm_fini(vm);
}

SOFT_TEST(engine_watch, debuggers_write, "what the debugger writes is no change")
{
	const uint64_t value = 0x1122334455667788;

	softvm_init_loops(vm, ops, 1, NULL);
	begin(vm);
	watch(vm, DATA + 0x100, 8);
	cr_assert_eq(vm->t->ops->write(vm->t, 0, DATA + 0x100, &value, 8), 0);
	cr_assert_eq(vm->t->ops->write(vm->t, 0, DATA + 0xfc, &value, 8), 0);
	cr_assert_eq(vm->t->ops->write(vm->t, 0, DATA + 0x106, &value, 8), 0);
	softvm_step(vm, 0);
	expect_no_more(vm);
	softvm_fini(vm);
}

SOFT_TEST(engine_watch, two_by_one,
	  "one instruction changes what two watch: both are reported before anything runs")
{
	unsigned long ran;

	softvm_init_loops(vm, ops, 1, NULL);
	begin(vm);
	softvm_change(vm, 0, 0)->r[0] = 0x0101010101010101;
	watch(vm, data_of(0), 2);
	watch(vm, data_of(0) + 4, 4);
	softvm_continue(vm);
	expect_watch(vm, 0, data_of(0));
	ran = vm->cpus[0].cpu.retired;
	reinsert(vm, data_of(0), 2);
	reinsert(vm, data_of(0) + 4, 4);
	softvm_continue(vm);
	expect_watch(vm, 0, data_of(0) + 4);
	cr_expect_eq(vm->cpus[0].cpu.retired, ran);
	softvm_continue(vm);
	expect_watch(vm, 0, data_of(0));
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 0x0101010101010103, "the next lap");
	softvm_fini(vm);
}

SOFT_TEST(
	engine_watch, with_a_slot,
	"a hardware watchpoint fires at a store that a software one sees as well: both are reported")
{
	struct stop s;

	softvm_init_loops(vm, ops, 1, NULL);
	begin(vm);
	watch(vm, data_of(0), 8);
	vm->t->ops->set_option(vm->t, OPTION_SOFTWARE_WATCH, false);
	softvm_insert(vm, BP_ACCESS, data_of(0), 8);
	softvm_continue(vm);
	s = softvm_stopped(vm);
	expect_stop(s, STOP_WATCH, 0);
	cr_expect_eq(s.watch, HW_ACCESS);
	softvm_continue(vm);
	expect_watch(vm, 0, data_of(0));
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 1);
	softvm_fini(vm);
}

/* A vCPU waits behind its store, in the guest, until .go is set. */
struct pause {
	atomic_bool on, there, go;
};

static struct pause stall;

static void wait_behind_store(void *opaque, struct softcpu *c, const struct soft_retired *r)
{
	(void)opaque;
	(void)c;
	if (r->insn.op != SOFT_ST || !atomic_exchange(&stall.on, false))
		return;
	stall.there = true;
	while (!atomic_load(&stall.go))
		;
}

static bool is_there(void *opaque)
{
	(void)opaque;
	return atomic_load(&stall.there);
}

/* An exclusive sequence, which is one step, with a store in it; the step is ended behind that. */
static void stop_in_sequence(struct softvm *vm, const struct vcpu_ops *ops)
{
	static const struct soft_hooks stalling = { .retired = wait_behind_store };

	stall = (struct pause){ .on = true };
	softvm_init_loops(vm, ops, 1, &stalling);
	CODE(vm, LOOP, I(LDX, 2, 1, 0), I(ST, 0, 3, 0), I(ADDI, 2, 0, 1), I(STX, 2, 1, 4),
	     JNZ(4, -5), JMP(-1));
	vm->cpus[0].cpu.regs.r[0] = 42;
	vm->cpus[0].cpu.regs.r[3] = DATA + 0x100;
	begin(vm);
	watch(vm, DATA + 0x100, 8);
	watch(vm, data_of(0), 8);
	softvm_continue(vm);
	softvm_until(is_there, NULL);
	softvm_interrupt(vm);
	stall.go = true;
}

/* The same, reported; and once more, to a breakpoint behind the store, which ends the step there. */
static void break_in_sequence(struct softvm *vm, const struct vcpu_ops *ops)
{
	stop_in_sequence(vm, ops);
	expect_watch(vm, 0, DATA + 0x100);
	softvm_change(vm, 0, 0)->r[0] = 43;
	softvm_go_to(vm, 0, LOOP);
	softvm_break(vm, LOOP + 8);
}

SOFT_TEST(engine_watch, half_a_step,
	  "a change by a step that Ctrl-C ended before it was complete is reported")
{
	stop_in_sequence(vm, ops);
	expect_watch(vm, 0, DATA + 0x100);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8, "in the middle of it");
	softvm_continue(vm);
	expect_watch(vm, 0, data_of(0));
	expect_no_more(vm);
	softvm_fini(vm);
}

SOFT_TEST(engine_watch, half_a_step_and_hit,
	  "a breakpoint ends a step that has written: the hit is reported, and the change after it")
{
	unsigned long ran;

	break_in_sequence(vm, ops);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8);
	ran = vm->cpus[0].cpu.retired;
	reinsert(vm, DATA + 0x100, 8);
	reinsert(vm, data_of(0), 8);
	softvm_continue(vm);
	expect_watch(vm, 0, DATA + 0x100);
	cr_expect_eq(vm->cpus[0].cpu.retired, ran, "before anything runs");
	softvm_fini(vm);
}

/* A condition that never holds: GDB manual, "Bytecode Descriptions": const8 0, end. */
static const uint8_t never[] = { 0x22, 0, 0x27 };

SOFT_TEST(
	engine_watch, half_a_step_and_no_hit,
	"a breakpoint whose condition is false ends a step that has written: reported right there")
{
	const struct agent_code code = { false, never, sizeof(never) };

	break_in_sequence(vm, ops);
	cr_assert_eq(
		vm->t->ops->conditions(vm->t, BP_SOFTWARE, LOOP + 8, ops->cpu->brk_kind, &code, 1),
		0);
	softvm_continue(vm);
	expect_watch(vm, 0, DATA + 0x100);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8, "no instruction later");
	softvm_fini(vm);
}

SOFT_TEST(engine_watch, held,
	  "a change that waits for its vCPU's other stop stays pending while that vCPU is held")
{
	break_in_sequence(vm, ops);
	continue_to(vm, STOP_SWBREAK, 0);
	softvm_resume(vm, RESUME_HOLD);
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	softvm_continue(vm);
	expect_watch(vm, 0, DATA + 0x100);
	softvm_fini(vm);
}

SOFT_TEST(engine_watch, removed_pending, "a pending change is dropped when its watchpoint is gone")
{
	break_in_sequence(vm, ops);
	continue_to(vm, STOP_SWBREAK, 0);
	softvm_unbreak(vm, LOOP + 8);
	softvm_remove(vm, BP_WRITE, DATA + 0x100, 8);
	softvm_continue(vm);
	expect_watch(vm, 0, data_of(0));
	expect_no_more(vm);
	softvm_fini(vm);
}

static atomic_uint in_run;

/* There is always an interrupt to be taken; one that comes in a run is counted. */
static void count_in_run(void *opaque, struct softcpu *c, const struct soft_retired *r)
{
	(void)opaque;
	if (!atomic_load(&c->irqs))
		softcpu_irq(c);
	in_run += r->what == SOFT_R_IRQ && !c->control.step;
}

Test(engine_watch, run_and_interrupts,
     .description =
	     "a step that is a run takes no interrupt, other steps of a vCPU that continues do",
     .timeout = 60)
{
	static const struct soft_hooks counting = { .retired = count_in_run };
	static struct softvm vm;

	in_run = 0;
	softvm_init_loops(&vm, &soft32_ops, 1, &counting);
	CODE(&vm, LOOP, I(LDX, 2, 1, 0), I(ADDI, 2, 0, 1), I(STX, 2, 1, 3), JNZ(3, -4), JMP(-5));
	vm.cpus[0].cpu.regs.flags = SOFT_IE;
	begin(&vm);
	watch(&vm, DATA + 0x200, 8);
	softvm_continue(&vm);
	softvm_run_on(&vm, 0, 5000);
	softvm_interrupt(&vm);
	expect_stop(softvm_stopped(&vm), STOP_INTERRUPT, 0);
	cr_expect_gt(vm.cpus[0].cpu.taken, 0);
	cr_expect_eq(in_run, 0, "%u in the middle", atomic_load(&in_run));
	softvm_fini(&vm);
}

/* vCPU 0 has woken, and is kicked before it goes on. */
static void wait_for_kick(void *opaque, struct softcpu *c)
{
	(void)opaque;
	while (!c->index && c->regs.pc == LOOP + 8 && !atomic_load(&c->halted) &&
	       !atomic_load(&c->kick))
		;
}

Test(engine_watch, woken,
     .description =
	     "a vCPU that was kicked when it had woken from a halt hits the breakpoint there",
     .timeout = 60)
{
	static const struct soft_hooks kicked = { .point = wait_for_kick };
	static struct softvm vm;
	unsigned int i;

	softvm_init_loops(&vm, &soft32_ops, 2, &kicked);
	/* stepping makes the last but one without running it */
	CODE(&vm, LOOP, I(ADDI, 0, 0, 1), I(HLT, 0, 0, 0), I(RDF, 3, 0, 0), JMP(-4));
	softcpu_irq(&vm.cpus[0].cpu); /* never taken: it wakes, again and again */
	begin(&vm);
	watch(&vm, DATA + 0x200, 8);
	softvm_break(&vm, LOOP + 8);
	for (i = 1; i <= 30; i++) {
		continue_to(&vm, STOP_SWBREAK, 0);
		cr_assert_eq(softvm_pc(&vm, 0), LOOP + 8);
		cr_assert_eq(softvm_regs(&vm, 0)->r[0], i, "it has passed it");
	}
	softvm_fini(&vm);
}

SOFT_TEST(engine_watch, alone,
	  "while memory is watched one vCPU runs at a time, and all make progress")
{
	unsigned int i;

	softvm_init_loops(vm, ops, 4, NULL);
	begin(vm);
	watch(vm, DATA + 0x200, 8);
	softvm_continue(vm);
	for (i = 0; i < 4; i++)
		softvm_run_on(vm, i, 200);
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	softvm_detach(vm);
	for (i = 0; i < 4; i++)
		softvm_run_on(vm, i, 200);
	softvm_fini(vm);
}

SOFT_TEST(
	engine_watch, slot_behind_change,
	"an access that a hardware watchpoint sees right behind a change that a step has made is reported")
{
	struct stop s;

	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP + 8, I(ST, 0, 1, 16));
	begin(vm);
	watch(vm, data_of(0), 8);
	vm->t->ops->set_option(vm->t, OPTION_SOFTWARE_WATCH, false);
	softvm_insert(vm, BP_WRITE, data_of(0) + 16, 8);
	softvm_continue(vm);
	expect_watch(vm, 0, data_of(0));
	softvm_continue(vm);
	s = softvm_stopped(vm);
	expect_stop(s, STOP_WATCH, 0);
	cr_expect_eq(s.addr, data_of(0) + 16);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 1, "in the same lap");
	softvm_fini(vm);
}

SOFT_TEST(engine_watch, step_that_writes,
	  "a step by name that changes watched memory is reported as that change, and once")
{
	softvm_init_loops(vm, ops, 1, NULL);
	begin(vm);
	watch(vm, data_of(0), 8);
	softvm_step(vm, 0);
	softvm_resume_one(vm, 0, RESUME_STEP, RESUME_HOLD);
	expect_watch(vm, 0, data_of(0));
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8);
	softvm_step(vm, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 12);
	softvm_fini(vm);
}
