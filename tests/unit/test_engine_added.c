// SPDX-License-Identifier: MIT
/* vCPUs that are added when a debugger is there already. */
#include <errno.h>

#include <criterion/criterion.h>

#include "tests/unit/softvm.h"

/* One more, in the loop of its own. */
static struct softvm_cpu *add(struct softvm *vm, unsigned int index)
{
	struct softvm_cpu *c = softvm_add(vm, index);

	c->cpu.regs.pc = loop_of(index);
	c->cpu.regs.r[1] = data_of(index);
	return c;
}

SOFT_TEST(engine_added, stopped,
	  "a vCPU added while all are stopped waits, is listed, and runs with the others")
{
	unsigned int index[4];
	struct softvm_cpu *c;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_start(vm);
	softvm_attach(vm);
	c = add(vm, 2);
	softvm_start_cpu(c);
	softvm_pass(10);
	cr_expect_eq(c->cpu.retired, 0);
	cr_expect_eq(vm->t->ops->vcpus(vm->t, index, 4), 3);
	cr_expect_eq(index[2], 2);
	cr_expect_eq(softvm_pc(vm, 2), loop_of(2));
	softvm_break(vm, loop_of(2) + 8);
	continue_to(vm, STOP_SWBREAK, 2);
	softvm_fini(vm);
}

SOFT_TEST(engine_added, running,
	  "a vCPU added while all run is stopped with them, and hits breakpoints")
{
	struct softvm_cpu *c;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_start(vm);
	softvm_attach(vm);
	softvm_break(vm, loop_of(4) + 8);
	softvm_continue(vm);
	c = add(vm, 4);
	softvm_start_cpu(c);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 4);
	cr_expect_eq(softvm_regs(vm, 4)->r[0], 1);
	cr_expect(softvm_stands(vm));
	softvm_add(vm, 3); /* between the others, never started */
	continue_to(vm, STOP_SWBREAK, 4);
	softvm_detach(vm);
	softvm_fini(vm);
}

SOFT_TEST(engine_added, before_resume,
	  "a vCPU that is added just before a resume shifts nobody's action")
{
	static const struct resume_action hold = { .kind = RESUME_HOLD };
	const struct resume_action a[] = { { .vcpu = 1, .kind = RESUME_STEP },
					   { .vcpu = 3, .kind = RESUME_HOLD } };
	unsigned int i;

	softvm_init_loops(vm, ops, 0, NULL);
	add(vm, 1);
	add(vm, 3);
	softvm_begin(vm);
	for (i = 0; i <= 4; i += 2)
		softvm_start_cpu(add(vm, i));
	cr_assert_eq(vm->t->ops->resume(vm->t, a, 2, &hold), 0);
	expect_stop(softvm_stopped(vm), STOP_STEP, 1);
	cr_expect_eq(softvm_pc(vm, 1), loop_of(1) + 4);
	cr_expect_eq(softvm_retired(vm), 1, "the others were held");
	softvm_fini(vm);
}

SOFT_TEST(engine_added, locked,
	  "a vCPU that is added while one alone was let run waits for a resume that includes it")
{
	struct softvm_cpu *c;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_resume_one(vm, 1, RESUME_CONTINUE, RESUME_HOLD);
	c = add(vm, 2);
	softvm_start_cpu(c);
	softvm_run_on(vm, 1, 100);
	softvm_pass(10);
	cr_expect_eq(c->cpu.retired, 0);
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 1);
	cr_expect_eq(softvm_pc(vm, 2), loop_of(2));
	softvm_resume_one(vm, 1, RESUME_HOLD, RESUME_CONTINUE);
	softvm_run_on(vm, 2, 10);
	softvm_fini(vm);
}

SOFT_TEST(engine_added, on_breakpoint,
	  "a vCPU that is added onto a breakpoint while all run hits it, also when all are stepped")
{
	struct softvm_cpu *c;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		softvm_init_loops(vm, ops, 1, NULL);
		CODE(vm, loop_of(2), I(RDF, 3, 0, 0)); /* stepping emulates it */
		softvm_begin(vm);
		vm->t->ops->set_option(vm->t, OPTION_SOFTWARE_WATCH, true);
		if (i)
			softvm_insert(vm, BP_WRITE, DATA + 0x200, 8);
		softvm_break(vm, loop_of(2));
		softvm_continue(vm);
		c = add(vm, 2);
		softvm_start_cpu(c);
		expect_stop(softvm_stopped(vm), STOP_SWBREAK, 2);
		cr_expect_eq(c->cpu.retired, 0);
		cr_expect_eq(softvm_pc(vm, 2), loop_of(2));
		softvm_fini(vm);
	}
}

SOFT_TEST(engine_added, during_step_over,
	  "a vCPU that is added while another steps over a breakpoint does not pass it")
{
	struct softvm_cpu *c;
	struct stop s;

	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP, I(NOP, 0, 0, 0), I(OUT, 0, 0, 0), JMP(-3));
	vm->hang = true;
	softvm_begin(vm);
	softvm_break(vm, LOOP + 4);
	continue_to(vm, STOP_SWBREAK, 0);
	softvm_continue(vm);
	softvm_until_hangs(vm);
	cr_assert_not(softvm_has_brk(vm, LOOP + 4), "in the middle of the step");
	c = add(vm, 1);
	c->cpu.regs.pc = LOOP; /* it would pass the breakpoint */
	softvm_start_cpu(c);
	softvm_pass(10);
	if (softvm_memory_only(vm))
		cr_expect_eq(c->cpu.retired, 0);
	vm->hang = false;
	expect_stop(s = softvm_stopped(vm), STOP_SWBREAK, s.vcpu);
	cr_expect_eq(softvm_pc(vm, s.vcpu), LOOP + 4);
	cr_expect_leq(c->cpu.retired, 1);
	softvm_fini(vm);
}

SOFT_TEST(engine_added, twice, "an index that is taken, or another kind of CPU, is refused")
{
	struct vmgdb_vcpu *v;
	struct softcpu c;

	softvm_init_loops(vm, ops, 1, NULL);
	cr_assert_eq(softcpu_init(&c, ops, 0, vm->phys, NULL), 0);
	cr_expect_eq(engine_add_vcpu(&vm->engine, 0, ops, &c.caps, &c, &v), -EEXIST);
	ops = ops->cpu == &soft8_cpu ? &soft32_ops : &soft8_ops;
	cr_expect_eq(engine_add_vcpu(&vm->engine, 1, ops, &c.caps, &c, &v), -EINVAL);
	cr_expect_eq(c.calls.release, 0, "it is the caller's still");
	softcpu_fini(&c);
	softvm_fini(vm);
}

SOFT_TEST(engine_added, first_after_debugger,
	  "a debugger that came before the first vCPU sets breakpoints once there is one")
{
	const char *why = NULL;

	softvm_init(vm, ops, 0, NULL);
	softvm_loops(vm);
	softvm_attach(vm);
	cr_expect_eq(vm->t->ops->insert(vm->t, 0, BP_SOFTWARE, LOOP + 8, ops->cpu->brk_kind, &why),
		     -EOPNOTSUPP);
	softvm_add(vm, 2)->cpu.regs.pc = LOOP;
	softvm_release(vm);
	softvm_hold(vm);
	softvm_break(vm, LOOP + 8); /* through vCPU 0, which is not there */
	softvm_continue(vm);
	softvm_start(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 2);
	softvm_fini(vm);
}
