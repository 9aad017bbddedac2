// SPDX-License-Identifier: MIT
/* Hardware breakpoints and watchpoints. */
#include <errno.h>

#include <criterion/criterion.h>

#include "tests/unit/softvm.h"

SOFT_TEST_SLOTS(engine_slots, hardware,
		"a hardware breakpoint is hit each time round, and the vCPU goes on from it")
{
	const uint64_t at = loop_of(1) + 4;
	uint64_t laps;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_insert(vm, BP_HARDWARE, at, ops->cpu->brk_kind);
	continue_to(vm, STOP_HWBREAK, 1);
	laps = softvm_regs(vm, 1)->r[0];
	cr_expect_eq(softvm_pc(vm, 1), at);
	continue_to(vm, STOP_HWBREAK, 1);
	cr_expect_eq(softvm_regs(vm, 1)->r[0], laps + 1);
	softvm_resume_one(vm, 1, RESUME_STEP, RESUME_CONTINUE);
	expect_stop(softvm_stopped(vm), STOP_STEP, 1);
	cr_expect_eq(softvm_pc(vm, 1), at + 4);
	softvm_fini(vm);
}

SOFT_TEST(
	engine_slots, watch,
	"a watchpoint reports vCPU, address and kind: after the access on soft8, before it on soft32")
{
	bool before = ops->cpu->watch_before;
	uint64_t laps;
	struct stop s;
	unsigned int i;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_insert(vm, BP_WRITE, data_of(1), 8);
	softvm_continue(vm);
	for (i = 0; i < 5; i++) {
		s = softvm_stopped(vm);
		expect_stop(s, STOP_WATCH, 1);
		cr_expect_eq(s.watch, HW_WRITE);
		cr_expect_eq(s.addr, data_of(1));
		cr_expect_eq(softvm_pc(vm, 1), loop_of(1) + (before ? 4 : 8));
		laps = softvm_regs(vm, 1)->r[0];
		cr_expect_eq(softvm_read(vm, 1, data_of(1)), before ? laps - 1 : laps);
		softvm_continue(vm);
	}
	softvm_fini(vm);
}

SOFT_TEST(
	engine_slots, watch_slots,
	"a watchpoint that takes several slots fires in each, and reports the address it was set by")
{
	struct stop s;
	unsigned int i;

	softvm_init_loops(vm, ops, 1, NULL);
	vm->cpus[0].cpu.regs.r[1] = DATA + 8;
	softvm_begin(vm);
	softvm_insert(vm, BP_ACCESS, DATA + 4, 12);
	for (i = 0; i < 2; i++) {
		softvm_change(vm, 0, 0)->r[1] = DATA + 8 * i;
		softvm_store(vm, 0);
		softvm_continue(vm);
		s = softvm_stopped(vm);
		expect_stop(s, STOP_WATCH, 0);
		cr_expect_eq(s.addr, DATA + 4);
		cr_expect_eq(s.watch, HW_ACCESS);
		if (ops->cpu->watch_before) { /* past the store */
			softvm_step(vm, 0);
		}
	}
	softvm_change(vm, 0, 0)->r[1] = DATA + 16;
	softvm_store(vm, 0);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 40);
	cr_expect_not(softvm_wait(vm, &s, 0), "not beyond its end");
	softvm_fini(vm);
}

SOFT_TEST(engine_slots, watch_refused,
	  "what can't be watched is refused with a reason, and nothing is silently dead")
{
	unsigned int i, slots = ops->cpu == &soft8_cpu ? 4 : 2;
	const char *why = NULL;

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	for (i = 0; i < slots; i++)
		softvm_insert(vm, BP_WRITE, DATA + 0x100 + 8 * i, 8);
	cr_expect_eq(vm->t->ops->insert(vm->t, 0, BP_WRITE, DATA, 8, &why), -ENOSPC);
	cr_expect_not_null(why);
	softvm_remove(vm, BP_WRITE, DATA + 0x100, 8);
	softvm_insert(vm, BP_WRITE, data_of(0), 8);
	continue_to(vm, STOP_WATCH, 0);
	why = NULL;
	if (ops->cpu == &soft8_cpu) {
		cr_expect_eq(vm->t->ops->insert(vm->t, 0, BP_READ, DATA, 8, &why), -EOPNOTSUPP);
		cr_expect_not_null(why);
	}
	softvm_fini(vm);
}

/* ---- a host on which traps never come ---------------------------------------------------- */

static const char never[] = "it never comes here";

static const char *no_traps(void *ctx, enum trap_kind kind)
{
	(void)ctx;
	(void)kind;
	return never;
}

SOFT_TEST_SLOTS(
	engine_slots, unsupported,
	"breakpoints whose traps never come on this host are refused with its text; steps carry a watchpoint")
{
	static const enum bp_type types[] = { BP_SOFTWARE, BP_HARDWARE, BP_WRITE, BP_ACCESS };
	struct vcpu_ops host = *ops;
	const char *why;
	struct stop s;
	unsigned int i;

	host.unsupported_trap = no_traps;
	softvm_init_loops(vm, &host, 1, NULL);
	softvm_begin(vm);
	for (i = 0; i < sizeof(types) / sizeof(*types); i++) {
		why = NULL;
		cr_expect_eq(vm->t->ops->insert(vm->t, 0, types[i], DATA, ops->cpu->brk_kind, &why),
			     -EOPNOTSUPP);
		cr_expect_eq(why, never);
	}
	vm->t->ops->set_option(vm->t, OPTION_SOFTWARE_WATCH, true);
	softvm_insert(vm, BP_WRITE, data_of(0), 8);
	softvm_continue(vm);
	s = softvm_stopped(vm);
	expect_stop(s, STOP_WATCH, 0);
	cr_expect_eq(s.addr, data_of(0));
	softvm_fini(vm);
}

/* Where paging is off; the first vCPU is asked. */
static const char *ignored_without_paging(void *ctx, struct cpu_view *v, uint64_t addr)
{
	const struct soft_regs *r = v->state;

	cr_expect_eq(((struct softcpu *)ctx)->index, 0);
	return addr < 0x1000 && !v->need(v, 1) && !r->ptb ? never : NULL;
}

SOFT_TEST_SLOTS(
	engine_slots, brk_ignored,
	"in a mode where breakpoint instructions do not trap software breakpoints are in slots alone")
{
	unsigned int i, slots = ops->cpu == &soft8_cpu ? 4 : 3;
	struct vcpu_ops host = *ops;
	const char *why = NULL;

	host.brk_ignored = ignored_without_paging;
	softvm_init_loops(vm, &host, 2, NULL);
	softvm_begin(vm);
	softvm_break(vm, loop_of(1) + 8);
	for (i = 1; i < slots; i++)
		softvm_break(vm, 0x800 + 4 * i);
	cr_expect_eq(vm->t->ops->insert(vm->t, 1, BP_SOFTWARE, 0x900, ops->cpu->brk_kind, &why),
		     -ENOSPC);
	cr_expect_not_null(why);
	softvm_break(vm, 0x2000);
	continue_to(vm, STOP_SWBREAK, 1);
	continue_to(vm, STOP_SWBREAK, 1);
	softvm_fini(vm);
}

static const char *no_brk_traps(void *ctx, enum trap_kind kind)
{
	(void)ctx;
	return kind == TRAP_BRK ? never : NULL;
}

SOFT_TEST_SLOTS(
	engine_slots, slots_alone,
	"where breakpoint instructions do not trap software breakpoints are in slots, and refused "
	"when there is none left")
{
	unsigned int i, slots = ops->cpu == &soft8_cpu ? 4 : 3;
	struct vcpu_ops host = *ops;
	const char *why = NULL;

	host.unsupported_trap = no_brk_traps;
	softvm_init_loops(vm, &host, 1, NULL);
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	for (i = 1; i < slots; i++)
		softvm_break(vm, 0x800 + 4 * i);
	cr_expect_eq(vm->t->ops->insert(vm->t, 0, BP_SOFTWARE, 0x900, ops->cpu->brk_kind, &why),
		     -ENOSPC);
	cr_expect_not_null(why);
	continue_to(vm, STOP_SWBREAK, 0);
	continue_to(vm, STOP_SWBREAK, 0);
	softvm_fini(vm);
}

static void classify_unarmed(void *ctx, struct trap *out)
{
	soft8_ops.classify(ctx, out);
	if (out->kind & TRAP_WATCH)
		out->slots = 1 << 3;
}

SOFT_TEST_ON(engine_slots, unarmed,
	     "a debug register that the processor reports, but that is not armed, is no breakpoint",
	     &soft8_ops)
{
	struct vcpu_ops reporting = *ops;
	struct stop s;

	reporting.classify = classify_unarmed;
	softvm_init_loops(vm, &reporting, 1, NULL);
	softvm_begin(vm);
	softvm_insert(vm, BP_WRITE, data_of(0), 8);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 20);
	cr_expect_not(softvm_wait(vm, &s, 0));
	softvm_fini(vm);
}

SOFT_TEST_ON(engine_slots, watch_before_then_step,
	     "a step onto an access takes no watchpoint away from it, though one was hit before",
	     &soft32_ops, &soft32_memory_ops)
{
	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP, I(NOP, 0, 0, 0), I(ST, 0, 1, 0), I(ST, 0, 1, 0), JMP(-4));
	softvm_begin(vm);
	softvm_insert(vm, BP_WRITE, data_of(0), 8);
	continue_to(vm, STOP_WATCH, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 4);
	softvm_step(vm, 0);
	continue_to(vm, STOP_WATCH, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8);
	softvm_fini(vm);
}

/* The next entry of vCPU 0, which the test's own thread drives, for a step. */
static const struct debug_control *control_of_step(struct softvm *vm)
{
	softvm_resume_one(vm, 0, RESUME_STEP, RESUME_CONTINUE);
	cr_assert_eq(vmgdb_vcpu_enter(vm->cpus[0].vcpu), 0);
	return &vm->cpus[0].cpu.control;
}

static struct cpu guarding; /* soft8, whose steps end at four handlers as well */

static int begin_guarded(struct cpu_view *v, struct step_plan *p)
{
	for (; p->nuntil < p->room; p->nuntil++)
		p->until[p->nuntil] = 0x800 + p->nuntil * 16;
	p->until_too = true;
	return soft8_cpu.step_begin(v, p);
}

SOFT_TEST_ON(engine_slots, guarded,
	     "a step that needs all debug registers takes them away from breakpoints elsewhere",
	     &soft8_ops)
{
	struct vcpu_ops guards = *ops;
	unsigned int i;

	guarding = soft8_cpu;
	guarding.step_begin = begin_guarded;
	guards.cpu = &guarding;
	softvm_init_loops(vm, &guards, 1, NULL);
	softvm_attach(vm);
	for (i = 0; i < 3; i++)
		softvm_insert(vm, BP_HARDWARE, 0x200 + i * SOFT_INSN, ops->cpu->brk_kind);
	cr_expect_eq(control_of_step(vm)->nhw, 4);
	softvm_fini(vm);
}

SOFT_TEST_ON(engine_slots, run_beside_watchpoints,
	     "a run to addresses takes no slot of a breakpoint where watchpoints have their own",
	     &soft32_ops)
{
	const struct debug_control *c;
	unsigned int i, n = 0;

	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP, I(LDX, 2, 1, 0), I(STX, 2, 1, 3));
	softvm_attach(vm);
	softvm_insert(vm, BP_HARDWARE, 0x40, ops->cpu->brk_kind);
	softvm_insert(vm, BP_WRITE, data_of(0), 8);
	softvm_insert(vm, BP_WRITE, data_of(1), 8);
	c = control_of_step(vm);
	for (i = 0; i < c->nhw; i++)
		n += c->hw[i].addr == 0x40;
	cr_expect_eq(n, 1, "%u slots", c->nhw);
	softvm_fini(vm);
}
