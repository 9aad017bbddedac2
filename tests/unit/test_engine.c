// SPDX-License-Identifier: MIT
/* The engine's run control: Ctrl-C, the guest's registers, exits that are half done, and what no
 * debugger costs. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <criterion/criterion.h>

#include "tests/unit/softvm.h"

/* ---- interrupts -------------------------------------------------------------------------- */

SOFT_TEST(engine, interrupt_spinning, "Ctrl-C stops vCPUs that spin, and is reported once")
{
	unsigned int i;
	struct stop s;

	softvm_init_loops(vm, ops, 4, NULL);
	softvm_start(vm);
	softvm_attach(vm);
	for (i = 0; i < 50; i++) {
		softvm_continue(vm);
		softvm_run_on(vm, i % 4, 1);
		softvm_interrupt(vm);
		softvm_interrupt(vm);
		expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
		cr_expect_not(softvm_wait(vm, &s, 0));
		softvm_interrupt(vm); /* stopped already */
		cr_expect_not(softvm_wait(vm, &s, 0));
	}
	cr_expect(softvm_stands(vm));
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
	softvm_begin(vm);
	softvm_continue(vm);
	softvm_until(all_halted, vm);
	for (i = 0; i < 20; i++) {
		softvm_interrupt(vm);
		expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
		cr_expect_str_eq(vm->t->ops->halted(vm->t, i % 3), "halted");
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
		/* it has made a lap for each hit: none was passed, none was reported twice */
		laps = softvm_regs(vm, 1)->r[0];
		/* an interrupt that names it there lets it go on from there, as a hit does */
		if (s.vcpu == 1 && softvm_pc(vm, 1) == loop_of(1) + 8 && laps > hits)
			hits++;
		cr_assert(laps == hits || laps == hits + 1, "%u laps, %u hits", (unsigned int)laps,
			  hits);
	}
	softvm_fini(vm);
}

/* ---- no debugger, no cost ---------------------------------------------------------------- */

static unsigned int op_calls(const struct softcpu *c)
{
	const struct soft_calls *n = &c->calls;

	return n->arm + n->kick + n->clear_kick + n->needs_completion + n->classify + n->reinject +
	       n->halted + n->fetch[0] + n->fetch[1] + n->fetch[2] + n->store[0] + n->store[1] +
	       n->store[2];
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

	softvm_until(has_entered, &q); /* past what the detach has left to do */
	calls = op_calls(c);
	q.entries = vm->cpus[0].entries + 1000;
	softvm_until(has_entered, &q);
	cr_expect_eq(op_calls(c), calls, "%u calls", op_calls(c) - calls);
}

SOFT_TEST(engine, no_cost,
	  "without a debugger entries and exits call nothing, and nothing is armed")
{
	static const struct debug_control none;
	const struct debug_control *w;

	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP, I(NOP, 0, 0, 0), I(OUT, 0, 0, 0), JMP(-3));
	softvm_start(vm);
	expect_no_calls(vm);
	softvm_attach(vm);
	softvm_break(vm, 0x800);
	softvm_insert(vm, BP_WRITE, DATA, 8);
	softvm_continue(vm);
	softvm_detach(vm);
	expect_no_calls(vm);
	softvm_stop(vm);
	w = &vm->cpus[0].cpu.control;
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
	  "registers or slots that the host refuses are reported as a stop, not lost")
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
	cr_expect_eq(softvm_regs(vm, 1)->r[2], 0, "as the vCPU has it");
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

SOFT_TEST(engine, tables_changed,
	  "a vCPU that is held sees the page tables as another one has left them")
{
	softvm_init_loops(vm, ops, 2, NULL);
	softvm_paging(vm);
	vm->mem[0x1900] = 9;
	vm->cpus[0].cpu.regs.r[0] = 0x1900; /* the entry of 0x1800 from now on */
	vm->cpus[0].cpu.regs.r[1] = TABLE + 0x1800 / SOFT_PAGE * 8;
	softvm_begin(vm);
	cr_expect_eq(softvm_read(vm, 1, 0x1800), 0);
	softvm_step(vm, 0); /* r0++: it is mapped */
	cr_expect_eq(softvm_read(vm, 1, 0x1800), 0);
	softvm_step(vm, 0);
	cr_expect_eq(softvm_read(vm, 1, 0x1800), 9);
	softvm_fini(vm);
}

/* Virtual 0x500 to 0x700 are two pages of the guest's that lie apart. */
static void init_apart(struct softvm *vm, const struct vcpu_ops *ops, uint64_t second)
{
	softvm_init_loops(vm, ops, 1, NULL);
	softvm_paging(vm);
	softvm_map(vm, 0x600, second);
	memset(vm->mem + 0x5f8, 5, 8);
	memset(vm->mem + 0x600, 6, 8);
	memset(vm->mem + second, 7, 8);
	softvm_attach(vm);
}

SOFT_TEST(engine, memory_across_pages, "what is read or written across pages is in each of them")
{
	init_apart(vm, ops, 0x900);
	cr_expect_eq(softvm_read(vm, 0, 0x5fc), 0x0707070705050505);
	cr_expect_eq(vm->t->ops->write(vm->t, 0, 0x5fc, "12345678", 8), 0);
	cr_expect_eq(memcmp(vm->mem + 0x5fc, "1234\6\6\6\6", 8), 0);
	cr_expect_eq(memcmp(vm->mem + 0x900, "5678\7\7\7\7", 8), 0);
	softvm_fini(vm);
}

SOFT_TEST(engine, write_undone,
	  "a write that fails in its second page changes nothing in the first")
{
	init_apart(vm, ops, 0x1000);
	cr_assert_eq(mprotect(vm->mem + 0x1000, 0x1000, PROT_READ), 0);
	cr_expect_eq(vm->t->ops->write(vm->t, 0, 0x5fc, "12345678", 8), -EFAULT);
	cr_expect_eq(softvm_read(vm, 0, 0x5fc), 0x0707070705050505);
	cr_assert_eq(mprotect(vm->mem + 0x1000, 0x1000, PROT_READ | PROT_WRITE), 0);
	softvm_fini(vm);
}

SOFT_TEST(engine, physical_reads, "what the rules read of memory ends where that does")
{
	struct cpu_view *view;
	uint8_t bytes[8];

	softvm_init(vm, ops, 1, NULL);
	view = &vm->cpus[0].vcpu->view;
	cr_expect_eq(view->read_phys(view, SOFTVM_MEM - 4, bytes, sizeof(bytes)), 4);
	cr_expect_eq(view->read_phys(view, SOFTVM_MEM, bytes, sizeof(bytes)), -EFAULT);
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

/* ---- two VMs ----------------------------------------------------------------------------- */

SOFT_TEST(engine, two_vms,
	  "two VMs in one process, each with its debugger, know nothing of each other")
{
	static struct softvm other;
	unsigned int i;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_init_loops(&other, ops->cpu == &soft8_cpu ? &soft32_ops : &soft8_ops, 2, NULL);
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
