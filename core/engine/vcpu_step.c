// SPDX-License-Identifier: MIT
/* One step of a vCPU by the architecture's rules. */
#include "core/engine/state.h"

bool vcpu_must_step(const struct vmgdb_vcpu *v)
{
	return v->action.kind == RESUME_STEP || v->action.kind == RESUME_RANGE ||
	       breakpoints_by_steps(v->engine->bps);
}

/* ---- the beginning ------------------------------------------------------------------------ */

/*
 * A halted vCPU needs its interrupt, and so does one that runs, if step by step. But steps are slow:
 * when a handler has ended, the timer's next interrupt may be there already, and the guest would never
 * get on. So interrupts are let in for some steps of many.
 */
bool vcpu_lets_irqs_in(const struct vmgdb_vcpu *v)
{
	enum { SOME = 64, MANY = 1024 };

	if (vcpu_halted(v))
		return true;
	return v->action.kind == RESUME_CONTINUE && vcpu_run_state(v) == RUN_STEP &&
	       v->nsteps % MANY < SOME;
}

static void plan(struct vmgdb_vcpu *v, bool irqs)
{
	const struct engine *e = v->engine;

	v->plan = (struct step_plan){
		.block_irq = v->caps.block_irq || irqs,
		.halted = vcpu_halted(v),
		.whole_rep = atomic_load(&e->options[OPTION_WHOLE_REP]),
		.room = breakpoints_exec_room(e->bps),
	};
	if (!vcpu_pc(v, &v->plan.pc) && v->view.cpu->step_begin)
		v->view.cpu->step_begin(&v->view, &v->plan);
}

/* Is the step a run to addresses, rather than one instruction? */
static bool is_run(const struct vmgdb_vcpu *v)
{
	return v->plan.nuntil && !v->plan.until_too;
}

/* A run goes through no interrupt handler: nobody would check what that executes. */
static void plan_any(struct vmgdb_vcpu *v)
{
	bool irqs = vcpu_lets_irqs_in(v);

	plan(v, irqs);
	if (!irqs || v->plan.halted || !is_run(v))
		return;
	v->view.cpu->step_end(&v->view, &v->plan, false);
	plan(v, false);
}

bool vcpu_insert_breakpoints(struct vmgdb_vcpu *v)
{
	struct engine *e = v->engine;

	if (e->sync == BP_SYNC_RUN)
		return false;
	e->sync = BP_SYNC_RUN;
	if (breakpoints_sync(e->bps, BP_SYNC_RUN, false))
		engine_log(e, VMGDB_LOG_ERROR, "out of memory: a breakpoint is not inserted");
	return true;
}

bool vcpu_begin_step(struct vmgdb_vcpu *v)
{
	if (vcpu_code(v, &v->step_from))
		v->step_from = 0;
	plan_any(v);
	if (is_run(v) && vcpu_insert_breakpoints(v))
		return false; /* it begins at one of these, perhaps */
	return !v->plan.emulated;
}

/* ---- the end ------------------------------------------------------------------------------ */

bool vcpu_step_ends_at(const struct vmgdb_vcpu *v, uint64_t addr)
{
	unsigned int i;

	for (i = 0; i < v->plan.nuntil; i++)
		if (v->plan.until[i] == addr)
			return true;
	return false;
}

/* A run may be stopped right at its end, before the slot there fires: it is complete all the same. */
static bool is_at_end(struct vmgdb_vcpu *v)
{
	uint64_t addr;

	return v->plan.nuntil && !vcpu_code(v, &addr) && vcpu_step_ends_at(v, addr);
}

bool vcpu_end_step(struct vmgdb_vcpu *v, bool trapped)
{
	const struct cpu *cpu = v->view.cpu;
	struct engine *e = v->engine;
	bool more, complete;

	trapped = trapped || is_at_end(v);
	if (breakpoints_by_steps(e->bps))
		atomic_store(&e->writer, v); /* whoever may write is alone */
	more = cpu->step_end && cpu->step_end(&v->view, &v->plan, trapped);
	complete = trapped && !more;
	v->runnable = complete && v->plan.stays_runnable;
	vcpu_take(v, complete ? EV_STEPPED : EV_STEP_CUT);
	release_exclusive(v);
	return complete;
}

static bool in_range(const struct vmgdb_vcpu *v, uint64_t pc)
{
	return v->action.kind == RESUME_RANGE && pc >= v->action.start && pc < v->action.end;
}

/* In a range: does something at this PC end the stepping? */
static bool stops_range(struct vmgdb_vcpu *v, uint64_t addr)
{
	if (vcpu_content(v, addr) == AT_NOTHING)
		return false;
	if (vcpu_stops_here(v, addr))
		return true;
	vcpu_take(v, EV_PASS);
	return false;
}

bool vcpu_report_change(struct vmgdb_vcpu *v)
{
	struct stop stop;

	if (atomic_load(&v->engine->writer) != v || !engine_changed_watchpoint(v->engine, &stop))
		return false;
	vcpu_report(v, &stop);
	return true;
}

void vcpu_step_done(struct vmgdb_vcpu *v)
{
	const struct stop stop = { .kind = STOP_STEP };
	uint64_t pc, addr;

	v->nsteps++;
	if (vcpu_report_change(v) || v->action.kind == RESUME_CONTINUE)
		return;
	if (vcpu_pc(v, &pc) || vcpu_code(v, &addr))
		return;
	if (!in_range(v, pc) || stops_range(v, addr))
		vcpu_report(v, &stop);
}

void vcpu_cut_step(struct vmgdb_vcpu *v)
{
	if (run_is_step(vcpu_run_state(v)) && vcpu_end_step(v, false))
		vcpu_step_done(v);
	else
		vcpu_report_change(v);
}
