// SPDX-License-Identifier: MIT
/* Run control as a session asks for it: resume, stop, come and go. */
#include <errno.h>

#include "core/engine/engine.h"

/* ---- resuming ---------------------------------------------------------------------------- */

static bool is_armed(const struct engine *e, enum bp_type type, enum hw_kind kind, uint64_t addr)
{
	const struct armed *a = e->hw.armed;
	unsigned int i;

	for (i = 0; i < e->hw.narmed; i++, a++)
		if (a->type == type && a->slot.kind == kind && a->addr == addr)
			return true;
	return false;
}

static bool is_watched(const struct engine *e, const struct stop *s)
{
	return (s->watch == HW_WRITE && soft_watchpoint_find(&e->soft, s->addr)) ||
	       is_armed(e, BP_WRITE, s->watch, s->addr) ||
	       is_armed(e, BP_READ, s->watch, s->addr) || is_armed(e, BP_ACCESS, s->watch, s->addr);
}

/* The debugger may have moved it. */
static bool is_at(struct vmgdb_vcpu *v, uint64_t addr)
{
	uint64_t pc;

	return !vcpu_code(v, &pc) && pc == addr;
}

/* Of an access that is yet to be made. */
static bool is_before(const struct vmgdb_vcpu *v)
{
	return v->view.cpu->watch_before && v->watched;
}

/* What was not told yet: does it still hold, now that the debugger may have changed all? */
static bool still_true(struct vmgdb_vcpu *v)
{
	const struct engine *e = v->engine;
	const struct stop *s = &v->event;

	switch (s->kind) {
	case STOP_SWBREAK: return is_at(v, s->addr) && points_find(&e->points, s->addr);
	case STOP_HWBREAK: return is_at(v, s->addr) && is_armed(e, BP_HARDWARE, HW_EXEC, s->addr);
	case STOP_WATCH: return is_watched(e, s) && (!is_before(v) || is_at(v, v->watched_at));
	case STOP_FATAL:
	case STOP_EVENT: return true;
	default: return false; /* a step that nobody waits for any more */
	}
}

/* It does what its action says from here on. */
static void let_go(struct vmgdb_vcpu *v)
{
	if (v->action.kind == RESUME_HOLD)
		return;
	if (v->event.kind && !still_true(v))
		v->event.kind = STOP_NONE;
	if (!v->event.kind)
		vcpu_look_at_pc(v);
}

static bool untold(const struct engine *e)
{
	unsigned int i;

	for (i = 0; i < e->nvcpus; i++)
		if (e->vcpus[i]->event.kind && e->vcpus[i]->action.kind != RESUME_HOLD)
			return true;
	return false;
}

/* Steps alone leave the breakpoints unverified: the guest may have written over one since. */
static void commit(struct engine *e, bool free_run)
{
	if (e->ran && free_run)
		points_verify(&e->points);
	if (points_commit(&e->points))
		engine_log(e, VMGDB_LOG_ERROR, "out of memory: a breakpoint is not set");
	hw_breakpoints_commit(&e->hw, &e->points);
	soft_watchpoint_commit(&e->soft);
	e->ran = true;
	e->ran_free = free_run;
}

/* Each vCPU's action: both lists are by ascending index. */
static bool choose_actions(struct engine *e, const struct resume_action *actions, unsigned int n)
{
	const struct resume_action *a = actions, *end = actions + n;
	bool free_run = false;
	unsigned int i;

	for (i = 0; i < e->nvcpus; i++) {
		struct vmgdb_vcpu *v = e->vcpus[i];

		while (a < end && a->vcpu < v->index)
			a++;
		v->action = a < end && a->vcpu == v->index ? *a : e->rest;
		free_run |= action_is_free(&v->action);
	}
	return free_run;
}

static void resume(struct engine *e, const struct resume_action *actions, unsigned int n)
{
	unsigned int i;

	commit(e, choose_actions(e, actions, n));
	for (i = 0; i < e->nvcpus; i++)
		let_go(e->vcpus[i]);
	engine_keep_change(e);
	e->held = false;
	engine_set_mode(e, ENGINE_RUNNING);
	if (untold(e))
		engine_want_stop(e);
}

/* The VMM hears of stops and resumes in turns. */
static void tell_vmm(struct engine *e, bool stopped)
{
	void (*what)(void *opaque) = stopped ? e->config.stopped : e->config.resumed;

	if (e->vmm_stopped == stopped)
		return;
	e->vmm_stopped = stopped;
	if (what)
		what(e->config.opaque);
}

int engine_resume(struct target *t, const struct resume_action *actions, unsigned int n,
		  const struct resume_action *rest)
{
	struct engine *e = engine_of(t);

	tell_vmm(e, false);
	pthread_mutex_lock(&e->lock);
	e->rest = *rest;
	resume(e, actions, n);
	pthread_mutex_unlock(&e->lock);
	return 0;
}

void engine_interrupt(struct target *t)
{
	struct engine *e = engine_of(t);

	pthread_mutex_lock(&e->lock);
	if (e->mode == ENGINE_RUNNING)
		engine_want_stop(e);
	pthread_mutex_unlock(&e->lock);
}

/* The vCPU whose event came first, of those that were to run. */
static struct vmgdb_vcpu *first_event(const struct engine *e)
{
	struct vmgdb_vcpu *first = NULL;
	unsigned int i;

	for (i = 0; i < e->nvcpus; i++) {
		struct vmgdb_vcpu *v = e->vcpus[i];

		if (v->event.kind && v->action.kind != RESUME_HOLD &&
		    (!first || v->event_seq < first->event_seq))
			first = v;
	}
	return first;
}

static struct vmgdb_vcpu *current_vcpu(const struct engine *e)
{
	struct vmgdb_vcpu *v = engine_vcpu(e, e->current);

	return v || !e->nvcpus ? v : e->vcpus[0];
}

static void take_event(struct engine *e, struct stop *out)
{
	struct vmgdb_vcpu *v = first_event(e);

	if (v) {
		*out = v->event;
		v->event.kind = STOP_NONE;
	} else {
		v = current_vcpu(e);
		*out = (struct stop){ .kind = STOP_INTERRUPT, .vcpu = v ? v->index : 0 };
	}
	e->current = out->vcpu;
	if (v)
		vcpu_meet(v);
}

static void stopped(struct engine *e)
{
	engine_set_mode(e, ENGINE_STOPPED);
	if (!e->ran_free)
		return;
	points_verify(&e->points);
	e->ran = false;
}

static bool poll_exited(struct engine *e, struct stop *out)
{
	if (!e->exited || e->exit_told)
		return false;
	e->exit_told = true;
	*out = (struct stop){ .kind = STOP_EXITED, .status = e->exit_status };
	return true;
}

bool engine_poll(struct target *t, struct stop *out)
{
	struct engine *e = engine_of(t);
	bool stop, any;

	pthread_mutex_lock(&e->lock);
	any = poll_exited(e, out);
	stop = !any && e->mode == ENGINE_RUNNING && e->stop_wanted && engine_is_quiet(e);
	if (stop) {
		stopped(e);
		take_event(e, out);
	}
	pthread_mutex_unlock(&e->lock);
	if (stop)
		tell_vmm(e, true);
	return any || stop;
}

/* ---- coming and going -------------------------------------------------------------------- */

static int attach(struct engine *e)
{
	int ret;

	if (e->attached)
		return -EBUSY;
	e->attached = true;
	engine_set_mode(e, ENGINE_STOPPED);
	ret = engine_wait_quiet(e);
	if (ret) {
		e->attached = false;
		engine_set_mode(e, ENGINE_IDLE);
	} else if (e->nvcpus) {
		e->current = e->vcpus[0]->index;
		vcpu_meet(e->vcpus[0]);
	}
	return ret;
}

int engine_attach(struct target *t, struct stop *stop)
{
	struct engine *e = engine_of(t);
	int ret;

	pthread_mutex_lock(&e->lock);
	ret = attach(e);
	*stop = (struct stop){ .vcpu = e->current };
	pthread_mutex_unlock(&e->lock);
	if (!ret)
		tell_vmm(e, true);
	return ret;
}

static void clear_all(struct engine *e)
{
	unsigned int i;

	points_remove_all(&e->points);
	hw_breakpoints_remove_all(&e->hw);
	soft_watchpoint_remove_all(&e->soft);
	e->writer = NULL;
	points_commit(&e->points);
	hw_breakpoints_commit(&e->hw, &e->points);
	for (i = 0; i < e->nvcpus; i++) {
		e->vcpus[i]->event.kind = STOP_NONE;
		e->vcpus[i]->met = e->vcpus[i]->watched = false; /* the next one was not told */
		e->vcpus[i]->lifted = NULL; /* of one that does not stop: it is gone now */
	}
}

static void detach(struct engine *e, enum detach_how how)
{
	if (e->mode == ENGINE_RUNNING)
		engine_set_mode(e, ENGINE_STOPPED);
	if (engine_wait_quiet(e) == -ETIMEDOUT)
		engine_log(e, VMGDB_LOG_ERROR, "a vCPU does not stop; breakpoints go regardless");
	clear_all(e);
	e->attached = false;
	e->held = how == DETACH_STAY;
	engine_set_mode(e, ENGINE_IDLE);
}

bool engine_held(struct engine *e)
{
	bool held;

	pthread_mutex_lock(&e->lock);
	held = e->held;
	pthread_mutex_unlock(&e->lock);
	return held;
}

void engine_detach(struct target *t, enum detach_how how)
{
	struct engine *e = engine_of(t);

	if (how == DETACH_AS_FOUND)
		how = engine_held(e) ? DETACH_STAY : DETACH_RUN;
	if (how == DETACH_RUN)
		tell_vmm(e, false);
	pthread_mutex_lock(&e->lock);
	detach(e, how);
	pthread_mutex_unlock(&e->lock);
	if (how == DETACH_STAY)
		tell_vmm(e, true);
}

void engine_renew(struct target *t)
{
	struct engine *e = engine_of(t);

	pthread_mutex_lock(&e->lock);
	clear_all(e);
	pthread_mutex_unlock(&e->lock);
}

int engine_kill(struct target *t)
{
	struct engine *e = engine_of(t);

	if (!e->config.kill)
		return -EOPNOTSUPP;
	e->config.kill(e->config.opaque);
	return 0;
}
