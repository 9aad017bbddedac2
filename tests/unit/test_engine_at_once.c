// SPDX-License-Identifier: MIT
/* Several vCPUs that stop at once: each stop is reported, one after the other, and none twice. */
#include <criterion/criterion.h>

#include "tests/unit/softvm.h"

struct meeting {
	pthread_barrier_t both;
	atomic_uint left; /* traps that meet */
	atomic_ulong retired;
};

/* Two vCPUs do not exit before both have hit what stops them. */
static void meet(void *opaque, struct softcpu *c, const struct trap *t)
{
	struct meeting *m = opaque;

	(void)c;
	if (!(t->kind & (TRAP_BRK | TRAP_EXEC | TRAP_WATCH | TRAP_FATAL)) || !atomic_load(&m->left))
		return;
	pthread_barrier_wait(&m->both);
	atomic_fetch_sub(&m->left, 1);
}

static void count(void *opaque, struct softcpu *c, const struct soft_retired *r)
{
	struct meeting *m = opaque;

	(void)c;
	(void)r;
	m->retired++;
}

static struct meeting meeting;

/* Two vCPUs that meet once. */
static void init_meeting(struct softvm *vm, const struct vcpu_ops *ops)
{
	static const struct soft_hooks hooks = { .opaque = &meeting,
						 .retired = count,
						 .trapped = meet };

	softvm_init_loops(vm, ops, 2, &hooks);
	pthread_barrier_init(&meeting.both, NULL, 2);
	meeting.left = 2;
	meeting.retired = 0;
}

/* In one loop, on its first instruction, and the breakpoint is on its third. */
static void meet_at(struct softvm *vm, const struct vcpu_ops *ops, enum bp_type type)
{
	unsigned int i;

	init_meeting(vm, ops);
	for (i = 0; i < 2; i++)
		vm->cpus[i].cpu.regs.pc = LOOP;
	softvm_begin(vm);
	softvm_insert(vm, type, LOOP + 8, ops->cpu->brk_kind);
	softvm_continue(vm);
}

static void part(struct softvm *vm)
{
	softvm_fini(vm);
	pthread_barrier_destroy(&meeting.both);
}

static const enum stop_kind kind_of[] = {
	[BP_SOFTWARE] = STOP_SWBREAK, [BP_HARDWARE] = STOP_HWBREAK
};

static void both_reported(struct softvm *vm, const struct vcpu_ops *ops, enum bp_type type)
{
	unsigned long ran;
	struct stop a, b;

	meet_at(vm, ops, type);
	a = softvm_stopped(vm);
	expect_stop(a, kind_of[type], a.vcpu);
	ran = meeting.retired;
	softvm_continue(vm);
	b = softvm_stopped(vm);
	expect_stop(b, kind_of[type], !a.vcpu);
	cr_expect_eq(meeting.retired, ran, "nothing runs before the second is reported");
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8);
	cr_expect_eq(softvm_pc(vm, 1), LOOP + 8);
	softvm_remove(vm, type, LOOP + 8, ops->cpu->brk_kind);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 50);
	softvm_run_on(vm, 1, 50);
	cr_expect_not(softvm_wait(vm, &a, 0), "neither is reported twice");
	part(vm);
}

SOFT_TEST(engine_at_once, both_hit,
	  "two vCPUs at one breakpoint at once: the second is reported at the next resume")
{
	both_reported(vm, ops, BP_SOFTWARE);
}

SOFT_TEST_SLOTS(engine_at_once, both_hit_slot, "the same with a hardware breakpoint")
{
	both_reported(vm, ops, BP_HARDWARE);
}

/* Once: both are at their breakpoints, and vCPU 0 exits when vCPU 1 has its stop pending. */
struct in_turn {
	struct softvm *vm;
	atomic_bool there[2];
};

static bool has_pending(struct softvm *vm, unsigned int cpu)
{
	bool yes;

	pthread_mutex_lock(&vm->engine.lock);
	yes = vm->cpus[cpu].vcpu->pending.kind;
	pthread_mutex_unlock(&vm->engine.lock);
	return yes;
}

static void hit_in_turn(void *opaque, struct softcpu *c, const struct trap *t)
{
	struct in_turn *o = opaque;

	if (!(t->kind & (TRAP_BRK | TRAP_EXEC)) || atomic_exchange(&o->there[c->index], true))
		return;
	while (!atomic_load(&o->there[!c->index]))
		;
	while (!c->index && !has_pending(o->vm, 1))
		;
}

SOFT_TEST(engine_at_once, first_reported_first, "of several stops the first one is reported first")
{
	static struct in_turn turns;
	static const struct soft_hooks in_turn = { .opaque = &turns, .trapped = hit_in_turn };

	turns = (struct in_turn){ .vm = vm };
	softvm_init_loops(vm, ops, 2, &in_turn);
	softvm_begin(vm);
	softvm_break(vm, loop_of(0) + 8);
	softvm_break(vm, loop_of(1) + 8);
	continue_to(vm, STOP_SWBREAK, 1);
	continue_to(vm, STOP_SWBREAK, 0);
	softvm_fini(vm);
}

SOFT_TEST(engine_at_once, both_hit_dropped, "the second is dropped when the breakpoint is gone")
{
	struct stop a;

	meet_at(vm, ops, BP_SOFTWARE);
	expect_stop(a = softvm_stopped(vm), STOP_SWBREAK, a.vcpu);
	softvm_unbreak(vm, LOOP + 8);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 50);
	softvm_run_on(vm, 1, 50);
	cr_expect_not(softvm_wait(vm, &a, 0));
	part(vm);
}

/* The debugger moves the second vCPU to where nothing is, and steps it there. */
static void expect_dropped(struct softvm *vm, unsigned int vcpu)
{
	softvm_go_to(vm, vcpu, loop_of(3));
	softvm_resume_one(vm, vcpu, RESUME_STEP, RESUME_HOLD);
	expect_stop(softvm_stopped(vm), STOP_STEP, vcpu);
	cr_expect_eq(softvm_pc(vm, vcpu), loop_of(3) + 4);
}

static void moved(struct softvm *vm, const struct vcpu_ops *ops, enum bp_type type)
{
	meet_at(vm, ops, type);
	expect_dropped(vm, !softvm_stopped(vm).vcpu);
	part(vm);
}

SOFT_TEST(engine_at_once, moved_away,
	  "the second is dropped when the debugger has moved its vCPU away from the breakpoint")
{
	moved(vm, ops, BP_SOFTWARE);
}

SOFT_TEST_SLOTS(engine_at_once, moved_away_slot, "the same with a hardware breakpoint")
{
	moved(vm, ops, BP_HARDWARE);
}

SOFT_TEST(engine_at_once, moved_away_watch,
	  "a pending watchpoint stop is dropped so only if the access is yet to come")
{
	struct stop a;

	init_meeting(vm, ops);
	softvm_begin(vm);
	softvm_insert(vm, BP_WRITE, data_of(0), 8);
	softvm_insert(vm, BP_WRITE, data_of(1), 8);
	softvm_continue(vm);
	a = softvm_stopped(vm);
	expect_stop(a, STOP_WATCH, a.vcpu);
	if (ops->cpu->watch_before) {
		expect_dropped(vm, !a.vcpu);
	} else {
		softvm_go_to(vm, !a.vcpu, loop_of(3));
		softvm_resume_one(vm, !a.vcpu, RESUME_STEP, RESUME_HOLD);
		expect_stop(softvm_stopped(vm), STOP_WATCH, !a.vcpu);
		cr_expect_eq(softvm_pc(vm, !a.vcpu), loop_of(3));
	}
	part(vm);
}

SOFT_TEST(engine_at_once, both_hit_held, "the second stays pending while its vCPU is held")
{
	struct stop a, b;

	meet_at(vm, ops, BP_SOFTWARE);
	expect_stop(a = softvm_stopped(vm), STOP_SWBREAK, a.vcpu);
	softvm_step(vm, a.vcpu);
	cr_expect_eq(softvm_pc(vm, a.vcpu), LOOP + 12);
	softvm_continue(vm);
	expect_stop(b = softvm_stopped(vm), STOP_SWBREAK, !a.vcpu);
	cr_expect_eq(softvm_pc(vm, b.vcpu), LOOP + 8);
	part(vm);
}

SOFT_TEST_SLOTS(engine_at_once, both_hit_replaced,
		"a pending hit of a hardware breakpoint that a software one replaced is not lost")
{
	struct stop a, b;
	uint64_t laps;

	meet_at(vm, ops, BP_HARDWARE);
	expect_stop(a = softvm_stopped(vm), STOP_HWBREAK, a.vcpu);
	softvm_remove(vm, BP_HARDWARE, LOOP + 8, ops->cpu->brk_kind);
	softvm_break(vm, LOOP + 8);
	laps = softvm_regs(vm, !a.vcpu)->r[0];
	softvm_resume_one(vm, !a.vcpu, RESUME_CONTINUE, RESUME_HOLD);
	expect_stop(b = softvm_stopped(vm), STOP_SWBREAK, !a.vcpu);
	cr_expect_eq(softvm_pc(vm, b.vcpu), LOOP + 8);
	cr_expect_eq(softvm_regs(vm, b.vcpu)->r[0], laps, "at once");
	part(vm);
}

enum { PAGE_VA = 0x900 };

SOFT_TEST_SLOTS(engine_at_once, unmapped_both,
		"two vCPUs at a slot on a page that stays unmapped: both are reported")
{
	struct stop a, b;
	unsigned int i;

	init_meeting(vm, ops);
	softvm_paging(vm);
	softvm_unmap(vm, PAGE_VA);
	softvm_begin(vm);
	for (i = 0; i < 2; i++)
		softvm_go_to(vm, i, PAGE_VA);
	softvm_break(vm, PAGE_VA);
	softvm_continue(vm);
	expect_stop(a = softvm_stopped(vm), STOP_SWBREAK, a.vcpu);
	softvm_continue(vm);
	expect_stop(b = softvm_stopped(vm), STOP_SWBREAK, !a.vcpu);
	cr_expect_eq(meeting.retired, 0, "neither has gone on");
	part(vm);
}

SOFT_TEST(engine_at_once, watch_removed,
	  "a pending watchpoint stop whose watchpoint is gone does not disarm the others")
{
	struct stop a, b;
	unsigned int i;

	init_meeting(vm, ops);
	softvm_begin(vm);
	for (i = 0; i < 2; i++)
		softvm_insert(vm, BP_WRITE, data_of(i), 8);
	softvm_continue(vm);
	expect_stop(a = softvm_stopped(vm), STOP_WATCH, a.vcpu);
	softvm_remove(vm, BP_WRITE, data_of(!a.vcpu), 8);
	softvm_insert(vm, BP_ACCESS, data_of(!a.vcpu), 4);
	softvm_resume_one(vm, !a.vcpu, RESUME_CONTINUE, RESUME_HOLD);
	b = softvm_stopped(vm);
	expect_stop(b, STOP_WATCH, !a.vcpu);
	cr_expect_eq(b.watch, HW_ACCESS);
	if (ops->cpu->watch_before)
		cr_expect_eq(softvm_regs(vm, b.vcpu)->r[0],
			     softvm_read(vm, b.vcpu, data_of(b.vcpu)) + 1,
			     "the very store that the old one caught");
	part(vm);
}

SOFT_TEST(engine_at_once, fatal_both,
	  "two vCPUs end at once: both are reported, the second at the next resume")
{
	unsigned long ran;
	struct stop a, b;

	init_meeting(vm, ops);
	CODE(vm, loop_of(0) + 8, I(FATAL, 0, 0, 0));
	CODE(vm, loop_of(1) + 8, I(FATAL, 0, 0, 0));
	softvm_begin(vm);
	softvm_continue(vm);
	expect_stop(a = softvm_stopped(vm), STOP_FATAL, a.vcpu);
	ran = meeting.retired;
	softvm_continue(vm);
	expect_stop(b = softvm_stopped(vm), STOP_FATAL, !a.vcpu);
	cr_expect_eq(meeting.retired, ran);
	softvm_detach(vm);
	part(vm);
}

static void set_pending(struct softvm *vm, unsigned int vcpu, enum stop_kind kind)
{
	const struct stop stop = {
		.kind = kind, .watch = HW_WRITE, .addr = DATA + 0x400, .text = "reset"
	};

	vcpu_set_pending(vm->cpus[vcpu].vcpu, &stop);
}

SOFT_TEST(engine_at_once, event_kept,
	  "the end of a VM stays pending, whatever the debugger changes")
{
	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	set_pending(vm, 1, STOP_EVENT);
	softvm_go_to(vm, 1, loop_of(1) + 8);
	continue_to(vm, STOP_EVENT, 1);
	softvm_fini(vm);
}

SOFT_TEST(engine_at_once, held_kept,
	  "a stop of a vCPU that is held stays pending while its watchpoint is away")
{
	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	set_pending(vm, 1, STOP_WATCH);
	softvm_step(vm, 0);
	softvm_insert(vm, BP_WRITE, DATA + 0x400, 8);
	continue_to(vm, STOP_WATCH, 1);
	softvm_fini(vm);
}
