// SPDX-License-Identifier: MIT
/* What a vCPU's thread does when it comes by: the gate before the guest, and the exits. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/engine/engine.h"

enum {
	KICK_AGAIN_MS = 20,    /* a vCPU that has not parked by then is kicked again */
	QUIET_LIMIT_MS = 5000, /* ... and given up after this */
};

void engine_log(const struct engine *e, enum vmgdb_log_level level, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	if (!e->config.log)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	e->config.log(e->config.opaque, level, line);
}

/* ---- who is where ------------------------------------------------------------------------ */

struct vmgdb_vcpu *engine_vcpu(const struct engine *e, unsigned int index)
{
	unsigned int i;

	for (i = 0; i < e->nvcpus && e->vcpus[i]->index <= index; i++)
		if (e->vcpus[i]->index == index)
			return e->vcpus[i];
	return NULL;
}

/* A vCPU whose thread has not come yet can't run either: it parks when it comes. */
static bool all_parked_but(const struct engine *e, const struct vmgdb_vcpu *but)
{
	unsigned int i;

	for (i = 0; i < e->nvcpus; i++)
		if (e->vcpus[i] != but && e->vcpus[i]->started && !e->vcpus[i]->parked)
			return false;
	return true;
}

bool engine_is_quiet(const struct engine *e)
{
	return all_parked_but(e, NULL);
}

static void kick_all_but(const struct engine *e, const struct vmgdb_vcpu *but)
{
	unsigned int i;

	for (i = 0; i < e->nvcpus; i++)
		if (e->vcpus[i] != but && e->vcpus[i]->started && !e->vcpus[i]->parked)
			e->vcpus[i]->ops->kick(e->vcpus[i]->ctx);
}

void engine_wake_all(const struct engine *e)
{
	unsigned int i;

	for (i = 0; i < e->nvcpus; i++)
		pthread_cond_signal(&e->vcpus[i]->wake);
}

void engine_tell_if_quiet(struct engine *e)
{
	if (!engine_is_quiet(e))
		return;
	pthread_cond_broadcast(&e->quiet);
	if (e->stop_wanted && e->notify)
		e->notify(e->notify_opaque);
}

void engine_want_stop_but(struct engine *e, const struct vmgdb_vcpu *but)
{
	if (!e->stop_wanted)
		kick_all_but(e, but);
	e->stop_wanted = true;
}

void engine_want_stop(struct engine *e)
{
	engine_want_stop_but(e, NULL);
	engine_tell_if_quiet(e);
}

static struct timespec in_ms(long ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	return t;
}

int engine_wait_quiet(struct engine *e)
{
	int tries = QUIET_LIMIT_MS / KICK_AGAIN_MS;
	struct timespec t;

	while (!engine_is_quiet(e)) {
		if (e->exited || e->down)
			return -ESHUTDOWN;
		if (!tries--)
			return -ETIMEDOUT;
		kick_all_but(e, NULL);
		t = in_ms(KICK_AGAIN_MS);
		pthread_cond_timedwait(&e->quiet, &e->lock, &t);
	}
	return 0;
}

void engine_set_mode(struct engine *e, enum engine_mode mode)
{
	unsigned int i;

	e->mode = mode;
	e->stop_wanted = false;
	if (mode != ENGINE_STOPPED)
		e->over = NULL;
	for (i = 0; i < e->nvcpus; i++)
		atomic_store(&e->vcpus[i]->attn, true);
	if (mode == ENGINE_STOPPED)
		kick_all_but(e, NULL);
	else
		engine_wake_all(e);
}

/* ---- the gate before the guest ----------------------------------------------------------- */

enum gate { GATE_GO, GATE_WAIT, GATE_DOWN };

/* A halted vCPU changes no memory until its interrupt comes: nobody is held for it. */
static bool must_be_alone(const struct vmgdb_vcpu *v)
{
	return v->over || (v->engine->soft.n && !vcpu_is_halted(v));
}

/*
 * Breakpoints are stepped over one vCPU at a time, with all others parked; so are all steps while
 * memory is watched by comparing, so that it is known who wrote.
 */
static enum gate over_gate(struct vmgdb_vcpu *v)
{
	struct engine *e = v->engine;

	if (e->over && e->over != v)
		return GATE_WAIT;
	if (!must_be_alone(v))
		return GATE_GO;
	if (!e->over) {
		e->over = v;
		kick_all_but(e, v);
	}
	return all_parked_but(e, v) ? GATE_GO : GATE_WAIT;
}

/* What keeps a vCPU from going on, but for breakpoints to be stepped over. */
static enum gate stop_gate(const struct vmgdb_vcpu *v)
{
	const struct engine *e = v->engine;

	if (e->down)
		return GATE_DOWN;
	if (e->mode == ENGINE_IDLE)
		return e->held ? GATE_WAIT : GATE_GO;
	if (e->mode == ENGINE_STOPPED || e->stop_wanted)
		return GATE_WAIT;
	return v->event.kind || v->action.kind == RESUME_HOLD ? GATE_WAIT : GATE_GO;
}

static enum gate gate(struct vmgdb_vcpu *v)
{
	enum gate g = stop_gate(v);

	return g == GATE_GO && v->engine->mode == ENGINE_RUNNING ? over_gate(v) : g;
}

/* Wait until something has changed. The step that was under way is off. */
static void park(struct vmgdb_vcpu *v)
{
	struct engine *e = v->engine;

	if (!v->parked) {
		if (vcpu_end_step(v, false))
			vcpu_step_done(v);
		else
			vcpu_soft_event(v);
		v->parked = true;
		if (e->over && e->over != v)
			pthread_cond_signal(&e->over->wake);
		engine_tell_if_quiet(e);
	}
	pthread_cond_wait(&v->wake, &e->lock);
}

/* What keeps the vCPU from entering is told as a stop, not lost. */
static void arm_failed(struct vmgdb_vcpu *v, const char *what, int err)
{
	const struct stop event = { .kind = STOP_FATAL, .text = what };

	engine_log(v->engine, VMGDB_LOG_ERROR, "vCPU %u: %s: %s", v->index, what, strerror(-err));
	vcpu_end_step(v, false);
	vcpu_set_event(v, &event);
}

/* Leave for the guest. False: not now after all, look at the gate again. */
static bool leave(struct vmgdb_vcpu *v)
{
	struct engine *e = v->engine;
	int ret;

	if (e->mode == ENGINE_IDLE)
		vcpu_end_step(v, false); /* of a debugger that did not wait for it */
	else if (vcpu_must_step(v) && !v->stepping && !vcpu_begin_step(v))
		return false;
	vcpu_make_wish(v);
	ret = vcpu_state_flush(v);
	if (ret && e->mode == ENGINE_RUNNING) {
		arm_failed(v, "changed registers are refused", ret);
		return false;
	}
	ret = v->ops->arm(v->ctx, &v->control);
	if (ret && e->mode == ENGINE_RUNNING) {
		arm_failed(v, "debug registers are refused", ret);
		return false;
	}
	v->parked = v->afresh = false;
	if (!v->stepping)
		v->met = v->watched = false;
	vcpu_state_forget(v);
	v->ops->clear_kick(v->ctx);
	if (e->mode == ENGINE_IDLE)
		atomic_store(&v->attn, false);
	return true;
}

/* 0 when the vCPU may enter, -ESHUTDOWN when it must not any more. */
static int come_by(struct vmgdb_vcpu *v)
{
	enum gate g;

	v->started = true;
	while ((g = gate(v)) != GATE_DOWN) {
		/* in a step too: what is completed may be all of it */
		if ((g == GATE_WAIT ? !v->parked : v->stepping) &&
		    v->ops->needs_completion(v->ctx)) {
			v->ops->kick(v->ctx);
			return 0;
		}
		if (g == GATE_GO && leave(v))
			return 0;
		if (g == GATE_WAIT)
			park(v);
	}
	v->parked = true;
	engine_tell_if_quiet(v->engine);
	return -ESHUTDOWN;
}

int vmgdb_vcpu_enter(struct vmgdb_vcpu *v)
{
	int ret;

	if (!atomic_load_explicit(&v->attn, memory_order_acquire))
		return 0;
	pthread_mutex_lock(&v->engine->lock);
	ret = come_by(v);
	pthread_mutex_unlock(&v->engine->lock);
	return ret;
}

static void fatal_event(struct vmgdb_vcpu *v, const struct trap *t)
{
	const struct stop event = {
		.kind = t->kind & TRAP_FATAL ? STOP_FATAL : STOP_EVENT,
		.text = t->text,
	};

	vcpu_set_event(v, &event);
}

static bool is_told(const struct engine *e, const struct trap *t)
{
	return t->kind & TRAP_FATAL || e->options[OPTION_STOP_ON_RESET];
}

static void wait_told(struct vmgdb_vcpu *v, const struct trap *t)
{
	fatal_event(v, t);
	while (stop_gate(v) == GATE_WAIT)
		park(v);
	v->parked = v->engine->down;
}

/*
 * An exit that ends the VM, or can't be gone on from: the debugger sees it while the vCPU waits
 * here, and then the VMM gets to see it too.
 */
static bool hold_fatal(struct vmgdb_vcpu *v, const struct trap *t)
{
	const struct engine *e = v->engine;

	if (e->mode == ENGINE_IDLE)
		return false;
	vcpu_end_step(v, false);
	if (is_told(e, t))
		wait_told(v, t);
	else
		vcpu_soft_event(v);
	if (vcpu_state_flush(v))
		engine_log(e, VMGDB_LOG_ERROR, "vCPU %u: changed registers are refused", v->index);
	vcpu_state_forget(v); /* the VMM may reset it now */
	vcpu_look_afresh(v);
	return false;
}

static bool look_at_exit(struct vmgdb_vcpu *v)
{
	struct trap t = { 0 };

	vcpu_state_forget(v);
	v->ops->classify(v->ctx, &t);
	if (!(t.kind & ~(unsigned int)TRAP_INTERRUPTED))
		return false;
	if (t.kind & (TRAP_FATAL | TRAP_EVENT))
		return hold_fatal(v, &t);
	if (v->engine->mode == ENGINE_RUNNING)
		vcpu_handle_trap(v, &t);
	return true;
}

bool vmgdb_vcpu_exit(struct vmgdb_vcpu *v)
{
	bool ours;

	if (!atomic_load_explicit(&v->attn, memory_order_acquire))
		return false;
	pthread_mutex_lock(&v->engine->lock);
	ours = look_at_exit(v);
	pthread_mutex_unlock(&v->engine->lock);
	return ours;
}

void vmgdb_vcpu_event(struct vmgdb_vcpu *v, const char *reason)
{
	const struct trap t = { .kind = TRAP_EVENT, .text = reason };

	if (!atomic_load_explicit(&v->attn, memory_order_acquire))
		return;
	pthread_mutex_lock(&v->engine->lock);
	vcpu_state_forget(v);
	hold_fatal(v, &t);
	pthread_mutex_unlock(&v->engine->lock);
}
