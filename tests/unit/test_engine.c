// SPDX-License-Identifier: MIT
/* The engine's run control: who stops and who runs, debuggers and vCPUs that come and go. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <criterion/criterion.h>

#include "tests/unit/softvm.h"

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static unsigned long retired(const struct softvm *vm)
{
	unsigned long n = 0;
	unsigned int i;

	for (i = 0; i < vm->ncpus; i++)
		n += atomic_load(&vm->cpus[i].cpu.retired);
	return n;
}

/* A while in which what can run does. */
static void pass(int ms)
{
	const struct timespec t = { 0, ms * 1000000L };

	nanosleep(&t, NULL);
}

static void expect_standstill(const struct softvm *vm)
{
	unsigned long n = retired(vm);

	pass(20);
	cr_expect_eq(retired(vm), n, "nothing runs");
}

/* ---- interrupts -------------------------------------------------------------------------- */

SOFT_TEST(engine, interrupt_spinning,
	  "Ctrl-C stops vCPUs that spin, within a second, and is told once")
{
	uint64_t from;
	unsigned int i;
	struct stop s;

	softvm_init_loops(vm, ops, 4, NULL);
	softvm_start(vm);
	softvm_attach(vm);
	for (i = 0; i < 50; i++) {
		softvm_continue(vm);
		softvm_run_on(vm, i % 4, 1);
		from = now_ms();
		softvm_interrupt(vm);
		softvm_interrupt(vm);
		expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
		cr_expect_lt(now_ms() - from, 1000);
		cr_expect_not(softvm_wait(vm, &s, 0));
		softvm_interrupt(vm); /* stopped already */
		cr_expect_not(softvm_wait(vm, &s, 0));
	}
	expect_standstill(vm);
	softvm_fini(vm);
}

static bool all_halted(void *opaque)
{
	struct softvm *vm = opaque;
	unsigned int i;

	for (i = 0; i < vm->ncpus; i++)
		if (!atomic_load(&vm->cpus[i].cpu.halted))
			return false;
	return true;
}

static bool irq_taken(void *opaque)
{
	return atomic_load(&((struct softcpu *)opaque)->taken) == 1;
}

SOFT_TEST(engine, interrupt_halted, "Ctrl-C stops halted vCPUs, and they are still halted")
{
	unsigned int i;

	softvm_init_loops(vm, ops, 3, NULL);
	for (i = 0; i < 3; i++)
		CODE(vm, loop_of(i), I(STI, 0, 0, 0), I(HLT, 0, 0, 0), JMP(-2));
	softvm_start(vm);
	softvm_attach(vm);
	softvm_continue(vm);
	softvm_until(all_halted, vm);
	for (i = 0; i < 20; i++) {
		softvm_interrupt(vm);
		expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
		cr_expect_str_eq(vm->t->ops->idle(vm->t, i % 3), "halted");
		softvm_continue(vm);
	}
	cr_expect(all_halted(vm));
	softcpu_irq(&vm->cpus[1].cpu);
	softvm_until(irq_taken, &vm->cpus[1].cpu);
	softvm_fini(vm);
}

SOFT_TEST(engine, interrupt_and_hit,
	  "Ctrl-C and a breakpoint at once: one stop, and the breakpoint is not lost")
{
	unsigned int i, hits = 0;
	uint64_t laps;
	struct stop s;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_break(vm, loop_of(1) + 8);
	for (i = 0; i < 300; i++) {
		softvm_continue(vm);
		softvm_interrupt(vm);
		s = softvm_stopped(vm);
		if (s.kind == STOP_SWBREAK)
			hits++;
		else
			expect_stop(s, STOP_INTERRUPT, s.vcpu);
		/* it has made a lap for each hit: none was passed, none was told twice */
		laps = softvm_regs(vm, 1)->r[0];
		/* told that it is there, if not of a hit, the debugger steps over it */
		if (s.vcpu == 1 && softvm_pc(vm, 1) == loop_of(1) + 8 && laps > hits)
			hits++;
		cr_assert(laps == hits || laps == hits + 1, "%u laps, %u hits", (unsigned int)laps,
			  hits);
	}
	softvm_fini(vm);
}

/* ---- debuggers that come and go ---------------------------------------------------------- */

SOFT_TEST(engine, detach_running, "detach from a running VM: breakpoints out, it runs on")
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

SOFT_TEST(engine, detach_at_hits,
	  "detach while vCPUs are being hit: no vCPU is left on a breakpoint")
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
			pass(1);
		softvm_detach(vm);
		cr_assert_eq(memcmp(vm->mem, before, sizeof(before)), 0);
	}
	for (i = 0; i < 3; i++)
		softvm_run_on(vm, i, 100);
	cr_expect_eq(vm->cpus[0].cpu.regs.r[7], 0, "no exception reached the guest");
	softvm_fini(vm);
}

SOFT_TEST(engine, stay, "detach and stay: nothing runs until the next debugger says so")
{
	softvm_init_loops(vm, ops, 2, NULL);
	softvm_start(vm);
	softvm_attach(vm);
	softvm_break(vm, LOOP + 8);
	continue_to(vm, STOP_SWBREAK, 0);
	vm->t->ops->detach(vm->t, DETACH_STAY);
	cr_expect_not(softvm_planted(vm, LOOP + 8));
	expect_standstill(vm);
	softvm_attach(vm);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 20);
	vm->t->ops->detach(vm->t, DETACH_STAY); /* running */
	expect_standstill(vm);
	softvm_attach(vm);
	softvm_detach(vm);
	softvm_run_on(vm, 0, 20);
	softvm_fini(vm);
}

SOFT_TEST(engine, hold, "held from the first instruction until a debugger lets it run")
{
	softvm_init_loops(vm, ops, 2, NULL);
	vm->engine.held = true;
	softvm_start(vm);
	expect_standstill(vm);
	cr_expect_eq(retired(vm), 0);
	softvm_attach(vm);
	cr_expect_eq(softvm_pc(vm, 0), loop_of(0));
	cr_expect_eq(softvm_pc(vm, 1), loop_of(1));
	softvm_continue(vm);
	softvm_run_on(vm, 0, 10);
	softvm_fini(vm);
}

SOFT_TEST(engine, as_found,
	  "a debugger that withdraws leaves a VM that was held held, and one that ran running")
{
	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	cr_expect_eq(softvm_pc(vm, 1), loop_of(1));
	vm->t->ops->detach(vm->t, DETACH_AS_FOUND);
	expect_standstill(vm);
	cr_expect_eq(retired(vm), 0);
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
	engine, renewed,
	"a debugger in place of another finds it stopped, without breakpoints and stops of the other")
{
	struct stop s;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_break(vm, loop_of(0) + 8);
	softvm_insert(vm, POINT_WRITE, data_of(1), 8);
	softvm_continue(vm);
	s = softvm_stopped(vm);
	vm->t->ops->renew(vm->t);
	expect_standstill(vm);
	cr_expect_not(softvm_planted(vm, loop_of(0) + 8));
	softvm_continue(vm);
	softvm_run_on(vm, 0, 50);
	softvm_run_on(vm, 1, 50);
	cr_expect_not(softvm_wait(vm, &s, 0));
	softvm_fini(vm);
}

SOFT_TEST(engine, again_and_again, "1,000 debuggers one after the other")
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

SOFT_TEST(engine, one_at_a_time, "a second debugger is refused while one holds the VM")
{
	softvm_init_loops(vm, ops, 1, NULL);
	softvm_start(vm);
	softvm_attach(vm);
	cr_expect_eq(vm->t->ops->attach(vm->t), -EBUSY);
	softvm_detach(vm);
	softvm_attach(vm);
	softvm_fini(vm);
}

SOFT_TEST(engine, vmm_hears, "the VMM hears of stops and resumes in turns, whoever comes and goes")
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

/* The VMM keeps vCPUs at their exits until it lets them go. */
struct hang {
	atomic_bool there, go;
};

static bool hang(struct softvm_cpu *c)
{
	struct hang *h = c->vm->opaque;

	h->there = true;
	while (!atomic_load(&h->go))
		;
	return false;
}

static bool hangs(void *opaque)
{
	return atomic_load(&((struct hang *)opaque)->there);
}

static void out_loop(struct softvm *vm)
{
	CODE(vm, LOOP, I(NOP, 0, 0, 0), I(OUT, 0, 0, 0), JMP(-3));
}

Test(engine, stuck,
     .description =
	     "a vCPU that does not come back: attach gives up, detach goes on; nothing is left behind",
     .timeout = 60)
{
	static struct softvm vm;
	struct hang h = { 0 };

	softvm_init_loops(&vm, &soft8_ops, 2, NULL);
	out_loop(&vm);
	vm.on_exit = hang;
	vm.opaque = &h;
	softvm_start(&vm);
	softvm_until(hangs, &h);
	cr_expect_eq(vm.t->ops->attach(vm.t), -ETIMEDOUT);
	softvm_run_on(&vm, 1, 10);
	h.go = true;
	softvm_run_on(&vm, 0, 10);
	softvm_attach(&vm);
	softvm_break(&vm, LOOP + 4);
	continue_to(&vm, STOP_SWBREAK, 0);
	h.there = h.go = false;
	softvm_continue(&vm); /* steps over the OUT, which hangs with the breakpoint lifted */
	softvm_until(hangs, &h);
	softvm_detach(&vm);
	cr_expect_geq(vm.logs, 1, "said in the log");
	cr_expect_eq(vm.mem[LOOP + 4], SOFT_OUT);
	h.go = true;
	softvm_run_on(&vm, 0, 100);
	softvm_run_on(&vm, 1, 100);
	cr_expect_eq(vm.mem[LOOP + 4], SOFT_OUT);
	softvm_fini(&vm);
}

/* ---- no debugger, no cost ---------------------------------------------------------------- */

static unsigned int op_calls(const struct softcpu *c)
{
	const struct soft_calls *n = &c->calls;

	return n->arm + n->kick + n->unkick + n->unsettled + n->classify + n->give_back + n->idle +
	       n->fetch[0] + n->fetch[1] + n->fetch[2] + n->store[0] + n->store[1] + n->store[2];
}

struct quiet {
	struct softvm *vm;
	unsigned long entries;
};

static bool has_entered(void *opaque)
{
	const struct quiet *q = opaque;

	return atomic_load(&q->vm->cpus[0].entries) >= q->entries;
}

static void expect_no_calls(struct softvm *vm)
{
	struct quiet q = { vm, vm->cpus[0].entries + 3 };
	const struct softcpu *c = &vm->cpus[0].cpu;
	unsigned int calls;

	softvm_until(has_entered, &q); /* past what the last debugger left to do */
	calls = op_calls(c);
	q.entries += 1000;
	softvm_until(has_entered, &q);
	cr_expect_eq(op_calls(c), calls, "%u calls", op_calls(c) - calls);
}

SOFT_TEST(engine, no_cost,
	  "without a debugger entries and exits call nothing, and nothing is armed")
{
	static const struct debug_wish none;
	const struct debug_wish *w;

	softvm_init_loops(vm, ops, 1, NULL);
	out_loop(vm);
	softvm_start(vm);
	expect_no_calls(vm);
	softvm_attach(vm);
	softvm_break(vm, 0x800);
	softvm_insert(vm, POINT_WRITE, DATA, 8);
	softvm_continue(vm);
	softvm_detach(vm);
	expect_no_calls(vm);
	softvm_stop(vm);
	w = &vm->cpus[0].cpu.wish;
	cr_expect_eq(w->trap_brk, none.trap_brk);
	cr_expect_eq(w->step, none.step);
	cr_expect_eq(w->nhw, 0);
	softvm_fini(vm);
}

SOFT_TEST(engine, read_once,
	  "no part of the registers is read twice for one exit, or stored unchanged")
{
	unsigned long entries;
	const struct soft_calls *n;
	unsigned int i, bank, was[SOFT_BANKS];
	uint64_t byte;

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_paging(vm);
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	continue_to(vm, STOP_SWBREAK, 0);
	softvm_regs(vm, 0);
	n = &vm->cpus[0].cpu.calls;
	entries = vm->cpus[0].entries;
	for (bank = 0; bank < SOFT_BANKS; bank++)
		was[bank] = n->fetch[bank];
	for (i = 0; i < 30; i++) {
		cr_assert_eq(vm->t->ops->read(vm->t, 0, DATA, &byte, 8), 8);
		softvm_break(vm, LOOP + 4);
		softvm_regs(vm, 0);
		softvm_unbreak(vm, LOOP + 4);
		for (bank = 0; bank < SOFT_BANKS; bank++)
			cr_assert_leq(n->fetch[bank] - was[bank], vm->cpus[0].entries - entries);
		continue_to(vm, STOP_SWBREAK, 0);
	}
	cr_expect_eq(n->store[1] + n->store[2], 0);
	softvm_fini(vm);
}

/* ---- registers --------------------------------------------------------------------------- */

SOFT_TEST(engine, registers, "what the debugger writes is what the guest runs with, and reads back")
{
	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_change(vm, 1, 0)->r[0] = 1000; /* stored by the resume alone */
	softvm_change(vm, 0, 2)->f[1] = 42;
	softvm_break(vm, loop_of(1) + 4);
	continue_to(vm, STOP_SWBREAK, 1);
	cr_expect_eq(softvm_regs(vm, 1)->r[0], 1001);
	cr_expect_eq(softvm_regs(vm, 0)->f[1], 42);
	softvm_go_to(vm, 1, loop_of(1));
	cr_expect_eq(vm->cpus[1].cpu.regs.pc, loop_of(1), "stored by flush");
	continue_to(vm, STOP_SWBREAK, 1);
	cr_expect_eq(softvm_regs(vm, 1)->r[0], 1002);
	softvm_fini(vm);
}

SOFT_TEST(engine, refused_registers,
	  "registers or slots that the host refuses are told as a stop, not lost")
{
	struct stop s;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_start(vm);
	softvm_attach(vm);
	vm->cpus[1].cpu.fail_store = -EINVAL;
	softvm_change(vm, 1, 0)->r[2] = 1;
	softvm_continue(vm);
	s = softvm_stopped(vm);
	expect_stop(s, STOP_FATAL, 1);
	cr_expect_not_null(s.text);
	vm->cpus[1].cpu.fail_store = 0;
	vm->cpus[0].cpu.fail_arm = -EIO;
	softvm_continue(vm);
	s = softvm_stopped(vm);
	expect_stop(s, STOP_FATAL, 0);
	cr_expect_not_null(s.text);
	vm->cpus[0].cpu.fail_arm = 0;
	softvm_continue(vm);
	softvm_run_on(vm, 0, 10);
	softvm_run_on(vm, 1, 10);
	softvm_fini(vm);
}

/* ---- exits that are half done ------------------------------------------------------------ */

static void half_done(struct softvm *vm, const struct vcpu_ops *ops, enum soft_op op,
		      uint64_t value)
{
	const struct soft_regs *r;
	unsigned int i;

	softvm_init_loops(vm, ops, 2, NULL);
	CODE(vm, LOOP, { op, 3, 0, 0 }, I(ADDI, 0, 0, 1), JMP(-3));
	vm->cpus[0].cpu.regs.r[3] = value;
	softvm_start(vm);
	softvm_attach(vm);
	for (i = 0; i < 300; i++) {
		softvm_continue(vm);
		softvm_interrupt(vm);
		expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
		r = softvm_regs(vm, 0);
		cr_assert_not(vm->cpus[0].cpu.incomplete, "nothing is half done in a stop");
		cr_assert(r->pc == LOOP || r->pc == LOOP + 4 || r->pc == LOOP + 8);
		if (vm->cpus[0].cpu.retired)
			cr_assert_eq(r->r[3], value);
	}
	softvm_continue(vm);
	softvm_run_on(vm, 0, 10);
	softvm_fini(vm);
}

SOFT_TEST(engine, half_out, "a stop in the middle of a port write completes it first")
{
	half_done(vm, ops, SOFT_OUT, 9);
}

SOFT_TEST(engine, half_in, "a stop in the middle of a port read completes it first")
{
	half_done(vm, ops, SOFT_IN, 7);
}

SOFT_TEST(engine, half_mmio, "an access that takes two exits is completed by two more entries")
{
	half_done(vm, ops, SOFT_MMIO2, 14);
}

/* ---- vCPUs that come later --------------------------------------------------------------- */

SOFT_TEST(engine, added_stopped,
	  "a vCPU added while all are stopped waits, is listed, and runs with the others")
{
	unsigned int index[4];
	struct softvm_cpu *c;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_start(vm);
	softvm_attach(vm);
	c = softvm_add(vm, 2);
	c->cpu.regs.pc = loop_of(2);
	c->cpu.regs.r[1] = data_of(2);
	softvm_start_cpu(c);
	pass(10);
	cr_expect_eq(c->cpu.retired, 0);
	cr_expect_eq(vm->t->ops->vcpus(vm->t, index, 4), 3);
	cr_expect_eq(index[2], 2);
	cr_expect_eq(softvm_pc(vm, 2), loop_of(2));
	softvm_break(vm, loop_of(2) + 8);
	continue_to(vm, STOP_SWBREAK, 2);
	softvm_fini(vm);
}

SOFT_TEST(engine, added_running,
	  "a vCPU added while all run is stopped with them, and hits breakpoints")
{
	struct softvm_cpu *c;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_start(vm);
	softvm_attach(vm);
	softvm_break(vm, loop_of(4) + 8);
	softvm_continue(vm);
	c = softvm_add(vm, 4);
	c->cpu.regs.pc = loop_of(4);
	c->cpu.regs.r[1] = data_of(4);
	softvm_start_cpu(c);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 4);
	cr_expect_eq(softvm_regs(vm, 4)->r[0], 1);
	expect_standstill(vm);
	c = softvm_add(vm, 3); /* between the others, never started */
	continue_to(vm, STOP_SWBREAK, 4);
	softvm_detach(vm);
	softvm_fini(vm);
}

/* One more, in the loop of its own. */
static struct softvm_cpu *add(struct softvm *vm, unsigned int index)
{
	struct softvm_cpu *c = softvm_add(vm, index);

	c->cpu.regs.pc = loop_of(index);
	c->cpu.regs.r[1] = data_of(index);
	return c;
}

SOFT_TEST(engine, added_before_resume,
	  "a vCPU that is added while the debugger makes up its mind shifts nobody's action")
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
	cr_expect_eq(retired(vm), 1, "the others were held");
	softvm_fini(vm);
}

SOFT_TEST(engine, added_locked,
	  "a vCPU that is added while one alone was let run waits for a resume that includes it")
{
	struct softvm_cpu *c;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_resume_one(vm, 1, RESUME_CONTINUE, RESUME_HOLD);
	c = add(vm, 2);
	softvm_start_cpu(c);
	softvm_run_on(vm, 1, 100);
	pass(10);
	cr_expect_eq(c->cpu.retired, 0);
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	cr_expect_eq(softvm_pc(vm, 2), loop_of(2));
	softvm_resume_one(vm, 1, RESUME_HOLD, RESUME_CONTINUE);
	softvm_run_on(vm, 2, 10);
	softvm_fini(vm);
}

SOFT_TEST(engine, added_on_breakpoint,
	  "a vCPU that is added onto a breakpoint while all run hits it, also when all are stepped")
{
	struct softvm_cpu *c;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		softvm_init_loops(vm, ops, 1, NULL);
		CODE(vm, loop_of(2), I(RDF, 3, 0, 0)); /* stepping emulates it */
		softvm_begin(vm);
		vm->engine.options[OPTION_SOFTWARE_WATCH] = true;
		if (i)
			softvm_insert(vm, POINT_WRITE, DATA + 0x200, 8);
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

SOFT_TEST(engine, added_during_step_over,
	  "a vCPU that is added while another steps over a breakpoint is held with the rest")
{
	struct hang h = { 0 };
	struct softvm_cpu *c;
	struct stop s;

	softvm_init_loops(vm, ops, 1, NULL);
	out_loop(vm);
	vm->on_exit = hang;
	vm->opaque = &h;
	softvm_begin(vm);
	softvm_break(vm, LOOP + 4);
	continue_to(vm, STOP_SWBREAK, 0);
	softvm_continue(vm);
	softvm_until(hangs, &h);
	cr_assert_not(softvm_planted(vm, LOOP + 4), "in the middle of it");
	c = add(vm, 1);
	c->cpu.regs.pc = LOOP; /* it would pass the breakpoint */
	softvm_start_cpu(c);
	pass(10);
	cr_expect_eq(c->cpu.retired, 0);
	h.go = true;
	expect_stop(s = softvm_stopped(vm), STOP_SWBREAK, s.vcpu);
	cr_expect_eq(softvm_pc(vm, s.vcpu), LOOP + 4);
	cr_expect_leq(c->cpu.retired, 1);
	softvm_fini(vm);
}

SOFT_TEST(engine, added_twice, "an index that is taken, or another kind of CPU, is refused")
{
	struct vmgdb_vcpu *v;
	struct softcpu c;

	softvm_init_loops(vm, ops, 1, NULL);
	cr_assert_eq(softcpu_init(&c, ops, 0, vm->phys, NULL), 0);
	cr_expect_eq(engine_add_vcpu(&vm->engine, 0, ops, &c.caps, &c, &v), -EEXIST);
	ops = ops == &soft8_ops ? &soft32_ops : &soft8_ops;
	cr_expect_eq(engine_add_vcpu(&vm->engine, 1, ops, &c.caps, &c, &v), -EINVAL);
	cr_expect_eq(c.calls.release, 0, "it is the caller's still");
	softcpu_fini(&c);
	softvm_fini(vm);
}

/* ---- the end ----------------------------------------------------------------------------- */

SOFT_TEST(engine, shutdown,
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
		softvm_detach(vm);
		cr_expect_not(softvm_planted(vm, loop_of(0) + 8));
		softvm_fini(vm);
		for (unsigned int c = 0; c < 3; c++)
			cr_expect_eq(vm->cpus[c].cpu.calls.release, 1);
	}
}

SOFT_TEST(engine, exited, "the VM ends by itself: told at once, once, and the debugger can leave")
{
	uint64_t from;
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
	from = now_ms();
	softvm_detach(vm);
	cr_expect_lt(now_ms() - from, 1000, "it waits for nobody who has gone");
	softvm_fini(vm);
}

SOFT_TEST(engine, killed, "kill is the VMM's to allow")
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

static void ending(struct softvm *vm, const struct vcpu_ops *ops, enum soft_op op,
		   enum stop_kind kind)
{
	struct seen seen = { .wait = true };
	struct stop s;

	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP + 8, { op, 0, 0, 0 });
	vm->on_exit = reset;
	vm->opaque = &seen;
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

SOFT_TEST(engine, fatal,
	  "what a vCPU can't go on from is the debugger's first, then the VMM's, each once")
{
	ending(vm, ops, SOFT_FATAL, STOP_FATAL);
}

SOFT_TEST(engine, event, "the same for a power-off")
{
	ending(vm, ops, SOFT_EVENT, STOP_EVENT);
}

SOFT_TEST(
	engine, reset_onto_breakpoint,
	"a vCPU that the VMM resets when it was to step over a breakpoint hits the one that it comes to")
{
	struct seen seen = { 0 };

	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP + 8, I(FATAL, 0, 0, 0));
	vm->on_exit = reset;
	vm->opaque = &seen;
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

SOFT_TEST(engine, fatal_alone, "without a debugger fatal exits are the VMM's alone")
{
	struct seen seen = { 0 };

	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP + 8, I(FATAL, 0, 0, 0));
	vm->on_exit = reset;
	vm->opaque = &seen;
	softvm_start(vm);
	softvm_until(was_seen, &seen);
	softvm_run_on(vm, 0, 10);
	cr_expect_eq(seen.times, 1);
	softvm_fini(vm);
}

SOFT_TEST(engine, fatal_over,
	  "a vCPU that ends while it steps over a breakpoint does not keep the others from running")
{
	softvm_init_loops(vm, ops, 2, NULL);
	CODE(vm, LOOP + 8, I(FATAL, 0, 0, 0));
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	continue_to(vm, STOP_SWBREAK, 0);
	continue_to(vm, STOP_FATAL, 0);
	cr_expect(softvm_planted(vm, LOOP + 8));
	softvm_continue(vm); /* the VMM ends that thread */
	softvm_run_on(vm, 1, 100);
	softvm_fini(vm);
}

/* ---- two VMs ----------------------------------------------------------------------------- */

SOFT_TEST(engine, two_vms,
	  "two VMs in one process, each with its debugger, know nothing of each other")
{
	static struct softvm other;
	unsigned int i;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_init_loops(&other, ops == &soft8_ops ? &soft32_ops : &soft8_ops, 2, NULL);
	softvm_start(vm);
	softvm_start(&other);
	softvm_attach(vm);
	softvm_run_on(&other, 0, 100);
	softvm_attach(&other);
	softvm_break(vm, loop_of(0) + 8);
	softvm_break(&other, loop_of(1) + 4);
	for (i = 0; i < 20; i++) {
		softvm_continue(vm);
		continue_to(&other, STOP_SWBREAK, 1);
		expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	}
	softvm_fini(vm);
	continue_to(&other, STOP_SWBREAK, 1);
	softvm_fini(&other);
}
