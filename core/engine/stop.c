// SPDX-License-Identifier: MIT
/* Who runs: parking, kicking, and waiting until all have parked. */
#include <errno.h>

#include "core/engine/state.h"
#include "core/lib/time.h"

enum {
	KICK_AGAIN_MS = 20,   /* a vCPU that has not parked by then is kicked again */
	LATE_MS = 1000,	      /* ... and named in the log after this */
	STOP_LIMIT_MS = 5000, /* who waits for all gives up after this */
};

struct vmgdb_vcpu *vcpu_find(const struct engine *e, unsigned int index)
{
	struct vmgdb_vcpu *v;

	for_each_vcpu(e, v) if (v->index >= index) return v->index == index ? v : NULL;
	return NULL;
}

/* ---- parking ----------------------------------------------------------------------------- */

void vcpu_set_parked(struct vmgdb_vcpu *v)
{
	struct engine *e = v->engine;

	if (vcpu_run_state(v) == RUN_PARKED)
		return;
	atomic_store(&v->run, RUN_PARKED);
	atomic_fetch_sub(&e->unparked, 1);
	if (atomic_load(&e->exclusive))
		vcpu_wake(atomic_load(&e->exclusive));
	if (!atomic_load(&e->unparked))
		pthread_cond_broadcast(&e->quiet);
}

void vcpu_set_unparked(struct vmgdb_vcpu *v)
{
	if (vcpu_run_state(v) != RUN_PARKED)
		return;
	atomic_fetch_add(&v->engine->unparked, 1);
	atomic_store(&v->run, vcpu_next(RUN_PARKED, EV_UNPARK).next);
}

bool others_parked(const struct vmgdb_vcpu *v)
{
	return atomic_load(&v->engine->unparked) == (vcpu_run_state(v) != RUN_PARKED);
}

void vcpu_wake(struct vmgdb_vcpu *v)
{
	atomic_fetch_add(&v->wakeups, 1);
	pthread_cond_signal(&v->wake);
}

void wake_all(struct engine *e)
{
	struct vmgdb_vcpu *v;

	for_each_vcpu(e, v) vcpu_wake(v);
}

void release_exclusive(struct vmgdb_vcpu *v)
{
	struct engine *e = v->engine;

	if (atomic_load(&e->exclusive) != v)
		return;
	pthread_mutex_lock(&e->lock);
	atomic_store(&e->exclusive, NULL);
	pthread_mutex_unlock(&e->lock);
	wake_all(e);
}

/* ---- stopping ---------------------------------------------------------------------------- */

void vcpu_kick(struct vmgdb_vcpu *v)
{
	atomic_store(&v->kicked, true);
	v->ops->kick(v->ctx);
}

void vcpu_clear_kick(struct vmgdb_vcpu *v)
{
	pthread_mutex_lock(&v->engine->lock);
	atomic_store(&v->kicked, false);
	v->ops->clear_kick(v->ctx);
	pthread_mutex_unlock(&v->engine->lock);
}

/* Those that have not parked, but this one (or NULL). */
static void kick_unparked(const struct engine *e, const struct vmgdb_vcpu *but)
{
	struct vmgdb_vcpu *v;

	for_each_vcpu(e, v) if (v != but && vcpu_run_state(v) != RUN_PARKED) vcpu_kick(v);
}

void park_all(struct engine *e, const struct vmgdb_vcpu *but)
{
	struct vmgdb_vcpu *v;

	e->parking_since = e->kicked_at = time_ms();
	e->late_logged = false;
	for_each_vcpu(e, v) atomic_store(&v->gate, GATE_CLOSED);
	kick_unparked(e, but);
}

void request_stop(struct engine *e, const struct vmgdb_vcpu *but)
{
	if (engine_state(e) != ENGINE_RUNNING && engine_state(e) != ENGINE_IDLE)
		return;
	atomic_store(&e->state, ENGINE_STOPPING);
	park_all(e, but);
}

/* The vCPU that others are to park for, and need not park itself; NULL: none. */
static const struct vmgdb_vcpu *excepted(const struct engine *e)
{
	return engine_state(e) == ENGINE_RUNNING ? atomic_load(&e->exclusive) : NULL;
}

bool is_parking(const struct engine *e)
{
	const struct vmgdb_vcpu *but = excepted(e);

	switch (engine_state(e)) {
	case ENGINE_STOPPING: return atomic_load(&e->unparked);
	case ENGINE_RUNNING: return but && !others_parked(but);
	case ENGINE_ENDED:
		return e->down && atomic_load(&e->unparked) &&
		       time_ms() - e->parking_since < STOP_LIMIT_MS;
	default: return false;
	}
}

static bool kick_is_due(struct engine *e, long long now)
{
	bool due = now - e->kicked_at >= KICK_AGAIN_MS;

	if (due)
		e->kicked_at = now;
	return due;
}

static bool log_is_due(struct engine *e, long long now)
{
	bool due = !e->late_logged && now - e->parking_since >= LATE_MS;

	e->late_logged |= due;
	return due;
}

static void log_late(const struct engine *e)
{
	static const char *const seen[] = {
		[SEEN_NEVER] = "before the debugger came",
		[SEEN_ENTERING] = "on its way into the guest",
		[SEEN_EXITING] = "on its way from the guest to the VMM",
	};
	struct vmgdb_vcpu *v;

	for_each_vcpu(e, v) if (vcpu_run_state(v) != RUN_PARKED) engine_log(
		e, VMGDB_LOG_WARNING, "vCPU %u does not stop: its thread was seen last %s",
		v->index, seen[atomic_load(&v->seen)]);
}

int engine_chase_late_vcpus(struct engine *e)
{
	bool stopping, parking, log = false;
	long long now;

	pthread_mutex_lock(&e->lock);
	stopping = engine_state(e) == ENGINE_STOPPING;
	parking = is_parking(e);
	if (parking) {
		now = time_ms();
		if (kick_is_due(e, now))
			kick_unparked(e, excepted(e));
		log = log_is_due(e, now);
	}
	pthread_mutex_unlock(&e->lock);
	if (log)
		log_late(e);
	return parking || stopping ? KICK_AGAIN_MS : -1;
}

void wait_to_chase(struct engine *e, pthread_cond_t *cond)
{
	const struct timespec t = time_in_ms(KICK_AGAIN_MS);
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_cond_timedwait(cond, &e->lock, &t);
	pthread_setcancelstate(state, NULL);
}

int wait_all_parked(struct engine *e)
{
	long long until = time_ms() + STOP_LIMIT_MS;

	while (atomic_load(&e->unparked)) {
		if (engine_state(e) == ENGINE_ENDED)
			return -ESHUTDOWN;
		if (time_ms() >= until)
			return -ETIMEDOUT;
		wait_to_chase(e, &e->quiet);
		pthread_mutex_unlock(&e->lock);
		engine_chase_late_vcpus(e);
		pthread_mutex_lock(&e->lock);
	}
	return engine_state(e) == ENGINE_ENDED ? -ESHUTDOWN : 0;
}

bool all_have_stopped(const struct engine *e)
{
	return engine_state(e) == ENGINE_STOPPING && !atomic_load(&e->unparked);
}

static bool has_stopped(const void *engine)
{
	return all_have_stopped(engine);
}

bool engine_await_step(struct engine *e)
{
	bool stopped;

	if (!atomic_load(&e->step_only) || engine_state(e) == ENGINE_STOPPED)
		return false;
	atomic_store(&e->awaited, true);
	stopped = spin_until(&e->spin, has_stopped, e);
	atomic_store(&e->awaited, false);
	return stopped || all_have_stopped(e); /* who parked just now gave no notice */
}

bool engine_is_stepped(const struct engine *e)
{
	return atomic_load(&e->step_only);
}

void engine_notify(struct engine *e)
{
	if (e->notify)
		e->notify(e->notify_opaque);
}

/* The server thread needs no notice while it waits for that, nor of what it has done itself. */
void notify_if_stopped(struct engine *e)
{
	if (all_have_stopped(e) && !atomic_load(&e->awaited))
		engine_notify(e);
}
