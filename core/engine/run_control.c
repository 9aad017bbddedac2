// SPDX-License-Identifier: MIT
/* Run control as a session asks for it: resume, interrupt, and what to report of a stop. */
#include <errno.h>
#include <string.h>

#include "core/engine/state.h"

/* ---- pending reports ----------------------------------------------------------------------- */

/* The debugger may have moved the vCPU. */
static bool is_at(struct vmgdb_vcpu *v, uint64_t addr)
{
	uint64_t at;

	return !vcpu_code(v, &at) && at == addr;
}

/* A watchpoint that has fired before the access counts only where that access is yet to come. */
static bool watch_holds(struct vmgdb_vcpu *v)
{
	const struct stop *s = &v->pending;

	if (!breakpoints_watching(v->engine->bps, s->watch, s->addr))
		return false;
	return !v->pending_access || is_at(v, v->pending_at);
}

/* The vCPU whose report came first, of those that are let run. */
static struct vmgdb_vcpu *first_pending(const struct engine *e)
{
	struct vmgdb_vcpu *v, *first = NULL;

	for_each_vcpu(e, v) if (v->pending.kind && action_runs(&v->action) &&
				(!first || v->pending_seq < first->pending_seq)) first = v;
	return first;
}

/* Does a stop that was not reported yet still hold, now that the debugger may have changed all? */
static bool still_holds(struct vmgdb_vcpu *v)
{
	const struct stop *s = &v->pending;

	switch (s->kind) {
	case STOP_SWBREAK: return is_at(v, s->addr) && breakpoints_named(v->engine->bps, s->addr);
	case STOP_HWBREAK:
		return is_at(v, s->addr) && breakpoints_watching(v->engine->bps, HW_EXEC, s->addr);
	case STOP_WATCH: return watch_holds(v);
	case STOP_FATAL:
	case STOP_EVENT: return true;
	default: return false; /* a step that nobody waits for any more */
	}
}

/* ---- resuming ------------------------------------------------------------------------------ */

/* Where a debugger steps from by name it is not stopped by what stands there. */
static void prepare(struct vmgdb_vcpu *v)
{
	uint64_t addr;

	if (!action_runs(&v->action))
		return;
	if (v->pc == PC_STEPPED)
		v->pc = PC_UNCHECKED; /* it was stopped before it made that step */
	if (v->pending.kind && !still_holds(v))
		v->pending.kind = STOP_NONE;
	if (v->pending.kind || v->action.kind == RESUME_CONTINUE || vcpu_code(v, &addr))
		return;
	if (vcpu_pc_status(v, addr) == PC_UNCHECKED)
		vcpu_set_pc_status(v, PC_STEPPED);
}

/* Each vCPU's action: both lists are by ascending index. */
static void set_actions(struct engine *e, const struct resume_action *a, unsigned int n)
{
	const struct resume_action *end = a + n;
	struct vmgdb_vcpu *v;

	for_each_vcpu(e, v)
	{
		while (a < end && a->vcpu < v->index)
			a++;
		v->action = a < end && a->vcpu == v->index ? *a : e->rest;
	}
}

/* Is this the single step of one vCPU, and nothing else runs? */
static bool is_step_only(const struct engine *e)
{
	unsigned int steps = 0;
	struct vmgdb_vcpu *v;

	for_each_vcpu(e, v)
	{
		if (v->action.kind == RESUME_STEP)
			steps++;
		else if (action_runs(&v->action))
			return false;
	}
	return steps == 1 && !action_runs(&e->rest);
}

static bool guest_uses_slots(struct engine *e)
{
	struct bp_info any;
	struct vmgdb_vcpu *v;

	if (atomic_load(&e->options[OPTION_GUEST_SLOTS]))
		return true;
	if (breakpoints_info(e->bps, 0, &any))
		return false;
	for_each_vcpu(e, v) if (v->view.cpu->guest_uses_debug_regs &&
				v->view.cpu->guest_uses_debug_regs(&v->view)) return true;
	return false;
}

static void print_notices(struct engine *e)
{
	char line[160];

	while (breakpoints_notice(e->bps, line, sizeof(line) - 1)) {
		strcat(line, "\n");
		console_print(e, line, strlen(line));
	}
}

static void sync_breakpoints(struct engine *e)
{
	bool step = is_step_only(e);

	atomic_store(&e->step_only, step);
	e->sync = step ? BP_SYNC_STEP : BP_SYNC_RUN;
	if (breakpoints_sync(e->bps, e->sync, !step && guest_uses_slots(e)))
		engine_log(e, VMGDB_LOG_ERROR, "out of memory: a breakpoint is not inserted");
	print_notices(e);
}

static void keep_change(struct engine *e)
{
	struct stop stop;

	if (engine_changed_watchpoint(e, &stop))
		vcpu_set_pending(atomic_load(&e->writer), &stop);
}

/* A step of a vCPU that is off, or halted with interrupts masked, may never complete. */
static bool may_never_wake(struct vmgdb_vcpu *v)
{
	const struct cpu *cpu = v->view.cpu;
	const char *halted = vcpu_halted(v);

	return halted && (!strcmp(halted, "off") ||
			  (cpu->takes_interrupts && !cpu->takes_interrupts(&v->view)));
}

static void warn_of_halt(struct engine *e)
{
	static const char text[] = "This vCPU is off, or halted with interrupts masked: the step "
				   "may never complete. Ctrl-C ends it.\n";
	struct vmgdb_vcpu *v;

	for_each_vcpu(e, v) if (v->action.kind == RESUME_STEP && may_never_wake(v))
		console_print(e, text, sizeof(text) - 1);
}

static void wake_those_that_run(struct engine *e, bool behind_current)
{
	struct vmgdb_vcpu *v;

	for_each_vcpu(e, v) if (action_runs(&v->action) &&
				(v->index > e->current) == behind_current) vcpu_wake(v);
}

/* Where there are fewer processors than vCPUs the first one to be woken may hit a breakpoint before the others
 * run: the one that was reported last comes last. */
static void wake_in_turn(struct engine *e)
{
	wake_those_that_run(e, true);
	wake_those_that_run(e, false);
}

/* 0; -ESHUTDOWN: the VM has ended in the meantime. Who is woken wants the lock: it is free by then. */
static int let_run(struct engine *e)
{
	bool stop_at_once = first_pending(e);
	int ret = 0;

	pthread_mutex_lock(&e->lock);
	e->hold_taken = false;
	if (engine_state(e) == ENGINE_ENDED) {
		ret = -ESHUTDOWN;
	} else {
		e->vm_held = false;
		atomic_store(&e->exclusive, NULL);
		atomic_store(&e->state, ENGINE_RUNNING);
		if (stop_at_once)
			request_stop(e, NULL);
	}
	pthread_mutex_unlock(&e->lock);
	if (ret)
		wake_all(e);
	else if (!stop_at_once)
		wake_in_turn(e);
	return ret;
}

int engine_resume(struct target *t, const struct resume_action *actions, unsigned int n,
		  const struct resume_action *rest)
{
	struct engine *e = engine_of(t);
	struct vmgdb_vcpu *v;

	if (!e->hold_taken)
		return -EBUSY;
	pthread_mutex_lock(&e->lock);
	e->rest = *rest;
	pthread_mutex_unlock(&e->lock);
	set_actions(e, actions, n);
	sync_breakpoints(e);
	for_each_vcpu(e, v) prepare(v);
	keep_change(e);
	warn_of_halt(e);
	call_vmm(e, false);
	return let_run(e);
}

void engine_interrupt(struct target *t)
{
	struct engine *e = engine_of(t);

	pthread_mutex_lock(&e->lock);
	if (engine_state(e) == ENGINE_RUNNING)
		request_stop(e, NULL);
	pthread_mutex_unlock(&e->lock);
	notify_if_stopped(e);
}

/* ---- stops --------------------------------------------------------------------------------- */

/* An interrupt is reported of a vCPU that was let run: the last one reported, if it was. */
static struct vmgdb_vcpu *interrupted_vcpu(const struct engine *e)
{
	struct vmgdb_vcpu *v = vcpu_find(e, e->current);

	if (v && action_runs(&v->action))
		return v;
	for_each_vcpu(e, v) if (action_runs(&v->action)) return v;
	return vcpu_first(e);
}

/* An access that is yet to come stays reported, whatever else is reported there. */
static void reported(struct vmgdb_vcpu *v, bool access)
{
	if (v->pc == PC_REPORTED_WATCH && is_at(v, v->pc_at))
		return;
	vcpu_set_pc_status(v, access ? PC_REPORTED_WATCH : PC_REPORTED);
}

static void take_report(struct engine *e, struct stop *out)
{
	struct vmgdb_vcpu *v = first_pending(e);
	bool access = v && v->pending_access;

	if (v) {
		*out = v->pending;
		v->pending.kind = STOP_NONE;
	} else {
		v = interrupted_vcpu(e);
		*out = (struct stop){ .kind = STOP_INTERRUPT, .vcpu = v ? v->index : 0 };
	}
	e->current = out->vcpu;
	if (v)
		reported(v, access);
}

static bool poll_exited(struct engine *e, struct stop *out)
{
	bool news;

	pthread_mutex_lock(&e->lock);
	news = e->exited && !e->exit_reported;
	e->exit_reported |= news;
	*out = (struct stop){ .kind = STOP_EXITED, .status = e->exit_status };
	pthread_mutex_unlock(&e->lock);
	return news;
}

/* All that were to park have: they stay so while what follows is done, which takes the hold. */
static bool take_stop(struct engine *e)
{
	bool stopped;

	pthread_mutex_lock(&e->lock);
	stopped = all_have_stopped(e);
	if (stopped) {
		atomic_store(&e->state, ENGINE_STOPPED);
		e->hold_taken = true;
	}
	pthread_mutex_unlock(&e->lock);
	return stopped;
}

bool engine_poll(struct target *t, struct stop *out)
{
	struct engine *e = engine_of(t);

	if (poll_exited(e, out))
		return true;
	if (!take_stop(e))
		return false;
	expire_reads(e);
	breakpoints_withdraw(e->bps);
	take_report(e, out);
	call_vmm(e, true);
	engine_release(t);
	return true;
}
