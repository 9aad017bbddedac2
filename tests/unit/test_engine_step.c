// SPDX-License-Identifier: MIT
/* The engine's steps: over breakpoints with the others held, over instructions with rules of their
 * own, in ranges. */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tests/unit/softvm.h"

/* ---- over breakpoints -------------------------------------------------------------------- */

/* What no vCPU may see: a breakpoint that is not in memory while another vCPU steps over it. */
struct watched {
	struct softvm *vm;
	uint64_t at;
	atomic_bool on;
	atomic_uint passed[SOFTVM_CPUS]; /* instructions under the breakpoint that ran */
	atomic_uint lifted;		 /* instructions elsewhere that ran without it */
};

static struct watched site;

static void check_site(void *opaque, struct softcpu *c, const struct soft_retired *r)
{
	struct watched *s = opaque;

	if (!atomic_load(&s->on))
		return;
	if (r->pc == s->at)
		s->passed[c->index]++;
	else if (softvm_memory_only(s->vm) && !atomic_load(&s->vm->engine.step_only) &&
		 !softvm_has_brk(s->vm, s->at))
		s->lifted++;
}

static const struct soft_hooks site_hooks = { .opaque = &site, .retired = check_site };

static void init_watched(struct softvm *vm, const struct vcpu_ops *ops, unsigned int ncpus,
			 uint64_t at)
{
	site = (struct watched){ .vm = vm, .at = at };
	softvm_init_loops(vm, ops, ncpus, &site_hooks);
}

static void end_watched(struct softvm *vm)
{
	cr_expect_eq(site.lifted, 0);
	site.on = false;
	softvm_fini(vm);
}

SOFT_TEST(engine_step, over_alone,
	  "nobody runs while a breakpoint is lifted, and nobody passes it without a hit")
{
	unsigned int i, hits[3] = { 0 };
	struct stop s;

	init_watched(vm, ops, 3, LOOP + 8);
	for (i = 0; i < 3; i++)
		vm->cpus[i].cpu.regs.pc = LOOP; /* all in one loop */
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	softvm_continue(vm);
	site.on = true;
	for (i = 0; i < 300; i++) {
		expect_stop(s = softvm_stopped(vm), STOP_SWBREAK, s.vcpu);
		cr_assert_eq(softvm_pc(vm, s.vcpu), LOOP + 8);
		hits[s.vcpu]++;
		softvm_continue(vm);
	}
	expect_stop(s = softvm_stopped(vm), STOP_SWBREAK, s.vcpu);
	hits[s.vcpu]++;
	for (i = 0; i < 3; i++) {
		cr_expect_leq(site.passed[i], hits[i], "vCPU %u passed without a hit", i);
		cr_expect_leq(hits[i], site.passed[i] + 1, "vCPU %u was reported twice", i);
	}
	end_watched(vm);
}

SOFT_TEST(engine_step, over_by_step,
	  "a step over a breakpoint with the others running: none passes it, none sees it lifted")
{
	unsigned int i;
	struct stop s;

	init_watched(vm, ops, 3, loop_of(0) + 8);
	softvm_begin(vm);
	softvm_break(vm, loop_of(0) + 8);
	softvm_continue(vm);
	site.on = true;
	for (i = 0; i < 100; i++) {
		s = softvm_stopped(vm);
		expect_stop(s, STOP_SWBREAK, 0);
		softvm_resume_one(vm, 0, RESUME_STEP, RESUME_CONTINUE);
		s = softvm_stopped(vm);
		expect_stop(s, STOP_STEP, 0);
		cr_assert_eq(softvm_pc(vm, 0), loop_of(0) + 12);
		softvm_continue(vm);
	}
	end_watched(vm);
}

SOFT_TEST(engine_step, over_faults,
	  "the step over a breakpoint faults: it ends in the handler, the breakpoint hits again")
{
	init_watched(vm, ops, 2, LOOP + 4);
	softvm_paging(vm);
	softvm_unmap(vm, data_of(0));
	vm->cpus[0].cpu.regs.flags = SOFT_IE;
	softvm_begin(vm);
	softvm_break(vm, LOOP + 4);
	softvm_continue(vm);
	site.on = true;
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	softvm_resume_one(vm, 0, RESUME_STEP, RESUME_CONTINUE);
	expect_stop(softvm_stopped(vm), STOP_STEP, 0);
	cr_expect_eq(softvm_pc(vm, 0), VECTOR);
	cr_expect_eq(softvm_regs(vm, 0)->epc, LOOP + 4);
	cr_expect_eq(softvm_regs(vm, 0)->eflags, SOFT_IE,
		     "the flags that it returns to are its own");
	cr_expect_eq(softvm_regs(vm, 0)->flags, 0);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 4, "the handler returned to it");
	cr_expect_eq(softvm_regs(vm, 0)->r[7], 1);
	continue_to(vm, STOP_SWBREAK, 0); /* faults again, in a continue */
	end_watched(vm);
}

static void over_interrupted(struct softvm *vm, const struct vcpu_ops *ops, enum soft_op op)
{
	unsigned long ran;

	init_watched(vm, ops, 2, LOOP + 8);
	vm->hang = true;
	CODE(vm, LOOP + 8, { op, 3, 0, 0 });
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	softvm_continue(vm);
	site.on = true;
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	softvm_continue(vm);
	softvm_until_hangs(vm);
	ran = vm->cpus[1].cpu.retired;
	cr_expect_not(softvm_has_brk(vm, LOOP + 8), "in the middle of it");
	softvm_interrupt(vm);
	softvm_interrupt(vm);
	if (softvm_memory_only(vm))
		cr_expect_eq(vm->cpus[1].cpu.retired, ran, "the other is held");
	vm->hang = false;
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 12, "what was half done is done");
	cr_expect_eq(softvm_regs(vm, 0)->r[3], op == SOFT_IN ? 7 : op == SOFT_MMIO2 ? 14 : 0);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 2);
	end_watched(vm);
}

SOFT_TEST(engine_step, over_interrupted_out,
	  "Ctrl-C in the middle of the step over a breakpoint on OUT")
{
	over_interrupted(vm, ops, SOFT_OUT);
}

SOFT_TEST(engine_step, over_interrupted_in,
	  "Ctrl-C in the middle of the step over a breakpoint on IN")
{
	over_interrupted(vm, ops, SOFT_IN);
}

SOFT_TEST(engine_step, over_interrupted_mmio,
	  "Ctrl-C between the two exits of one instruction under a breakpoint")
{
	over_interrupted(vm, ops, SOFT_MMIO2);
}

SOFT_TEST(engine_step, vmm_exits,
	  "an instruction that the VMM serves is one step, though its completion need not trap")
{
	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP, I(OUT, 0, 0, 0), I(IN, 3, 0, 0), I(MMIO2, 4, 0, 0), I(OUT, 0, 0, 0));
	softvm_begin(vm);
	softvm_step(vm, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 4);
	cr_expect_eq(vm->cpus[0].outs, 1);
	softvm_step(vm, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8);
	cr_expect_eq(softvm_regs(vm, 0)->r[3], 7);
	softvm_step(vm, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 12);
	cr_expect_eq(softvm_regs(vm, 0)->r[4], 14);
	softvm_step(vm, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 16);
	cr_expect_eq(vm->cpus[0].outs, 2);
	softvm_fini(vm);
}

SOFT_TEST(engine_step, over_endless,
	  "Ctrl-C in a step over a breakpoint that would take for ever; it is not reported again")
{
	uint64_t left;
	struct stop s;

	init_watched(vm, ops, 2, LOOP + 4);
	CODE(vm, LOOP + 4, I(REP, 3, 4, 0));
	vm->cpus[0].cpu.regs.r[3] = 1ULL << 60;
	softvm_begin(vm);
	softvm_break(vm, LOOP + 4);
	continue_to(vm, STOP_SWBREAK, 0);
	site.on = true;
	softvm_continue(vm);
	softvm_run_on(vm, 0, 50);
	cr_expect_not(softvm_wait(vm, &s, 0));
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 4);
	left = softvm_regs(vm, 0)->r[3];
	cr_expect_eq(softvm_regs(vm, 0)->r[4] + left, 1ULL << 60);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 50);
	cr_expect_not(softvm_wait(vm, &s, 0), "it was reported where it is");
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	softvm_change(vm, 0, 0)->r[3] = 3;
	softvm_store(vm, 0);
	softvm_step(vm, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8, "a step is the whole of it");
	end_watched(vm);
}

/* ---- instructions with rules of their own ------------------------------------------------ */

SOFT_TEST(engine_step, emulated,
	  "a step that the stepping rules make themselves ends, also when all others are held")
{
	unsigned int i;

	for (i = 1; i <= 2; i++) {
		softvm_init_loops(vm, ops, i, NULL);
		CODE(vm, LOOP, I(STI, 0, 0, 0), I(RDF, 3, 0, 0), I(RDF, 4, 0, 0), JMP(-4));
		softvm_begin(vm);
		softvm_step(vm, 0);
		softvm_step(vm, 0);
		cr_expect_eq(softvm_regs(vm, 0)->r[3], SOFT_IE, "no flag of ours");
		softvm_step(vm, 0);
		cr_expect_eq(softvm_pc(vm, 0), LOOP + 12);
		cr_expect_eq(softvm_regs(vm, 0)->r[4], SOFT_IE);
		softvm_fini(vm);
	}
}

SOFT_TEST(engine_step, emulated_over, "the same with a breakpoint on it")
{
	softvm_init_loops(vm, ops, 2, NULL);
	CODE(vm, LOOP + 8, I(RDF, 3, 0, 0));
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	continue_to(vm, STOP_SWBREAK, 0);
	softvm_change(vm, 0, 0)->r[3] = 77;
	softvm_store(vm, 0);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[3], 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 2);
	softvm_fini(vm);
}

SOFT_TEST(engine_step, shadow,
	  "where two instructions are one step, a breakpoint on the second is still hit")
{
	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP, I(SHADOW, 0, 0, 0), I(ADDI, 0, 0, 1));
	softvm_begin(vm);
	softvm_step(vm, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8, "one step");
	softvm_go_to(vm, 0, LOOP);
	softvm_break(vm, LOOP);
	softvm_break(vm, LOOP + 4);
	continue_to(vm, STOP_SWBREAK, 0);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 4);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 1);
	softvm_fini(vm);
}

SOFT_TEST_SLOTS(engine_step, shadow_slot, "the same with a hardware breakpoint on the second")
{
	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP, I(SHADOW, 0, 0, 0), I(ADDI, 0, 0, 1));
	softvm_begin(vm);
	softvm_insert(vm, BP_HARDWARE, LOOP + 4, ops->cpu->brk_kind);
	softvm_resume(vm, RESUME_STEP);
	expect_stop(softvm_stopped(vm), STOP_HWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 4);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 0);
	softvm_fini(vm);
}

static void exclusive_loop(struct softvm *vm, const struct vcpu_ops *ops, unsigned int ncpus)
{
	unsigned int i;

	softvm_init_loops(vm, ops, ncpus, NULL);
	CODE(vm, LOOP, I(LDX, 2, 1, 0), I(ADDI, 2, 0, 1), I(STX, 2, 1, 3), JNZ(3, -4),
	     I(ADDI, 0, 0, 1), JMP(-6));
	for (i = 0; i < ncpus; i++) {
		vm->cpus[i].cpu.regs.pc = LOOP;
		vm->cpus[i].cpu.regs.r[1] = DATA;
	}
}

SOFT_TEST(engine_step, exclusive, "an exclusive sequence is one step, and it succeeds")
{
	unsigned int i;

	exclusive_loop(vm, ops, 1);
	softvm_begin(vm);
	for (i = 1; i <= 5; i++) {
		softvm_step(vm, 0);
		cr_expect_eq(softvm_pc(vm, 0), LOOP + 12);
		cr_expect_eq(softvm_regs(vm, 0)->r[3], 0, "stored");
		cr_expect_eq(softvm_regs(vm, 0)->r[2], i);
		softvm_go_to(vm, 0, LOOP);
	}
	softvm_fini(vm);
}

SOFT_TEST(engine_step, exclusive_from_breakpoint,
	  "a step of an exclusive sequence that begins at a breakpoint does not hit that again")
{
	exclusive_loop(vm, ops, 1);
	softvm_begin(vm);
	softvm_break(vm, LOOP);
	continue_to(vm, STOP_SWBREAK, 0);
	softvm_step(vm, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 12);
	softvm_fini(vm);
}

SOFT_TEST_SLOTS(engine_step, exclusive_to_breakpoint,
		"a run through an exclusive sequence that begins under a breakpoint hits one in it")
{
	exclusive_loop(vm, ops, 1);
	softvm_begin(vm);
	vm->t->ops->set_option(vm->t, OPTION_GUEST_SLOTS, true);
	softvm_break(vm, LOOP);
	softvm_break(vm, LOOP + 4);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 4);
	cr_expect_eq(vm->cpus[0].cpu.calls.reinject, 0);
	softvm_fini(vm);
}

SOFT_TEST(engine_step, own_brk_not_trapped,
	  "a guest's own breakpoint instruction is not intercepted while there is none in memory")
{
	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP + 4, I(BRK, 0, 0, 0));
	softvm_begin(vm);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 20);
	cr_expect_eq(vm->cpus[0].cpu.calls.reinject, 0);
	softvm_fini(vm);
}

/* A step ends in a debug exception of the guest's own. */
static void classify_as_guests(void *ctx, struct trap *out)
{
	soft8_ops.classify(ctx, out);
	if (out->kind & TRAP_STEP)
		out->kind = TRAP_WATCH;
}

static int reinject_nothing(void *ctx, const struct trap *t)
{
	struct softcpu *c = ctx;

	(void)t;
	c->calls.reinject++;
	return 0;
}

SOFT_TEST(engine_step, guests_watchpoint,
	  "a step in which a watchpoint of the guest's own fires is complete with that")
{
	struct vcpu_ops guests = *ops;

	guests.classify = classify_as_guests;
	guests.reinject = reinject_nothing;
	softvm_init_loops(vm, &guests, 1, NULL);
	softvm_begin(vm);
	softvm_step(vm, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 4);
	cr_expect_eq(vm->cpus[0].cpu.calls.reinject, 1);
	softvm_fini(vm);
}

/* Ctrl-C when the sequence is through and the slot that ends the run has not fired yet. */
static void interrupt_at_end(void *opaque, struct softcpu *c)
{
	struct softvm *vm = opaque;

	if (c->regs.pc == LOOP + 12 && c->control.nhw)
		softvm_interrupt(vm);
}

SOFT_TEST(engine_step, exclusive_stopped_at_end,
	  "an exclusive sequence that Ctrl-C stops right behind its end is a complete step")
{
	static struct soft_hooks at_end;

	at_end = (struct soft_hooks){ .opaque = vm, .point = interrupt_at_end };
	exclusive_loop(vm, ops, 1);
	vm->cpus[0].cpu.hooks = &at_end;
	softvm_begin(vm);
	softvm_step(vm, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 12);
	cr_expect_eq(softvm_regs(vm, 0)->r[3], 0, "stored");
	softvm_fini(vm);
}

SOFT_TEST(engine_step, exclusive_over,
	  "a breakpoint on its first instruction is hit each time, with others at it too")
{
	unsigned int i;
	uint64_t sum;
	struct stop s;

	exclusive_loop(vm, ops, 3);
	softvm_begin(vm);
	softvm_break(vm, LOOP);
	for (i = 0; i < 60; i++) {
		softvm_continue(vm);
		expect_stop(s = softvm_stopped(vm), STOP_SWBREAK, s.vcpu);
	}
	softvm_unbreak(vm, LOOP);
	softvm_break(vm, LOOP + 16);
	for (i = 0, sum = 0; i < 3; i++) { /* each to the end of its lap */
		do {
			softvm_resume_one(vm, i, RESUME_CONTINUE, RESUME_HOLD);
			s = softvm_stopped(vm);
		} while (s.kind != STOP_SWBREAK || softvm_pc(vm, i) != LOOP + 16);
		sum += softvm_regs(vm, i)->r[0] + 1;
	}
	cr_expect_eq(*(uint64_t *)(void *)(vm->mem + DATA), sum, "no addition is lost");
	softvm_fini(vm);
}

SOFT_TEST_SLOTS(engine_step, exclusive_no_slots,
		"it is stepped also when the debugger has all execution slots")
{
	unsigned int i;

	exclusive_loop(vm, ops, 1);
	softvm_begin(vm);
	for (i = 0; i < (ops->cpu == &soft8_cpu ? 4 : 3); i++)
		softvm_insert(vm, BP_HARDWARE, 0x800 + 4 * i, ops->cpu->brk_kind);
	softvm_step(vm, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 12);
	cr_expect_eq(softvm_regs(vm, 0)->r[3], 0);
	softvm_go_to(vm, 0, 0x808);
	memset(vm->mem + 0x800, 0, 16);
	softvm_go_to(vm, 0, LOOP + 16);
	CODE(vm, LOOP + 20, JMP((0x808 - (LOOP + 24)) / 4));
	continue_to(vm, STOP_HWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), 0x808, "all of them are back");
	softvm_fini(vm);
}

SOFT_TEST(engine_step, exclusive_inside, "a breakpoint inside the sequence is hit")
{
	exclusive_loop(vm, ops, 1);
	softvm_begin(vm);
	softvm_break(vm, LOOP + 4);
	softvm_resume(vm, RESUME_STEP);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 4);
	softvm_fini(vm);
}

SOFT_TEST_SLOTS(engine_step, exclusive_inside_slot,
		"a hardware breakpoint inside the sequence is hit")
{
	exclusive_loop(vm, ops, 1);
	softvm_begin(vm);
	softvm_insert(vm, BP_HARDWARE, LOOP + 8, ops->cpu->brk_kind);
	softvm_resume(vm, RESUME_STEP);
	expect_stop(softvm_stopped(vm), STOP_HWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8);
	softvm_fini(vm);
}

SOFT_TEST(engine_step, exclusive_full_of_breakpoints,
	  "breakpoints at every instruction of the sequence, as many as there are slots, are hit")
{
	unsigned int i;

	exclusive_loop(vm, ops, 1);
	softvm_begin(vm);
	for (i = 1; i <= 3; i++)
		softvm_break(vm, LOOP + 4 * i);
	softvm_resume(vm, RESUME_STEP);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 4);
	softvm_fini(vm);
}

/* ---- kicks behind the instruction, before its trap ----------------------------------------- */

static bool kick_once; /* at the next instruction that has run */

static void interrupt_behind(void *opaque, struct softcpu *c, const struct soft_retired *r)
{
	(void)c;
	(void)r;
	if (kick_once)
		softvm_interrupt(opaque);
	kick_once = false;
}

static void kick_behind(void *opaque, struct softcpu *c, const struct soft_retired *r)
{
	(void)opaque;
	(void)r;
	if (kick_once)
		softcpu_vmm_kick(c);
	kick_once = false;
}

static bool clear_kick(struct softvm_cpu *c)
{
	softcpu_vmm_clear_kick(&c->cpu);
	return false;
}

SOFT_TEST(engine_step, after_one_cut_before_its_trap,
	  "the step after one that Ctrl-C has cut right before its trap runs its instruction")
{
	static struct soft_hooks behind;
	unsigned int i;

	behind = (struct soft_hooks){ .opaque = vm, .retired = interrupt_behind };
	softvm_init_loops(vm, ops, 1, &behind);
	softvm_begin(vm);
	for (i = 1; i <= 8; i += 2) {
		kick_once = true;
		softvm_resume_one(vm, 0, RESUME_STEP, RESUME_HOLD);
		softvm_stopped(vm);
		cr_expect_eq(softvm_pc(vm, 0), LOOP + i % 4 * 4);
		softvm_step(vm, 0);
		cr_expect_eq(softvm_pc(vm, 0), LOOP + (i + 1) % 4 * 4);
	}
	softvm_fini(vm);
}

SOFT_TEST(engine_step, interrupted_before_its_trap,
	  "a step that the VMM interrupts right before its trap goes on, and is one instruction")
{
	static struct soft_hooks behind;
	unsigned int i;

	behind = (struct soft_hooks){ .opaque = vm, .retired = kick_behind };
	softvm_init_loops(vm, ops, 1, &behind);
	vm->on_interrupted = clear_kick;
	softvm_begin(vm);
	for (i = 1; i <= 8; i++) {
		kick_once = true;
		softvm_step(vm, 0);
		cr_expect_eq(softvm_pc(vm, 0), LOOP + i % 4 * 4);
	}
	softvm_fini(vm);
}

/* ---- interrupts -------------------------------------------------------------------------- */

static void run_without_debugger(struct softvm *vm, const struct vcpu_ops *ops,
				 const struct soft_insn *code, size_t n, struct soft_regs *out)
{
	softvm_init_loops(vm, ops, 1, NULL);
	softvm_code(vm, LOOP, code, n);
	CODE(vm, LOOP + n * SOFT_INSN, JMP(-1));
	softvm_start(vm);
	softvm_run_on(vm, 0, n + 10);
	softvm_stop(vm);
	*out = vm->cpus[0].cpu.regs;
	softvm_fini(vm);
}

SOFT_TEST(
	engine_step, flags,
	"instructions that change or save the interrupt flag, stepped, leave what they leave unstepped")
{
	static const struct soft_insn code[] = {
		I(RDF, 2, 0, 0), I(STI, 0, 0, 0), I(NOP, 0, 0, 0), I(RDF, 3, 0, 0),
		I(SYS, 0, 0, 0), I(RDF, 4, 0, 0), I(CLI, 0, 0, 0), I(NOP, 0, 0, 0),
		I(RDF, 5, 0, 0), I(SYS, 0, 0, 0), I(STI, 0, 0, 0), I(LI, 6, 0x7f, 0x7f),
		I(LD, 6, 6, 0),	 I(SYS, 0, 0, 0),
	};
	const size_t n = sizeof(code) / sizeof(*code);
	struct soft_regs is, want;
	unsigned int i;

	run_without_debugger(vm, ops, code, n - 2, &want);
	softvm_init_loops(vm, ops, 1, NULL);
	softvm_code(vm, LOOP, code, n - 2);
	CODE(vm, LOOP + (n - 2) * SOFT_INSN, JMP(-1));
	softvm_begin(vm);
	for (i = 0; i < 40 && softvm_pc(vm, 0) != LOOP + (n - 2) * SOFT_INSN; i++)
		softvm_step(vm, 0);
	is = *softvm_regs(vm, 0);
	cr_expect_eq(memcmp(&is, &want, sizeof(is)), 0);
	cr_expect_eq(i, n - 2 + 2 * 2, "the two handlers of two instructions were stepped through");
	softvm_fini(vm);
}

SOFT_TEST(engine_step, irq_kept_out,
	  "a pending interrupt stays out of steps, and comes at the next continue")
{
	unsigned int i;

	softvm_init_loops(vm, ops, 1, NULL);
	vm->cpus[0].cpu.regs.flags = SOFT_IE;
	softvm_begin(vm);
	softcpu_irq(&vm->cpus[0].cpu);
	for (i = 1; i <= 8; i++) {
		softvm_step(vm, 0);
		cr_expect_eq(softvm_pc(vm, 0), LOOP + i % 4 * 4);
		cr_expect_eq(softvm_regs(vm, 0)->flags, SOFT_IE);
	}
	softvm_break(vm, LOOP + 8);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[7], 1);
	cr_expect_eq(vm->cpus[0].cpu.taken, 1);
	softvm_fini(vm);
}

SOFT_TEST(engine_step, halted,
	  "the step of a halted vCPU ends when an interrupt wakes it; Ctrl-C gets through before")
{
	struct stop s;

	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP, I(STI, 0, 0, 0), I(HLT, 0, 0, 0), I(NOP, 0, 0, 0));
	softvm_begin(vm);
	softvm_step(vm, 0);
	softvm_step(vm, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8);
	cr_expect_str_eq(vm->t->ops->halted(vm->t, 0), "halted");
	softvm_break(vm, LOOP + 8);
	softvm_resume(vm, RESUME_STEP);
	cr_expect_not(softvm_wait(vm, &s, 50));
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	cr_expect_str_eq(vm->t->ops->halted(vm->t, 0), "halted");
	softvm_resume(vm, RESUME_STEP);
	softcpu_irq(&vm->cpus[0].cpu);
	expect_stop(softvm_stopped(vm), STOP_STEP, 0);
	cr_expect_eq(softvm_pc(vm, 0), VECTOR);
	cr_expect_eq(softvm_regs(vm, 0)->eflags, SOFT_IE);
	continue_to(vm, STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8, "it reaches that when it was woken");
	softvm_fini(vm);
}

SOFT_TEST(
	engine_step, runnable_not_asked,
	"after a step it is known that the vCPU is not halted, unless the instruction may have halted it")
{
	struct soft_calls *calls;
	unsigned int asked;

	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP, I(NOP, 0, 0, 0), I(NOP, 0, 0, 0), I(NOP, 0, 0, 0), I(HLT, 0, 0, 0));
	calls = &vm->cpus[0].cpu.calls;
	softvm_begin(vm);
	softvm_step(vm, 0);
	asked = calls->halted;
	softvm_step(vm, 0);
	softvm_step(vm, 0);
	cr_expect_null(vm->t->ops->halted(vm->t, 0));
	cr_expect_eq(calls->halted, asked);
	softvm_step(vm, 0);
	cr_expect_str_eq(vm->t->ops->halted(vm->t, 0), "halted");
	softvm_fini(vm);
}

Test(engine_step, halted_masked_by_rules,
     .description =
	     "a halted x86-like vCPU is woken also where stepping masks interrupts by itself",
     .timeout = 60)
{
	static struct softvm vm;

	softvm_init_loops(&vm, &soft8_ops, 1, NULL);
	vm.cpus[0].vcpu->caps.block_irq = false;
	CODE(&vm, LOOP, I(STI, 0, 0, 0), I(HLT, 0, 0, 0), I(NOP, 0, 0, 0));
	softvm_begin(&vm);
	softvm_step(&vm, 0);
	softvm_step(&vm, 0);
	cr_expect_eq(softvm_regs(&vm, 0)->flags, SOFT_IE);
	softvm_resume(&vm, RESUME_STEP);
	softcpu_irq(&vm.cpus[0].cpu);
	expect_stop(softvm_stopped(&vm), STOP_STEP, 0);
	cr_expect_eq(softvm_pc(&vm, 0), VECTOR);
	cr_expect_eq(softvm_regs(&vm, 0)->eflags, SOFT_IE);
	softvm_fini(&vm);
}

static void storm(void *opaque, struct softcpu *c, const struct soft_retired *r)
{
	(void)opaque;
	if (r->pc < LOOP && !atomic_load(&c->irqs))
		softcpu_irq(c);
}

SOFT_TEST(
	engine_step, watched_in_a_storm,
	"a guest that is watched by stepping gets on, though its next interrupt waits already when "
	"a handler ends; and it gets interrupts")
{
	static const struct soft_hooks storm_hooks = { .retired = storm };
	unsigned int i;

	softvm_init_loops(vm, ops, 1, &storm_hooks);
	CODE(vm, LOOP, I(ADDI, 1, 0, 1), I(ST, 1, 2, 0), JMP(-3));
	vm->cpus[0].cpu.regs.flags = SOFT_IE;
	vm->cpus[0].cpu.regs.r[2] = 0x800;
	softvm_begin(vm);
	vm->t->ops->set_option(vm->t, OPTION_SOFTWARE_WATCH, true);
	softvm_insert(vm, BP_WRITE, 0x800, 8);
	softcpu_irq(&vm->cpus[0].cpu);
	for (i = 0; i < 1000; i++) {
		continue_to(vm, STOP_WATCH, 0);
	}
	cr_expect_gt(vm->cpus[0].cpu.taken, 0);
	cr_expect_lt(vm->cpus[0].cpu.taken, 1000);
	softvm_fini(vm);
}

/* ---- the guest's own --------------------------------------------------------------------- */

SOFT_TEST(engine_step, guests_own,
	  "a step onto the guest's own breakpoint and through its exception")
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		softvm_init_loops(vm, ops, 1, NULL);
		CODE(vm, LOOP, I(NOP, 0, 0, 0), I(BRK, 0, 0, 0), I(ADDI, 0, 0, 1));
		softvm_begin(vm);
		softvm_break(vm, i ? LOOP + 4 : 0x800); /* makes breakpoints trap at all */
		softvm_step(vm, 0);
		cr_expect_eq(softvm_pc(vm, 0), LOOP + 4);
		softvm_step(vm, 0);
		cr_expect_eq(softvm_pc(vm, 0), VECTOR);
		cr_expect_eq(softvm_regs(vm, 0)->epc, LOOP + 8);
		softvm_fini(vm);
	}
}

/* ---- who runs ---------------------------------------------------------------------------- */

SOFT_TEST(engine_step, held, "vCPUs that are held do nothing while another steps and runs")
{
	unsigned int i;

	softvm_init_loops(vm, ops, 3, NULL);
	softvm_begin(vm);
	for (i = 0; i < 20; i++)
		softvm_step(vm, 1);
	cr_expect_eq(softvm_pc(vm, 1), loop_of(1));
	cr_expect_eq(softvm_regs(vm, 1)->r[0], 5);
	softvm_resume_one(vm, 1, RESUME_CONTINUE, RESUME_HOLD);
	softvm_run_on(vm, 1, 1000);
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 1);
	cr_expect_eq(vm->cpus[0].cpu.retired, 0);
	cr_expect_eq(vm->cpus[2].cpu.retired, 0);
	softvm_fini(vm);
}

SOFT_TEST(engine_step, all_held, "with all held nothing runs, and Ctrl-C is answered")
{
	struct stop s;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_resume(vm, RESUME_HOLD);
	cr_expect_not(softvm_wait(vm, &s, 20));
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	cr_expect_eq(vm->cpus[0].cpu.retired + vm->cpus[1].cpu.retired, 0);
	softvm_fini(vm);
}

SOFT_TEST(engine_step, others_run, "the others run while one steps, and what they hit is reported")
{
	struct stop s;
	unsigned int i;

	softvm_init_loops(vm, ops, 2, NULL);
	CODE(vm, LOOP, I(HLT, 0, 0, 0)); /* vCPU 0 steps into a halt, and stays in it */
	softvm_begin(vm);
	softvm_step(vm, 0);
	softvm_break(vm, loop_of(1) + 8);
	for (i = 0; i < 10; i++) {
		softvm_resume_one(vm, 0, RESUME_STEP, RESUME_CONTINUE);
		s = softvm_stopped(vm);
		expect_stop(s, STOP_SWBREAK, 1);
	}
	softvm_fini(vm);
}

/* ---- ranges ------------------------------------------------------------------------------ */

static void range(struct softvm *vm, unsigned int cpu, uint64_t start_pc, uint64_t end,
		  enum resume_kind others)
{
	const struct resume_action rest = { .kind = others };
	const struct resume_action a = { cpu, RESUME_RANGE, start_pc, end };

	cr_assert_eq(vm->t->ops->resume(vm->t, &a, 1, &rest), 0);
}

SOFT_TEST(engine_step, range_left,
	  "a range is stepped through with one stop, at the first PC outside")
{
	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	range(vm, 0, LOOP, LOOP + 12, RESUME_HOLD);
	expect_stop(softvm_stopped(vm), STOP_STEP, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 12);
	cr_expect_eq(vm->cpus[0].cpu.retired, 3);
	range(vm, 0, LOOP, LOOP + 4, RESUME_HOLD); /* it starts outside: one step, into it */
	expect_stop(softvm_stopped(vm), STOP_STEP, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 4);
	softvm_fini(vm);
}

SOFT_TEST(engine_step, range_empty, "an empty range is one step")
{
	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	range(vm, 0, LOOP, LOOP, RESUME_HOLD);
	expect_stop(softvm_stopped(vm), STOP_STEP, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 4);
	softvm_fini(vm);
}

static void range_to(struct softvm *vm, const struct vcpu_ops *ops, enum bp_type type)
{
	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_insert(vm, type, LOOP, ops->cpu->brk_kind);
	softvm_insert(vm, type, LOOP + 8, ops->cpu->brk_kind);
	range(vm, 0, LOOP, LOOP + 16, RESUME_CONTINUE);
	expect_stop(softvm_stopped(vm), STOP_STEP, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8);
	range(vm, 0, LOOP, LOOP + 16, RESUME_CONTINUE);
	expect_stop(softvm_stopped(vm), STOP_STEP, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP);
	softvm_fini(vm);
}

SOFT_TEST(engine_step, range_breakpoint, "a breakpoint in a range ends it, but not where it began")
{
	range_to(vm, ops, BP_SOFTWARE);
}

SOFT_TEST_SLOTS(engine_step, range_slot, "the same with a hardware breakpoint")
{
	range_to(vm, ops, BP_HARDWARE);
}

static const uint8_t never[] = { 0x22, 0, 0x27 }; /* const8 0, end */

/* A software breakpoint at the place of a hardware breakpoint whose condition is false. */
static void range_to_two(struct softvm *vm, const struct vcpu_ops *ops, bool in_memory)
{
	const struct agent_code condition = { .code = never, .len = sizeof(never) };

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	vm->t->ops->set_option(vm->t, OPTION_GUEST_SLOTS, in_memory);
	softvm_insert(vm, BP_HARDWARE, LOOP + 8, ops->cpu->brk_kind);
	cr_assert_eq(vm->t->ops->conditions(vm->t, BP_HARDWARE, LOOP + 8, ops->cpu->brk_kind,
					    &condition, 1),
		     0);
	softvm_break(vm, LOOP + 8);
	range(vm, 0, LOOP, LOOP + 12, RESUME_HOLD);
	expect_stop(softvm_stopped(vm), STOP_STEP, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8);
	softvm_fini(vm);
}

SOFT_TEST_SLOTS(engine_step, range_two,
		"of two breakpoints at one place in a range the one in memory ends it")
{
	range_to_two(vm, ops, true);
}

SOFT_TEST_SLOTS(engine_step, range_two_slots, "the same where both have a slot")
{
	range_to_two(vm, ops, false);
}

SOFT_TEST(engine_step, range_others, "another vCPU's stop ends a range, and so does Ctrl-C")
{
	struct stop s;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	range(vm, 0, LOOP, LOOP + 16, RESUME_CONTINUE);
	softvm_run_on(vm, 0, 100);
	cr_expect_not(softvm_wait(vm, &s, 0));
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	softvm_break(vm, loop_of(1) + 8);
	range(vm, 0, LOOP, LOOP + 16, RESUME_CONTINUE);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 1);
	softvm_fini(vm);
}

SOFT_TEST(engine_step, range_watch, "a watchpoint ends a range")
{
	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	softvm_insert(vm, BP_WRITE, data_of(0), 8);
	range(vm, 0, LOOP, LOOP + 16, RESUME_CONTINUE);
	expect_stop(softvm_stopped(vm), STOP_WATCH, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + (ops->cpu->watch_before ? 4 : 8));
	range(vm, 0, LOOP, LOOP + 16, RESUME_CONTINUE);
	expect_stop(softvm_stopped(vm), STOP_WATCH, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 2, "the next lap's");
	softvm_fini(vm);
}

/* ---- what the stepping rules are given --------------------------------------------------- */

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

SOFT_TEST(
	engine_step, whole_rep,
	"the stepping rules know whether an instruction that repeats is one step, as the option says now")
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

static const char *slots_never_fire(void *ctx, enum trap_kind kind)
{
	(void)ctx;
	return kind == TRAP_EXEC ? "not here" : NULL;
}

SOFT_TEST_SLOTS(
	engine_step, room,
	"the stepping rules know how many execution slots they may use: those that fire and "
	"hold no watchpoint")
{
	const struct vcpu_caps *caps = ops->cpu == &soft8_cpu ? &soft8_caps : &soft32_caps;
	struct vcpu_ops asking = *ops;
	unsigned int all = caps->exec_slots + caps->shared_slots;

	begin_asking(vm, &asking);
	softvm_step(vm, 0);
	cr_expect_eq(asked.room, all);
	softvm_insert(vm, BP_HARDWARE, 0x800, ops->cpu->brk_kind);
	softvm_step(vm, 0);
	cr_expect_eq(asked.room, all, "a step borrows it");
	softvm_insert(vm, BP_WRITE, 0x800, 8);
	softvm_step(vm, 0);
	cr_expect_eq(asked.room, ops->cpu == &soft8_cpu ? all - 1 : all);
	softvm_fini(vm);
	asking = *ops;
	asking.unsupported_trap = slots_never_fire;
	begin_asking(vm, &asking);
	softvm_step(vm, 0);
	cr_expect_eq(asked.room, 0);
	softvm_fini(vm);
}

Test(engine_step, halted_for_ever,
     .description =
	     "a step of a vCPU that is halted with interrupts masked is not silent; Ctrl-C ends it",
     .timeout = 60)
{
	static struct softvm vm;
	struct stop s;

	softvm_init_loops(&vm, &soft8_ops, 1, NULL);
	CODE(&vm, LOOP, I(CLI, 0, 0, 0), I(HLT, 0, 0, 0));
	softvm_begin(&vm);
	softvm_step(&vm, 0);
	softvm_step(&vm, 0);
	cr_expect_str_eq(softvm_console(&vm), "");
	softvm_resume(&vm, RESUME_STEP);
	cr_expect(strstr(softvm_console(&vm), "halted"));
	cr_expect_not(softvm_wait(&vm, &s, 20));
	softvm_interrupt(&vm);
	expect_stop(softvm_stopped(&vm), STOP_INTERRUPT, 0);
	softvm_continue(&vm);
	cr_expect_str_eq(softvm_console(&vm), "", "it may stay halted");
	softvm_fini(&vm);
}

SOFT_TEST(engine_step, two_step, "a step of two vCPUs at once is no single step")
{
	const struct resume_action both[] = { { .vcpu = 0, .kind = RESUME_STEP },
					      { .vcpu = 1, .kind = RESUME_STEP } };
	const struct resume_action rest = { .kind = RESUME_HOLD };

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_resume_one(vm, 0, RESUME_STEP, RESUME_HOLD);
	cr_expect(engine_is_stepped(&vm->engine));
	expect_stop(softvm_stopped(vm), STOP_STEP, 0);
	cr_assert_eq(vm->t->ops->resume(vm->t, both, 2, &rest), 0);
	cr_expect_not(engine_is_stepped(&vm->engine));
	cr_expect_eq(softvm_stopped(vm).kind, STOP_STEP);
	softvm_fini(vm);
}
