// SPDX-License-Identifier: MIT
/* What a vCPU's thread does before and after each entry into the guest. */
#include <errno.h>
#include <string.h>

#include "core/engine/state.h"

/* ---- permission ---------------------------------------------------------------------------- */

enum permission { MAY_GO, MUST_WAIT, MUST_LEAVE };

static enum permission running_permission(const struct vmgdb_vcpu *v)
{
	const struct engine *e = v->engine;

	if (v->pending.kind || !action_runs(&v->action))
		return MUST_WAIT;
	if (atomic_load(&e->exclusive) == v)
		return others_parked(v) ? MAY_GO : MUST_WAIT;
	return atomic_load(&e->exclusive) ? MUST_WAIT : MAY_GO;
}

/* Under the lock. While the server thread has the hold nobody leaves, not even at the end. */
static enum permission permission(const struct vmgdb_vcpu *v)
{
	const struct engine *e = v->engine;

	if (e->down)
		return e->hold_taken ? MUST_WAIT : MUST_LEAVE;
	switch (engine_state(e)) {
	case ENGINE_IDLE: return e->vm_held ? MUST_WAIT : MAY_GO;
	case ENGINE_RUNNING: return running_permission(v);
	case ENGINE_ENDED:
		return vcpu_run_state(v) == RUN_PARKED || v->pending.kind ? MUST_WAIT : MAY_GO;
	default: return MUST_WAIT;
	}
}

static void open_gate(struct vmgdb_vcpu *v)
{
	if (atomic_load(&v->kicked))
		return;
	switch (engine_state(v->engine)) {
	case ENGINE_IDLE: atomic_store(&v->gate, GATE_OPEN); break;
	case ENGINE_RUNNING: atomic_store(&v->gate, GATE_EXITS); break;
	default: break;
	}
}

/*
 * May it enter the guest? Then its state is its own thread's from here on, and the gate is open: whoever
 * closes it after this also kicks, so that the entry comes back.
 */
static enum permission ask(struct vmgdb_vcpu *v)
{
	enum permission p;

	pthread_mutex_lock(&v->engine->lock);
	p = permission(v);
	if (p == MAY_GO) {
		if (vcpu_run_state(v) == RUN_PARKED)
			read_ahead_expire(&v->reads); /* others may have run */
		vcpu_set_unparked(v);
		open_gate(v);
	} else if (p == MUST_LEAVE) {
		vcpu_set_parked(v);
	}
	pthread_mutex_unlock(&v->engine->lock);
	return p;
}

/* ---- waiting ------------------------------------------------------------------------------- */

struct turn {
	const struct vmgdb_vcpu *vcpu;
	unsigned int wakeups;
};

static bool was_woken(const void *opaque)
{
	const struct turn *t = opaque;

	return atomic_load(&t->vcpu->wakeups) != t->wakeups;
}

/* A debugger that steps is likely to step again at once. */
static bool may_spin(const struct vmgdb_vcpu *v)
{
	return v->nsteps && atomic_load(&v->engine->step_only);
}

static void unlock(void *engine)
{
	pthread_mutex_unlock(&((struct engine *)engine)->lock);
}

/* The VMM may cancel the thread here: then it ends without the lock. */
static void wait_for_wake(struct vmgdb_vcpu *v, bool chases)
{
	struct engine *e = v->engine;

	pthread_cleanup_push(unlock, e);
	if (chases) {
		wait_to_chase(e, &v->wake);
		pthread_testcancel();
	} else {
		pthread_cond_wait(&v->wake, &e->lock);
	}
	pthread_cleanup_pop(false);
}

static void sleep_until_allowed(struct vmgdb_vcpu *v)
{
	struct engine *e = v->engine;
	bool chases;

	pthread_mutex_lock(&e->lock);
	while (permission(v) == MUST_WAIT) {
		chases = is_parking(e);
		wait_for_wake(v, chases);
		if (!chases)
			continue;
		pthread_mutex_unlock(&e->lock);
		engine_chase_late_vcpus(e);
		pthread_mutex_lock(&e->lock);
	}
	pthread_mutex_unlock(&e->lock);
}

/* Park until something has changed. */
static void park(struct vmgdb_vcpu *v)
{
	struct engine *e = v->engine;
	struct turn turn = { v, 0 };
	bool spins = may_spin(v);

	pthread_mutex_lock(&e->lock);
	turn.wakeups = atomic_load(&v->wakeups);
	vcpu_set_parked(v);
	pthread_mutex_unlock(&e->lock);
	notify_if_stopped(e);
	if (spins)
		spin_until(&v->spin, was_woken, &turn);
	sleep_until_allowed(v);
}

static void wait_turn(struct vmgdb_vcpu *v)
{
	if (vcpu_run_state(v) != RUN_PARKED) {
		vcpu_cut_step(v);
		vcpu_take(v, EV_WAIT);
	}
	park(v);
}

/* ---- stepping alone ------------------------------------------------------------------------- */

/*
 * A location is stepped over with all other vCPUs parked; so is every step while memory is watched by
 * comparing, so that it is known who wrote. A halted vCPU writes nothing until its interrupt comes.
 */
static bool needs_exclusive(const struct vmgdb_vcpu *v, enum vcpu_event ev)
{
	if (ev == EV_GO_ON && vcpu_run_state(v) == RUN_STEP_OVER)
		return true;
	return ev == EV_GO_OVER || (breakpoints_by_steps(v->engine->bps) && !vcpu_halted(v));
}

/* False: not yet; the vCPU is to ask again. */
static bool take_exclusive(struct vmgdb_vcpu *v)
{
	struct engine *e = v->engine;
	bool ok;

	pthread_mutex_lock(&e->lock);
	if (!atomic_load(&e->exclusive) && engine_state(e) == ENGINE_RUNNING) {
		atomic_store(&e->exclusive, v);
		park_all(e, v);
	}
	ok = permission(v) == MAY_GO && atomic_load(&e->exclusive) == v;
	pthread_mutex_unlock(&e->lock);
	return ok;
}

/* ---- entering ------------------------------------------------------------------------------- */

/* What keeps the vCPU from entering is a stop to report. */
static bool can_not_enter(struct vmgdb_vcpu *v, const char *what, int err)
{
	const struct stop stop = { .kind = STOP_FATAL, .text = what };

	engine_log(v->engine, VMGDB_LOG_ERROR, "vCPU %u: %s: %s", v->index, what, strerror(-err));
	vcpu_cut_step(v);
	vcpu_report(v, &stop);
	return false;
}

static bool enter_guest(struct vmgdb_vcpu *v)
{
	int ret = vcpu_state_flush(v);

	if (ret && engine_state(v->engine) != ENGINE_IDLE)
		return can_not_enter(v, "changed registers are refused", ret);
	ret = v->ops->arm(v->ctx, &v->control);
	if (ret && engine_state(v->engine) != ENGINE_IDLE)
		return can_not_enter(v, "debug registers are refused", ret);
	vcpu_state_forget(v);
	if (vcpu_run_state(v) != RUN_GUEST)
		atomic_store(&v->gate, GATE_CLOSED);
	atomic_store_explicit(&v->seen,
			      engine_state(v->engine) == ENGINE_IDLE ? SEEN_NEVER : SEEN_ENTERING,
			      memory_order_relaxed);
	return true;
}

static bool go_detached(struct vmgdb_vcpu *v)
{
	if (run_is_step(vcpu_run_state(v)))
		vcpu_end_step(v, false); /* of a debugger that did not wait for it */
	vcpu_take(v, EV_GO_DETACHED);
	v->control = (struct debug_control){ 0 };
	return enter_guest(v);
}

/* Breakpoints may still be in guest memory: one that is hit parks the vCPU. */
static bool go_to_the_end(struct vmgdb_vcpu *v)
{
	vcpu_make_control(v, true);
	return enter_guest(v);
}

static enum vcpu_event plan(struct vmgdb_vcpu *v, uint64_t *addr)
{
	bool must_step = vcpu_must_step(v);

	if (v->pc == PC_UNCHECKED && !must_step)
		return EV_GO_FREE;
	if (v->pc == PC_UNCHECKED)
		vcpu_insert_breakpoints(v);
	if (vcpu_code(v, addr))
		return must_step ? EV_GO_STEP : EV_GO_FREE;
	return vcpu_plan(vcpu_pc_status(v, *addr), vcpu_content(v, *addr), must_step);
}

/* False: not now after all; the vCPU is to ask again. */
static bool go(struct vmgdb_vcpu *v)
{
	enum vcpu_event ev = EV_GO_ON;
	uint64_t addr;

	if (!run_is_step(vcpu_run_state(v)))
		ev = plan(v, &addr);
	if (ev == EV_HIT) {
		vcpu_hit_here(v, addr);
		return false;
	}
	if (!needs_exclusive(v, ev))
		release_exclusive(v);
	else if (!take_exclusive(v))
		return false;
	if (vcpu_take(v, ev) & ACT_BEGIN_STEP && !vcpu_begin_step(v)) {
		if (vcpu_end_step(v, v->plan.emulated))
			vcpu_step_done(v);
		return false;
	}
	vcpu_make_control(v, ev == EV_GO_ON);
	return enter_guest(v);
}

static bool is_detached(const struct engine *e)
{
	return engine_state(e) == ENGINE_IDLE || engine_state(e) == ENGINE_ENDED;
}

/* An exit that is half done (port I/O, MMIO) is completed before the vCPU waits; and in a step, because
 * what is completed may have been all of it, and an entry would take the next instruction along. */
static bool completes_exit(struct vmgdb_vcpu *v, enum permission p)
{
	enum run_state run = vcpu_run_state(v);

	if (p == MUST_WAIT ? run == RUN_PARKED : !run_is_step(run))
		return false;
	if (!v->ops->needs_completion(v->ctx))
		return false;
	vcpu_take(v, EV_INCOMPLETE);
	vcpu_state_forget(v);
	atomic_store(&v->gate, GATE_CLOSED);
	return true;
}

/* The thread's own way in; true: it may enter the guest. */
static bool take_turn(struct vmgdb_vcpu *v, enum permission p)
{
	if (completes_exit(v, p))
		return true;
	if (p == MUST_WAIT) {
		wait_turn(v);
		return false;
	}
	switch (engine_state(v->engine)) {
	case ENGINE_IDLE: return go_detached(v);
	case ENGINE_ENDED: return go_to_the_end(v);
	default: return go(v);
	}
}

int vmgdb_vcpu_enter(struct vmgdb_vcpu *v)
{
	enum permission p;

	switch (atomic_load_explicit(&v->gate, memory_order_acquire)) {
	case GATE_OPEN: return 0;
	case GATE_EXITS:
		atomic_store_explicit(&v->seen, SEEN_ENTERING, memory_order_relaxed);
		return 0;
	default: break;
	}
	vcpu_note_thread(v);
	while ((p = ask(v)) != MUST_LEAVE)
		if (take_turn(v, p))
			return 0;
	return -ESHUTDOWN;
}

/* ---- exits ---------------------------------------------------------------------------------- */

static bool is_reported(const struct engine *e, const struct trap *t)
{
	return t->kind & TRAP_FATAL || atomic_load(&e->options[OPTION_STOP_ON_RESET]);
}

static void report_end(struct vmgdb_vcpu *v, const struct trap *t)
{
	const struct stop stop = {
		.kind = t->kind & TRAP_FATAL ? STOP_FATAL : STOP_EVENT,
		.text = t->text,
	};

	if (vcpu_take(v, EV_FATAL) & ACT_REPORT)
		vcpu_report(v, &stop);
}

/* Wait here until the debugger has seen it, and lets the vCPU go on. */
static void report_and_wait(struct vmgdb_vcpu *v, const struct trap *t)
{
	enum permission p;

	report_end(v, t);
	while ((p = ask(v)) == MUST_WAIT)
		wait_turn(v);
	atomic_store(&v->gate, GATE_CLOSED);
}

/*
 * An exit that ends the VM, or that can't be gone on from: the debugger sees it while the vCPU waits
 * here, and then the VMM gets it too. What the VMM makes of it (a reset, another PC) is unchecked.
 */
static void hold_fatal(struct vmgdb_vcpu *v, const struct trap *t)
{
	struct engine *e = v->engine;

	if (is_detached(e))
		return;
	vcpu_cut_step(v);
	if (is_reported(e, t))
		report_and_wait(v, t);
	if (vcpu_state_flush(v))
		engine_log(e, VMGDB_LOG_ERROR, "vCPU %u: changed registers are refused", v->index);
	vcpu_state_forget(v);
	v->pc = PC_UNCHECKED;
}

/* True: it was the debugger's. */
static bool handle_exit(struct vmgdb_vcpu *v, const struct trap *t)
{
	atomic_store(&v->gate, GATE_CLOSED);
	if (t->kind & (TRAP_FATAL | TRAP_EVENT)) {
		hold_fatal(v, t);
		return false;
	}
	if (engine_state(v->engine) == ENGINE_ENDED)
		vcpu_report(v, &(struct stop){ .kind = STOP_EVENT }); /* it goes nowhere any more */
	else if (!is_detached(v->engine))
		vcpu_handle_trap(v, t);
	return true;
}

static bool check_exit(struct vmgdb_vcpu *v, unsigned int gate)
{
	struct trap t = { 0 };

	atomic_store_explicit(&v->seen, SEEN_EXITING, memory_order_relaxed);
	v->ops->classify(v->ctx, &t);
	if (t.kind & ~(unsigned int)TRAP_INTERRUPTED)
		return handle_exit(v, &t);
	if (gate == GATE_CLOSED && vcpu_run_state(v) != RUN_PARKED)
		vcpu_take(v, t.kind & TRAP_INTERRUPTED ? EV_INTERRUPTED : EV_EXIT);
	return false;
}

bool vmgdb_vcpu_exit(struct vmgdb_vcpu *v)
{
	unsigned int gate = atomic_load_explicit(&v->gate, memory_order_acquire);
	int err = errno;
	bool ours;

	if (gate == GATE_OPEN)
		return false;
	ours = check_exit(v, gate);
	errno = err;
	return ours;
}

void vmgdb_vcpu_event(struct vmgdb_vcpu *v, const char *reason)
{
	const struct trap t = { .kind = TRAP_EVENT, .text = reason };

	if (atomic_load_explicit(&v->gate, memory_order_acquire) != GATE_OPEN)
		handle_exit(v, &t);
}

void vmgdb_vcpu_event_nowait(struct vmgdb_vcpu *v, const char *reason)
{
	const struct trap t = { .kind = TRAP_EVENT, .text = reason };

	if (atomic_load_explicit(&v->gate, memory_order_acquire) == GATE_OPEN ||
	    is_detached(v->engine) || !is_reported(v->engine, &t))
		return;
	atomic_store(&v->gate, GATE_CLOSED);
	vcpu_cut_step(v);
	report_end(v, &t);
}
