// SPDX-License-Identifier: MIT
/* Kicks: those of the VMM itself, those that are lost, and vCPUs that no kick reaches. */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tests/unit/softvm.h"

/* ---- whose a kick is ----------------------------------------------------------------------- */

/* The VMM wants something of vCPU 0's thread, which looks for that whenever it was interrupted. */
struct request {
	atomic_bool made;
	atomic_uint seen;
};

static void make_request(struct softvm *vm, struct request *r)
{
	r->made = true;
	softcpu_vmm_kick(&vm->cpus[0].cpu);
}

/* While .hang is set the VMM keeps vCPU 0's thread here. */
static bool look_for_request(struct softvm_cpu *c)
{
	struct request *r = c->vm->opaque;

	if (c->cpu.index)
		return false;
	while (atomic_load(&c->vm->hang))
		c->vm->hangs = true;
	if (atomic_exchange(&r->made, false)) {
		softcpu_vmm_clear_kick(&c->cpu);
		r->seen++;
	}
	return false;
}

static bool is_seen(void *opaque)
{
	return atomic_load(&((struct request *)opaque)->seen) > 0;
}

static void init_requests(struct softvm *vm, const struct vcpu_ops *ops, struct request *r)
{
	softvm_init_loops(vm, ops, 2, NULL);
	vm->on_interrupted = look_for_request;
	vm->opaque = r;
}

SOFT_TEST(engine_kicks, vmm_kick_while_parked,
	  "the VMM's own kick of a vCPU that is parked makes its next entry come back")
{
	struct request r = { 0 };

	init_requests(vm, ops, &r);
	softvm_begin(vm);
	make_request(vm, &r);
	softvm_continue(vm);
	softvm_until(is_seen, &r);
	softvm_run_on(vm, 0, 10);
	softvm_fini(vm);
}

SOFT_TEST(engine_kicks, vmm_kick_without_debugger,
	  "without a debugger the VMM's own kick is its own alone")
{
	struct request r = { 0 };

	init_requests(vm, ops, &r);
	softvm_start(vm);
	softvm_run_on(vm, 0, 10);
	make_request(vm, &r);
	softvm_until(is_seen, &r);
	cr_expect_eq(vm->cpus[0].cpu.calls.clear_kick, 0);
	softvm_fini(vm);
}

SOFT_TEST(engine_kicks, vmm_kick_of_free,
	  "the same of a vCPU that runs free under a debugger: the library does nothing for it")
{
	struct request r = { 0 };
	unsigned int cleared;

	init_requests(vm, ops, &r);
	softvm_begin(vm);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 10);
	cleared = vm->cpus[0].cpu.calls.clear_kick;
	make_request(vm, &r);
	softvm_until(is_seen, &r);
	softvm_run_on(vm, 0, 10);
	cr_expect_eq(vm->cpus[0].cpu.calls.clear_kick, cleared);
	softvm_fini(vm);
}

/* vCPU 0 was interrupted, is with the VMM for that, and is kicked again meanwhile. */
static void interrupt_twice(struct softvm *vm)
{
	struct stop s;
	unsigned int kicks;

	softvm_continue(vm);
	softvm_run_on(vm, 0, 10);
	vm->hang = true;
	softvm_interrupt(vm);
	softvm_until_hangs(vm);
	kicks = vm->cpus[0].cpu.calls.kick;
	do
		cr_expect_not(softvm_wait(vm, &s, 50));
	while (vm->cpus[0].cpu.calls.kick == kicks);
}

SOFT_TEST(engine_kicks, vmm_kick_beside_ours,
	  "the VMM's own kick that finds one of the library's pending is not lost with that")
{
	struct request r = { 0 };

	init_requests(vm, ops, &r);
	softvm_begin(vm);
	interrupt_twice(vm);
	vm->hang = false;
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	make_request(vm, &r);
	softvm_continue(vm);
	softvm_until(is_seen, &r);
	softvm_run_on(vm, 0, 10);
	softvm_fini(vm);
}

SOFT_TEST(
	engine_kicks, pending_when_parked,
	"a vCPU that parks with a kick pending runs on when it is resumed, and when nobody is there")
{
	struct request r = { 0 };

	init_requests(vm, ops, &r);
	softvm_begin(vm);
	interrupt_twice(vm);
	vm->hang = false;
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	vm->hangs = false;
	interrupt_twice(vm); /* resumes */
	vm->hang = false;
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	softvm_detach(vm);
	softvm_run_on(vm, 0, 100);
	softvm_fini(vm);
}

static void classify_with_errno(void *ctx, struct trap *out)
{
	soft8_ops.classify(ctx, out);
	errno = EBADF;
}

SOFT_TEST(engine_kicks, errno_kept, "after an exit errno is as KVM_RUN has left it for the VMM")
{
	struct vcpu_ops setting = *ops;

	setting.classify = classify_with_errno;
	softvm_init_loops(vm, &setting, 1, NULL);
	softvm_attach(vm);
	softvm_continue(vm);
	cr_assert_eq(vmgdb_vcpu_enter(vm->cpus[0].vcpu), 0);
	errno = EINTR;
	vmgdb_vcpu_exit(vm->cpus[0].vcpu);
	cr_expect_eq(errno, EINTR);
	softvm_fini(vm);
}

/* ---- kicks that are lost, or come again ------------------------------------------------------ */

SOFT_TEST(engine_kicks, lost, "kicks that have no effect are made again: the stop comes")
{
	unsigned int i;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	for (i = 1; i < 4; i++) {
		softvm_continue(vm);
		softvm_run_on(vm, 0, 10);
		vm->cpus[0].cpu.lose_kicks = (int)i;
		softvm_interrupt(vm);
		expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	}
	softvm_fini(vm);
}

SOFT_TEST(engine_kicks, lost_at_attach, "the same while a debugger attaches, and when it detaches")
{
	softvm_init_loops(vm, ops, 2, NULL);
	softvm_start(vm);
	softvm_run_on(vm, 0, 10);
	vm->cpus[0].cpu.lose_kicks = 2;
	softvm_attach(vm);
	softvm_continue(vm);
	softvm_run_on(vm, 1, 10);
	vm->cpus[1].cpu.lose_kicks = 2;
	softvm_detach(vm);
	softvm_run_on(vm, 0, 10);
	softvm_run_on(vm, 1, 10);
	softvm_fini(vm);
}

/* vCPU 0 is in an exit that the VMM keeps, and kicked again and again. */
static void begin_hanging(struct softvm *vm, const struct vcpu_ops *ops)
{
	softvm_init_loops(vm, ops, 2, NULL);
	CODE(vm, LOOP, I(NOP, 0, 0, 0), I(OUT, 0, 0, 0), JMP(-3));
	vm->hang = true;
	softvm_begin(vm);
	softvm_continue(vm);
	softvm_until_hangs(vm);
	softvm_interrupt(vm);
}

static void expect_kicked_again(struct softvm *vm)
{
	struct stop s;

	do
		cr_expect_not(softvm_wait(vm, &s, 50));
	while (vm->cpus[0].cpu.calls.kick < 3);
}

SOFT_TEST(engine_kicks, pending_at_resume,
	  "kicks that came while the vCPU was with the VMM keep nobody from running on afterwards")
{
	begin_hanging(vm, ops);
	expect_kicked_again(vm);
	vm->hang = false;
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 100);
	softvm_run_on(vm, 1, 100);
	softvm_fini(vm);
}

SOFT_TEST(engine_kicks, pending_at_detach, "the same when the debugger detaches meanwhile")
{
	begin_hanging(vm, ops);
	expect_kicked_again(vm);
	vm->hang = false;
	softvm_detach(vm);
	softvm_run_on(vm, 0, 100);
	softvm_run_on(vm, 1, 100);
	softvm_fini(vm);
}

SOFT_TEST(engine_kicks, late_vcpu_named, "a vCPU that does not stop is named in the log, once")
{
	struct stop s;

	begin_hanging(vm, ops);
	while (!vm->warnings)
		cr_expect_not(softvm_wait(vm, &s, 50));
	cr_expect(strstr(vm->warning, "vCPU 0 does not stop"), "%s", vm->warning);
	cr_expect(strstr(vm->warning, "from the guest to the VMM"), "%s", vm->warning);
	cr_expect_not(softvm_wait(vm, &s, 50));
	cr_expect_eq(vm->warnings, 1);
	vm->hang = false;
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	softvm_fini(vm);
}

SOFT_TEST_ON(engine_kicks, late_since_before,
	     "of a vCPU that the VMM has kept since before the debugger came nothing else is said",
	     &soft8_ops)
{
	struct stop s;

	softvm_init_loops(vm, ops, 2, NULL);
	CODE(vm, LOOP, I(NOP, 0, 0, 0), I(OUT, 0, 0, 0), JMP(-3));
	vm->hang = true;
	softvm_start(vm);
	softvm_until_hangs(vm);
	cr_expect_eq(vm->t->ops->attach(vm->t, &s), -ETIMEDOUT);
	cr_expect(strstr(vm->warning, "vCPU 0 does not stop"), "%s", vm->warning);
	cr_expect(strstr(vm->warning, "before the debugger came"), "%s", vm->warning);
	softvm_run_on(vm, 1, 10);
	vm->hang = false;
	softvm_run_on(vm, 0, 10);
	softvm_fini(vm);
}

/* ---- vCPU threads that end ------------------------------------------------------------------- */

static bool is_done(void *opaque)
{
	return atomic_load(&((struct softvm_cpu *)opaque)->done);
}

/* The VMM makes the thread of vCPU 1 leave its loop, as for a vCPU that is unplugged. */
static void end_thread(struct softvm *vm)
{
	vm->cpus[1].ends = true;
	softcpu_vmm_kick(&vm->cpus[1].cpu);
	softvm_until(is_done, &vm->cpus[1]);
	pthread_join(vm->cpus[1].thread, NULL);
	vm->cpus[1].running = false;
	softcpu_vmm_clear_kick(&vm->cpus[1].cpu);
}

SOFT_TEST(engine_kicks, thread_ended_running,
	  "a vCPU whose thread has ended while all ran is parked: stops and resumes go on")
{
	unsigned int i;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_continue(vm);
	softvm_run_on(vm, 1, 10);
	end_thread(vm);
	for (i = 0; i < 3; i++) {
		softvm_interrupt(vm);
		expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
		softvm_regs(vm, 1);
		softvm_continue(vm);
		softvm_run_on(vm, 0, 10);
	}
	softvm_detach(vm);
	softvm_run_on(vm, 0, 10);
	softvm_fini(vm);
}

SOFT_TEST(engine_kicks, thread_ended_before, "the same where it has ended before the debugger came")
{
	softvm_init_loops(vm, ops, 2, NULL);
	softvm_start(vm);
	softvm_run_on(vm, 1, 10);
	end_thread(vm);
	softvm_attach(vm);
	softvm_break(vm, loop_of(0) + 8);
	continue_to(vm, STOP_SWBREAK, 0);
	softvm_fini(vm);
}

/* The VMM cancels the thread of a vCPU (pthread_cancel(3)). */
static void cancel_thread(struct softvm_cpu *c)
{
	pthread_cancel(c->thread);
	pthread_join(c->thread, NULL);
	c->running = false;
}

/* vCPU 1 is in the middle of a step over a breakpoint: in an exit that the VMM keeps. */
static void hang_in_step_over(struct softvm *vm, const struct vcpu_ops *ops, unsigned int ncpus)
{
	softvm_init_loops(vm, ops, ncpus, NULL);
	CODE(vm, loop_of(1), I(NOP, 0, 0, 0), I(OUT, 0, 0, 0), JMP(-3));
	vm->hang = true;
	softvm_begin(vm);
	softvm_break(vm, loop_of(1) + 4);
	continue_to(vm, STOP_SWBREAK, 1);
	softvm_continue(vm);
	softvm_until_hangs(vm);
}

SOFT_TEST(engine_kicks, thread_ended_alone,
	  "a thread that ends in a step over a breakpoint does not keep the others from running")
{
	hang_in_step_over(vm, ops, 2);
	vm->cpus[1].ends = true;
	vm->hang = false;
	softvm_until(is_done, &vm->cpus[1]);
	softvm_run_on(vm, 0, 100);
	if (softvm_memory_only(vm))
		cr_expect(softvm_has_brk(vm, loop_of(1) + 4), "it is inserted for the others");
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 1);
	softvm_fini(vm);
}

SOFT_TEST(
	engine_kicks, thread_ended_again,
	"a vCPU that is driven by another thread after its first one is parked when that ends, too")
{
	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_continue(vm);
	softvm_run_on(vm, 1, 10);
	end_thread(vm);
	vm->cpus[1].ends = vm->cpus[1].done = false;
	softvm_start_cpu(&vm->cpus[1]);
	softvm_run_on(vm, 1, 10);
	end_thread(vm);
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	softvm_fini(vm);
}

static void *enter_both(void *opaque)
{
	struct softvm *vm = opaque;

	cr_assert_eq(vmgdb_vcpu_enter(vm->cpus[0].vcpu), 0);
	cr_assert_eq(vmgdb_vcpu_enter(vm->cpus[1].vcpu), 0);
	return NULL;
}

SOFT_TEST(engine_kicks, thread_of_two,
	  "a thread that has driven two vCPUs leaves both of them parked")
{
	pthread_t thread;

	softvm_init_loops(vm, ops, 2, NULL);
	cr_assert_eq(pthread_create(&thread, NULL, enter_both, vm), 0);
	pthread_join(thread, NULL);
	softvm_attach(vm);
	softvm_fini(vm);
}

SOFT_TEST_MEMORY(
	engine_kicks, thread_ended_aside,
	"a thread that ends while another vCPU steps over a breakpoint lets nobody run beside that")
{
	unsigned long retired;

	hang_in_step_over(vm, ops, 3);
	retired = vm->cpus[2].cpu.retired;
	cancel_thread(&vm->cpus[0]);
	softvm_pass(20);
	cr_expect_eq(vm->cpus[2].cpu.retired, retired);
	vm->hang = false;
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 1);
	softvm_fini(vm);
}

SOFT_TEST(engine_kicks, thread_cancelled_parked,
	  "a thread that is cancelled while it is parked keeps neither the others nor the debugger")
{
	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_step(vm, 1);
	cancel_thread(&vm->cpus[1]);
	softvm_regs(vm, 1);
	softvm_step(vm, 0);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 100);
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	softvm_detach(vm);
	softvm_run_on(vm, 0, 10);
	softvm_fini(vm);
}

SOFT_TEST(
	engine_kicks, thread_cancelled_at_hit,
	"the same where it waits for its breakpoint to be reported, or for its turn to step alone")
{
	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_break(vm, loop_of(1) + 4);
	continue_to(vm, STOP_SWBREAK, 1);
	cancel_thread(&vm->cpus[1]);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 100);
	softvm_interrupt(vm);
	softvm_stopped(vm);
	softvm_fini(vm);
}
