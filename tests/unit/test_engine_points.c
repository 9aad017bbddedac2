// SPDX-License-Identifier: MIT
/* The engine's breakpoints and watchpoints, on software vCPUs that run freely in threads. */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tests/unit/softvm.h"

/* ---- software breakpoints ---------------------------------------------------------------- */

SOFT_TEST(engine_points, hit,
	  "a hit is reported once, with its vCPU and PC, each time it is come to")
{
	const uint64_t at = loop_of(1) + 8;
	uint64_t laps;
	unsigned int i;
	struct stop s;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_break(vm, at);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 1);
	laps = softvm_regs(vm, 1)->r[0];
	for (i = 1; i <= 20; i++) {
		cr_assert_eq(softvm_pc(vm, 1), at);
		cr_assert_eq(softvm_regs(vm, 1)->r[0], laps + i - 1, "one lap between hits");
		cr_expect_not(softvm_wait(vm, &s, 0), "told once");
		softvm_continue(vm);
		expect_stop(softvm_stopped(vm), STOP_SWBREAK, 1);
	}
	softvm_fini(vm);
}

SOFT_TEST(engine_points, hidden, "a debugger never sees an inserted breakpoint")
{
	const uint64_t at = loop_of(0) + 8;
	uint8_t before[16], now[16];
	unsigned int off;

	softvm_init_loops(vm, ops, 1, NULL);
	memcpy(before, vm->mem + at - 8, sizeof(before));
	softvm_begin(vm);
	softvm_break(vm, at);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_assert(softvm_planted(vm, at));
	for (off = 0; off < 12; off++) {
		cr_assert_eq(vm->t->ops->read(vm->t, 0, at - 8 + off, now, 4), 4);
		cr_expect_eq(memcmp(now, before + off, 4), 0, "at %u", off);
	}
	softvm_detach(vm);
	cr_expect_eq(memcmp(vm->mem + at - 8, before, sizeof(before)), 0);
	softvm_fini(vm);
}

SOFT_TEST(engine_points, write_under,
	  "a debugger's write goes under a breakpoint, and it still works")
{
	const uint64_t at = loop_of(0) + 8;
	const struct soft_insn add = I(ADDI, 2, 0, 1);
	uint8_t now[4];

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	softvm_break(vm, at);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_assert_eq(vm->t->ops->write(vm->t, 0, at, &add, 4), 0);
	cr_assert_eq(vm->t->ops->read(vm->t, 0, at, now, 4), 4);
	cr_expect_eq(memcmp(now, &add, 4), 0);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[2], 1, "the new instruction ran, stepped over");
	softvm_detach(vm);
	softvm_stop(vm);
	cr_expect_eq(memcmp(vm->mem + at, &add, 4), 0);
	softvm_fini(vm);
}

SOFT_TEST(engine_points, hole, "reads stop at a hole, writes into one are refused whole")
{
	uint8_t buf[16] = { 0 }, was[8];

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	memcpy(was, vm->mem + SOFTVM_MEM - 8, 8);
	cr_expect_eq(vm->t->ops->read(vm->t, 0, SOFTVM_MEM - 8, buf, 16), 8);
	cr_expect_eq(vm->t->ops->read(vm->t, 0, SOFTVM_MEM, buf, 16), -EFAULT);
	cr_expect_eq(vm->t->ops->read(vm->t, 7, 0, buf, 16), -EFAULT);
	buf[0] = 1;
	cr_expect_eq(vm->t->ops->write(vm->t, 0, SOFTVM_MEM - 8, buf, 16), -EFAULT);
	cr_expect_eq(memcmp(vm->mem + SOFTVM_MEM - 8, was, 8), 0);
	softvm_fini(vm);
}

/* r2 holds an instruction; each lap writes it over the one at +8. */
static void overwriting_loop(struct softvm *vm, const struct soft_insn *insn)
{
	struct soft_regs *r = &vm->cpus[0].cpu.regs;
	uint32_t word;

	softvm_init_loops(vm, vm->ops, 1, NULL);
	memcpy(&word, insn, sizeof(word));
	r->r[2] = word;
	r->r[3] = LOOP;
	CODE(vm, LOOP, I(ADDI, 0, 0, 1), I(STW, 2, 3, 8), I(NOP, 0, 0, 0), I(NOP, 0, 0, 0),
	     JMP(-5));
}

static bool shows(struct softvm *vm, uint64_t at, const struct soft_insn *insn)
{
	struct soft_insn now;
	unsigned int i;
	uint8_t byte;

	if (vm->t->ops->read(vm->t, 0, at, &now, 4) != 4 || memcmp(&now, insn, 4) != 0)
		return false;
	for (i = 0; i < 4; i++)
		if (vm->t->ops->read(vm->t, 0, at + i, &byte, 1) != 1 ||
		    byte != ((const uint8_t *)insn)[i])
			return false;
	return true;
}

SOFT_TEST(engine_points, overwritten,
	  "the guest writes over a breakpoint: no stale byte comes back, and it is set anew")
{
	const struct soft_insn add = I(ADDI, 4, 0x3c, 1);
	const uint64_t at = LOOP + 8;

	vm->ops = ops;
	overwriting_loop(vm, &add);
	softvm_begin(vm);
	softvm_break(vm, at);
	softvm_break(vm, LOOP + 12);
	softvm_continue(vm); /* written over on the way to +8 */
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_assert_eq(softvm_pc(vm, 0), LOOP + 12, "what the guest wrote ran");
	cr_expect(shows(vm, at, &add));
	softvm_unbreak(vm, LOOP + 12);
	softvm_break(vm, LOOP + 16);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 16);
	cr_expect(softvm_planted(vm, at), "set anew when it was let run");
	cr_expect_eq(softvm_regs(vm, 0)->r[4], 1);
	softvm_go_to(vm, 0, at);
	cr_assert_eq(softvm_pc(vm, 0), at);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), at);
	cr_expect_eq(softvm_regs(vm, 0)->r[4], 1, "hit where it was put, not a lap later");
	softvm_detach(vm);
	softvm_stop(vm);
	cr_expect_eq(memcmp(vm->mem + at, &add, 4), 0);
	softvm_fini(vm);
}

SOFT_TEST(engine_points, overwritten_by_step,
	  "an instruction that is stepped writes over a breakpoint: it is set anew too")
{
	const struct soft_insn add = I(ADDI, 4, 0x3c, 1);
	const uint64_t at = LOOP + 8;

	vm->ops = ops;
	overwriting_loop(vm, &add);
	softvm_begin(vm);
	softvm_break(vm, at);
	softvm_go_to(vm, 0, LOOP + 4);
	softvm_step(vm, 0);
	cr_expect(shows(vm, at, &add), "the new instruction");
	softvm_go_to(vm, 0, LOOP + 16);
	vm->mem[LOOP + 4] = SOFT_NOP;
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), at);
	softvm_detach(vm);
	softvm_stop(vm);
	cr_expect_eq(memcmp(vm->mem + at, &add, 4), 0);
	softvm_fini(vm);
}

SOFT_TEST(engine_points, overwritten_shares_bytes,
	  "a new instruction with bytes of the breakpoint in it is shown as it is")
{
	const struct soft_insn like = I(NOP, 0x20, 0x3c, 0xd4); /* as soft32's, but for the first */
	const uint64_t at = LOOP + 8;

	vm->ops = ops;
	overwriting_loop(vm, &like);
	softvm_begin(vm);
	softvm_break(vm, at);
	softvm_go_to(vm, 0, LOOP + 4);
	softvm_step(vm, 0);
	cr_expect(shows(vm, at, &like));
	softvm_fini(vm);
}

SOFT_TEST(
	engine_points, alias,
	"who comes to a breakpoint by a name of its memory that the debugger did not give goes on")
{
	struct stop s;
	unsigned int i;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_paging(vm);
	softvm_map(vm, 0x800, LOOP); /* all loops are there once more */
	softvm_begin(vm);
	softvm_go_to(vm, 0, 0x800);
	softvm_break(vm, loop_of(0) + 8);
	softvm_break(vm, loop_of(1) + 8);
	for (i = 1; i <= 5; i++) {
		softvm_continue(vm);
		expect_stop(softvm_stopped(vm), STOP_SWBREAK, 1);
		cr_expect_eq(softvm_regs(vm, 1)->r[0], i);
	}
	softvm_resume_one(vm, 0, RESUME_CONTINUE, RESUME_HOLD);
	softvm_run_on(vm, 0, 100);
	cr_expect_not(softvm_wait(vm, &s, 0));
	softvm_interrupt(vm);
	expect_stop(s = softvm_stopped(vm), STOP_INTERRUPT, s.vcpu);
	cr_expect_eq(softvm_pc(vm, 0) & ~0xfULL, 0x800);
	cr_expect_eq(softvm_regs(vm, 0)->r[7], 0, "no exception reached the guest");
	softvm_break(vm, 0x808);
	softvm_continue(vm);
	expect_stop(s = softvm_stopped(vm), STOP_SWBREAK, s.vcpu);
	softvm_resume_one(vm, 0, RESUME_CONTINUE, RESUME_HOLD);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), 0x808, "it has that name now");
	softvm_fini(vm);
}

SOFT_TEST(
	engine_points, remapped,
	"a page that is mapped elsewhere: its breakpoint follows when it is inserted anew, not before")
{
	const uint64_t copy = 0xe00;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		softvm_init_loops(vm, ops, 1, NULL);
		softvm_paging(vm);
		memcpy(vm->mem + copy, vm->mem + LOOP, SOFT_PAGE);
		softvm_begin(vm);
		softvm_break(vm, LOOP + 8);
		softvm_continue(vm);
		expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
		softvm_map(vm, LOOP, copy);
		softvm_step(vm, 0);
		cr_expect(softvm_planted(vm, LOOP + 8) && !softvm_planted(vm, copy + 8));
		if (i) /* gdb takes all out at each stop, lldb leaves them in */
			softvm_unbreak(vm, LOOP + 8);
		softvm_break(vm, LOOP + 8);
		softvm_continue(vm);
		expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
		cr_expect_eq(softvm_pc(vm, 0), LOOP + 8);
		cr_expect(!softvm_planted(vm, LOOP + 8) && softvm_planted(vm, copy + 8));
		softvm_detach(vm);
		cr_expect_eq(memcmp(vm->mem + LOOP, vm->mem + copy, SOFT_PAGE), 0);
		softvm_fini(vm);
	}
}

SOFT_TEST(engine_points, two_names,
	  "two virtual addresses of one place: the second keeps it when the first goes")
{
	struct stop s;

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_paging(vm);
	softvm_map(vm, 0x800, LOOP);
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	softvm_break(vm, 0x808);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	softvm_unbreak(vm, LOOP + 8);
	softvm_go_to(vm, 0, 0x800);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), 0x808);
	softvm_unbreak(vm, 0x808);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 100);
	cr_expect_not(softvm_wait(vm, &s, 0));
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	cr_expect_not(softvm_planted(vm, LOOP + 8));
	softvm_fini(vm);
}

/* ---- several at once --------------------------------------------------------------------- */

struct meeting {
	pthread_barrier_t both;
	atomic_uint left; /* traps that meet */
	atomic_ulong retired;
};

/* Two vCPUs do not leave the guest before both have come to their breakpoint. */
static void meet(void *opaque, struct softcpu *c, const struct trap *t)
{
	struct meeting *m = opaque;

	(void)c;
	if (!(t->kind & (TRAP_BRK | TRAP_EXEC | TRAP_WATCH)) || !atomic_load(&m->left))
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
static const struct soft_hooks meeting_hooks = { .opaque = &meeting,
						 .retired = count,
						 .trapped = meet };

/* Two vCPUs in one loop, on its first instruction, and the breakpoint is on its third. */
static void meet_at(struct softvm *vm, const struct vcpu_ops *ops, enum point_type type)
{
	unsigned int i;

	softvm_init_loops(vm, ops, 2, &meeting_hooks);
	pthread_barrier_init(&meeting.both, NULL, 2);
	meeting.left = 2;
	meeting.retired = 0;
	for (i = 0; i < 2; i++)
		vm->cpus[i].cpu.regs.pc = LOOP;
	softvm_begin(vm);
	for (i = 0; i < 2; i++) {
		softvm_go_to(vm, i, LOOP);
	}
	softvm_insert(vm, type, LOOP + 8, ops->cpu->brk_kind);
	softvm_continue(vm);
}

static void part(struct softvm *vm)
{
	softvm_fini(vm);
	pthread_barrier_destroy(&meeting.both);
}

static const enum stop_kind kind_of[] = { [POINT_SW] = STOP_SWBREAK, [POINT_HW] = STOP_HWBREAK };

static void both_told(struct softvm *vm, const struct vcpu_ops *ops, enum point_type type)
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
	cr_expect_eq(meeting.retired, ran, "nothing runs before the second is told");
	cr_expect_eq(softvm_pc(vm, 0), LOOP + 8);
	cr_expect_eq(softvm_pc(vm, 1), LOOP + 8);
	softvm_remove(vm, type, LOOP + 8, ops->cpu->brk_kind);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 50);
	softvm_run_on(vm, 1, 50);
	cr_expect_not(softvm_wait(vm, &a, 0), "neither is told twice");
	part(vm);
}

SOFT_TEST(engine_points, both_hit,
	  "two vCPUs at one breakpoint at once: the second is told at the next resume")
{
	both_told(vm, ops, POINT_SW);
}

SOFT_TEST(engine_points, both_hit_slot, "the same with a hardware breakpoint")
{
	both_told(vm, ops, POINT_HW);
}

/* Once: both are at their breakpoints, and vCPU 0 leaves the guest when vCPU 1 has its event. */
struct in_turn {
	struct softvm *vm;
	atomic_bool there[2];
};

static bool has_event(struct softvm *vm, unsigned int cpu)
{
	bool yes;

	pthread_mutex_lock(&vm->engine.lock);
	yes = vm->cpus[cpu].vcpu->event.kind;
	pthread_mutex_unlock(&vm->engine.lock);
	return yes;
}

static void come_in_turn(void *opaque, struct softcpu *c, const struct trap *t)
{
	struct in_turn *o = opaque;

	if (!(t->kind & TRAP_BRK) || atomic_exchange(&o->there[c->index], true))
		return;
	while (!atomic_load(&o->there[!c->index]))
		;
	while (!c->index && !has_event(o->vm, 1))
		;
}

SOFT_TEST(engine_points, first_told_first, "of several stops the one that came first is told first")
{
	static struct in_turn turns;
	static const struct soft_hooks in_turn = { .opaque = &turns, .trapped = come_in_turn };

	turns = (struct in_turn){ .vm = vm };
	softvm_init_loops(vm, ops, 2, &in_turn);
	softvm_begin(vm);
	softvm_break(vm, loop_of(0) + 8);
	softvm_break(vm, loop_of(1) + 8);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 1);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	softvm_fini(vm);
}

SOFT_TEST(engine_points, both_hit_dropped, "the second is dropped when the breakpoint is gone")
{
	struct stop a;

	meet_at(vm, ops, POINT_SW);
	expect_stop(a = softvm_stopped(vm), STOP_SWBREAK, a.vcpu);
	softvm_unbreak(vm, LOOP + 8);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 50);
	softvm_run_on(vm, 1, 50);
	cr_expect_not(softvm_wait(vm, &a, 0));
	part(vm);
}

SOFT_TEST(engine_points, both_hit_held, "the second is kept while its vCPU is held")
{
	struct stop a, b;

	meet_at(vm, ops, POINT_SW);
	expect_stop(a = softvm_stopped(vm), STOP_SWBREAK, a.vcpu);
	softvm_resume_one(vm, a.vcpu, RESUME_STEP, RESUME_HOLD);
	expect_stop(b = softvm_stopped(vm), STOP_STEP, a.vcpu);
	cr_expect_eq(softvm_pc(vm, a.vcpu), LOOP + 12);
	softvm_continue(vm);
	expect_stop(b = softvm_stopped(vm), STOP_SWBREAK, !a.vcpu);
	cr_expect_eq(softvm_pc(vm, b.vcpu), LOOP + 8);
	part(vm);
}

SOFT_TEST(engine_points, both_hit_replaced,
	  "a hit kept for a hardware breakpoint that a software one replaced is not lost")
{
	struct stop a, b;
	uint64_t laps;

	meet_at(vm, ops, POINT_HW);
	expect_stop(a = softvm_stopped(vm), STOP_HWBREAK, a.vcpu);
	softvm_remove(vm, POINT_HW, LOOP + 8, ops->cpu->brk_kind);
	softvm_break(vm, LOOP + 8);
	laps = softvm_regs(vm, !a.vcpu)->r[0];
	softvm_resume_one(vm, !a.vcpu, RESUME_CONTINUE, RESUME_HOLD);
	expect_stop(b = softvm_stopped(vm), STOP_SWBREAK, !a.vcpu);
	cr_expect_eq(softvm_pc(vm, b.vcpu), LOOP + 8);
	cr_expect_eq(softvm_regs(vm, b.vcpu)->r[0], laps, "at once");
	part(vm);
}

SOFT_TEST(engine_points, stopped_on_it,
	  "a vCPU that another's stop caught right before a breakpoint comes to it afterwards")
{
	uint64_t laps;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_go_to(vm, 1, loop_of(1) + 8);
	laps = softvm_regs(vm, 1)->r[0];
	softvm_break(vm, loop_of(1) + 8);
	softvm_step(vm, 0);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 1);
	cr_expect_eq(softvm_regs(vm, 1)->r[0], laps, "the first time that it comes there");
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 1);
	cr_expect_eq(softvm_regs(vm, 1)->r[0], laps + 1);
	softvm_fini(vm);
}

SOFT_TEST(engine_points, told_here,
	  "a vCPU that was told at a breakpoint goes on from it, however long it was held there")
{
	uint64_t laps;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_break(vm, loop_of(0) + 8);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	laps = softvm_regs(vm, 0)->r[0];
	softvm_step(vm, 1);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], laps + 1, "not told twice");
	softvm_fini(vm);
}

SOFT_TEST(engine_points, inserted_here,
	  "a breakpoint put where the told vCPU stands is not a hit, the next time round it is")
{
	uint64_t laps, at;

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	softvm_step(vm, 0);
	at = softvm_pc(vm, 0);
	softvm_break(vm, at);
	laps = softvm_regs(vm, 0)->r[0];
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), at);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], laps + 1);
	softvm_fini(vm);
}

/* ---- pending ----------------------------------------------------------------------------- */

enum { PAGE_VA = 0x900, PAGE_GPA = 0xc00 };

/* A loop that maps the page at PAGE_VA and jumps there; that comes back and goes round. */
static void mapping_loop(struct softvm *vm, const struct vcpu_ops *ops, unsigned int ncpus)
{
	const int to_page = (PAGE_VA - (LOOP + 8)) / SOFT_INSN;
	unsigned int i;

	softvm_init_loops(vm, ops, ncpus, NULL);
	softvm_paging(vm);
	softvm_unmap(vm, PAGE_VA);
	CODE(vm, LOOP, I(ST, 2, 3, 0), JMP(to_page));
	CODE(vm, PAGE_GPA, I(NOP, 0, 0, 0), I(ADDI, 0, 0, 1), JMP(-to_page - 4));
	for (i = 0; i < ncpus; i++) {
		vm->cpus[i].cpu.regs.pc = LOOP;
		vm->cpus[i].cpu.regs.r[2] = PAGE_GPA | 1;
		vm->cpus[i].cpu.regs.r[3] = TABLE + PAGE_VA / SOFT_PAGE * 8;
	}
}

SOFT_TEST(engine_points, pending,
	  "a breakpoint on a page that is not mapped yet is hit the first time, by a slot")
{
	mapping_loop(vm, ops, 1);
	softvm_begin(vm);
	softvm_break(vm, PAGE_VA);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), PAGE_VA);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 0, "the first time");
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 1);
	cr_expect(softvm_planted(vm, PAGE_GPA), "it is a software one by now");
	cr_expect_eq(vm->engine.hw.narmed, 0);
	softvm_detach(vm);
	cr_expect_not(softvm_planted(vm, PAGE_GPA));
	softvm_fini(vm);
}

SOFT_TEST(engine_points, pending_without_slot,
	  "with all slots in use it is set at the next stop and resume")
{
	unsigned int i, slots = ops == &soft8_ops ? 4 : 3;

	mapping_loop(vm, ops, 1);
	softvm_begin(vm);
	for (i = 0; i < slots; i++)
		softvm_insert(vm, POINT_HW, 0x700 + 4 * i, ops->cpu->brk_kind);
	softvm_break(vm, PAGE_VA);
	softvm_continue(vm);
	softvm_run_on(vm, 0, 100);
	softvm_interrupt(vm);
	expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
	cr_expect_gt(softvm_regs(vm, 0)->r[0], 0);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_expect_eq(softvm_pc(vm, 0), PAGE_VA);
	softvm_fini(vm);
}

SOFT_TEST(engine_points, pending_slot_both,
	  "two vCPUs at a slot on a page that stays unmapped: both are told")
{
	struct stop a, b;
	unsigned int i;

	softvm_init_loops(vm, ops, 2, &meeting_hooks);
	softvm_paging(vm);
	softvm_unmap(vm, PAGE_VA);
	pthread_barrier_init(&meeting.both, NULL, 2);
	meeting.left = 2;
	meeting.retired = 0;
	softvm_begin(vm);
	for (i = 0; i < 2; i++) {
		softvm_go_to(vm, i, PAGE_VA);
	}
	softvm_break(vm, PAGE_VA);
	softvm_continue(vm);
	expect_stop(a = softvm_stopped(vm), STOP_SWBREAK, a.vcpu);
	softvm_continue(vm);
	expect_stop(b = softvm_stopped(vm), STOP_SWBREAK, !a.vcpu);
	cr_expect_eq(meeting.retired, 0, "neither has gone on");
	part(vm);
}

SOFT_TEST(engine_points, memory_taken_and_given,
	  "breakpoints in memory that the VMM removes and adds again: a slot, then set again")
{
	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	cr_assert_eq(memory_remove(&vm->engine.mem, 0), 0);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_expect_not(softvm_planted(vm, LOOP + 8));
	cr_expect_eq(vm->engine.hw.narmed, 1);
	cr_assert_eq(memory_add(&vm->engine.mem, 0, vm->mem, SOFTVM_MEM), 0);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_expect(softvm_planted(vm, LOOP + 8));
	cr_expect_eq(vm->engine.hw.narmed, 0);
	softvm_detach(vm);
	cr_expect_not(softvm_planted(vm, LOOP + 8));
	softvm_fini(vm);
}

/* ---- slots ------------------------------------------------------------------------------- */

SOFT_TEST(engine_points, hardware, "a hardware breakpoint is hit each time round, and gone on from")
{
	const uint64_t at = loop_of(1) + 4;
	uint64_t laps;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_insert(vm, POINT_HW, at, ops->cpu->brk_kind);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_HWBREAK, 1);
	laps = softvm_regs(vm, 1)->r[0];
	cr_expect_eq(softvm_pc(vm, 1), at);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_HWBREAK, 1);
	cr_expect_eq(softvm_regs(vm, 1)->r[0], laps + 1);
	softvm_resume_one(vm, 1, RESUME_STEP, RESUME_CONTINUE);
	expect_stop(softvm_stopped(vm), STOP_STEP, 1);
	cr_expect_eq(softvm_pc(vm, 1), at + 4);
	softvm_fini(vm);
}

static uint64_t data_now(struct softvm *vm, unsigned int cpu)
{
	uint64_t value;

	cr_assert_eq(vm->t->ops->read(vm->t, cpu, data_of(cpu), &value, 8), 8);
	return value;
}

SOFT_TEST(
	engine_points, watch,
	"a watchpoint tells vCPU, address and kind: after the access on soft8, before it on soft32")
{
	bool before = ops->cpu->watch_before;
	uint64_t laps;
	struct stop s;
	unsigned int i;

	softvm_init_loops(vm, ops, 2, NULL);
	softvm_begin(vm);
	softvm_insert(vm, POINT_WRITE, data_of(1), 8);
	softvm_continue(vm);
	for (i = 0; i < 5; i++) {
		s = softvm_stopped(vm);
		expect_stop(s, STOP_WATCH, 1);
		cr_expect_eq(s.watch, HW_WRITE);
		cr_expect_eq(s.addr, data_of(1));
		cr_expect_eq(softvm_pc(vm, 1), loop_of(1) + (before ? 4 : 8));
		laps = softvm_regs(vm, 1)->r[0];
		cr_expect_eq(data_now(vm, 1), before ? laps - 1 : laps);
		softvm_continue(vm);
	}
	softvm_fini(vm);
}

SOFT_TEST(engine_points, watch_slots,
	  "a watch that takes several slots fires in each, and tells the address it was named by")
{
	struct stop s;
	unsigned int i;

	softvm_init_loops(vm, ops, 1, NULL);
	vm->cpus[0].cpu.regs.r[1] = DATA + 8;
	softvm_begin(vm);
	softvm_insert(vm, POINT_ACCESS, DATA + 4, 12);
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

SOFT_TEST(engine_points, watch_refused,
	  "what can't be watched is refused with a reason, and nothing is silently dead")
{
	unsigned int i, slots = ops == &soft8_ops ? 4 : 2;
	const char *why = NULL;

	softvm_init_loops(vm, ops, 1, NULL);
	softvm_begin(vm);
	for (i = 0; i < slots; i++)
		softvm_insert(vm, POINT_WRITE, DATA + 0x100 + 8 * i, 8);
	cr_expect_eq(vm->t->ops->insert(vm->t, 0, POINT_WRITE, DATA, 8, &why), -ENOSPC);
	cr_expect_not_null(why);
	softvm_remove(vm, POINT_WRITE, DATA + 0x100, 8);
	softvm_insert(vm, POINT_WRITE, data_of(0), 8);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_WATCH, 0);
	why = NULL;
	if (ops == &soft8_ops) {
		cr_expect_eq(vm->t->ops->insert(vm->t, 0, POINT_READ, DATA, 8, &why), -EOPNOTSUPP);
		cr_expect_not_null(why);
	}
	softvm_fini(vm);
}

SOFT_TEST(engine_points, watch_removed,
	  "a kept watchpoint stop whose watch is gone does not disarm the others")
{
	struct stop a, b;
	unsigned int i;

	softvm_init_loops(vm, ops, 2, &meeting_hooks);
	pthread_barrier_init(&meeting.both, NULL, 2);
	meeting.left = 2;
	meeting.retired = 0;
	softvm_begin(vm);
	for (i = 0; i < 2; i++) {
		softvm_go_to(vm, i, loop_of(i));
		softvm_insert(vm, POINT_WRITE, data_of(i), 8);
	}
	softvm_continue(vm);
	expect_stop(a = softvm_stopped(vm), STOP_WATCH, a.vcpu);
	softvm_remove(vm, POINT_WRITE, data_of(!a.vcpu), 8);
	softvm_insert(vm, POINT_ACCESS, data_of(!a.vcpu), 4);
	softvm_resume_one(vm, !a.vcpu, RESUME_CONTINUE, RESUME_HOLD);
	b = softvm_stopped(vm);
	expect_stop(b, STOP_WATCH, !a.vcpu);
	cr_expect_eq(b.watch, HW_ACCESS);
	if (ops->cpu->watch_before)
		cr_expect_eq(softvm_regs(vm, b.vcpu)->r[0], data_now(vm, b.vcpu) + 1,
			     "the very store that the old one caught");
	part(vm);
}

/* ---- the guest's own --------------------------------------------------------------------- */

SOFT_TEST(engine_points, guests_own,
	  "the guest's own breakpoint is its exception, with ours set or not")
{
	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP, I(ADDI, 0, 0, 1), I(BRK, 0, 0, 0), I(NOP, 0, 0, 0), JMP(-4));
	softvm_begin(vm);
	softvm_break(vm, LOOP + 8);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[7], 1);
	cr_expect_eq(softvm_regs(vm, 0)->cause, SOFT_EXC_BRK);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[7], 2);
	softvm_fini(vm);
}

SOFT_TEST(engine_points, on_guests_own,
	  "a breakpoint on the guest's own: a hit, then the guest's exception")
{
	unsigned int i;

	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP, I(ADDI, 0, 0, 1), I(BRK, 0, 0, 0), I(NOP, 0, 0, 0), JMP(-4));
	softvm_begin(vm);
	softvm_break(vm, LOOP + 4);
	for (i = 0; i < 3; i++) {
		softvm_continue(vm);
		expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
		cr_expect_eq(softvm_pc(vm, 0), LOOP + 4);
		cr_expect_eq(softvm_regs(vm, 0)->r[0], i + 1, "a lap each");
		cr_expect_eq(softvm_regs(vm, 0)->r[7], i, "an exception each");
	}
	softvm_detach(vm);
	cr_expect_eq(vm->mem[LOOP + 4], SOFT_BRK);
	softvm_fini(vm);
}

/* Ctrl-C when the vCPU is about to take the exception that it was given. */
static void interrupt_given(void *opaque, struct softcpu *c)
{
	struct softvm *vm = opaque;

	if (c->regs.inject)
		softvm_interrupt(vm);
}

SOFT_TEST(engine_points, on_guests_own_stopped,
	  "stops before the guest takes the exception that it was given: the hit is not told again")
{
	static struct soft_hooks given;
	unsigned int i;

	given = (struct soft_hooks){ .opaque = vm, .point = interrupt_given };
	softvm_init_loops(vm, ops, 1, &given);
	CODE(vm, LOOP, I(ADDI, 0, 0, 1), I(BRK, 0, 0, 0), I(NOP, 0, 0, 0), JMP(-4));
	softvm_begin(vm);
	softvm_break(vm, LOOP + 4);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	for (i = 0; i < 3; i++) {
		softvm_continue(vm);
		expect_stop(softvm_stopped(vm), STOP_INTERRUPT, 0);
		cr_expect_eq(softvm_pc(vm, 0), LOOP + 4);
		cr_expect_eq(softvm_regs(vm, 0)->r[7], 0);
		vm->engine.vcpus[0]->met = false; /* another vCPU was told of in between */
	}
	given.point = NULL;
	vm->t->ops->set_option(vm->t, OPTION_SOFTWARE_WATCH, true);
	softvm_insert(vm, POINT_WRITE, DATA, 8); /* from here on it steps */
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[7], 1, "the exception first");
	cr_expect_eq(softvm_regs(vm, 0)->r[0], 2, "the next lap");
	softvm_fini(vm);
}

SOFT_TEST(engine_points, guests_steps,
	  "the guest's own single-step traps are its own while a breakpoint is set")
{
	softvm_init_loops(vm, ops, 1, NULL);
	CODE(vm, LOOP, I(TF, 1, 0, 0), I(NOP, 0, 0, 0), I(NOP, 0, 0, 0), I(TF, 0, 0, 0),
	     I(ADDI, 0, 0, 1), JMP(-6));
	softvm_begin(vm);
	softvm_break(vm, LOOP + 16);
	softvm_continue(vm);
	expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	cr_expect_eq(softvm_regs(vm, 0)->r[7], 3, "one after each but the first");
	cr_expect_eq(softvm_regs(vm, 0)->cause, SOFT_EXC_STEP);
	softvm_fini(vm);
}

/* ---- many -------------------------------------------------------------------------------- */

enum { MANY = 10000, FEW = 10, MANY_AT = 0x2000, MANY_MEM = 0x10000 };

static atomic_uint translations;
static struct cpu counting_cpu;
static struct vcpu_ops counting_ops;
static int (*real_translate)(struct cpu_view *v, uint64_t va, struct xlat *out);
static atomic_uint syncs;

static int count_translate(struct cpu_view *v, uint64_t va, struct xlat *out)
{
	translations++;
	return real_translate(v, va, out);
}

static void count_sync(void *hva, size_t len)
{
	(void)hva;
	(void)len;
	syncs++;
}

struct work {
	unsigned int translations, patches, fetches;
};

static struct work work_so_far(const struct softvm *vm)
{
	return (struct work){ translations, syncs, vm->cpus[0].cpu.calls.fetch[0] };
}

static size_t longest_chain(const struct table *t)
{
	const struct table_node *n;
	size_t b, len, longest = 0;

	for (b = 0; b < t->nbuckets; b++) {
		for (len = 0, n = t->buckets[b]; n; n = n->next)
			len++;
		longest = len > longest ? len : longest;
	}
	return longest;
}

/* With n breakpoints about: what one more costs to set, to hit twice and to take away. */
static struct work cost_among(struct softvm *vm, const struct vcpu_ops *ops, unsigned int n)
{
	struct work from, to;
	unsigned int i;

	counting_cpu = *ops->cpu;
	real_translate = counting_cpu.translate;
	counting_cpu.translate = count_translate;
	counting_ops = *ops;
	counting_ops.cpu = &counting_cpu;
	counting_ops.sync_icache = count_sync;
	softvm_init_sized(vm, &counting_ops, 1, NULL, MANY_MEM);
	softvm_loops(vm);
	for (i = 0; i < n; i++)
		CODE(vm, MANY_AT + 4 * i, I(NOP, 0, 0, 0));
	softvm_begin(vm);
	for (i = 0; i < n; i++)
		softvm_break(vm, MANY_AT + 4 * i);
	softvm_step(vm, 0);
	from = work_so_far(vm);
	softvm_break(vm, LOOP + 8);
	for (i = 0; i < 2; i++) {
		softvm_continue(vm);
		expect_stop(softvm_stopped(vm), STOP_SWBREAK, 0);
	}
	softvm_unbreak(vm, LOOP + 8);
	softvm_step(vm, 0);
	to = work_so_far(vm);
	cr_expect_leq(longest_chain(&vm->engine.points.sites), 8);
	cr_expect_leq(longest_chain(&vm->engine.points.points), 8);
	softvm_detach(vm);
	for (i = 0; i < n; i++)
		cr_assert_eq(vm->mem[MANY_AT + 4 * i], SOFT_NOP);
	softvm_fini(vm);
	return (struct work){ to.translations - from.translations, to.patches - from.patches,
			      to.fetches - from.fetches };
}

SOFT_TEST(engine_points, many, "among 10,000 breakpoints one costs what it costs among 10")
{
	struct work few = cost_among(vm, ops, FEW), many = cost_among(vm, ops, MANY);

	cr_expect_eq(many.translations, few.translations);
	cr_expect_eq(many.patches, few.patches);
	cr_expect_eq(many.fetches, few.fetches);
}
