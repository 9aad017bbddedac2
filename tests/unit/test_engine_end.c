// SPDX-License-Identifier: MIT
/* The end of a VM, and of a vCPU, under its debugger. */
#include <errno.h>

#include <criterion/criterion.h>

#include "tests/unit/softvm.h"

SOFT_TEST(engine_end, shutdown,
	  "a VM taken down under its debugger: stopped, running, in the middle of steps")
{
	unsigned int i;

	for (i = 0; i < 40; i++) {
		softvm_init_loops(vm, ops, 3, NULL);
		softvm_start(vm);
		softvm_attach(vm);
		softvm_break(vm, loop_of(0) + 8);
		if (i % 4)
			softvm_continue(vm);
		if (i % 4 == 2) {
			softvm_stopped(vm);
			softvm_continue(vm);
		}
		if (i % 4 == 3)
			softvm_interrupt(vm);
		softvm_stop(vm);
		cr_expect_eq(vmgdb_vcpu_enter(vm->cpus[0].vcpu), -ESHUTDOWN);
		cr_expect_eq(softvm_hold(vm), -ESHUTDOWN);
		softvm_detach(vm);
		softvm_fini(vm);
		for (unsigned int c = 0; c < 3; c++)
			cr_expect_eq(vm->cpus[c].cpu.calls.release, 1);
	}
}

SOFT_TEST(engine_end, exited,
	  "the VM ends by itself: reported at once, once, and the debugger can detach")
{
	struct stop s;

	softvm_init_loops(vm, ops, 2, NULL);
	CODE(vm, LOOP, I(NOP, 0, 0, 0), I(EVENT, 0, 0, 0));
	softvm_begin(vm);
	softvm_continue(vm);
	s = softvm_stopped(vm);
	expect_stop(s, STOP_EVENT, 0);
	softvm_continue(vm); /* vCPU 0's thread leaves its loop */
	engine_exited(&vm->engine, 3);
	s = softvm_stopped(vm);
	cr_expect_eq(s.kind, STOP_EXITED);
	cr_expect_eq(s.status, 3);
	cr_expect_not(softvm_wait(vm, &s, 0));
	softvm_detach(vm); /* waits for nobody who has gone */
	softvm_fini(vm);
}

SOFT_TEST(engine_end, killed, "kill is the VMM's to allow")
{
	struct stop s;

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_start(vm);
	softvm_attach(vm);
	cr_expect_eq(vm->t->ops->kill(vm->t), 0);
	cr_expect_eq(vm->kills, 1);
	s = softvm_stopped(vm);
	cr_expect_eq(s.kind, STOP_EXITED);
	cr_expect_eq(s.status, 137);
	vm->engine.config.kill = NULL;
	cr_expect_eq(vm->t->ops->kill(vm->t), -EOPNOTSUPP);
	softvm_fini(vm);
}

struct seen {
	atomic_uint times;
	atomic_bool wait;
};

/* The VMM resets a vCPU that came to its end. */
static bool reset(struct softvm_cpu *c)
{
	struct seen *s = c->vm->opaque;

	s->times++;
	if (c->cpu.exit != SOFT_EXIT_FATAL && c->cpu.exit != SOFT_EXIT_EVENT)
		return false;
	c->cpu.regs.pc = loop_of(1);
	c->cpu.regs.r[0] = 500;
	while (atomic_load(&s->wait))
		;
	return false;
}

static bool was_seen(void *opaque)
{
	return atomic_load(&((struct seen *)opaque)->times) > 0;
}

/* One vCPU, which comes to its end at LOOP + 8. */
static void init_ending(struct softvm *vm, const struct vcpu_ops *ops, enum soft_op op,
			struct seen *seen)
{
	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP + 8, { op, 0, 0, 0 });
	vm->on_exit = reset;
	vm->opaque = seen;
}

static void ending(struct softvm *vm, const struct vcpu_ops *ops, enum soft_op op,
		   enum stop_kind kind)
{
	struct seen seen = { .wait = true };
	struct stop s;

	init_ending(vm, ops, op, &seen);
	softvm_begin(vm);
	softvm_continue(vm);
	s = softvm_stopped(vm);
	expect_stop(s, kind, 0);
	cr_expect_not_null(s.text);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8, "registers as they were");
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 1);
	cr_expect_eq(seen.times, 0, "the debugger sees it first");
	softvm_change(vm, 0, 0)->r[5] = 55;
	softvm_continue(vm);
	softvm_until(was_seen, &seen);
	softvm_interrupt(vm);
	seen.wait = false;
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	cr_expect_eq(softvm_pc(vm, 0), loop_of(1), "as the VMM reset it");
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 500);
	cr_expect_eq(softvm_regs(vm, 0)->r[5], 55, "what the debugger wrote before");
	cr_expect_eq(seen.times, 1);
	softvm_fini(vm);
}

SOFT_TEST(engine_end, fatal,
	  "the debugger sees what a vCPU can't go on from first, then the VMM, each once")
{
	ending(vm, ops, SOFT_FATAL, STOP_FATAL);
}

SOFT_TEST(engine_end, event, "the same for a power-off")
{
	ending(vm, ops, SOFT_EVENT, STOP_EVENT);
}

SOFT_TEST(
	engine_end, reset_onto_breakpoint,
	"a vCPU that the VMM resets when it was to step over a breakpoint hits the one that it reaches")
{
	struct seen seen = { 0 };

	init_ending(vm, ops, SOFT_FATAL, &seen);
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	softvm_break(vm, loop_of(1));
	continue_to(vm, STOP_SWBREAK, 0);
	continue_to(vm, STOP_FATAL, 0);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), loop_of(1));
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 500, "the first time that it comes there");
	cr_expect_eq(seen.times, 1);
	softvm_fini(vm);
}

SOFT_TEST(engine_end, fatal_alone, "without a debugger fatal exits are the VMM's alone")
{
	struct seen seen = { 0 };

	init_ending(vm, ops, SOFT_FATAL, &seen);
	softvm_start(vm);
	softvm_until(was_seen, &seen);
	softvm_run_on(vm, 0, 10);
	cr_expect_eq(seen.times, 1);
	softvm_fini(vm);
}

SOFT_TEST(engine_end, fatal_over,
	  "a vCPU that ends while it steps over a breakpoint does not keep the others from running")
{
	softvm_init_loops(vm, ops, 2, NULL);
	CODE(vm, LOOP + 8, I(FATAL, 0, 0, 0));
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	continue_to(vm, STOP_SWBREAK, 0);
	continue_to(vm, STOP_FATAL, 0);
	cr_expect_not(softvm_has_brk(vm, LOOP + 8), "stopped: memory is the guest's");
	softvm_continue(vm); /* the VMM ends that thread */
	softvm_run_on(vm, 1, 100);
	softvm_fini(vm);
}

/* A reset, which puts the vCPU into the other one's loop. */
static bool reset_elsewhere(struct softvm_cpu *c)
{
	atomic_uint *seen = c->vm->opaque;

	if (c->cpu.exit != SOFT_EXIT_EVENT)
		return false;
	if (softvm_memory_only(c->vm))
		cr_expect(softvm_has_brk(c->vm, LOOP + 8), "the VMM sees no step under way");
	c->cpu.regs.pc = loop_of(1);
	c->cpu.regs.flags = 0;
	(*seen)++;
	return false;
}

SOFT_TEST(engine_end, reset_not_reported,
	  "a reset in the step over a breakpoint, which the debugger does not want reported")
{
	atomic_uint seen = 0;

	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP + 8, I(EVENT, 0, 0, 0));
	vm->cpus[0].cpu.regs.flags = SOFT_IE;
	vm->on_exit = reset_elsewhere;
	vm->opaque = &seen;
	softvm_begin(vm);
	vm->t->ops->set_option(vm->t, OPTION_STOP_ON_RESET, false);
	softvm_break(vm, LOOP + 8);
	softvm_break(vm, loop_of(1));
	continue_to(vm, STOP_SWBREAK, 0);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(seen, 1);
	cr_expect_eq(softvm_pc(vm, 0), loop_of(1));
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 1, "it was not gone past");
	cr_expect_eq(softvm_regs(vm, 0)->flags, 0, "nothing of before the reset");
	softvm_fini(vm);
}

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

/* vCPU 0 asks by that instruction. */
static void init_device(struct softvm *vm, const struct vcpu_ops *ops, struct device *d,
			enum soft_op op)
{
	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP + 8, { op, 0, 0, 0 });
	vm->on_exit = end_by_port;
	vm->opaque = d;
}

static bool has_acted(void *opaque)
{
	return atomic_load(&((struct device *)opaque)->acted) > 0;
}

SOFT_TEST(engine_end, by_vmm,
	  "an end that the VMM announces is a stop before the VMM acts on it, with its text")
{
	struct device d = { .reason = "reset by a port" };
	struct stop s;

	init_device(vm, ops, &d, SOFT_OUT);
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

SOFT_TEST(engine_end, by_vmm_alone, "without a debugger the VMM acts on it at once")
{
	struct device d = { .reason = "reset by a port" };

	init_device(vm, ops, &d, SOFT_OUT);
	softvm_start(vm);
	softvm_until(has_acted, &d);
	softvm_run_on(vm, 0, 10);
	softvm_fini(vm);
}

/* With stop-on-reset off: the guest's end by an exit, or by a port. */
static void not_reported(struct softvm *vm, const struct vcpu_ops *ops, enum soft_op op)
{
	struct device d = { .reason = "reset" };

	init_device(vm, ops, &d, op);
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

SOFT_TEST(engine_end, event_not_reported, "with stop-on-reset off a power-off is the VMM's alone")
{
	not_reported(vm, ops, SOFT_EVENT);
}

SOFT_TEST(engine_end, port_not_reported, "the same where the VMM announces it")
{
	not_reported(vm, ops, SOFT_OUT);
}

SOFT_TEST(engine_end, fatal_all_the_same,
	  "stop-on-reset off is not for what a vCPU can't go on from")
{
	struct device d = { .reason = "" };

	init_device(vm, ops, &d, SOFT_FATAL);
	softvm_begin(vm);
	vm->t->ops->set_option(vm->t, OPTION_STOP_ON_RESET, false);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_FATAL, 0);
	cr_expect_eq(d.acted, 0);
	softvm_fini(vm);
}

SOFT_TEST(engine_end, exit_wakes,
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

SOFT_TEST(
	engine_end, exited_while_running,
	"the VM ends from outside while vCPUs run: nobody may touch them, and nothing waits for them")
{
	const char *why = NULL;
	struct stop s;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 10);
	softvm_run_on(vm, 1, 10);
	engine_exited(&vm->engine, 5);
	cr_expect_eq(softvm_hold(vm), -ESHUTDOWN);
	cr_expect(!vm->t->ops->view(vm->t, 0));
	cr_expect_eq(vm->t->ops->insert(vm->t, 0, BP_SOFTWARE, LOOP, ops->cpu->brk_kind, &why),
		     -EBUSY);
	s = softvm_stopped(vm);
	cr_expect_eq(s.kind, STOP_EXITED);
	cr_expect_eq(s.status, 5);
	cr_expect_eq(softvm_hold(vm), -ESHUTDOWN);
	softvm_stop(vm);
	softvm_detach(vm);
	cr_expect_eq(vm->t->ops->attach(vm->t, &s), -ESHUTDOWN);
	softvm_fini(vm);
}

static void *attach_in_vain(void *opaque)
{
	struct softvm *vm = opaque;
	struct stop s;

	cr_expect_eq(vm->t->ops->attach(vm->t, &s), -ESHUTDOWN);
	return NULL;
}

static bool is_stopping(void *opaque)
{
	return engine_state(opaque) == ENGINE_STOPPING;
}

SOFT_TEST(engine_end, exited_while_attaching,
	  "the VM ends while a debugger that attaches waits for a vCPU which does not stop")
{
	pthread_t attaching;

	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP, I(NOP, 0, 0, 0), I(OUT, 0, 0, 0), JMP(-3));
	vm->hang = true;
	softvm_start(vm);
	softvm_until_hangs(vm);
	cr_assert_eq(pthread_create(&attaching, NULL, attach_in_vain, vm), 0);
	softvm_until(is_stopping, &vm->engine);
	engine_exited(&vm->engine, 5);
	pthread_join(attaching, NULL);
	vm->hang = false;
	softvm_fini(vm);
}

SOFT_TEST(engine_end, no_such_bank, "a register bank that the processor does not have is an error")
{
	struct cpu_view *view;

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	view = vm->t->ops->view(vm->t, 0);
	cr_expect_eq(view->need(view, ops->cpu->nbanks), -EINVAL);
	softvm_fini(vm);
}

static int refuse_to_reinject(void *ctx, const struct trap *t)
{
	(void)ctx;
	(void)t;
	return -EIO;
}

SOFT_TEST_MEMORY(
	engine_end, not_reinjected,
	"a debug exception that can't be given back to the guest is a fatal stop, not a loop")
{
	struct vcpu_ops refusing = *ops;
	struct stop s;

	refusing.reinject = refuse_to_reinject;
	softvm_init_loops(vm, &refusing, 1, NULL);
	CODE(vm, LOOP + 4, I(BRK, 0, 0, 0));
	softvm_begin(vm);
	softvm_break(vm, 0x800); /* makes breakpoint instructions trap */
	softvm_continue(vm);
	s = softvm_stopped(vm);
	expect_stop(s, STOP_FATAL, 0);
	cr_expect_not_null(s.text);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 4);
	softvm_fini(vm);
}

/* A device whose lock each vCPU's thread takes at its port; vCPU 0 asks for a reset there. */
struct locked_device {
	pthread_mutex_t lock;
	atomic_uint resets;
};

static bool reset_under_lock(struct softvm_cpu *c)
{
	struct locked_device *d = c->vm->opaque;

	if (c->cpu.exit != SOFT_EXIT_IO)
		return false;
	pthread_mutex_lock(&d->lock);
	if (!c->cpu.index && !d->resets++)
		vmgdb_vcpu_event_nowait(c->vcpu, "reset");
	pthread_mutex_unlock(&d->lock);
	return false;
}

SOFT_TEST(engine_end, by_vmm_under_lock,
	  "a VMM that announces an end under a lock that other vCPUs wait for does not wait itself")
{
	struct locked_device d = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct stop s;
	unsigned int i;

	softvm_init_loops(vm, ops, 3, NULL);
	for (i = 0; i < 3; i++)
		CODE(vm, loop_of(i), I(OUT, 0, 0, 0), JMP(-2));
	vm->on_exit = reset_under_lock;
	vm->opaque = &d;
	softvm_begin(vm);
	softvm_continue(vm);
	s = softvm_stopped(vm);
	expect_stop(s, STOP_EVENT, 0);
	cr_expect_str_eq(s.text, "reset");
	softvm_continue(vm);
	softvm_run_on(vm, 0, 10);
	softvm_fini(vm);
}

static bool reset_at_port(struct softvm_cpu *c)
{
	if (c->cpu.exit != SOFT_EXIT_IO)
		return true;
	c->cpu.io_value = 7;
	c->outs++;
	vmgdb_vcpu_event_nowait(c->vcpu, "reset");
	return false;
}

/* vCPU 0 asks for a reset at LOOP, by an instruction that takes another entry. */
static void init_port(struct softvm *vm, const struct vcpu_ops *ops)
{
	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP, I(IN, 0, 0, 0));
	vm->on_exit = reset_at_port;
	softvm_begin(vm);
}

SOFT_TEST(engine_end, nowait_completes,
	  "the stop that such a VMM announces comes when the instruction at the port is complete")
{
	init_port(vm, ops);
	continue_to(vm, STOP_EVENT, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 4);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 7);
	softvm_fini(vm);
}

SOFT_TEST(engine_end, nowait_in_step, "the same in a step, which is not reported then")
{
	init_port(vm, ops);
	softvm_resume_one(vm, 0, RESUME_STEP, RESUME_HOLD);
	expect_stop(softvm_stopped(vm), STOP_EVENT, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 4);
	cr_expect_eq(vm->errors, 0);
	softvm_fini(vm);
}

SOFT_TEST(engine_end, nowait_not_reported, "with stop-on-reset off it is no stop")
{
	init_port(vm, ops);
	vm->t->ops->set_option(vm->t, OPTION_STOP_ON_RESET, false);
	softvm_break(vm, LOOP + 8);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(vm->cpus[0].outs, 1);
	softvm_fini(vm);
}

/* ---- vCPUs that the test's own thread drives ------------------------------------------------- */

static void enter(struct softvm *vm)
{
	cr_assert_eq(vmgdb_vcpu_enter(vm->cpus[0].vcpu), 0);
}

SOFT_TEST(engine_end, exited_between_steps,
	  "a vCPU that has stepped while memory is watched runs freely when the VM has ended")
{
	softvm_init_loops(vm, ops, 1, NULL);
	softvm_attach(vm);
	vm->t->ops->set_option(vm->t, OPTION_SOFTWARE_WATCH, true);
	softvm_insert(vm, BP_WRITE, DATA + 0x100, 8);
	softvm_continue(vm);
	enter(vm);
	cr_expect(vm->cpus[0].cpu.control.step);
	cr_assert_eq(softcpu_run(&vm->cpus[0].cpu), 0);
	cr_assert(vmgdb_vcpu_exit(vm->cpus[0].vcpu));
	engine_exited(&vm->engine, 0);
	enter(vm);
	cr_expect_not(vm->cpus[0].cpu.control.step);
	softvm_fini(vm);
}

SOFT_TEST(engine_end, left_is_parked, "a vCPU whose thread is to leave is parked from then on")
{
	softvm_init_loops(vm, ops, 1, NULL);
	enter(vm);
	engine_shutdown(&vm->engine);
	cr_expect_eq(vmgdb_vcpu_enter(vm->cpus[0].vcpu), -ESHUTDOWN);
	cr_expect_eq(vcpu_run_state(vm->cpus[0].vcpu), RUN_PARKED);
	cr_expect_eq(vm->engine.unparked, 0);
	softvm_fini(vm);
}

SOFT_TEST(engine_end, exited_while_stopped, "vCPUs that were stopped when the VM ended stay parked")
{
	const struct resume_action all = { .kind = RESUME_CONTINUE };

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	engine_exited(&vm->engine, 0);
	cr_expect_eq(vm->t->ops->resume(vm->t, NULL, 0, &all), -ESHUTDOWN);
	cr_expect(softvm_stands(vm));
	softvm_fini(vm);
}

static bool is_done(void *opaque)
{
	return atomic_load(&((struct softvm_cpu *)opaque)->done);
}

SOFT_TEST(engine_end, shutdown_while_held,
	  "no vCPU's thread leaves for the end while the server's thread has the hold")
{
	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	engine_shutdown(&vm->engine);
	softvm_pass(20);
	cr_expect_not(is_done(&vm->cpus[0]));
	softvm_release(vm);
	softvm_until(is_done, &vm->cpus[0]);
	softvm_fini(vm);
}

SOFT_TEST(engine_end, shutdown_after_stop,
	  "once the server's thread has given the hold back they leave")
{
	struct stop s;

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_start(vm);
	cr_assert_eq(vm->t->ops->attach(vm->t, &s), 0);
	cr_expect_not(vm->engine.hold_taken);
	softvm_hold(vm);
	softvm_continue(vm);
	softvm_interrupt(vm);
	while (!vm->t->ops->poll(vm->t, &s))
		softvm_pass(1);
	expect_stop(s, STOP_INTERRUPT, 0);
	engine_shutdown(&vm->engine);
	softvm_until(is_done, &vm->cpus[0]);
	softvm_fini(vm);
}
