// SPDX-License-Identifier: MIT
/* Debuggers that come and go, and what they find and leave behind. */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tests/unit/softvm.h"

SOFT_TEST(engine_debuggers, detach_running, "detach from a running VM: breakpoints out, it runs on")
{
	uint8_t before[SOFTVM_MEM / 8];

	softvm_init_loops(vm, ops, 2, NULL);
	memcpy(before, vm->mem, sizeof(before));
	softvm_start(vm);
	softvm_attach(vm);
	softvm_break(vm, 0x800 - 4);
	softvm_break(vm, VECTOR);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 10);
	softvm_detach(vm);
	cr_expect_eq(memcmp(vm->mem, before, sizeof(before)), 0);
	softvm_run_on(vm, 0, 100);
	softvm_run_on(vm, 1, 100);
	softvm_fini(vm);
}

SOFT_TEST(engine_debuggers, detach_at_hits,
	  "detach while vCPUs hit breakpoints: no vCPU is left on one")
{
	uint8_t before[SOFTVM_MEM / 8];
	unsigned int i, round;

	softvm_init_loops(vm, ops, 3, NULL);
	memcpy(before, vm->mem, sizeof(before));
	softvm_start(vm);
	for (round = 0; round < 100; round++) {
		softvm_attach(vm);
		for (i = 0; i < 3; i++)
			softvm_break(vm, loop_of(i) + 4 * (round % 4));
		softvm_continue(vm);
		if (round % 2)
			softvm_pass(1);
		softvm_detach(vm);
		cr_assert_eq(memcmp(vm->mem, before, sizeof(before)), 0);
	}
	for (i = 0; i < 3; i++)
		softvm_run_on(vm, i, 100);
	cr_expect_eq(vm->cpus[0].cpu.regs.r[7], 0, "no exception reached the guest");
	softvm_fini(vm);
}

SOFT_TEST(engine_debuggers, stay, "detach and stay: nothing runs until the next debugger resumes")
{
	softvm_init_loops(vm, ops, 2, NULL);
	softvm_start(vm);
	softvm_attach(vm);
	softvm_break(vm, LOOP + 8);
	continue_to(vm, STOP_SWBREAK, 0);
	vm->t->ops->detach(vm->t, DETACH_STAY);
	cr_expect_not(softvm_has_brk(vm, LOOP + 8));
	cr_expect(softvm_stands(vm));
	softvm_attach(vm);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 20);
	vm->t->ops->detach(vm->t, DETACH_STAY); /* running */
	cr_expect(softvm_stands(vm));
	softvm_attach(vm);
	softvm_detach(vm);
	softvm_run_on(vm, 0, 20);
	softvm_fini(vm);
}

SOFT_TEST(engine_debuggers, hold, "held from the first instruction until a debugger lets it run")
{
	softvm_init_loops(vm, ops, 2, NULL);
	engine_hold_vm(&vm->engine);
	softvm_start(vm);
	cr_expect(softvm_stands(vm));
	cr_expect_eq(softvm_retired(vm), 0);
	softvm_attach(vm);
	cr_expect_eq(softvm_pc(vm, 0), loop_of(0));
	cr_expect_eq(softvm_pc(vm, 1), loop_of(1));
	softvm_continue(vm);
	softvm_run_on(vm, 0, 10);
	softvm_fini(vm);
}

SOFT_TEST(engine_debuggers, as_found,
	  "a debugger that withdraws leaves a VM that was held held, and one that ran running")
{
	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	cr_expect_eq(softvm_pc(vm, 1), loop_of(1));
	vm->t->ops->detach(vm->t, DETACH_AS_FOUND);
	cr_expect(softvm_stands(vm));
	cr_expect_eq(softvm_retired(vm), 0);
	cr_expect_eq(vm->paused, 1);
	softvm_attach(vm);
	softvm_continue(vm); /* it is held no more */
	softvm_run_on(vm, 0, 10);
	vm->t->ops->detach(vm->t, DETACH_AS_FOUND);
	softvm_run_on(vm, 0, 10);
	softvm_attach(vm);
	vm->t->ops->detach(vm->t, DETACH_AS_FOUND);
	softvm_run_on(vm, 1, 10);
	cr_expect_eq(vm->paused, 0);
	softvm_fini(vm);
}

SOFT_TEST(
	engine_debuggers, renewed,
	"a debugger in place of another finds it stopped, without breakpoints and stops of the other")
{
	struct stop s;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_break(vm, loop_of(0) + 8);
	softvm_insert(vm, BP_WRITE, data_of(1), 8);
	softvm_continue(vm);
	s = softvm_stopped(vm);
	vm->t->ops->renew(vm->t);
	cr_expect(softvm_stands(vm));
	cr_expect_not(softvm_has_brk(vm, loop_of(0) + 8));
	softvm_continue(vm);
	softvm_run_on(vm, 0, 50);
	softvm_run_on(vm, 1, 50);
	cr_expect_not(softvm_wait(vm, &s, 0));
	softvm_fini(vm);
}

SOFT_TEST(engine_debuggers, again_and_again, "1,000 debuggers one after the other")
{
	unsigned int i;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_start(vm);
	for (i = 0; i < 1000; i++) {
		softvm_attach(vm);
		if (i % 3 == 1)
			softvm_break(vm, 0x800);
		if (i % 3)
			softvm_continue(vm);
		softvm_detach(vm);
	}
	softvm_run_on(vm, 0, 100);
	softvm_run_on(vm, 1, 100);
	softvm_fini(vm);
}

SOFT_TEST(engine_debuggers, one_at_a_time, "a second debugger is refused while one holds the VM")
{
	softvm_init_loops(vm, ops, 1, NULL);
	softvm_start(vm);
	softvm_attach(vm);
	cr_expect_eq(vm->t->ops->attach(vm->t, &(struct stop){ 0 }), -EBUSY);
	softvm_detach(vm);
	softvm_attach(vm);
	softvm_fini(vm);
}

SOFT_TEST(engine_debuggers, vmm_callbacks,
	  "the VMM's stopped and resumed are called in turns, whoever comes and goes")
{
	softvm_init_loops(vm, ops, 1, NULL);
	softvm_start(vm);
	softvm_attach(vm);
	cr_expect_eq(vm->paused, 1);
	softvm_continue(vm);
	cr_expect_eq(vm->paused, 0);
	softvm_detach(vm); /* running */
	cr_expect_eq(vm->paused, 0);
	softvm_attach(vm);
	cr_expect_eq(vm->paused, 1);
	softvm_detach(vm);
	cr_expect_eq(vm->paused, 0);
	softvm_attach(vm);
	vm->t->ops->detach(vm->t, DETACH_STAY);
	cr_expect_eq(vm->paused, 1, "it stays stopped");
	softvm_attach(vm);
	cr_expect_eq(vm->paused, 1);
	softvm_continue(vm);
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	cr_expect_eq(vm->paused, 1);
	softvm_fini(vm);
}

SOFT_TEST_MEMORY(
	engine_debuggers, stuck,
	"a vCPU that does not come back: attach gives up, detach goes on; nothing is left behind")
{
	softvm_init_loops(vm, ops, 2, NULL);
	vm->cpus[0].cpu.regs.flags = SOFT_IE;
	CODE(vm, LOOP, I(NOP, 0, 0, 0), I(OUT, 0, 0, 0), JMP(-3));
	vm->hang = true;
	softvm_start(vm);
	softvm_until_hangs(vm);
	cr_expect_eq(vm->t->ops->attach(vm->t, &(struct stop){ 0 }), -ETIMEDOUT);
	softvm_run_on(vm, 1, 10);
	vm->hang = false;
	softvm_run_on(vm, 0, 10);
	softvm_attach(vm);
	softvm_break(vm, LOOP + 4);
	continue_to(vm, STOP_SWBREAK, 0);
	vm->hangs = false;
	vm->hang = true;
	softvm_continue(vm); /* steps over the OUT, which hangs with the breakpoint lifted */
	softvm_until_hangs(vm);
	softvm_detach(vm);
	cr_expect_geq(vm->errors, 1, "said in the log");
	cr_expect_eq(vm->mem[LOOP + 4], SOFT_OUT);
	vm->hang = false;
	softvm_run_on(vm, 0, 100);
	softvm_run_on(vm, 1, 100);
	cr_expect_eq(vm->mem[LOOP + 4], SOFT_OUT);
	softvm_attach(vm);
	cr_expect_eq(softvm_regs(vm, 0)->flags, SOFT_IE, "the step has ended with its debugger");
	cr_expect_eq(vm->mem[LOOP + 4], SOFT_OUT);
	softvm_fini(vm);
}

SOFT_TEST(
	engine_debuggers, stay_while_running,
	"detach and stay while vCPUs run: the VMM's stopped is called, resumed with the next debugger")
{
	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 10);
	cr_expect_eq(vm->paused, 0);
	vm->t->ops->detach(vm->t, DETACH_STAY);
	cr_expect_eq(vm->paused, 1);
	cr_expect(softvm_stands(vm));
	softvm_attach(vm);
	softvm_continue(vm);
	cr_expect_eq(vm->paused, 0);
	softvm_fini(vm);
}

static void set_all_options(struct softvm *vm, bool on)
{
	enum target_option o;

	for (o = 0; o < OPTION_COUNT; o++)
		vm->t->ops->set_option(vm->t, o, on);
}

static void expect_default_options(struct softvm *vm)
{
	cr_expect(vm->t->ops->option(vm->t, OPTION_STOP_ON_RESET));
	cr_expect_not(vm->t->ops->option(vm->t, OPTION_SOFTWARE_WATCH));
	cr_expect_not(vm->t->ops->option(vm->t, OPTION_WHOLE_REP));
}

SOFT_TEST(engine_debuggers, options_end, "what one debugger has chosen is not the next one's")
{
	unsigned int on;

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_start(vm);
	for (on = 0; on < 2; on++) {
		set_all_options(vm, on); /* by nobody who is attached */
		softvm_attach(vm);
		expect_default_options(vm);
		set_all_options(vm, on);
		softvm_detach(vm);
		expect_default_options(vm);
		softvm_attach(vm);
		set_all_options(vm, on);
		vm->t->ops->renew(vm->t);
		expect_default_options(vm);
		softvm_detach(vm);
	}
	softvm_fini(vm);
}

/* The VMM's log callback calls the library. */
static void call_back(struct softvm *vm, enum vmgdb_log_level level)
{
	(void)level;
	engine_is_held(&vm->engine);
	cr_expect_eq(engine_add_memory(&vm->engine, 0, vm->mem, SOFTVM_MEM), -EEXIST);
}

SOFT_TEST(engine_debuggers, log_calls_back, "the VMM's log callback may call the library")
{
	softvm_init_loops(vm, ops, 2, NULL);
	vm->on_log = call_back;
	softvm_begin(vm);
	vm->cpus[1].cpu.fail_store = -EINVAL;
	softvm_change(vm, 1, 0)->r[2] = 1;
	continue_to(vm, STOP_FATAL, 1);
	cr_expect_geq(vm->errors, 1);
	softvm_fini(vm);
}

SOFT_TEST(engine_debuggers, halted_first,
	  "a debugger that attaches is shown a vCPU that runs, where one does, else the first")
{
	struct stop s;

	softvm_init_loops(vm, ops, 2, NULL);
	CODE(vm, loop_of(0), I(CLI, 0, 0, 0), I(HLT, 0, 0, 0));
	softvm_start(vm);
	while (!atomic_load(&vm->cpus[0].cpu.halted))
		softvm_pass(1);
	cr_assert_eq(vm->t->ops->attach(vm->t, &s), 0);
	expect_stop(s, STOP_NONE, 1);
	CODE(vm, loop_of(1), I(HLT, 0, 0, 0), JMP(-2));
	softvm_detach(vm);
	while (!atomic_load(&vm->cpus[1].cpu.halted))
		softvm_pass(1);
	cr_assert_eq(vm->t->ops->attach(vm->t, &s), 0);
	expect_stop(s, STOP_NONE, 0);
	softvm_fini(vm);
}

SOFT_TEST(engine_debuggers, interrupt_names_one_that_runs,
	  "Ctrl-C is reported of a vCPU that was let run, not of one that is held")
{
	softvm_init_loops(vm, ops, 3, NULL);
	softvm_begin(vm);
	softvm_resume_one(vm, 2, RESUME_CONTINUE, RESUME_HOLD);
	softvm_run_on(vm, 2, 10);
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 2);
	softvm_resume_one(vm, 2, RESUME_HOLD, RESUME_CONTINUE);
	softvm_run_on(vm, 1, 10);
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	softvm_fini(vm);
}

/* config.stopped and .resumed: what the VMM does there is done while nobody can leave. */
static void expect_hold(void *opaque)
{
	const struct softvm *vm = opaque;

	cr_expect(vm->engine.hold_taken);
}

SOFT_TEST(engine_debuggers, vmm_called_in_hold,
	  "stops and resumes are reported to the VMM while every vCPU is parked and stays so")
{
	softvm_init_loops(vm, ops, 2, NULL);
	vm->engine.config.stopped = vm->engine.config.resumed = expect_hold;
	softvm_start(vm);
	softvm_attach(vm);
	softvm_continue(vm);
	cr_expect_not(vm->engine.hold_taken);
	softvm_run_on(vm, 0, 10);
	softvm_interrupt(vm);
	softvm_stopped(vm);
	softvm_continue(vm);
	softvm_detach(vm);
	softvm_fini(vm);
}

static bool gates_are_open(void *opaque)
{
	struct softvm *vm = opaque;

	return vm->cpus[0].vcpu->gate == GATE_OPEN && vm->cpus[1].vcpu->gate == GATE_OPEN;
}

SOFT_TEST(engine_debuggers, gates_open, "without a debugger any more, no vCPU asks for permission")
{
	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 10);
	softvm_detach(vm);
	softvm_until(gates_are_open, vm);
	softvm_fini(vm);
}

SOFT_TEST(
	engine_debuggers, refused_when_detached,
	"registers or slots that the host refuses after a detach are no stop of the next debugger")
{
	struct stop s;

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	vm->cpus[0].cpu.fail_store = vm->cpus[0].cpu.fail_arm = -EIO;
	softvm_change(vm, 0, 0)->r[2] = 1;
	softvm_detach(vm);
	softvm_run_on(vm, 0, 10);
	cr_expect_eq(vm->errors, 0);
	vm->cpus[0].cpu.fail_store = vm->cpus[0].cpu.fail_arm = 0;
	softvm_attach(vm);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 10);
	cr_expect_not(softvm_wait(vm, &s, 0));
	softvm_fini(vm);
}

/* vCPU 0, driven by the test's own thread, exits at that instruction. The debugger for whom its gate was
 * closed has gone. */
static void exit_without_debugger(struct softvm *vm, const struct vcpu_ops *ops, enum soft_op op)
{
	struct softvm_cpu *c = &vm->cpus[0];

	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP, { op, 0, 0, 0 });
	cr_assert_eq(vmgdb_vcpu_enter(c->vcpu), 0);
	c->vcpu->gate = GATE_CLOSED;
	c->cpu.control.trap_brk = true;
	cr_assert_eq(softcpu_run(&c->cpu), 0);
}

SOFT_TEST(engine_debuggers, fatal_after_debugger,
	  "an exit that can't be gone on from is the VMM's, though a debugger was about to come")
{
	exit_without_debugger(vm, ops, SOFT_FATAL);
	cr_expect_not(vmgdb_vcpu_exit(vm->cpus[0].vcpu));
	cr_expect_eq(vm->cpus[0].vcpu->pending.kind, STOP_NONE);
	softvm_fini(vm);
}

SOFT_TEST_MEMORY(engine_debuggers, trap_after_debugger,
		 "a debug exit that comes when the debugger has gone is made again without it")
{
	exit_without_debugger(vm, ops, SOFT_BRK);
	cr_expect(vmgdb_vcpu_exit(vm->cpus[0].vcpu));
	cr_expect_eq(vm->cpus[0].cpu.calls.reinject, 0);
	cr_assert_eq(vmgdb_vcpu_enter(vm->cpus[0].vcpu), 0);
	cr_expect_not(vm->cpus[0].cpu.control.trap_brk);
	softvm_fini(vm);
}

SOFT_TEST_ON(
	engine_debuggers, interrupted_elsewhere,
	"a vCPU that was moved away from an access which is yet to come is reported where it is",
	&soft32_ops)
{
	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP, I(ST, 0, 1, 0));
	softvm_begin(vm);
	softvm_insert(vm, BP_WRITE, data_of(0), 8);
	softvm_go_to(vm, 0, LOOP + 12);
	continue_to(vm, STOP_WATCH, 0);
	softvm_go_to(vm, 0, LOOP + 8);
	softvm_resume_one(vm, 0, RESUME_HOLD, RESUME_HOLD);
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	cr_expect_eq(vm->cpus[0].vcpu->pc, PC_REPORTED);
	cr_expect_eq(vm->cpus[0].vcpu->pc_at, LOOP + 8);
	softvm_fini(vm);
}

SOFT_TEST(engine_debuggers, renew_without_hold,
	  "nothing of a debugger is forgotten while vCPUs may run")
{
	struct bp_info bp;

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	softvm_release(vm);
	vm->t->ops->renew(vm->t);
	softvm_hold(vm);
	continue_to(vm, STOP_SWBREAK, 0);
	vm->t->ops->renew(vm->t);
	cr_expect_eq(vm->t->ops->breakpoint(vm->t, 0, &bp), -ENOENT);
	softvm_fini(vm);
}
