// SPDX-License-Identifier: MIT
/* One step of a vCPU: over breakpoints, by the architecture's rules; and the traps that end it. */
#include <string.h>

#include "core/engine/engine.h"

/* ---- one step ---------------------------------------------------------------------------- */

/* While there is a software watchpoint, whoever runs is stepped. */
bool vcpu_must_step(const struct vmgdb_vcpu *v)
{
	return v->engine->soft.n || v->over || v->hop || v->action.kind == RESUME_STEP ||
	       v->action.kind == RESUME_RANGE;
}

static void end_over(struct vmgdb_vcpu *v)
{
	struct engine *e = v->engine;

	if (v->lifted) {
		points_plant(&e->points, v->lifted);
		v->lifted = NULL;
	}
	if (e->over == v) {
		e->over = NULL;
		engine_wake_all(e);
	}
}

/* The step is not over: the rest of it may be from somewhere else, or from where it was halted. */
static void look_at_rest(struct vmgdb_vcpu *v)
{
	uint64_t pc;

	if (!vcpu_code(v, &pc) && (pc != v->stepped_from || v->plan.halted))
		vcpu_look_afresh(v);
}

static bool is_until(const struct vmgdb_vcpu *v, uint64_t pc)
{
	unsigned int i;

	for (i = 0; i < v->plan.nuntil; i++)
		if (v->plan.until[i] == pc)
			return true;
	return false;
}

/* A run to one of these may be stopped right there, before the slot fires: it is over all the same. */
static bool at_until(struct vmgdb_vcpu *v)
{
	uint64_t pc;

	return v->plan.nuntil && !vcpu_code(v, &pc) && is_until(v, pc);
}

bool vcpu_end_step(struct vmgdb_vcpu *v, bool trapped)
{
	int more = 0;

	if (!v->stepping)
		return false;
	v->stepping = false;
	trapped = trapped || at_until(v);
	v->engine->writer = v; /* whoever may write is alone: all others have ended theirs before */
	if (v->view.cpu->step_end)
		more = v->view.cpu->step_end(&v->view, &v->plan, trapped);
	end_over(v);
	trapped = trapped && !more;
	if (!trapped)
		look_at_rest(v);
	return trapped;
}

static bool in_range(const struct vmgdb_vcpu *v, uint64_t pc)
{
	return v->action.kind == RESUME_RANGE && pc >= v->action.start && pc < v->action.end;
}

/* In a range: is there something at addr that the debugger is to be told of? */
static bool told_here(struct vmgdb_vcpu *v, uint64_t addr)
{
	vcpu_look_at_pc(v);
	if (v->hop || (v->over && vcpu_is_told(v, addr)))
		return true;
	if (v->over)
		vcpu_meet(v);
	return false;
}

void vcpu_step_done(struct vmgdb_vcpu *v)
{
	const struct stop event = { .kind = STOP_STEP };
	uint64_t pc, addr;

	v->nsteps++;
	v->over = v->hop = v->met = v->watched = false;
	v->afresh = v->action.kind == RESUME_CONTINUE;
	if (vcpu_soft_event(v))
		return;
	if (v->action.kind == RESUME_CONTINUE || vcpu_pc(v, &pc) || vcpu_code(v, &addr))
		return;
	if (!in_range(v, pc) || told_here(v, addr))
		vcpu_set_event(v, &event);
}

/*
 * What is halted needs its interrupt, and so does what runs, if step by step. But steps are slow:
 * when a handler has ended, the timer's next interrupt may be there already, and the guest would
 * never get on. So they are let in for some steps of many.
 */
bool vcpu_lets_irqs_in(const struct vmgdb_vcpu *v)
{
	enum { SOME = 64, MANY = 1024 };

	if (vcpu_is_halted(v))
		return true;
	return v->action.kind == RESUME_CONTINUE && !v->over && !v->hop && v->nsteps % MANY < SOME;
}

/* Execution slots that no breakpoint has; none where they never fire. */
static unsigned int free_slots(const struct vmgdb_vcpu *v)
{
	const struct hw_breakpoints *h = &v->engine->hw;
	unsigned int have = h->caps.exec_slots + h->caps.shared_slots;

	if (v->ops->unsupported_trap && v->ops->unsupported_trap(v->ctx, TRAP_EXEC))
		return 0;
	return have > h->narmed ? have - h->narmed : 0;
}

static void plan_step(struct vmgdb_vcpu *v, bool irqs)
{
	const struct engine *e = v->engine;

	v->plan = (struct step_plan){
		.block_irq = e->hw.caps.block_irq || irqs,
		.halted = vcpu_is_halted(v),
		.whole_rep = e->options[OPTION_WHOLE_REP],
		.room = free_slots(v),
	};
	if (!vcpu_pc(v, &v->plan.pc) && v->view.cpu->step_begin)
		v->view.cpu->step_begin(&v->view, &v->plan);
}

/* A step that is a run goes through no handler: nobody would look at what that does. */
static void plan_any_step(struct vmgdb_vcpu *v)
{
	bool irqs = vcpu_lets_irqs_in(v);

	plan_step(v, irqs);
	if (!irqs || v->plan.halted || !v->plan.nuntil || v->plan.until_too)
		return;
	v->view.cpu->step_end(&v->view, &v->plan, false);
	plan_step(v, false);
}

bool vcpu_begin_step(struct vmgdb_vcpu *v)
{
	struct engine *e = v->engine;

	if (v->afresh && vcpu_meet_here(v))
		return false;
	if (!vcpu_code(v, &v->stepped_from) && v->over)
		v->lifted = vcpu_site_here(v, v->stepped_from);
	if (v->lifted)
		points_lift(&e->points, v->lifted);
	v->stepping = true;
	plan_any_step(v);
	if (!v->plan.emulated)
		return true;
	if (vcpu_end_step(v, true))
		vcpu_step_done(v);
	return false;
}

/* ---- traps ------------------------------------------------------------------------------- */

/* Which of the armed slots fired; those of a step's own `until` are nobody's. */
static bool slot_event(struct vmgdb_vcpu *v, const struct trap *t)
{
	uint32_t slots = t->slots;
	unsigned int i;

	for (; slots; slots &= slots - 1) {
		i = __builtin_ctz(slots);
		if (i < v->control.nhw && v->map[i] < v->engine->hw.narmed &&
		    vcpu_meet_slot(v, &v->engine->hw.armed[v->map[i]]))
			return true;
	}
	return false;
}

static void reinject(struct vmgdb_vcpu *v, const struct trap *t)
{
	int ret = vcpu_state_flush(v);

	if (!ret)
		ret = v->ops->reinject(v->ctx, t);
	vcpu_state_forget(v); /* the backend may have changed any of it */
	v->over = v->hop = v->met = false;
	if (ret)
		engine_log(
			v->engine, VMGDB_LOG_ERROR,
			"vCPU %u: the guest's own debug exception at %#llx can't be given back: %s",
			v->index, (unsigned long long)t->pc, strerror(-ret));
}

static void brk_event(struct vmgdb_vcpu *v, const struct trap *t)
{
	if (vcpu_site_here(v, t->pc))
		vcpu_meet_break(v, t->pc);
	else
		reinject(v, t);
}

/* The guest's own, by debug registers or steps of its own. It is what a step of ours ends with. */
static void own_event(struct vmgdb_vcpu *v, const struct trap *t, bool stepping)
{
	reinject(v, t);
	if (stepping)
		vcpu_step_done(v);
}

/* An exit that was the debugger's, while one is attached. */
static void sort_trap(struct vmgdb_vcpu *v, const struct trap *t)
{
	bool step_trap = t->kind & TRAP_STEP || (t->kind & TRAP_EXEC && is_until(v, t->pc));
	bool ours = v->stepping;
	bool beneath = v->lifted && t->kind & TRAP_BRK && t->pc == v->stepped_from;
	bool whole = vcpu_end_step(v, ours && step_trap);

	if (t->kind & (TRAP_EXEC | TRAP_WATCH) && slot_event(v, t))
		return;
	if (beneath) /* ours is on one of the guest's own */
		reinject(v, t);
	else if (t->kind & TRAP_BRK)
		brk_event(v, t);
	else if (whole)
		vcpu_step_done(v);
	else if (t->kind & TRAP_STEP ? !ours : !t->slots)
		own_event(v, t, ours);
}

/* A step that did not become whole may have written, too. */
void vcpu_handle_trap(struct vmgdb_vcpu *v, const struct trap *t)
{
	sort_trap(v, t);
	vcpu_soft_event(v);
}
