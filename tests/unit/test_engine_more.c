// SPDX-License-Identifier: MIT
/* What a host can't do, what the VMM tells by itself, and what the stepping rules are told. */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tests/unit/softvm.h"

/* ---- a host whose slots never fire ------------------------------------------------------- */

static const char no_slots[] = "slots never fire here";

static const char *slots_are_dead(void *ctx, enum trap_kind kind)
{
	(void)ctx;
	return kind == TRAP_EXEC || kind == TRAP_WATCH ? no_slots : NULL;
}

SOFT_TEST(engine_more, dead_slots,
	  "slots that never fire on this host are refused with its text; stepping carries a watch")
{
	static const enum point_type types[] = { POINT_HW, POINT_WRITE, POINT_ACCESS };
	struct vcpu_ops dead = *ops;
	const char *why;
	struct stop s;
	unsigned int i;

	dead.dead = slots_are_dead;
	softvm_init_loops(vm, &dead, 1, NULL);
	softvm_begin(vm);
	for (i = 0; i < sizeof(types) / sizeof(*types); i++) {
		why = NULL;
		cr_expect_eq(vm->t->ops->insert(vm->t, 0, types[i], DATA, ops->cpu->brk_kind, &why),
			     -EOPNOTSUPP);
		cr_expect_eq(why, no_slots);
	}
	softvm_break(vm, LOOP + 12);
	vm->t->ops->set_option(vm->t, OPTION_SOFTWARE_WATCH, true);
	softvm_insert(vm, POINT_WRITE, data_of(0), 8);
	softvm_continue(vm);
	s = softvm_stopped(vm);
	expect_stop(s, STOP_WATCH, 0);
	cr_expect_eq(s.addr, data_of(0));
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	softvm_fini(vm);
}

/* ---- what the stepping rules are told ---------------------------------------------------- */

static struct cpu asking_cpu;
static int (*real_begin)(struct cpu_view *v, struct step_plan *p);
static struct step_plan asked;

static int ask(struct cpu_view *v, struct step_plan *p)
{
	asked = *p;
	return real_begin(v, p);
}

static void begin_asking(struct softvm *vm, struct vcpu_ops *ops)
{
	asking_cpu = *ops->cpu;
	real_begin = asking_cpu.step_begin;
	asking_cpu.step_begin = ask;
	ops->cpu = &asking_cpu;
	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
}

SOFT_TEST(engine_more, whole_rep,
	  "a step is told whether an instruction that repeats is one, as the option says now")
{
	struct vcpu_ops asking = *ops;
	unsigned int i;

	begin_asking(vm, &asking);
	for (i = 0; i < 4; i++) {
		vm->t->ops->set_option(vm->t, OPTION_WHOLE_REP, i % 2);
		softvm_step(vm, 0);
		cr_expect_eq(asked.whole_rep, i % 2);
	}
	softvm_fini(vm);
}

SOFT_TEST(engine_more, room, "a step is told how many execution slots it may use: those that fire")
{
	struct vcpu_ops asking = *ops;
	unsigned int all;

	begin_asking(vm, &asking);
	all = vm->engine.hw.caps.exec_slots + vm->engine.hw.caps.shared_slots;
	softvm_step(vm, 0);
	cr_expect_eq(asked.room, all);
	softvm_insert(vm, POINT_HW, 0x800, ops->cpu->brk_kind);
	softvm_step(vm, 0);
	cr_expect_eq(asked.room, all - 1);
	softvm_fini(vm);
	asking = *ops;
	asking.dead = slots_are_dead;
	begin_asking(vm, &asking);
	softvm_step(vm, 0);
	cr_expect_eq(asked.room, 0);
	softvm_fini(vm);
}

/* ---- ends that only the VMM knows of ----------------------------------------------------- */

struct device {
	const char *reason;
	atomic_uint acted;
};

/* A port by which the guest asks for its end; the VMM begins it anew. */
static bool end_by_port(struct softvm_cpu *c)
{
	struct device *d = c->vm->opaque;

	if (c->cpu.exit == SOFT_EXIT_IO)
		vmgdb_vcpu_event(c->vcpu, d->reason);
	d->acted++;
	c->cpu.incomplete = false;
	c->cpu.regs.pc = loop_of(1);
	return false;
}

static bool has_acted(void *opaque)
{
	return atomic_load(&((struct device *)opaque)->acted) > 0;
}

SOFT_TEST(engine_more, told_by_vmm,
	  "an end that the VMM tells of is a stop before the VMM acts on it, with its text")
{
	struct device d = { .reason = "reset by a port" };
	struct stop s;

	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP + 8, I(OUT, 0, 0, 0));
	vm->on_exit = end_by_port;
	vm->opaque = &d;
	softvm_begin(vm);
	softvm_break(vm, loop_of(1) + 4);
	softvm_continue(vm);
	s = softvm_stopped(vm);
	expect_stop(s, STOP_EVENT, 0);
	cr_expect_str_eq(s.text, d.reason);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8, "registers as they were");
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 1);
	cr_expect_eq(d.acted, 0);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_expect_eq(d.acted, 1);
	cr_expect_eq(softvm_pc(vm, 0), loop_of(1) + 4);
	softvm_fini(vm);
}

SOFT_TEST(engine_more, told_by_vmm_to_nobody, "without a debugger the VMM acts on it at once")
{
	struct device d = { .reason = "reset by a port" };

	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP + 8, I(OUT, 0, 0, 0));
	vm->on_exit = end_by_port;
	vm->opaque = &d;
	softvm_start(vm);
	softvm_until(has_acted, &d);
	softvm_run_on(vm, 0, 10);
	softvm_fini(vm);
}

/* With stop-on-reset off: the guest's end by an exit, or by a port. */
static void untold(struct softvm *vm, const struct vcpu_ops *ops, enum soft_op op)
{
	struct device d = { .reason = "reset" };

	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP + 8, { op, 0, 0, 0 });
	vm->on_exit = end_by_port;
	vm->opaque = &d;
	softvm_begin(vm);
	cr_expect(vm->t->ops->option(vm->t, OPTION_STOP_ON_RESET),
		  "as it is when nobody has set it");
	vm->t->ops->set_option(vm->t, OPTION_STOP_ON_RESET, false);
	softvm_break(vm, loop_of(1) + 4);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), loop_of(1) + 4);
	cr_expect_eq(d.acted, 1);
	softvm_fini(vm);
}

SOFT_TEST(engine_more, event_untold, "with stop-on-reset off a power-off is the VMM's alone")
{
	untold(vm, ops, SOFT_EVENT);
}

SOFT_TEST(engine_more, port_untold, "the same where the VMM tells of it")
{
	untold(vm, ops, SOFT_OUT);
}

SOFT_TEST(engine_more, fatal_all_the_same,
	  "stop-on-reset off is not for what a vCPU can't go on from")
{
	struct device d = { .reason = "" };

	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP + 8, I(FATAL, 0, 0, 0));
	vm->on_exit = end_by_port;
	vm->opaque = &d;
	softvm_begin(vm);
	vm->t->ops->set_option(vm->t, OPTION_STOP_ON_RESET, false);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_FATAL, 0);
	cr_expect_eq(d.acted, 0);
	softvm_fini(vm);
}

SOFT_TEST(engine_more, exit_wakes,
	  "a VM that ends by itself while all run: whoever serves the debugger is woken for it")
{
	struct stop s;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_continue(vm);
	cr_expect_not(softvm_wait(vm, &s, 0));
	cr_assert_not(vm->notified);
	engine_exited(&vm->engine, 0);
	cr_expect(vm->notified);
	cr_expect_eq(softvm_stopped(vm).kind, STOP_EXITED);
	softvm_fini(vm);
}

/* ---- conditions and commands ------------------------------------------------------------- */

/* GDB manual, "Bytecode Descriptions": const8 N, end. */
static const uint8_t holds[] = { 0x22, 1, 0x27 }, holds_not[] = { 0x22, 0, 0x27 };

static void set_rules(struct softvm *vm, uint64_t at, const struct agent_code *codes,
		      unsigned int n)
{
	cr_assert_eq(vm->t->ops->rules(vm->t, POINT_SW, at, vm->ops->cpu->brk_kind, codes, n), 0);
}

SOFT_TEST(engine_more, several_conditions,
	  "of several conditions one that holds is enough, whichever; of none a stop is not told")
{
	const struct agent_code no = { false, holds_not, sizeof(holds_not) };
	const struct agent_code yes = { false, holds, sizeof(holds) };
	const struct agent_code first[] = { yes, no }, last[] = { no, no, yes },
				none[] = { no, no };
	struct stop s;

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	set_rules(vm, LOOP + 8, first, 2);
	continue_to(vm, STOP_SWBREAK, 0);
	set_rules(vm, LOOP + 8, last, 3);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 2, "each time round");
	set_rules(vm, LOOP + 8, none, 2);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 100);
	cr_expect_not(softvm_wait(vm, &s, 0));
	softvm_fini(vm);
}

/* ---- a debugger that does not wait ------------------------------------------------------- */

Test(engine_more, step_left_behind,
     .description =
	     "a step that is kept by the VMM until its debugger has gone leaves the guest its flags",
     .timeout = 60)
{
	static struct softvm vm;

	softvm_init_loops(&vm, &soft32_ops, 1, NULL);
	CODE(&vm, LOOP, I(OUT, 0, 0, 0));
	vm.cpus[0].cpu.regs.flags = SOFT_IE;
	softvm_begin(&vm);
	vm.hang = true;
	softvm_resume(&vm, RESUME_STEP);
	softvm_until_hangs(&vm);
	softvm_detach(&vm);
	vm.hang = false;
	softvm_run_on(&vm, 0, 20);
	softvm_stop(&vm);
	cr_expect_eq(vm.cpus[0].cpu.regs.flags, SOFT_IE);
	cr_expect_not(vm.cpus[0].vcpu->stepping);
	softvm_fini(&vm);
}
